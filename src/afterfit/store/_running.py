"""The folder `running/`: one folder for each process that trains, or that died while training.

A session's folder is named `NUMBER-RANDOM`; numbers grow, so of two sessions that held the same run (which
is only possible one after the other) the higher one knows it better.
"""

import contextlib
import dataclasses
import json
import os
import re
import secrets
import shutil
import socket
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, UTC
from pathlib import Path
from typing import Any

from ._disk import hold, is_held, owner, publish_json, read_json, remove_folder, sync, temporaries
from ._error import explain, StoreError
from ._runfile import RunFile
from ._version import RESULTS_VERSION


Stored = Callable[[Iterable[str]], set[str]]
"""Which of some runs are in the packs."""

_SESSION_NAME = re.compile(r"\d{6}-[0-9a-f]{8}")
_POINT_NAME = re.compile(r"(resume|segment)-(\d{6})-[0-9a-f]{32}\.safetensors")


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


@dataclasses.dataclass(frozen=True)
class SessionFolder:
    """The folder of one session."""

    path: Path

    @property
    def name(self) -> str:
        """`NUMBER-RANDOM`."""
        return self.path.name

    @property
    def alive(self) -> bool:
        """Whether its process lives."""
        return is_held(self.path / "lock")

    @property
    def process(self) -> dict[str, Any]:
        """`pid`, `host` and `since` of its process."""
        return read_json(self.path / "lock")

    @property
    def claims(self) -> dict[str, Any]:
        """`runs` it trains and what it says `about` itself."""
        return {"runs": [], "about": {}, **read_json(self.path / "claims.json")}

    def points(self, kind: str) -> list[Point]:
        """Its resume points or segments, newest first."""
        found = []
        for path in self.path.glob(f"{kind}-*.safetensors"):
            if match := _POINT_NAME.fullmatch(path.name):
                found.append(Point(path, kind, int(match[2])))
        return sorted(found, key=lambda point: point.number, reverse=True)


def sessions(running: Path) -> list[SessionFolder]:
    """The sessions of a store, oldest first."""
    if not running.is_dir():
        return []
    names = sorted(name for name in os.listdir(running) if _SESSION_NAME.fullmatch(name))
    return [SessionFolder(running / name) for name in names]


def open_session(running: Path, runs: Sequence[str], about: dict[str, Any]) -> tuple[SessionFolder, int]:
    """Makes a session's folder and takes its lock; the caller holds the store's lock.

    The folder gets its name only when its lock is held, so nobody ever sees it and takes it for dead.
    """
    taken = sessions(running)
    number = 1 + (int(taken[-1].name.partition("-")[0]) if taken else 0)
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
        publish_json(aside, "claims.json", {"runs": list(runs), "about": about})
        os.rename(aside, running / name)
        sync(running)
    except (OSError, StoreError) as error:
        if handle is not None:
            os.close(handle)
        shutil.rmtree(aside, ignore_errors=True)
        raise explain(error, running / name) if isinstance(error, OSError) else error
    return SessionFolder(running / name), handle


def sweep(running: Path, outbox: Path, stored: Stored) -> None:
    """Removes what dead sessions left and nobody needs, also where packs are written; the caller holds the
    store's lock.

    A resume point goes only when each of its runs is in a pack, or in an intact resume point of a later
    session (or a later one of its own).
    """
    for leftover in [*running.glob(".new-*"), *running.glob(".old-*")]:
        shutil.rmtree(leftover, ignore_errors=True)
    folders = sessions(running)
    alive = {folder.name for folder in folders if folder.alive}
    for path in temporaries(outbox):
        if owner(path.name) not in alive:
            _delete(path)
    later: list[tuple[Point, set[str]]] = []
    for folder in reversed(folders):
        kept = False
        for point in folder.points("resume"):
            try:
                runs = set(RunFile(point.path).runs)
            except (StoreError, FileNotFoundError):
                if folder.name in alive:
                    continue
                runs = set(folder.claims["runs"])  # what it may have held
            if folder.name in alive or not _superseded(runs - stored(runs), later):
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
