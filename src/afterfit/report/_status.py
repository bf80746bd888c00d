"""What a store is doing, as lines for a terminal."""

import math
from collections.abc import Sequence

from ..store import RunEntry, StoreStatus
from ._labels import printable, told_apart


_LISTED = 8


def describe_status(status: StoreStatus) -> str:
    """Runs by outcome, then each process at work and what was interrupted."""
    total = sum(status.counts.values())
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(status.counts.items()) if count)
    lines = [f"{_count(total, 'run')} stored" + (f": {outcomes}" if outcomes else "")]
    if status.outdated:
        lines.append(
            f"{status.outdated} in another results version; they are shown, and run again when asked for"
        )
    if status.trunks:
        lines.append(f"{_count(status.trunks, 'trunk')} of forks beside them, which no report shows")
    for session in status.sessions:
        lines.append(f"training since {session.since} (process {session.pid} on {session.host}):")
        trunks = sum(bool(live.recipe.get("trunk")) for live in session.live.values())
        beside = f", {_count(trunks, 'trunk')} of forks among them" if trunks else ""
        lines.append(f"  {len(session.live)} running, {len(session.waiting)} waiting{beside}")
        speed, left = session.progress.get("steps_per_second"), session.progress.get("seconds_left")
        if speed:
            lines.append(
                f"  {speed:,.0f} steps/s" + (f", {left:,.0f} s left" if left and math.isfinite(left) else "")
            )
        for live in list(session.live.values())[:8]:
            if len(live.steps):
                accuracy = " and ".join(
                    f"{live.values[f'{s}_accuracy'][-1]:.0%} {s}" for s in ("train", "test")
                )
                lines.append(f"  {live.run}: step {int(live.steps[-1]):,}, accuracy {accuracy}")
        if len(session.live) > 8:
            lines.append(f"  ... and {len(session.live) - 8} more")
    if status.interrupted:
        lines.append(
            f"{len(status.interrupted)} interrupted: start the same command again to go on with them"
        )
    return "\n".join(lines)


def describe_failed(entries: Sequence[RunEntry]) -> str:
    """The runs that raised, what tells them apart, and the last line of each traceback; "" for none."""
    fields = told_apart([entry.recipe for entry in entries])
    failed = [pair for pair in zip(entries, fields, strict=True) if pair[0].outcome == "failed"]
    lines = []
    for entry, its in failed[:_LISTED]:
        reason = (entry.message.strip().splitlines() or ["no message"])[-1]
        lines.append(f"failed: {entry.run[:12]}{f' ({its})' * bool(its)}: {printable(reason)}")
    if len(failed) > _LISTED:
        lines.append(f"  ... and {len(failed) - _LISTED} more")
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
