"""One safetensors file that carries its own digest in its name.

The library reads; the writing is ours, because a stack of many runs is then written run after run, without a
second copy in memory, and hashed as it goes.
"""

import contextlib
import hashlib
import json
import threading
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

from ._disk import DIGEST, digest_of, publish
from ._error import check_plain, damage, StoreError
from ._version import FORMAT


_CODES = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "uint16": "U16",
    "int16": "I16",
    "uint32": "U32",
    "int32": "I32",
    "uint64": "U64",
    "int64": "I64",
    "float16": "F16",
    "bfloat16": "BF16",
    "float32": "F32",
    "float64": "F64",
    "complex64": "C64",
}

_Stamp = tuple[str, int, int, int, int]

KEPT = 1 << 15
"""So many files are known to be intact at most: segments and resume points come and go for months."""

_intact: dict[_Stamp, None] = {}
"""Files whose digest this process has checked or made, as they were then, the first ones first."""

_one_thread = threading.Lock()


def write(
    folder: Path, name: str, stacks: Mapping[str, Sequence[np.ndarray]], index: dict[str, Any], owner: str
) -> Path:
    """Publishes stacks of arrays; arrays of one stack share dtype and trailing axes and lie along axis 0.

    `index` is JSON that readers have without touching the arrays. Raises `StoreError` for a dtype that the
    format does not have, and as `publish` does.
    """
    text = json.dumps({"format": FORMAT, **index}, separators=(",", ":"))
    header: dict[str, Any] = {"__metadata__": {"index": text, "index_digest": _short_digest(text)}}
    # Wide numbers first keeps every array aligned to its own width.
    order = sorted(stacks, key=lambda key: (-stacks[key][0].dtype.itemsize, key))
    position = 0
    for key in order:
        first = stacks[key][0]
        if first.dtype.name not in _CODES:
            raise StoreError(f"Expected {key} to hold numbers the store can keep, got {first.dtype}.")
        size = sum(array.nbytes for array in stacks[key])
        header[key] = {
            "dtype": _CODES[first.dtype.name],
            "shape": [sum(array.shape[0] for array in stacks[key]), *first.shape[1:]],
            "data_offsets": [position, position + size],
        }
        position += size
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    start = len(head).to_bytes(8, "little") + head
    arrays = (_little_endian(array) for key in order for array in stacks[key])
    path = publish(folder, name, (start, *arrays), len(start) + position, owner)
    with contextlib.suppress(FileNotFoundError):  # another process has sent it on already
        _remember(_stamp(path))
    return path


class ArrayFile:
    """A published file, opened by its header alone.

    Raises `FileNotFoundError` where it is gone (a newer file may have taken its place), and `StoreError`
    where its header is damaged.
    """

    def __init__(self, path: Path):
        self.path = path
        with _reading(path), safetensors.safe_open(path, "np") as file:
            metadata = file.metadata() or {}
        text = metadata.get("index")
        if text is None:
            raise StoreError(
                f"{path} is damaged, or no file of afterfit: it has no table of contents. Move it elsewhere "
                "if it is yours, or delete it."
            )
        if metadata.get("index_digest") != _short_digest(text):
            raise damage(path)
        self.index: dict[str, Any] = json.loads(text)
        found = self.index["format"]
        if found > FORMAT:
            raise StoreError(
                f"{path} has format {found}, this afterfit reads up to {FORMAT}: upgrade afterfit."
            )

    def verify(self) -> None:
        """Compares the whole content with the digest in the name, once for each process.

        Raises `StoreError` where a single bit differs.
        """
        stamp = _stamp(self.path)
        if stamp in _intact:
            return
        if digest_of(self.path) != self.path.stem[-DIGEST:]:
            raise damage(self.path)
        _remember(stamp)

    @contextlib.contextmanager
    def open(self, *, whole: bool = False) -> Generator["Reader"]:
        """The arrays, for the length of a `with` block; `whole` is sooner where most rows are read."""
        with _reading(self.path), safetensors.safe_open(self.path, "np") as file:
            yield Reader(file, whole)


class Reader:
    """Rows of the arrays of an open file."""

    def __init__(self, file: Any, whole: bool):
        self._file, self._whole = file, whole
        self._slices: dict[str, Any] = {}
        self._folders: dict[str, list[str]] = {}
        for name in file.keys():
            prefix, group, rest = name.split("/", 2)
            self._folders.setdefault(f"{prefix}/{group}", []).append(rest)

    def names(self, folder: str) -> list[str]:
        """The names that follow `PREFIX/GROUP/`."""
        return self._folders[folder]

    def rows(self, name: str, start: int, stop: int) -> np.ndarray:
        """Rows `start` to `stop` of one array, a copy."""
        piece = self._slices.get(name)
        if piece is None and self._whole:
            piece = self._slices[name] = self._file.get_tensor(name)
        elif piece is None:
            piece = self._slices[name] = self._file.get_slice(name)
            if piece.get_shape()[0] == 0:  # the library refuses to slice these
                piece = self._slices[name] = self._file.get_tensor(name)
        # Nor does it give no rows at the end.
        rows = piece[start:stop] if start < stop else piece[:0]
        return rows.copy() if self._whole else rows


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _stamp(path: Path) -> _Stamp:
    """What changes with a file; clocks may go back or be set, so these are compared and never ordered."""
    status = path.stat()
    return str(path.absolute()), status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


def _remember(stamp: _Stamp) -> None:
    with _one_thread:
        _intact[stamp] = None
        if len(_intact) > KEPT:
            del _intact[next(iter(_intact))]


def _little_endian(array: np.ndarray) -> np.ndarray:
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    return np.ascontiguousarray(array)


@contextlib.contextmanager
def _reading(path: Path) -> Generator[None]:
    try:
        check_plain(path)
        yield
    except safetensors.SafetensorError as error:
        raise damage(path) from error
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"Could not read {path}: {error.strerror or error}.") from error
