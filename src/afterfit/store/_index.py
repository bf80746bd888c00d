"""What a reader remembers of packs, so that opening a store of very many reads one file and not all of them.

The file lies in the user's cache folder and belongs to one store as seen from one machine. It is a cache:
lines that are missing, damaged or foreign are made anew, and it may be deleted at any time.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from .._folders import cache_folder
from ._pack import Contents


WORTH = 32
"""New packs are remembered once there are so many of them: fewer are read as fast as noted down."""

_VERSION = 1  # of the lines

Stamp = tuple[str, int, int]
"""Name, nanosecond of change and size of a pack file."""


def stamp(path: Path) -> Stamp:
    """The stamp of a file; raises `FileNotFoundError` where it is gone."""
    status = path.stat()
    return path.name, status.st_mtime_ns, status.st_size


def recall(packs: Path) -> dict[Stamp, Contents]:
    """What is remembered of the packs in a folder."""
    try:
        lines = _file(packs).read_bytes().splitlines()
    except OSError:
        return {}
    return dict(_intact(lines))


def remember(packs: Path, fresh: Mapping[Stamp, Contents]) -> None:
    """Notes down what packs hold, if they are many enough; nothing happens where that is impossible."""
    if len(fresh) < WORTH:
        return
    text = b"".join(_line(one, contents) for one, contents in fresh.items())
    with contextlib.suppress(OSError):
        file = _file(packs)
        file.parent.mkdir(parents=True, exist_ok=True)
        # Appended in one piece: of two processes neither undoes the other, and a torn line is passed over.
        handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(handle, b"\n" + text)
        finally:
            os.close(handle)


def _file(packs: Path) -> Path:
    key = hashlib.sha256(os.fsencode(packs.resolve())).hexdigest()[:32]
    return cache_folder() / "indexes" / f"{key}.jsonl"


def _line(one: Stamp, contents: Contents) -> bytes:
    text = json.dumps([_VERSION, one, dataclasses.astuple(contents)], separators=(",", ":")).encode()
    return _digest(text) + text + b"\n"


def _intact(lines: list[bytes]) -> Iterator[tuple[Stamp, Contents]]:
    for line in lines:
        digest, text = line[:16], line[16:]
        if digest == _digest(text):
            version, one, contents = json.loads(text)
            if version == _VERSION:
                yield tuple(one), Contents(*contents)


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest()[:16].encode()
