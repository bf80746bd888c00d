"""What a store is doing right now."""

import dataclasses
import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ._disk import DIGEST
from ._error import StoreError, StoreWarning
from ._pack import RunEntry
from ._records import LiveRun, OUTCOMES
from ._runfile import RunFile
from ._running import claims_in, SessionFolder, sessions
from ._shared import visible


_TRIES = 5  # a point may be replaced by a newer one between listing the folder and opening it


@dataclasses.dataclass(frozen=True)
class SessionStatus:
    """A living process that trains.

    **Arguments:**

    - `name`: of its folder.
    - `pid`, `host`, `since`: who, where, since when (UTC).
    - `about`: what it says of itself: versions, machine.
    - `progress`: as of its last segment: speed, steps, time left.
    - `claimed`: the runs it holds.
    - `live`: those it is training, with their records so far (no states).
    - `waiting`: those that it has neither begun to record nor finished.
    """

    name: str
    pid: int
    host: str
    since: str
    about: dict[str, Any]
    progress: dict[str, Any]
    claimed: tuple[str, ...]
    live: dict[str, LiveRun]
    waiting: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class StoreStatus:
    """Counts and processes of a store.

    **Arguments:**

    - `counts`: outcome -> number of runs, for the current results version; trunks of forks are no runs here.
    - `outdated`: number of runs that are stored in another results version only.
    - `sessions`: the living processes.
    - `interrupted`: runs that a dead process left and that can go on, with their records (no states).
    - `trunks`: number of trunks of forks.
    """

    counts: dict[str, int]
    outdated: int
    sessions: tuple[SessionStatus, ...]
    interrupted: dict[str, LiveRun]
    trunks: int = 0


def read_status(running: Path, entries: Callable[[], list[RunEntry]]) -> StoreStatus:
    """The status of a store, by those who train and its table of contents.

    Damaged points are passed over with a `StoreWarning`.
    """
    # The running folder first: a run that ends meanwhile is then seen twice, not missed, and the pack counts.
    dead: dict[str, LiveRun] = {}
    living = []
    for folder in sessions(running):
        if folder.alive:
            said = folder.claim.runs, folder.about, folder.process
            living.append((folder.name, *said, *_read_live(folder, "resume", "segment")))
        else:
            for run, found in _read_live(folder, "resume")[0].items():
                dead[run] = dead[run].followed_by(found) if run in dead else found
    contents = entries()
    stored = {entry.run for entry in contents if entry.stored}
    failed = {(entry.session, entry.run) for entry in contents if entry.outcome == "failed"}
    held: set[str] = set()
    found = []
    for name, claimed, about, process, live, progress in living:
        held |= set(claimed)
        # A resumed run's first records are still in the dead session until a new resume point has them.
        ended = stored | {run for session, run in failed if session == name}
        live = {
            run: dead[run].followed_by(one) if run in dead else one
            for run, one in live.items()
            if run not in ended
        }
        found.append(
            SessionStatus(
                name,
                process.get("pid", 0),
                process.get("host", ""),
                process.get("since", ""),
                about,
                progress,
                claimed,
                live,
                tuple(run for run in claimed if run not in live and run not in ended),
            )
        )
    runs = [entry for entry in contents if not entry.trunk]
    counts = Counter(entry.outcome for entry in runs if entry.current)
    return StoreStatus(
        {outcome: counts[outcome] for outcome in OUTCOMES},
        sum(not entry.current for entry in runs),
        tuple(found),
        {run: one for run, one in dead.items() if run not in held and run not in stored},
        len(contents) - len(runs),
    )


def under_way(root: Path) -> list[tuple[frozenset[str], dict[str, Any]]]:
    """Of each living session of the store at `root`, the runs that it claimed and what its last segment tells
    of its progress (nothing before the first).

    No records are read: a driver that asks thousands of workers every minute needs none.
    """
    claimed = claims_in(root / "running").all()
    return [(runs, _last_progress(folder)) for folder, runs in claimed if folder.alive]


def _last_progress(folder: SessionFolder) -> dict[str, Any]:
    for _ in range(_TRIES):
        for point in folder.points("segment")[:1]:
            try:
                return RunFile(point.path).index["progress"]
            except FileNotFoundError:
                continue
            except StoreError:  # who reads its records is told
                return {}
    return {}


def listing_digest(running: Path, packs: Iterable[str]) -> str:
    """A digest of the names of packs and of all files of those who train, and of which sessions live."""
    seen = [(folder.name, folder.alive, _names(folder.path)) for folder in sessions(running)]
    return hashlib.sha256(repr((sorted(packs), seen)).encode()).hexdigest()[:DIGEST]


def _names(folder: Path) -> list[str]:
    try:
        return sorted(visible(os.listdir(folder)))
    except FileNotFoundError:
        return []


def _read_live(folder: SessionFolder, *kinds: str) -> tuple[dict[str, LiveRun], dict[str, Any]]:
    for _ in range(_TRIES):
        try:
            return _read_points(folder, kinds)
        except FileNotFoundError:
            continue
    return {}, {}


def _read_points(folder: SessionFolder, kinds: tuple[str, ...]) -> tuple[dict[str, LiveRun], dict[str, Any]]:
    live: dict[str, LiveRun] = {}
    progress: dict[str, Any] = {}
    for kind in kinds:
        for point in reversed(folder.points(kind)):
            try:
                file = point.open()
                with file.open() as reader:
                    for number, run in enumerate(file.runs):
                        one = file.live(reader, number, state=False)
                        # A resume point has all records so far, a segment those since.
                        live[run] = live[run].followed_by(one) if kind == "segment" and run in live else one
                progress = file.index["progress"] or progress
            except StoreError as error:
                warnings.warn(StoreWarning(str(error)), stacklevel=2)
    return live, progress
