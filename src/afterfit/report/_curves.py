"""The points of a chart as a table: runs and their medians, thinned to what an eye can see."""

import csv
import dataclasses
import io
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float

from ._runs import COLOURS, Measure, PANELS, Runs


LINES = 200  # beyond this many runs a chart shows medians and bands in place of single runs
_ROWS = 48_000  # of all charts: more take a browser some seconds, and the page 5 MB
_ROWS_OF_A_MEASURE = 12_000
_SHORTEST, _LONGEST = 40, 240  # records of a line


@dataclasses.dataclass(frozen=True)
class Table:
    """The data of one panel, as texts under plain column names.

    Columns: `kind` (run or median), one column an axis (`axis0`, ...; empty where pooled), `step`, one column
    a part, and where `banded` its quartiles (`..._low`, `..._high`). `header` is the same
    first line with the names of the axes, for the file that a reader saves.
    """

    columns: tuple[str, ...]
    rows: list[list[str]]
    header: str

    @property
    def text(self) -> str:
        """Comma-separated values."""
        return comma_separated([self.columns, *self.rows])


@dataclasses.dataclass(frozen=True)
class Style:
    """How the runs of all panels are drawn."""

    pooled: bool  # some line stands for more than one run, so that there are medians
    single: bool  # the runs themselves are drawn
    banded: bool
    points: int  # records that a line keeps at most
    end: int = 0  # the step axis reaches at least this far
    linear: bool = False  # the step axis, instead of logarithmic

    @property
    def main(self) -> str:
        """The kind of row that carries the thick lines."""
        return "median" if self.pooled else "run"


def choose_style(runs: Runs, rows: int | None = None) -> Style:
    """What fits on a page: with many measures fewer runs are drawn one by one.

    `rows`: of the table of a measure, where that is chosen.
    """
    members = [member.size for _, _, member in runs.cells()]
    pooled = max(members) > 1
    rows = rows or min(_ROWS_OF_A_MEASURE, _ROWS // len(runs.measures))
    single = not pooled or sum(members) <= min(LINES, rows // _SHORTEST)
    lines = sum(members) * single + len(members) * pooled
    points = int(np.clip(rows // lines, _SHORTEST, _LONGEST))
    return Style(pooled=pooled, single=single, banded=pooled and not single, points=points)


def column(part: str) -> str:
    """The column of a part; a measure that has no parts gets `value`."""
    return part or "value"


def panel_table(runs: Runs, measure: Measure, style: Style, panel: int | None) -> Table:
    """The rows of one panel of one measure."""
    cells = [(colour, member) for its_panel, colour, member in runs.cells() if its_panel == panel]
    axes = [f"axis{place}" for place in range(len(runs.axes))]
    parts = [column(part) for part in measure.parts]
    bands = [f"{part}_{end}" for part in parts for end in ("low", "high")] if style.banded else []
    columns = ["kind", *axes, "step", *parts, *bands]
    rows: list[list[str]] = []
    for colour, member in cells:
        if style.pooled:
            labels = [_pooled_label(runs, place, colour, panel) for place in range(len(runs.axes))]
            found = _median_rows(runs, measure, member, style.points, style.banded)
            rows += [["median", *labels, *row] for row in found]
        if style.single:
            for run in member.tolist():
                labels = [axis.labels[axis.index[run]] for axis in runs.axes]
                rows += [["run", *labels, *row] for row in _run_rows(runs, measure, run, style.points)]
    named = [f"{part}_{measure.name}" if part != "value" else measure.name for part in parts]
    ends = [f"{name}_{end}" for name in named for end in ("quartile1", "quartile3")] if bands else []
    header = comma_separated([["kind", *(axis.name for axis in runs.axes), "step", *named, *ends]])
    return Table(tuple(columns), rows, header)


def comma_separated(rows: Iterable[Sequence[object]]) -> str:
    """Rows as the lines of a CSV file; what is missing is empty."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def _pooled_label(runs: Runs, place: int, colour: int | None, panel: int | None) -> str:
    axis = runs.axes[place]
    if axis is runs.colour and colour is not None:
        return axis.labels[colour]
    if axis is runs.panel and panel is not None:
        return axis.labels[panel]
    return axis.labels[0] if len(axis.labels) == 1 else ""


def _run_rows(runs: Runs, measure: Measure, run: int, most: int) -> list[list[str]]:
    values = np.stack([part[run] for part in measure.parts.values()])
    where = runs.thinned(np.flatnonzero(np.isfinite(values).any(axis=0)), most)
    return [[str(runs.steps[at]), *map(_number, values[:, at])] for at in where]


def _median_rows(
    runs: Runs, measure: Measure, member: np.ndarray, most: int, banded: bool
) -> list[list[str]]:
    rows = []
    stacked = np.stack(
        [pooled_quantiles(values[member]) for values in measure.parts.values()]
    )  # part, (median, low, high), step
    genuine = np.any([np.isfinite(values[member]).any(axis=0) for values in measure.parts.values()], axis=0)
    genuine &= np.isfinite(stacked).any(axis=(0, 1))
    for at in runs.thinned(np.flatnonzero(genuine), most):
        ends = stacked[:, 1:, at].ravel() if banded else []
        rows.append([str(runs.steps[at]), *map(_number, stacked[:, 0, at]), *map(_number, ends)])
    return rows


def pooled_quantiles(values: Float[np.ndarray, "run step"]) -> Float[np.ndarray, "quantile step"]:
    """Median and quartiles of runs at each step; NaN where fewer than half of them still have a value."""
    carried = carried_forward(values)
    known = np.isfinite(carried)
    counts = known.sum(axis=0)
    result = np.full((3, values.shape[1]), np.nan)
    everywhere = counts == known.any(axis=1).sum()
    some = (counts * 2 >= known.any(axis=1).sum()) & (counts > 0) & ~everywhere
    if counts.any():
        measured = carried[known.any(axis=1)]
        # `nanquantile` is many times slower, so it gets only the steps that need it.
        result[:, everywhere] = np.quantile(measured[:, everywhere], [0.5, 0.25, 0.75], axis=0)
        result[:, some] = np.nanquantile(measured[:, some], [0.5, 0.25, 0.75], axis=0)
    return result


def carried_forward(values: Float[np.ndarray, "run step"]) -> Float[np.ndarray, "run step"]:
    """Each gap between two records takes the earlier one; before the first and after the last stays NaN.

    So runs recorded at different steps can be pooled.
    """
    known = ~np.isnan(values)
    place = np.arange(values.shape[1])
    earlier = np.maximum.accumulate(np.where(known, place, -1), axis=1)
    inside = (earlier >= 0) & (place <= earlier[:, -1:])  # the last column holds the place of the last record
    return np.where(inside, np.take_along_axis(values, np.maximum(earlier, 0), axis=1), np.nan)


def _number(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else ""


def note(runs: Runs, style: Style) -> str:
    """What the charts leave out or pool, in plain words."""
    sentences = []
    pooled = [
        axis.title + "s" * axis.is_seed
        for axis in runs.axes
        if len(axis.labels) > 1 and axis is not runs.colour and axis is not runs.panel
    ]
    if style.pooled:
        of = f" over {' and '.join(pooled)}" if pooled else ""
        if style.banded:
            drawn = sum(member.size for _, _, member in runs.cells())
            sentences.append(
                f"{drawn:,} runs are too many to draw one by one: "
                f"thick lines are medians{of}, bands hold the middle half of the runs."
            )
        else:
            sentences.append(f"Thin lines are single runs, thick lines their medians{of}.")
    records = int(runs.recorded.sum(axis=1).max())
    if records > style.points:
        sentences.append(
            f"Of up to {records:,} records of a run each line shows at most {style.points}, evenly spread as "
            "drawn; so do the CSV tables, and “afterfit export” writes all."
        )
    for axis, most in ((runs.colour, COLOURS), (runs.panel, PANELS)):
        if axis is not None and len(axis.labels) > most:
            sentences.append(
                f"The charts show {most} of the {len(axis.labels)} values of {axis.title}; the table has all."
            )
    return " ".join(sentences)
