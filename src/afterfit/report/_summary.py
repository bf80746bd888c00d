"""What a set of runs did, as lines for a terminal."""

import typing

import numpy as np

from ..statistics import median_time
from ._labels import printable
from ._runs import read_runs, Runs
from ._words import budget_of, headline, ratio_text, step_text, time_text


if typing.TYPE_CHECKING:
    import xarray

_MOST_ROWS = 24


def summary(data: "xarray.Dataset") -> str:
    """A sentence, and a table of the median steps to memorise and to generalise over seeds.

    **Raises:** `ValueError` for data without accuracies or without one record.
    """
    runs = read_runs(data)
    table = _rows(runs)
    lines = [headline(runs)]
    if len(table) > 2:
        widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
        shown = table[: _MOST_ROWS + 1]
        lines += [
            "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in shown
        ]
        if len(table) > len(shown):
            lines.append(f"... and {len(table) - len(shown)} more rows")
    return printable("\n".join(lines))


def _rows(runs: Runs) -> list[list[str]]:
    axes = [axis for axis in runs.axes if not axis.is_seed]
    over = [axis.name for axis in runs.axes if axis.is_seed]
    medians = {
        which: median_time(runs.times, which, over).transpose(*(axis.name for axis in axes))
        for which in ("memorised", "generalised", "ratio")
    }
    ordered = runs.times.transpose(*(axis.name for axis in axes), *over)
    rows = [[*(axis.title for axis in axes), "memorised", "generalised", "ratio"]]
    for place in np.ndindex(*(len(axis.labels) for axis in axes)):
        cells = [axis.labels[index] for axis, index in zip(axes, place, strict=True)]
        for which, text in (("memorised", step_text), ("generalised", step_text), ("ratio", ratio_text)):
            ended, censored = (ordered[name].values[(*place, ...)] for name in (which, f"{which}_censored"))
            median, at_most = (medians[which][name].values[place] for name in ("median", "at_most"))
            cells.append(time_text(float(median), at_most, budget_of(ended, censored), text))
        rows.append(cells)
    return rows
