"""Phase diagrams: one statistic of the runs at each pair of places on two axes, as a heat map."""

import collections
import typing
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from ..statistics import Phase
from ._runs import Axis, Runs
from ._scene import OPEN, pooled_times, Scene
from ._specs import Spec, themes
from ._words import ratio_text, step_text


if typing.TYPE_CHECKING:
    import xarray

Row = dict[str, typing.Any]
COLUMNS = ("x", "y", "value", "text", "runs")
STATISTICS = {
    "generalised": "steps to generalise",
    "memorised": "steps to memorise",
    "delay": "delay in steps",
    "ratio": "how many times later",
    "phase": "phase",
}
_LAST = "last "  # before the name of a measure: its last value; "last accuracy" is that of the test set
_CELL = 30  # pixels
_NOTHING = "#8a919c55"  # the colour of cells without a number
_LEGEND = {"orient": "top", "title": None, "direction": "horizontal", "gradientLength": 180, "columns": 3}
_PHASES = {  # told apart on white and on dark paper, and by those who see few colours
    Phase.GROKKED: "#1b7f5c",
    Phase.GENERALISED: "#3f8fb5",
    Phase.MEMORISED_ONLY: "#e0a030",
    Phase.NEVER_FITTED: "#8a919c",
    Phase.DIVERGED: "#c0304b",
    Phase.NO_RECORD: "#c9cfda",
    OPEN: "#9d7fc4",
}


class Cell(typing.NamedTuple):
    """What stands at one place of a diagram: a number (or none), and how it is read."""

    value: float | None
    text: str


def diagram_spec(
    scene: Scene, x: Axis, y: Axis | None, statistic: str, where: Mapping[str, str]
) -> dict[str, typing.Any]:
    """A heat map of a statistic over two axes (or one), pooled over all others.

    `statistic`: one of `STATISTICS`, or "last " and a measure. Times are censored medians; "not yet"
    says that at least half of the runs had not got there when they ended.

    **Raises:** `ValueError` for an unknown statistic.
    """
    wanted = scene.chosen(where)
    groups = _groups(x, y, wanted)
    rows = _rows(x, y, groups, _cells(scene, statistic, list(groups.values())))
    return {
        "title": STATISTICS.get(statistic, statistic),
        "fields": {"x": x.name, "y": "" if y is None else y.name},
        "description": f"{STATISTICS.get(statistic, statistic)} over {x.title}"
        + (f" and {y.title}" if y else ""),
        "spec": _spec(rows, x, y, statistic),
        "columns": {name: [row[name] for row in rows] for name in COLUMNS},
        "themes": themes(),
    }


def times_diagram(runs: Runs) -> tuple[Spec, list[Row]] | None:
    """Steps to generalise over the two axes that move them most, and its rows; None where fewer vary."""
    x, y = runs.colour, runs.panel
    if x is None or y is None:
        return None
    import xarray

    dims = [axis.name for axis in runs.axes]
    flat = xarray.Dataset(
        {str(name): ("run", column.transpose(*dims).values.ravel()) for name, column in runs.times.items()}
    )
    groups = _groups(x, y, runs.present)
    rows = _rows(x, y, groups, _timed(flat, "generalised", list(groups.values())))
    return _spec(rows, x, y, "generalised"), rows


def _groups(x: Axis, y: Axis | None, wanted: Bool[np.ndarray, " run"]) -> dict[tuple[int, int], np.ndarray]:
    """The runs at each pair of places that has some."""
    found = {}
    for across, up in np.ndindex(len(x.labels), 1 if y is None else len(y.labels)):
        there = wanted & (x.index == across) & (True if y is None else y.index == up)
        if there.any():
            found[across, up] = np.flatnonzero(there)
    return found


def _rows(
    x: Axis, y: Axis | None, groups: Mapping[tuple[int, int], np.ndarray], cells: Sequence[Cell]
) -> list[Row]:
    return [
        {
            "x": x.labels[across],
            "y": "" if y is None else y.labels[up],
            "value": cell.value,
            "text": cell.text,
            "runs": group.size,
        }
        for ((across, up), group), cell in zip(groups.items(), cells, strict=True)
    ]


def _cells(scene: Scene, statistic: str, groups: Sequence[np.ndarray]) -> list[Cell]:
    if statistic.startswith(_LAST):
        return [_number(value) for value in _last_values(scene, statistic.removeprefix(_LAST), groups)]
    if statistic == "phase":
        counts = [collections.Counter(scene.phases[run] for run in group) for group in groups]
        return [Cell(None, str(count.most_common(1)[0][0])) for count in counts]
    if statistic not in STATISTICS:
        raise ValueError(f"no statistic {statistic!r}; there are: {', '.join(STATISTICS)}, or last MEASURE")
    return _timed(scene.times, statistic, groups)


def _timed(times: "xarray.Dataset", statistic: str, groups: Sequence[np.ndarray]) -> list[Cell]:
    text = ratio_text if statistic == "ratio" else step_text
    medians, bounds = pooled_times(times, statistic, groups) if groups else ([], [])
    return [_time(float(median), bool(bound), text) for median, bound in zip(medians, bounds, strict=True)]


def _time(median: float, at_most: bool, text: Callable[[float], str]) -> Cell:
    if np.isnan(median):
        return Cell(None, "unknown")
    if np.isinf(median):
        return Cell(None, "not yet")
    return Cell(float(median), ("≤ " if at_most else "") + text(median))


def _number(value: float) -> Cell:
    return Cell(float(value), f"{value:.4g}") if np.isfinite(value) else Cell(None, "no value")


def _last_values(scene: Scene, name: str, groups: Sequence[np.ndarray]) -> list[float]:
    """Medians over each group of the last finite values; of train and test, of the test part."""
    measure = scene.measure(name, (0,) * len(scene.measures.get(name, ())))
    table = measure.parts.get("test", next(iter(measure.parts.values())))
    last = last_values(table)
    known = [last[group][np.isfinite(last[group])] for group in groups]
    return [float(np.median(values)) if values.size else np.nan for values in known]


def last_values(table: Float[np.ndarray, "run step"]) -> Float[np.ndarray, " run"]:
    """The last finite value of each run, NaN where there is none."""
    place = np.where(np.isfinite(table), np.arange(table.shape[1]), -1).max(axis=1)
    return np.where(place >= 0, table[np.arange(len(table)), place], np.nan)


def _spec(rows: list[dict[str, typing.Any]], x: Axis, y: Axis | None, statistic: str) -> Spec:
    values = [row["value"] for row in rows if row["value"] is not None]
    positive = bool(values) and min(values) > 0 and max(values) > 5 * min(values)
    mark: Spec = {"type": "rect", "cursor": "pointer", "cornerRadius": 2}
    # Vega draws no cell without a number, and of no number at all a legend of "NaN".
    layers: list[Spec] = [{"mark": mark, "encoding": {"color": {"value": _NOTHING}}}]
    if statistic == "phase":
        scale: Spec = {"domain": [str(phase) for phase in _PHASES], "range": list(_PHASES.values())}
        colour: Spec = {"field": "text", "type": "nominal", "scale": scale, "legend": _LEGEND}
        layers = [{"mark": mark, "encoding": {"color": colour}}]
    elif values:
        kind: Spec = {"type": "log"} if positive else {"type": "linear", "zero": False}
        scale = {**kind, "scheme": "viridis", "reverse": True}
        legend = {**_LEGEND, "format": "~s"}
        colour = {"field": "value", "type": "quantitative", "scale": scale, "legend": legend}
        layers.append(
            {
                "transform": [{"filter": "isValid(datum.value)"}],
                "mark": mark,
                "encoding": {"color": colour},
            }
        )
    titles = {"x": x.title, "y": "" if y is None else y.title}
    pointed = [{"field": name, "type": "nominal", "title": title} for name, title in titles.items() if title]
    pointed += [
        {"field": "text", "type": "nominal", "title": STATISTICS.get(statistic, statistic)},
        {"field": "runs"},
    ]
    axis: Spec = {"labelLimit": 90, "labelOverlap": True, "grid": False, "domain": False, "ticks": False}
    up = {"field": "y", "type": "ordinal", "sort": [] if y is None else list(y.labels[::-1])}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": "container",
        "height": _CELL * max(1, min(16, 1 if y is None else len(y.labels))),
        "autosize": {"type": "fit-x", "contains": "padding"},
        "encoding": {
            "x": {
                "field": "x",
                "type": "ordinal",
                "sort": list(x.labels),
                "axis": {**axis, "title": titles["x"], "labelAngle": 0},
            },
            "tooltip": pointed,
            "y": {**up, "axis": {**axis, "title": titles["y"]} if y is not None else None},
        },
        "layer": layers,
    }
