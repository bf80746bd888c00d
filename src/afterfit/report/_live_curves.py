"""Learning curves on the live page: charts of few shapes, so that a choice changes them in place.

To make a chart takes a browser twenty times as long as to give it other rows. So whatever differs from choice
to choice (names, colours, rows) stands beside a specification, and the specification stays what it was.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ._colours import PAIR, palette
from ._curves import choose_style, note, panel_table, Style, Table
from ._runs import Axis, Runs
from ._scene import Choice, RUN, Scene
from ._specs import curves_spec, Spec, themes


_ROWS = 2_400  # of a figure, or 60 runs one by one: few, so that a change shows at once
_POINTS = 120  # of a line of medians, for the same reason
_HEIGHT = 260


def curves(scene: Scene, choice: Choice) -> Spec:
    """The learning curves of a measure, as specifications of charts, one for each panel."""
    measure = scene.measure(choice.measure, choice.index)
    colour = scene.strongest if choice.colour is None else scene.axis(choice.colour)
    told: Spec = {"title": measure.title, "colour": colour.name if colour else "", "panels": [], "labels": []}
    found = scene.runs(measure, choice.where, colour, scene.axis(choice.panel))
    if found is None:
        return {**told, "note": "No record of this yet."}
    runs = dataclasses.replace(found, axes=_in_order(found))
    fitting = choose_style(runs, rows=_ROWS)
    points = min(fitting.points, _POINTS)
    style = dataclasses.replace(fitting, points=points, end=_end(scene, choice), linear=choice.linear)
    return {
        **told,
        "note": _note(runs, style),
        "shown": int(runs.present.sum()),
        "fields": {f"axis{at}": axis.name for at, axis in enumerate(runs.axes)},
        "titles": _titles(runs),
        "panels": [_panel(runs, style, place) for place in runs.panels],
        "labels": _labels(runs),
        "colours": {theme: _colours(runs, theme) for theme in PAIR},
        "themes": themes(),
    }


def _in_order(runs: Runs) -> tuple[Axis, ...]:
    """The axes with that of the colours first, so that it has the same column whichever it is."""
    first = [axis for axis in (runs.colour, runs.panel) if axis is not None]
    return (*first, *(axis for axis in runs.axes if axis not in first))


def _end(scene: Scene, choice: Choice) -> int:
    """Where curves on their way will end, so that they grow into an axis that stays."""
    running = np.array([state == "running" for state in scene.states])
    return scene.planned if (running & scene.chosen(choice.where)).any() else 0


def _note(runs: Runs, style: Style) -> str:
    # Runs are no axis that somebody swept, so a note does not say that they are pooled.
    swept = dataclasses.replace(runs, axes=tuple(axis for axis in runs.axes if axis.name != RUN))
    return note(swept, style)


def _titles(runs: Runs) -> dict[str, str]:
    """What a pointer on a line is told of, by column; a column that is empty there is left out."""
    (measure,) = runs.measures
    axes = {f"axis{at}": axis.title for at, axis in enumerate(runs.axes) if len(axis.labels) > 1}
    parts = {part or "value": f"{part} {measure.title}".strip() for part in measure.parts}
    return {**axes, "step": "step", **parts}


def _panel(runs: Runs, style: Style, place: int | None) -> Spec:
    (measure,) = runs.measures
    heading = ""
    if runs.panel is not None and place is not None:
        heading = f"{runs.panel.title} {runs.panel.labels[place]}"
    table = panel_table(runs, measure, style, place)
    spec = curves_spec(runs, measure, style, table, _HEIGHT)
    if style.pooled and style.single:
        spec["layer"].append(_hold(spec))
    places: dict[tuple[str, ...], int] = {}
    names = zip(*table.labels.values(), strict=True)
    lines = [places.setdefault(name, len(places)) for name in names]
    numbers = {name: _plain(column) for name, column in table.numbers.items()}
    return {
        "heading": heading,
        "description": f"{measure.title} against steps, {heading}".rstrip(", "),
        "spec": _reusable(spec, table),
        "columns": {**table.labels, "line": lines, **numbers},
    }


def _hold(spec: Spec) -> Spec:
    """A wide invisible copy of the thin lines, which a pointer can meet: it says whose line it is."""
    thin = next(layer for layer in spec["layer"] if layer["mark"].get("strokeWidth") == 0.8)
    return {
        "transform": thin["transform"],
        "mark": {**thin["mark"], "strokeWidth": 9, "strokeDash": [1, 0]},
        "encoding": {**thin["encoding"], "opacity": {"value": 0}, "tooltip": []},
    }


def _reusable(spec: Spec, table: Table) -> Spec:
    """The same chart with its colours and names as parameters, which the page sets."""
    layers = []
    for layer in spec["layer"]:
        mark, encoding = dict(layer["mark"]), dict(layer["encoding"])
        if "field" in encoding.get("color", {}):
            del encoding["color"]
            mark["color"] = {"expr": "colours[indexof(labels, datum.axis0)]"}
        if "tooltip" in encoding:
            del encoding["tooltip"]
            # A line answers a pointer with its first record, so only its labels are told.
            told = table.labels if mark["type"] == "line" else table.columns
            mark["tooltip"] = {"expr": "{" + ", ".join(f"{name}: datum.{name}" for name in told) + "}"}
        if mark["type"] != "point":
            encoding["detail"] = {"field": "line", "type": "nominal"}  # numbers stay where names change
        layers.append({**layer, "mark": mark, "encoding": encoding})
    parameters = [*spec["params"], *({"name": name, "value": []} for name in ("labels", "colours"))]
    return {**spec, "params": parameters, "layer": layers}


def _plain(column: Float[np.ndarray, " row"]) -> list[float | None]:
    """Numbers with the seven digits of a float32, None where missing."""
    return [float(f"{value:.7g}") if math.isfinite(value) else None for value in column.tolist()]


def _labels(runs: Runs) -> tuple[str, ...]:
    return ("train", "test") if runs.colour is None else runs.colour_labels


def _colours(runs: Runs, theme: str) -> Sequence[str]:
    if runs.colour is None:
        return PAIR[theme]
    return palette(len(runs.colours), runs.colour.ordered, theme)
