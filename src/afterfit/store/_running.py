"""The folder `running/`: one folder for each process that trains, or that died while training.

A session's folder is named `NUMBER-RANDOM`; numbers grow, so of two sessions that held the same run (which
is only possible one after the other) the higher one knows it better.
"""

import contextlib
import dataclasses
import functools
import json
import os
import re
import secrets
import shutil
import socket
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, UTC
from pathlib import Path
from typing import Any, NamedTuple

from ._disk import hold, is_held, owner, read_json, remove_folder, temporaries
from ._error import explain, StoreError
from ._runfile import RunFile
from ._version import RESULTS_VERSION


Stored = Callable[[Iterable[str]], set[str]]
"""Which of some runs are in the packs."""

SWEPT_FOR = 4
"""Sessions that a new one sweeps for, on the average."""

# Numbers have six digits until they need more, so names are sorted by them as numbers and never as text.
_SESSION_NAME = re.compile(r"([0-9]{6,})-[0-9a-f]{8}")
_LEFTOVER_NAME = re.compile(r"\.(new-[0-9]{6,}-[0-9a-f]{8}|old-[0-9]{6,}-[0-9a-f]{8}-[0-9a-f]{6})")
_POINT_NAME = re.compile(r"(resume|segment)-([0-9]{6,})-[0-9a-f]{32}\.safetensors")


@dataclasses.dataclass(frozen=True)
class Point:
    """A resume point or segment on the disk."""

    path: Path
    kind: str
    number: int

    def open(self) -> RunFile:
        """The file, verified.

        Raises `FileNotFoundError` where it is gone, `StoreError` where it is damaged.
        """
        file = RunFile(self.path)
        file.verify()
        return file


class Claim(NamedTuple):
    """What a session says of its runs.

    - `runs`: those that it holds. Until it has chosen, those that it asked for; none where unreadable.
    - `settled`: whether it has chosen. Then its claim never changes.
    """

    runs: tuple[str, ...]
    settled: bool


@dataclasses.dataclass(frozen=True)
class SessionFolder:
    """The folder of one session."""

    path: Path

    @property
    def name(self) -> str:
        """`NUMBER-RANDOM`."""
        return self.path.name

    @property
    def number(self) -> int:
        """Of two sessions, the later one has the higher number."""
        return int(self.name.partition("-")[0])

    @property
    def alive(self) -> bool:
        """Whether its process lives."""
        return is_held(self.path / "lock")

    @property
    def process(self) -> dict[str, Any]:
        """`pid`, `host` and `since` of its process."""
        return read_json(self.path / "lock")

    @property
    def claim(self) -> Claim:
        """Which runs it holds."""
        held = _runs_in(self.path / "held.json")
        return Claim(_runs_in(self.path / "claims.json") or (), False) if held is None else Claim(held, True)

    @property
    def about(self) -> dict[str, Any]:
        """What it says about itself."""
        about = read_json(self.path / "claims.json").get("about")
        return about if isinstance(about, dict) else {}

    def points(self, kind: str) -> list[Point]:
        """Its resume points or segments, newest first."""
        found = []
        for path in self.path.glob(f"{kind}-*.safetensors"):
            if match := _POINT_NAME.fullmatch(path.name):
                found.append(Point(path, kind, int(match[2])))
        return sorted(found, key=lambda point: point.number, reverse=True)


def _runs_in(path: Path) -> tuple[str, ...] | None:
    """The runs that a file of claims lists, `None` where it is missing or damaged."""
    runs = read_json(path).get("runs")
    if isinstance(runs, list) and all(isinstance(run, str) for run in runs):
        return tuple(runs)
    return None


def sessions(running: Path) -> list[SessionFolder]:
    """The sessions of a store, oldest first."""
    return [SessionFolder(running / name) for name in session_names(running)]


def session_names(running: Path) -> list[str]:
    """The names of the sessions of a store, oldest first."""
    if not running.is_dir():
        return []
    return sorted((name for name in os.listdir(running) if _SESSION_NAME.fullmatch(name)), key=_age)


def _age(name: str) -> tuple[int, str]:
    """What sessions are sorted by, from their names."""
    return int(name.partition("-")[0]), name


Rival = tuple[SessionFolder, frozenset[str]]
"""Another session, and which of the runs that one wants it claimed."""


class Claims:
    """Which runs the sessions of a store hold, as far as this process has looked.

    What a session has chosen never changes and its name never comes again, so it is read once: with thousands
    of workers most of what is listed is known, and the lock of the store is held for a moment only.
    """

    def __init__(self, running: Path):
        self._running = running
        self._known: dict[str, frozenset[str]] = {}

    def all(self) -> list[tuple[SessionFolder, frozenset[str]]]:
        """The sessions by age, dead or alive, with the runs they claimed: none where these are unreadable."""
        return [(folder, runs) for folder, runs, _ in self._look()]

    def holders(self, runs: Iterable[str]) -> list[SessionFolder]:
        """The sessions that claimed any of `runs` or whose claims are unreadable, dead or alive, by age."""
        wanted = set(runs)
        return [
            folder
            for folder, claimed, settled in self._look()
            if not wanted.isdisjoint(claimed) or not (claimed or settled)
        ]

    def rivals(self, runs: Iterable[str], session: SessionFolder | None = None) -> list[Rival]:
        """The sessions that claimed any of `runs`, dead or alive, by age, and which of them.

        From the view of one that has not chosen yet these are the older ones and those that have chosen. Both
        are needed: on a network file system a listing may be old, and a number be given out again.
        """
        wanted = frozenset(runs)
        return [
            (folder, wanted & claimed)
            for folder, claimed, settled in self._look()
            if not wanted.isdisjoint(claimed)
            and (session is None or settled or _age(folder.name) < _age(session.name))
        ]

    def held(self, runs: Iterable[str]) -> set[str]:
        """Those of `runs` that living sessions hold."""
        return {run for folder, claimed in self.rivals(runs) if folder.alive for run in claimed}

    def _look(self) -> list[tuple[SessionFolder, frozenset[str], bool]]:
        """All sessions, their runs, and whether they have chosen."""
        found = []
        before = self._known  # of this process's threads another one may look at the same time
        known: dict[str, frozenset[str]] = {}
        for folder in sessions(self._running):
            runs, settled = before.get(folder.name), True
            if runs is None:
                listed, settled = folder.claim
                runs = frozenset(listed)
            if settled:
                known[folder.name] = runs
            found.append((folder, runs, settled))
        self._known = known
        return found


@functools.lru_cache(maxsize=8)
def claims_in(running: Path) -> Claims:
    """The claims of a store, remembered for as long as this process lives."""
    return Claims(running)


def open_session(
    running: Path, number: int, runs: Sequence[str], about: dict[str, Any]
) -> tuple[SessionFolder, int]:
    """Makes a session's folder and takes its lock; the caller holds the store's lock.

    The folder gets its name only when its lock is held, so nobody ever sees it and takes it for dead. It is
    the caller's to flush: all other processes wait for the store's lock, and a disk takes its time.
    """
    name = f"{number:06d}-{secrets.token_hex(4)}"
    aside = running / f".new-{name}"
    handle = None
    try:
        aside.mkdir()
        process = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        handle = hold(aside / "lock")
        os.write(handle, (json.dumps(process) + "\n").encode())
        (aside / "claims.json").write_text(json.dumps({"runs": list(runs), "about": about}) + "\n")
        os.rename(aside, running / name)
    except OSError as error:
        if handle is not None:
            os.close(handle)
        shutil.rmtree(aside, ignore_errors=True)
        raise explain(error, running / name) from error
    return SessionFolder(running / name), handle


def settle(folder: SessionFolder, runs: Iterable[str]) -> None:
    """Tells which of the runs that it asked for a session holds.

    Written aside, but not flushed: what dies with the disk's cache dies with the process.
    """
    aside = folder.path / ".held"
    try:
        aside.write_text(json.dumps({"runs": list(runs)}) + "\n")
        os.rename(aside, folder.path / "held.json")
    except OSError as error:
        raise explain(error, folder.path / "held.json") from error


def next_number(names: Sequence[str]) -> int:
    """The number of the session that follows those of these names."""
    return 1 + (int(names[-1].partition("-")[0]) if names else 0)


def sweep_due(number: int, among: int) -> bool:
    """Whether a new session should sweep: always among few, else so rarely that each pays for a few others.

    Sweeping looks at every session, and nobody can claim anything meanwhile.
    """
    return number % max(1, among // SWEPT_FOR) == 0


def sweep(running: Path, outbox: Path, stored: Stored) -> None:
    """Removes what dead sessions left and nobody needs, also where packs are written; the caller holds the
    store's lock.

    A resume point goes only when each of its runs is in a pack, or in an intact resume point of a later
    session (or a later one of its own).
    """
    for leftover in running.glob(".*"):
        if _LEFTOVER_NAME.fullmatch(leftover.name):
            shutil.rmtree(leftover, ignore_errors=True)
    folders = sessions(running)
    alive = {folder.name for folder in folders if folder.alive}
    for path in temporaries(outbox):
        if _SESSION_NAME.fullmatch(owner(path.name)) and owner(path.name) not in alive:
            _delete(path)
    _sweep_points(folders, alive, stored)


def sweep_inherited(running: Path, names: Iterable[str], stored: Stored) -> None:
    """`sweep` of the dead sessions of some names alone: besides these it looks only at those that have taken
    runs of theirs over."""
    inherited, claims = set(names), claims_in(running)
    runs = {run for folder, claimed in claims.all() if folder.name in inherited for run in claimed}
    folders = claims.holders(runs)
    _sweep_points(folders, {folder.name for folder in folders if folder.alive}, stored)


def _sweep_points(folders: Sequence[SessionFolder], alive: set[str], stored: Stored) -> None:
    """Removes what the dead among some sessions left, given by age, and nobody needs."""
    later: list[tuple[Point, set[str]]] = []
    for folder in reversed(folders):
        if folder.path.is_symlink():  # nobody of ours makes links
            continue
        kept = False
        for point in folder.points("resume"):
            runs = _runs_at(point, folder)
            if runs is None:
                kept = True
            elif folder.name in alive or not _superseded(runs - stored(runs), later):
                kept = True
                later.append((point, runs))
            else:
                _delete(point.path)
        if folder.name in alive:
            continue
        for path in temporaries(folder.path):
            _delete(path)
        if not kept:
            remove_folder(folder.path)


def _runs_at(point: Point, folder: SessionFolder) -> set[str] | None:
    """The runs of a resume point, or those that a damaged one may hold; `None` where neither it nor the
    claims can be read, which may pass."""
    try:
        return set(RunFile(point.path).runs)
    except FileNotFoundError:
        return set()
    except StoreError:
        return set(folder.claim.runs) or None


def usable(file: RunFile) -> bool:
    """Whether going on from this resume point gives the numbers of this version."""
    return file.index["results_version"] == RESULTS_VERSION


def _superseded(needed: set[str], later: Sequence[tuple[Point, set[str]]]) -> bool:
    needed = set(needed)
    for point, runs in later:
        if needed & runs:
            with contextlib.suppress(StoreError, FileNotFoundError):
                point.open()
                needed -= runs
    return not needed


def _delete(path: Path) -> None:
    with contextlib.suppress(OSError):  # a reader's system may hold it; the next sweep tries again
        path.unlink()
