"""Files of data that are not ours: where they are looked for, and how they are fetched and checked."""

import contextlib
import functools
import gzip
import hashlib
import io
import os
import pathlib
import typing
import zlib
from collections.abc import Iterable, Sequence

from .._folders import cache_folder


class DataError(ValueError):
    """A file of data is missing, damaged, or holds something else than it should."""


class Official(typing.NamedTuple):
    """Where the original of a file is, and how it is recognised."""

    address: str
    checksum: str | None = None  # "md5:..." or "sha256:..."


def find_file(folder: str, names: Sequence[str], *, official: Official | None = None) -> pathlib.Path:
    """A file of data on this machine; the official one is downloaded if there is none.

    Looks in `$AFTERFIT_DATA/folder`, in `$AFTERFIT_DATA` and in `data/folder` of the cache folder.

    **Arguments:**

    - `folder`: the data set's own folder, for instance "mnist".
    - `names`: acceptable names of the file, the best first. With `official`, `names[0]` is the name of the
        official file.
    - `official`: the original. A file of its name must have its checksum, wherever it comes from.

    Raises a `DataError` that says which file to put where, or which file is damaged.
    """
    found = look_for_file(folder, names)
    if found is None and official is not None:
        return _download(folder, names[0], official)
    if found is None:
        raise DataError(_missing(folder, names))
    if official is not None and official.checksum is not None and found.name == names[0]:
        _check(found, official.checksum)
    return found


def look_for_file(folder: str, names: Sequence[str]) -> pathlib.Path | None:
    """The file that `find_file` would take, unchecked; `None` where it would have to be downloaded."""
    places = data_folders(folder)
    return next((place / name for name in names for place in places if (place / name).is_file()), None)


MOST_UNPACKED = 1 << 30
"""Bytes that a file of data may have, unpacked: ten times the largest that is known here, far from a bomb."""


class Bounded(io.RawIOBase):
    """What a file holds, up to so many bytes: more raise a `DataError`."""

    def __init__(self, path: pathlib.Path, file: typing.Any, most: int | None = None):
        self._path, self._file = path, file
        self._most = self._left = MOST_UNPACKED if most is None else most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: typing.Any) -> int:
        part = self._file.read(min(len(buffer), self._left + 1))
        self._left -= len(part)
        if self._left < 0:
            raise DataError(
                f"{self._path} holds more than {self._most:,} bytes: it is no file of this data set."
            )
        buffer[: len(part)] = part
        return len(part)


def read_bytes(path: pathlib.Path) -> bytes:
    """The contents of a file, unpacked if it is a gzip.

    Raises a `DataError` if it cannot be read, is empty or damaged, or too large.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            with contextlib.closing(gzip.GzipFile(fileobj=file)) if packed else file as plain:
                contents = Bounded(path, plain).readall()
    except EOFError as error:
        raise DataError(
            f"{path} is incomplete: the gzip ends too early. Copy or download it again."
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is a damaged gzip ({error}). Copy or download it again.") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    if not contents:
        raise DataError(f"{path} is empty. Copy or download it again.")
    return contents


def file_version(path: pathlib.Path) -> tuple[pathlib.Path, int, int]:
    """What changes when a file does: the key under which its contents are kept in memory.

    Raises a `DataError` if it cannot be read.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    return path, status.st_size, status.st_mtime_ns


def files_digest(files: Iterable[pathlib.Path]) -> str:
    """A digest of the contents of files, in their order.

    Raises a `DataError` if one cannot be read.
    """
    sums = (_sum(file_version(path), "sha256") for path in files)
    return hashlib.sha256(" ".join(sums).encode()).hexdigest()[:16]


def data_folders(folder: str) -> list[pathlib.Path]:
    """Where the files of a data set are looked for, in this order."""
    chosen = os.environ.get("AFTERFIT_DATA")
    own = [pathlib.Path(chosen).expanduser() / folder, pathlib.Path(chosen).expanduser()] if chosen else []
    return [*own, _downloads(folder)]


def _downloads(folder: str) -> pathlib.Path:
    return cache_folder() / "data" / folder


def _missing(folder: str, names: Sequence[str], reason: str = "is not on this machine") -> str:
    places = data_folders(folder)
    others = f" (or {' or '.join(names[1:])})" if names[1:] else ""
    setting = "AFTERFIT_DATA" if len(places) > 1 else "AFTERFIT_DATA (not set now)"
    return (
        f"the data file {names[0]} {reason}.\n"
        f"Put it{others} into {places[0]}, or let {setting} name a folder with {folder}/{names[0]} in it.\n"
        f"Looked in: {', '.join(map(str, places))}."
    )


def _check(path: pathlib.Path, checksum: str) -> None:
    algorithm, _, wanted = checksum.partition(":")
    found = _sum(file_version(path), algorithm)
    if found != wanted.lower():
        raise DataError(
            f"{path} is damaged or another file: its {algorithm} must be {wanted}, got {found}.\n"
            "Remove it, or give it another name, to have the official file downloaded."
        )


@functools.lru_cache(maxsize=64)
def _sum(version: tuple[pathlib.Path, int, int], algorithm: str) -> str:
    try:
        with open(version[0], "rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    except OSError as error:
        raise DataError(f"{version[0]}: {error.strerror}") from error


def _download(folder: str, name: str, official: Official) -> pathlib.Path:
    import pooch  # here, because it takes time to load and is seldom needed

    fetch: typing.Any = _fetch  # pooch calls it by position, but declares other names
    try:
        # It writes aside, compares the checksum, and only then renames.
        return pathlib.Path(
            pooch.retrieve(
                official.address,
                known_hash=official.checksum,
                fname=name,
                path=_downloads(folder),
                downloader=fetch,
            )
        )
    except (OSError, ValueError) as error:  # those of the network among them; ValueError: a wrong checksum
        reason = f"is not on this machine, and could not be downloaded from {official.address}: {error}"
        raise DataError(_missing(folder, [name], reason.rstrip("."))) from error


def _fetch(address: str, file: str, _: typing.Any) -> None:
    """A downloader for pooch, whose own one leaves connections open when something fails."""
    import requests

    with requests.get(address, stream=True, timeout=30) as answer, open(file, "wb") as target:
        answer.raise_for_status()
        left = MOST_UNPACKED
        for part in answer.iter_content(1 << 18):
            left -= len(part)
            if left < 0:
                raise OSError(f"the answer has more than {MOST_UNPACKED:,} bytes")
            target.write(part)
