"""A process's right to train some runs, and what it publishes on the way."""

import contextlib
import math
import os
import time
import types
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

from ._disk import flush, locked, remove_folder
from ._error import StoreBusy, StoreError, StoreWarning
from ._pack import write_pack
from ._records import LiveRun, RunRecords
from ._runfile import RunFile, write_runs
from ._running import (
    claims_in,
    next_number,
    open_session,
    Point,
    Rival,
    session_names,
    SessionFolder,
    settle,
    Stored,
    sweep,
    sweep_due,
    sweep_inherited,
    usable,
)
from ._shared import AbstractShared
from ._version import RESULTS_VERSION


SWEEP_EVERY = 60.0
"""Seconds between sweeps of what a session inherited: all others wait for the lock meanwhile."""


class Session:
    """Some runs, claimed: no other living process may train them until this ends. Made by `Store.claim` and
    `Store.claim_free`.

    Used as a context manager, from one thread. However the block or the process ends, what was published
    stays, and runs that have a resume point and did not finish go on from it when they are claimed again.

    Every method that publishes returns when the file is safely on the disk, and raises `StoreError` (full
    disk, no permission) with nothing changed.
    """

    def __init__(
        self,
        shared: AbstractShared,
        runs: Sequence[str],
        about: dict[str, Any],
        stored: Stored,
        free: bool = False,
    ):
        self._shared = shared
        self._running = shared.running
        self._stored = stored
        self._about = about
        self._number = 0
        self._points: dict[str, dict[Point, set[str]]] = {"resume": {}, "segment": {}}
        self._last_step: dict[str, int] = {}  # of each run, in its newest resume point of ours
        self._published: set[str] = set()
        shared.send()  # what a process could not send before it ended is trained
        claims, wanted = claims_in(self._running), frozenset(runs)
        with locked(self._running / "lock"):  # all others wait for it: what can be done later is done later
            if not free:
                _refuse_taken(_living(claims.rivals(wanted)), wanted)
            listed = session_names(self._running)
            number = next_number(listed)
            if sweep_due(number, len(listed)):
                sweep(self._running, shared.outbox, stored)
            folder, handle = open_session(self._running, number, runs, about)
        self._folder: SessionFolder = folder
        self._lock: int | None = handle
        try:
            flush(self._running)
            # Of two sessions that want a run the older has it. One that ended before we looked published
            # first, so it is seen here or there.
            rivals = claims.rivals(wanted, folder)
            living = _living(rivals)
            if free:
                wanted = wanted.difference(stored(wanted), *(claimed for _, claimed in living))
            else:
                _refuse_taken(living, wanted)
            self._runs = wanted
            # Dead sessions that held runs of ours: they go when our resume points or packs replace theirs.
            self._inherited = [other.name for other, claimed in rivals if self._runs & claimed]
            self._next_sweep = -math.inf
            settle(folder, [run for run in runs if run in self._runs])
        except BaseException:
            with contextlib.suppress(OSError):
                remove_folder(folder.path)
            os.close(handle)
            raise

    @property
    def name(self) -> str:
        """The name of the session's folder."""
        return self._folder.name

    @property
    def runs(self) -> frozenset[str]:
        """The runs that it holds."""
        return self._runs

    def resume(self, runs: Iterable[str]) -> dict[str, LiveRun]:
        """State and records of those of `runs` that this session or a dead one left a resume point of, the
        newest that is intact.

        Warns (`StoreWarning`) of each damaged or outdated one that is passed over.
        """
        wanted = self._mine(runs)
        found: dict[str, LiveRun] = {}
        for folder in reversed(claims_in(self._running).holders(wanted)):
            if not wanted:
                break
            if folder.name != self.name and folder.alive:
                continue
            for point in folder.points("resume"):
                try:
                    found |= _read_wanted(point, wanted)
                except FileNotFoundError:  # swept: its runs are stored, or not ours
                    continue
                except StoreError as error:
                    if wanted & set(folder.claim.runs):
                        warnings.warn(
                            StoreWarning(f"{error} Going on from an earlier point, or from the start."),
                            stacklevel=2,
                        )
                wanted -= found.keys()
        return found

    def publish_runs(self, runs: Sequence[RunRecords]) -> None:
        """Publishes finished runs as one pack file (none for no runs).

        A failed one is not finished: it keeps its resume point, to go on from when it is tried again.
        """
        self._mine(run.run for run in runs)
        if not runs:
            return
        write_pack(self._shared.outbox, runs, self._about, self.name)
        self._shared.send()
        self._published |= {run.run for run in runs if run.outcome != "failed"}
        self._prune("resume")
        self._prune("segment")
        self._sweep_inherited()

    def publish_resume(self, runs: Sequence[LiveRun]) -> None:
        """Publishes the state and all records so far of live runs, and drops the older points that it
        replaces.

        An older resume point stays while it holds a run that is neither here nor finished.
        """
        self._publish("resume", runs, {})
        self._last_step |= {run.run: int(run.steps[-1]) for run in runs if len(run.steps)}
        self._sweep_inherited()

    def publish_segment(self, runs: Sequence[LiveRun], progress: dict[str, Any]) -> None:
        """Publishes the records of live runs since the last resume point, for those who watch.

        `progress` is plain data: speed, steps, time left. Records that the last resume point has are left
        out.
        """
        late = [run.after(self._last_step.get(run.run, -1)) for run in runs]
        self._publish("segment", late, progress)

    def close(self) -> None:
        """Ends the session: the folder goes, or keeps the resume points of the runs that did not finish."""
        if self._lock is None:
            return
        try:
            # What cannot be cleaned now (a full or vanished disk) a later claim sweeps.
            with contextlib.suppress(OSError, StoreError):
                self._published |= self._stored(self._runs)
                self._next_sweep = -math.inf
                self._sweep_inherited()
            with contextlib.suppress(OSError, StoreError), locked(self._running / "lock"):
                for kind in self._points:
                    self._prune(kind)
                for point in self._points["segment"]:
                    point.path.unlink(missing_ok=True)
                if not self._points["resume"]:
                    remove_folder(self._folder.path)
        finally:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self.close()

    def _publish(self, kind: str, runs: Sequence[LiveRun], progress: dict[str, Any]) -> None:
        names = self._mine(run.run for run in runs)
        number = self._number + 1
        index = {"results_version": RESULTS_VERSION, "progress": progress}
        texts = [{"recipe": run.recipe} for run in runs]
        file_name = f"{kind}-{number:06d}-{{digest}}.safetensors"
        path = write_runs(self._folder.path, file_name, runs, texts, index, self.name)
        self._number = number
        self._points[kind][Point(path, kind, number)] = names
        self._prune(kind)

    def _mine(self, runs: Iterable[str]) -> set[str]:
        if self._lock is None:
            raise StoreError("This session has ended: claim the runs again.")
        listed = list(runs)
        names = set(listed)
        if len(names) < len(listed):
            raise StoreError(f"Expected each run once, got {len(listed)} runs with {len(names)} identities.")
        if strange := names - self._runs:
            raise StoreError(
                f"Expected runs that this session claimed, got {sorted(strange)[0]!r}: claim it too."
            )
        return names

    def _prune(self, kind: str) -> None:
        """Deletes own points whose runs are all finished or in newer ones.

        The newest segment stays for its progress; the newest resume point goes too once its runs are
        finished.
        """
        covered = set(self._published)
        newest_first = sorted(self._points[kind].items(), key=lambda item: item[0].number, reverse=True)
        for place, (point, runs) in enumerate(newest_first):
            if runs <= covered and not (kind == "segment" and place == 0):
                point.path.unlink(missing_ok=True)
                del self._points[kind][point]
            covered |= runs

    def _sweep_inherited(self) -> None:
        if self._inherited and time.monotonic() >= self._next_sweep:
            with locked(self._running / "lock"):
                sweep_inherited(self._running, self._inherited, self._stored)
            self._inherited = [name for name in self._inherited if (self._running / name).exists()]
            self._next_sweep = time.monotonic() + SWEEP_EVERY


def held(running: Path, runs: Iterable[str]) -> set[str]:
    """Those of `runs` that living sessions hold."""
    return claims_in(running).held(runs)


def _living(rivals: Iterable[Rival]) -> list[Rival]:
    return [rival for rival in rivals if rival[0].alive]


def _refuse_taken(living: Sequence[Rival], runs: frozenset[str]) -> None:
    for other, taken in living:
        process = other.process
        where = f"pid {process.get('pid')}, host {process.get('host')}, since {process.get('since')}"
        verb = "run is" if len(taken) == 1 else "runs are"
        raise StoreBusy(
            f"{len(taken)} of these {len(runs)} {verb} being trained by another process ({where}): "
            "wait for it, or use another --store."
        )


def _read_wanted(point: Point, wanted: set[str]) -> dict[str, LiveRun]:
    file = RunFile(point.path)
    numbers = [number for number, run in enumerate(file.runs) if run in wanted]
    if not numbers:
        return {}
    if not usable(file):
        raise StoreError(f"{point.path} was made by another version of the results.")
    file.verify()
    with file.open() as reader:
        return {file.runs[number]: file.live(reader, number, state=True) for number in numbers}
