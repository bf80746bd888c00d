"""The points of a chart as a table: runs and their medians, thinned to what an eye can see."""

import csv
import dataclasses
import io
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from ._runs import Measure, Runs


LINES = 200  # beyond this many runs a chart shows medians and bands in place of single runs
_ROWS = 48_000  # of all charts: more take a browser some seconds, and the page 5 MB
_ROWS_OF_A_MEASURE = 12_000
_SHORTEST, _LONGEST = 40, 240  # records of a line


@dataclasses.dataclass(frozen=True)
class Table:
    """The data of one panel by column, under plain names.

    **Arguments:**

    - `labels`: `kind` (run or median), and one column an axis (`axis0`, ...; empty where pooled).
    - `numbers`: `step`, one column a part, and where banded its quartiles (`..._low`, `..._high`); NaN where
      missing.
    - `header`: the first line with the names of the axes, for the file that a reader saves.
    """

    labels: dict[str, list[str]]
    numbers: dict[str, Float[np.ndarray, " row"]]
    header: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns, in order."""
        return (*self.labels, *self.numbers)

    @property
    def text(self) -> str:
        """Comma-separated values, with four digits."""
        steps = map(str, self.numbers["step"].astype(int).tolist())
        values = (map(_number, column) for name, column in self.numbers.items() if name != "step")
        rows = zip(*self.labels.values(), steps, *values, strict=True)
        return comma_separated([self.columns, *rows])


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
    """The rows of one panel of one measure, line after line."""
    cells = [(colour, member) for its_panel, colour, member in runs.cells() if its_panel == panel]
    called: list[tuple[str, ...]] = []  # what each row is, in labels
    lines: list[Float[np.ndarray, "column record"]] = []
    for colour, member in cells:
        if style.pooled:
            lines.append(_pooled_line(runs, measure, member, style.points, style.banded))
            labels = [_pooled_label(runs, place, colour, panel) for place in range(len(runs.axes))]
            called += [("median", *labels)] * lines[-1].shape[1]
        if style.single:
            for run in member.tolist():
                lines.append(_line(runs, measure, run, style.points))
                labels = [axis.labels[axis.index[run]] for axis in runs.axes]
                called += [("run", *labels)] * lines[-1].shape[1]
    axes = [f"axis{place}" for place in range(len(runs.axes))]
    parts = [column(part) for part in measure.parts]
    bands = [f"{part}_{end}" for part in parts for end in ("low", "high")] if style.banded else []
    named = [f"{part}_{measure.name}" if part != "value" else measure.name for part in parts]
    ends = [f"{name}_{end}" for name in named for end in ("quartile1", "quartile3")] if bands else []
    return Table(
        labels={name: [row[at] for row in called] for at, name in enumerate(["kind", *axes])},
        numbers=dict(zip(["step", *parts, *bands], np.concatenate(lines, axis=1), strict=True)),
        header=comma_separated([["kind", *(axis.name for axis in runs.axes), "step", *named, *ends]]),
    )


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
    taken = runs.taken(axis)
    return axis.labels[taken[0]] if len(taken) == 1 else ""


def _line(runs: Runs, measure: Measure, run: int, most: int) -> Float[np.ndarray, "column record"]:
    """Steps, then the parts of a measure, at the records of a run that are drawn."""
    values = np.stack([part[run] for part in measure.parts.values()])
    where = runs.thinned(np.flatnonzero(np.isfinite(values).any(axis=0)), most)
    return np.stack([runs.steps[where], *values[:, where]])


def _pooled_line(
    runs: Runs, measure: Measure, member: Int[np.ndarray, " run"], most: int, banded: bool
) -> Float[np.ndarray, "column record"]:
    """Steps, the medians of the parts of a measure, and if banded the quartiles of each."""
    parts = [values[member] for values in measure.parts.values()]
    carried = [carried_forward(values) for values in parts]
    genuine = np.any([np.isfinite(values).any(axis=0) for values in parts], axis=0)
    genuine &= np.any([_enough(values) for values in carried], axis=0)
    where = runs.thinned(np.flatnonzero(genuine), most)
    # Quantiles sort, so they are taken where they are drawn and nowhere else.
    found = np.stack([_quantiles(values[:, where], _enough(values)[where]) for values in carried])
    ends = found[:, 1:].reshape(2 * len(parts), where.size) if banded else []
    return np.stack([runs.steps[where], *found[:, 0], *ends])


def pooled_quantiles(values: Float[np.ndarray, "run step"]) -> Float[np.ndarray, "quantile step"]:
    """Median and quartiles of runs at each step; NaN where fewer than half of them still have a value."""
    carried = carried_forward(values)
    return _quantiles(carried, _enough(carried))


def _enough(carried: Float[np.ndarray, "run step"]) -> Bool[np.ndarray, " step"]:
    """The steps at which at least half of the runs that were measured at all have a value."""
    known = np.isfinite(carried)
    counts = known.sum(axis=0)
    return (counts > 0) & (counts * 2 >= known.any(axis=1).sum())


def _quantiles(
    carried: Float[np.ndarray, "run step"], wanted: Bool[np.ndarray, " step"]
) -> Float[np.ndarray, "quantile step"]:
    """Median and quartiles at the steps that are `wanted`; NaN at the others."""
    result = np.full((3, wanted.size), np.nan)
    carried = carried[np.isfinite(carried).any(axis=1)]
    everywhere = np.isfinite(carried).all(axis=0)
    # `nanquantile` is many times slower, so it gets only the steps that need it.
    for steps, quantile in ((wanted & everywhere, np.quantile), (wanted & ~everywhere, np.nanquantile)):
        if steps.any():
            result[:, steps] = quantile(carried[:, steps], [0.5, 0.25, 0.75], axis=0)
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


def note(runs: Runs, style: Style, *, tables: bool) -> str:
    """What the charts leave out or pool, in plain words; `tables`: a reader has those behind them too."""
    sentences = []
    pooled = [axis.values for axis in runs.varying if axis is not runs.colour and axis is not runs.panel]
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
            f"drawn;{' so do the CSV tables, and' * tables} “afterfit export” writes all."
        )
    for axis, drawn in ((runs.colour, runs.colours), (runs.panel, runs.panels)):
        there = 0 if axis is None else len(runs.taken(axis))
        if axis is not None and len(drawn) < there:
            sentences.append(
                f"The charts show {len(drawn)} of the {there} values of {axis.title}"
                f"{'; the table has all' * tables}."
            )
    return " ".join(sentences)
