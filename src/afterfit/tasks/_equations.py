"""Tables of equations as data: which equations are shown, which are asked, which are falsified.

Axes of this module
    left, right   elements in the places of x and y of an equation x o y = z
    pool          all pairs (x, y) of symbols, x major; a pair without an answer is never in the split
    rows          positions into the pool: training rows first, test rows next, then padding
"""

import functools
import numbers
import zlib

import numpy as np
from jaxtyping import Int, UInt

from .._memory import free_host_memory
from .._sizes import MOST
from ._data import Data


def split_equations(
    answers: Int[np.ndarray, "left right"],
    fraction: float,
    *,
    outliers: int = 0,
    symbols: int | None = None,
    outputs: int | None = None,
    seed: int,
) -> Data:
    """The data of a task that shows a random part of a table of answers and asks for the rest.

    Equation (x, y) is row `x * symbols + y` of the pool. `round(fraction * equations)` of them train
    (at least one, and at least one is left to test). With the same seed a larger fraction only adds
    training equations, and outliers leave the split alone.

    **Arguments:**

    - `answers`: `Int["left right"]`, with -1 where an equation does not exist.
    - `fraction`: share of the equations that train, strictly between 0 and 1.
    - `outliers`: how many training equations get the answer of another one (Power et al. 2022,
        section 3.4). Donors are distinct, and no outliers themselves, as long as the training set
        is twice as large. As in the paper, a donor's answer may happen to be the right one.
    - `symbols`: size of the vocabulary, by default the number of elements. Tables that share it
        share the shapes of their data.
    - `outputs`: how many answers there are to choose from, by default `symbols`.
    - `seed`: draws the split and, from a stream of its own, the outliers.

    **Returns:** data whose `groups` mark rows of the pool: "outlier", the falsified training
    equations, and "mirrored", the test equations (x, y) whose mirror (y, x) is in training.

    Raises a `ValueError` for what `check_equations` refuses.
    """
    check_equations(answers, fraction, outliers=outliers, symbols=symbols, outputs=outputs)
    size = max(answers.shape) if symbols is None else symbols
    targets = np.full((size, size), -1, dtype=np.int32)
    targets[: answers.shape[0], : answers.shape[1]] = answers
    targets = targets.reshape(-1)
    equations = np.flatnonzero(targets >= 0)
    train_count = training_count(equations.size, fraction)

    order = equations[random_order(seed, "split", equations.size)]
    rows = np.full(targets.size, order[0], dtype=np.int32)
    rows[: order.size] = order
    train = np.zeros(targets.size, dtype=bool)
    train[order[:train_count]] = True
    mirrored = train.reshape(size, size).T.reshape(-1) & ~train & (targets >= 0)
    outlier = np.zeros(targets.size, dtype=bool)
    if outliers:
        falsified, donors = _draw_outliers(order[:train_count], outliers, seed)
        targets[falsified] = targets[donors]
        outlier[falsified] = True

    return Data(
        inputs=_pairs(size),
        targets=_frozen(targets),
        rows=_frozen(rows),
        train_count=_frozen(np.array(train_count, dtype=np.int32)),
        test_count=_frozen(np.array(equations.size - train_count, dtype=np.int32)),
        outputs=size if outputs is None else outputs,
        symbols=size,
        groups={"outlier": _frozen(outlier), "mirrored": _frozen(mirrored)},
    )


def check_equations(
    answers: Int[np.ndarray, "left right"],
    fraction: float,
    *,
    outliers: int = 0,
    symbols: int | None = None,
    outputs: int | None = None,
) -> None:
    """Raise a `ValueError` that names the field at fault if `split_equations` could not split the table."""
    if not 0 < fraction < 1:
        raise ValueError(f"`fraction` must lie strictly between 0 and 1, got {fraction}")
    equations = int(np.count_nonzero(answers >= 0))
    if equations < 2:
        raise ValueError(f"a table needs at least 2 equations, one to train and one to test, got {equations}")
    check_whole("outliers", outliers, least=0)
    train = training_count(equations, fraction)
    if outliers > train:
        raise ValueError(
            f"`outliers` must be at most the number of training equations, got {outliers} outliers "
            f"and {train} training equations: take fewer outliers or a larger `fraction` than {fraction}"
        )
    if outliers and train < 2:
        raise ValueError(
            "`outliers` need another training equation to take an answer from, got 1 training equation"
        )
    if symbols is not None:
        check_whole("symbols", symbols, least=max(answers.shape), reason=" (the number of elements)")
        check_memory(symbols**2, symbols=symbols)
    if outputs is None:
        outputs = max(answers.shape) if symbols is None else symbols
    largest = int(answers.max())
    if largest >= outputs:
        raise ValueError(
            f"answers must be below the number of outputs, got answer {largest} and {outputs} outputs"
        )


def check_whole(field: str, value: object, least: int, reason: str = "") -> None:
    """Raise a `ValueError` unless the value of a field is a whole number of at least `least`.

    What is counted in 32 bits must not be above `MOST` either.
    """
    if not isinstance(value, numbers.Integral) or int(value) < least:
        raise ValueError(f"`{field}` must be a whole number of at least {least}{reason}, got {value!r}")
    if int(value) > MOST:
        raise ValueError(f"`{field}` must be at most {MOST:,}, got {value!r}")


def check_memory(entries: int, **sizes: int) -> None:
    """Raise a `ValueError` that names the largest of the sizes if the data they make do not fit into memory.

    **Arguments:** `entries`: how many numbers there will be, roughly.
    """
    if entries < _FEW:  # asking how much is free takes longer than all other checks
        return
    needed, free = entries * _BYTES, free_host_memory()
    if needed > free:
        field = max(sizes, key=lambda name: sizes[name])
        raise ValueError(
            f"`{field}` of {sizes[field]:,} makes data of about {needed / 1e9:,.0f} GB, and "
            f"{free / 1e9:.1f} GB of memory are free: take less"
        )


_FEW = 10**7
_BYTES = 24  # of a number while data are made: twice in float64, and as what it becomes


def training_count(equations: int, fraction: float) -> int:
    """The number of training equations: the nearest whole number, but at least 1 on either side."""
    return min(max(round(fraction * equations), 1), equations - 1)


def _draw_outliers(
    train: Int[np.ndarray, " train"], count: int, seed: int
) -> tuple[Int[np.ndarray, " count"], Int[np.ndarray, " count"]]:
    # Outliers from the front and donors from the back: more outliers keep the earlier ones as they are.
    order = random_order(seed, "outliers", train.size)
    falsified = order[:count]
    if 2 * count <= train.size:
        donors = order[::-1][:count]
    else:
        shift = _random_words(seed, "donors", count) % np.uint64(train.size - 1)
        donors = (falsified + 1 + shift.astype(np.int64)) % train.size  # never the equation itself
    return train[falsified], train[donors]


def random_order(seed: int, purpose: str, count: int) -> Int[np.ndarray, " count"]:
    """A permutation that a seed draws for a purpose."""
    # 64-bit words do not tie, so the order is the same whichever way a machine sorts.
    return np.argsort(_random_words(seed, purpose, count))


def _random_words(seed: int, purpose: str, count: int) -> UInt[np.ndarray, " count"]:
    # Raw words of a bit generator are the one stream NumPy promises never to change between versions.
    source = np.random.SeedSequence([seed, zlib.crc32(purpose.encode())])
    return np.random.Philox(source).random_raw(count)


@functools.lru_cache(maxsize=32)
def _pairs(symbols: int) -> Int[np.ndarray, "pool 2"]:
    return _frozen(np.indices((symbols, symbols), dtype=np.int32).reshape(2, -1).T.copy())


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
