"""Tables of QM9: molecules and one of their properties, from CSV files and from the official archive."""

import bz2
import contextlib
import csv
import dataclasses
import difflib
import functools
import gzip
import io
import lzma
import math
import pathlib
import re
import tarfile
import typing
import zlib
from collections.abc import Generator, Iterator, Sequence

import numpy as np
from jaxtyping import Float

from ._files import Bounded, DataError, file_version, files_digest, find_file, Official, read_bytes


QM9_NAMES = ("dsgdb9nsd.xyz.tar.bz2", "qm9.csv", "qm9.csv.gz", "qm9_sample.csv", "qm9_sample.csv.gz")
"""Files that are accepted, the best first."""

OFFICIAL = Official(
    "https://ndownloader.figshare.com/files/3195389",
    "sha256:3a63848ac80691bdb8d41834b575afad345b9300d7a2db0c38adb7f6eaa8360c",
)
"""The archive of Ramakrishnan et al. 2014 at figshare, 86,144,227 bytes."""

XYZ_COLUMNS = tuple("A B C mu alpha homo lumo gap r2 zpve u0 u298 h298 g298 cv".split())
"""Properties in the second line of an XYZ file, behind "gdb" and the number, as CSV files call them."""

_DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, UnicodeError, csv.Error, tarfile.TarError)


@dataclasses.dataclass(frozen=True, eq=False)
class Properties:
    """Molecules in the order of their ids: smallest first, as QM9 numbers them."""

    source: pathlib.Path
    ids: tuple[str, ...]
    smiles: tuple[str, ...]
    values: Float[np.ndarray, " molecules"]


def read_properties(target: str) -> Properties:
    """The molecules of the best file there is, each id and each SMILES once, with one of its properties.

    Raises a `DataError` for a missing or damaged file, for an unknown `target` and for cells that are no
    numbers.
    """
    return _read(file_version(find_file("qm9", QM9_NAMES, official=OFFICIAL)), target)


def properties_digest() -> str:
    """A digest of the file that `read_properties` reads."""
    return files_digest([find_file("qm9", QM9_NAMES, official=OFFICIAL)])


@functools.lru_cache(maxsize=8)
def _read(version: tuple[pathlib.Path, int, int], target: str) -> Properties:
    path = version[0]
    rows: dict[int, tuple[str, str, float]] = {}
    try:
        for name, smiles, value in (_archive if ".tar" in path.name else _table)(path, target):
            rows.setdefault(_number(path, name), (name, smiles, _value(path, name, target, value)))
    except DataError:  # is an answer already
        raise
    except _DAMAGED as error:
        raise DataError(f"{path} is damaged ({error}): fetch or copy it anew.") from error
    # Some tables repeat molecules. A repeat on the other side of the split would leak its answer.
    once = {smiles: (name, smiles, value) for _, (name, smiles, value) in sorted(rows.items(), reverse=True)}
    kept = sorted(once.values(), key=lambda row: _number(path, row[0]))
    ids, smiles, values = zip(*kept) if kept else ((), (), ())
    return Properties(path, tuple(ids), tuple(smiles), np.array(values, dtype=np.float64))


def _table(path: pathlib.Path, target: str) -> Iterator[tuple[str, str, str]]:
    with io.StringIO(read_bytes(path).decode("utf-8-sig"), newline="") as file:
        reader = csv.reader(file)
        head = next(reader, None)
        if head is None:
            raise DataError(f"{path} is empty.")
        if not {"mol_id", "smiles"} <= set(head):
            raise DataError(f"{path} must have the columns mol_id and smiles, got {', '.join(head)}.")
        _check_target(path, target, [name for name in head if name not in ("mol_id", "smiles")])
        places = [head.index(name) for name in ("mol_id", "smiles", target)]
        for cells in reader:
            if len(cells) != len(head) and cells:
                raise DataError(
                    f"{path}, line {reader.line_num}: {len(head)} cells expected, got {len(cells)}."
                )
            if cells:
                yield typing.cast(tuple[str, str, str], tuple(cells[place] for place in places))


def _archive(path: pathlib.Path, target: str) -> Iterator[tuple[str, str, str]]:
    _check_target(path, target, XYZ_COLUMNS)
    place = 2 + XYZ_COLUMNS.index(target)
    # Nothing of it is ever written to the disk, so names and links in it lead nowhere.
    with _unpacked(path) as plain, tarfile.open(fileobj=plain, mode="r|") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".xyz") else None
            if file is None:
                continue
            if member.size > _MOST_OF_A_MOLECULE:
                raise DataError(f"{path}, {member.name}: {member.size:,} bytes are no molecule.")
            lines = file.read().decode().rstrip().splitlines()
            words, smiles = ([], []) if len(lines) < 4 else (lines[1].split(), lines[-2].split())
            if len(words) != 2 + len(XYZ_COLUMNS) or not smiles:
                raise DataError(f"{path}, {member.name}: {len(XYZ_COLUMNS)} properties and SMILES expected.")
            # Two SMILES: of the graph that was drawn, and of the relaxed geometry.
            yield f"gdb_{words[1]}", smiles[0], words[place].replace("*^", "e")


_MOST_OF_A_MOLECULE = 1 << 20  # bytes; the largest of QM9 has under 5,000


@contextlib.contextmanager
def _unpacked(path: pathlib.Path) -> Generator[io.BufferedReader]:
    """What a packed archive holds, as it is read."""
    packed: dict[bytes, typing.Any] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}
    with path.open("rb") as file:
        opened = packed.get(file.read(2), open)
    with opened(path, "rb") as plain:
        yield io.BufferedReader(Bounded(path, plain))


def _check_target(path: pathlib.Path, target: str, known: Sequence[str]) -> None:
    if target in known:
        return
    near = difflib.get_close_matches(target, known, n=1)
    advice = f"did you mean {near[0]!r}?" if near else f"{path.name} has {', '.join(known)}."
    raise DataError(f"unknown `target` {target!r}: {advice}")


def _number(path: pathlib.Path, name: str) -> int:
    digits = re.search(r"\d+$", name)
    if digits is None:
        raise DataError(f"{path}: a molecule's id must end with its number, as gdb_1 does, got {name!r}.")
    return int(digits[0])


def _value(path: pathlib.Path, name: str, target: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{path}, {name}: {target} must be a number, got {text!r}.")
    return value
