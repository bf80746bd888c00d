"""What a reader remembers of packs, so that opening a store of very many reads one file and not all of them.

The file lies in the user's cache folder and belongs to one store as seen from one machine. It is a cache:
lines that are missing, damaged or foreign are made anew, and it may be deleted at any time.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import secrets
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from .._folders import cache_folder
from ._pack import Contents


WORTH = 32
"""New packs are remembered once there are so many of them: fewer are read as fast as noted down."""

_VERSION = 1  # of the lines
_NAMED = re.compile(rb'[0-9a-f]{16}\[[0-9]+,\["([0-9a-f]+\.safetensors)"')

Stamp = tuple[str, int, int]
"""Name, nanosecond of change and size of a pack file."""


def stamp(path: Path) -> Stamp:
    """The stamp of a file; raises `FileNotFoundError` where it is gone."""
    status = path.stat()
    return path.name, status.st_mtime_ns, status.st_size


def recall(packs: Path) -> dict[Stamp, Contents]:
    """What is remembered of the packs in a folder."""
    with contextlib.suppress(OSError):
        return dict(_intact(_lines(_file(packs))))
    return {}


def remember(packs: Path, fresh: Mapping[Stamp, Contents], present: Collection[str]) -> None:
    """Notes down what packs hold, if they are many enough; nothing happens where that is impossible.

    `present` names all packs that there are: lines of others, and doubled ones, go once they are the most.
    """
    if len(fresh) < WORTH:
        return
    text = [_line(one, contents) for one, contents in fresh.items()]
    with contextlib.suppress(OSError):
        file = _file(packs)
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = _lines(file)
        named = {match[1].decode() for line in lines if (match := _NAMED.match(line))}
        if len(lines) > 2 * len(named.intersection(present)):
            kept = dict(_intact(lines)) | dict(fresh)
            _rewrite(file, [_line(one, contents) for one, contents in kept.items() if one[0] in present])
        elif new := set(text) - set(
            lines
        ):  # of processes that look at the same time each notes down the same
            _append(file, sorted(new))


def _lines(file: Path) -> list[bytes]:
    try:
        return [line for line in file.read_bytes().splitlines() if line]
    except FileNotFoundError:
        return []


def _append(file: Path, lines: list[bytes]) -> None:
    # In one piece: of two processes neither undoes the other, and a torn line is passed over.
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(handle, b"\n" + b"\n".join(lines) + b"\n")
    finally:
        os.close(handle)


def _rewrite(file: Path, lines: list[bytes]) -> None:
    aside = file.with_name(f".{file.name}-{secrets.token_hex(6)}")
    try:
        aside.write_bytes(b"\n".join(lines) + b"\n")
        os.rename(aside, file)  # what another process notes down meanwhile is lost, and made anew
    finally:
        aside.unlink(missing_ok=True)


def _file(packs: Path) -> Path:
    key = hashlib.sha256(os.fsencode(packs.resolve())).hexdigest()[:32]
    return cache_folder() / "indexes" / f"{key}.jsonl"


def _line(one: Stamp, contents: Contents) -> bytes:
    text = json.dumps([_VERSION, one, dataclasses.astuple(contents)], separators=(",", ":")).encode()
    return _digest(text) + text


def _intact(lines: list[bytes]) -> Iterator[tuple[Stamp, Contents]]:
    for line in lines:
        digest, text = line[:16], line[16:]
        if digest == _digest(text):
            version, one, contents = json.loads(text)
            if version == _VERSION:
                yield tuple(one), Contents(*contents)


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest()[:16].encode()
