"""Any table of answers as a task: from numbers, a file or a Python function.

Axes of this module
    left      elements in the place of x, one row of the table each
    right     elements in the place of y, one column of the table each
"""

import dataclasses
import functools
import hashlib
import pathlib
import re
import typing
from collections.abc import Callable

import numpy as np
from jaxtyping import Int

from ._data import AbstractObjective, AbstractTask, CrossEntropy, Data
from ._equations import check_equations, check_whole, split_equations
from ._files import MOST_UNPACKED


UNDEFINED = ("", "-1", "-1.0", "-", "?", "nan", "none")
"""What a cell of a text file may hold where an equation does not exist, capitals aside."""

MARK = "#sha256:"
"""Stands between the name of a file and the first 16 hexadecimal digits of its contents' SHA-256."""


@dataclasses.dataclass(frozen=True)
class TableTask(AbstractTask):
    """Learn a table of your own from a random part of it.

    The table need not be square. Elements and answers are whole numbers from 0: row x, column y
    holds the answer to (x, y).

    **Arguments:**

    - `table`: rows of answers, with -1 where an equation does not exist; or the name of a file, `.npy`
        or text with cells parted by commas, semicolons, tabs or blanks. In a text `#` starts a comment
        and an empty cell, `-`, `?`, `nan` or `none` means -1. A digest of the contents is put behind
        the name, so that a recipe means one table for good.
    - `fraction`: share of the equations that train, strictly between 0 and 1.
    - `outliers`: training equations whose answers are falsified (Power et al. 2022, section 3.4).
    - `symbols`: size of the vocabulary, by default the larger side of the table.
    - `outputs`: how many answers there are to choose from, by default the largest answer plus 1.
    - `objective`: how answers are scored, by default softmax cross-entropy in nats.

    Raises a `ValueError` that names the field or the cell at fault.

    !!! Example

        ```python
        TableTask("my_table.csv", fraction=0.6)
        TableTask(((0, 1, 2), (1, 2, 0), (2, 0, -1)))
        TableTask.from_function(lambda x, y: max(x, y), size=31)
        ```
    """

    shared: typing.ClassVar[tuple[str, ...]] = ("inputs",)

    table: str | tuple[tuple[int, ...], ...]
    fraction: float = 0.5
    outliers: int = 0
    symbols: int | None = None
    outputs: int | None = None
    objective: AbstractObjective = dataclasses.field(
        default=CrossEntropy(), metadata={"room": "afterfit.tasks"}
    )

    def __post_init__(self):
        if isinstance(self.table, str):
            name, mark = _parted(self.table)
            if mark is not None:
                return  # A stored recipe can be looked at without its file, which `data` checks.
            object.__setattr__(self, "table", f"{name}{MARK}{_digest(name)}")
        else:
            object.__setattr__(self, "table", _rows(self.table))
        if self.outputs is not None:
            check_whole("outputs", self.outputs, least=1)
        check_equations(
            self.answers, self.fraction, outliers=self.outliers, symbols=self.symbols, outputs=self._outputs
        )

    @classmethod
    def from_array(cls, table: typing.Any, **fields: typing.Any) -> "TableTask":
        """The table in a NumPy array or nested lists, with -1, NaN or `None` where there is no equation.

        `fields` are those of the class.
        """
        return cls(_rows(table), **fields)

    @classmethod
    def from_function(
        cls, function: Callable[[int, int], int | None], size: int | tuple[int, int], **fields: typing.Any
    ) -> "TableTask":
        """The table of `function(x, y)` for x and y below `size`, or below its two numbers.

        The function answers `None` where an equation does not exist. `fields` are those of the class.
        """
        left, right = (size, size) if isinstance(size, int) else size
        return cls.from_array([[function(x, y) for y in range(right)] for x in range(left)], **fields)

    @property
    def answers(self) -> Int[np.ndarray, "left right"]:
        """The complete, true table, with -1 where there is no equation."""
        return _read(self.table) if isinstance(self.table, str) else _array(self.table)

    @property
    def _outputs(self) -> int:
        return int(self.answers.max()) + 1 if self.outputs is None else self.outputs

    def data(self, seed: int) -> Data:
        """The arrays under the split that `seed` draws; see `split_equations`."""
        return split_equations(
            self.answers,
            self.fraction,
            outliers=self.outliers,
            symbols=self.symbols,
            outputs=self._outputs,
            seed=seed,
        )


@functools.lru_cache(maxsize=64)
def _array(table: tuple[tuple[int, ...], ...]) -> Int[np.ndarray, "left right"]:
    array = np.array(table, dtype=np.int32)
    array.flags.writeable = False
    return array


@functools.lru_cache(maxsize=64)
def _read(table: str) -> Int[np.ndarray, "left right"]:
    name, mark = _parted(table)
    found = _digest(name)
    if found != mark:
        raise ValueError(
            f"`table` {name!r} has changed: expected digest {mark}, got {found}; "
            f"restore the file, or give its name without {MARK}{mark} for a new recipe"
        )
    if pathlib.Path(name).suffix == ".npy":
        return _array(_rows(np.load(name, allow_pickle=False)))
    return _array(_rows(_text_rows(pathlib.Path(name))))


def _parted(table: str) -> tuple[str, str | None]:
    name, mark, digest = table.partition(MARK)
    return name, digest if mark else None


def _digest(name: str) -> str:
    try:
        path = pathlib.Path(name)
        if not path.is_file() and path.exists():
            raise ValueError("it is no file")  # a device may never end
        if path.stat().st_size > MOST_UNPACKED:
            raise ValueError(f"it has more than {MOST_UNPACKED:,} bytes")
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"`table` {name!r} cannot be read: {reason}") from error


def _text_rows(path: pathlib.Path) -> list[list[str]]:
    lines = [line.split("#")[0].strip(" \r") for line in path.read_text(encoding="utf-8-sig").splitlines()]
    lines = [line for line in lines if line.strip()]
    separator = next((mark for mark in ",;\t" if any(mark in line for line in lines)), None)
    return [line.split(separator) for line in lines]


def _rows(table: typing.Any) -> tuple[tuple[int, ...], ...]:
    if isinstance(table, np.ndarray):
        table = table.tolist()
    if not isinstance(table, list | tuple) or not all(isinstance(row, list | tuple) for row in table):
        raise ValueError(f"`table` must be rows of whole numbers or the name of a file, got {str(table):.60}")
    lengths = sorted({len(row) for row in table})
    if lengths in ([], [0]):
        raise ValueError(f"`table` must have at least one row and one column, got {str(table):.60}")
    if len(lengths) > 1:
        raise ValueError(f"the rows of `table` must have one and the same length, got lengths {lengths}")
    return tuple(tuple(_cell(value, x, y) for y, value in enumerate(row)) for x, row in enumerate(table))


def _cell(value: typing.Any, x: int, y: int) -> int:
    text = "none" if value is None else str(value).strip().lower()
    if text in UNDEFINED:
        return -1
    if not re.fullmatch(r"\d+(\.0*)?", text):
        raise ValueError(
            f"`table`, row {x}, column {y}: expected a whole number of at least 0, "
            f"or -1 where there is no equation, got {value!r}"
        )
    return int(text.split(".")[0])
