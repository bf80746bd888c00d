"""Ragged items laid one after another.

An item is a dictionary of arrays with a common first axis. Items whose names, dtypes and trailing axes
agree form a group, and a group is one stack for each name. A table tells where each item lies: group, first
row, end row.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from ._arrayfile import Reader


Row = Sequence[int]


def stack(
    prefix: str, items: Sequence[Mapping[str, np.ndarray]]
) -> tuple[dict[str, list[np.ndarray]], list[Row]]:
    """The stacks `PREFIX/GROUP/NAME` of the items, and the table of where each one lies."""
    stacks: dict[str, list[np.ndarray]] = {}
    groups: dict[tuple, int] = {}
    filled: list[int] = []
    table: list[Row] = []
    for item in items:
        if not item:
            table.append((-1, 0, 0))
            continue
        kind = tuple((name, array.dtype.name, array.shape[1:]) for name, array in sorted(item.items()))
        group = groups.setdefault(kind, len(groups))
        if group == len(filled):
            filled.append(0)
        start = filled[group]
        filled[group] += next(iter(item.values())).shape[0]
        table.append((group, start, filled[group]))
        for name, array in item.items():
            stacks.setdefault(f"{prefix}/{group}/{name}", []).append(array)
    return stacks, table


def unstack(
    reader: Reader, prefix: str, row: Row, wanted: Collection[str] | None = None
) -> dict[str, np.ndarray]:
    """The item that a row of the table points to, or those of its arrays that are wanted."""
    group, start, stop = row
    if group < 0:
        return {}
    folder = f"{prefix}/{group}"
    names = [name for name in reader.names(folder) if wanted is None or name in wanted]
    return {name: reader.rows(f"{folder}/{name}", start, stop) for name in names}
