"""Learning curves on the live page: charts of few shapes, so that a choice changes them in place.

To make a chart takes a browser many times as long as to give it other rows. So what differs from choice
to choice (names, colours, ends of axes, rows) stands beside a specification, and that stays what it was.
"""

import dataclasses
import math
import typing
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ._colours import line_colours, PAIR
from ._curves import choose_style, note, panel_table, Style, Table
from ._runs import Axis, PANELS, Runs
from ._scene import Choice, RUN, Scene
from ._specs import curves_spec, Spec, themes


_ROWS = 2_400  # of a figure, or 60 runs one by one: few, so that a change shows at once
_POINTS = 120  # of a line, for the same reason
_HEIGHT = 260


def curves(scene: Scene, choice: Choice) -> Spec:
    """The learning curves of a measure, as specifications of charts, one for each panel."""
    whole = scene.measure(choice.measure, choice.index)
    colour = scene.strongest if choice.colour is None else scene.axis(choice.colour)
    told: Spec = {"title": whole.title, "colour": colour.name if colour else "", "panels": [], "labels": []}
    found = scene.runs(whole, choice.where, colour, scene.axis(choice.panel))
    if found is None:
        return {**told, "note": "No record of this yet."}
    runs = dataclasses.replace(found, axes=_in_order(found))
    (measure,) = runs.measures  # of the chosen runs
    fitting = choose_style(runs, rows=_ROWS)
    points = min(fitting.points, _POINTS)
    style = dataclasses.replace(fitting, points=points, end=_end(scene, choice), linear=choice.linear)
    tables = [panel_table(runs, measure, style, place) for place in runs.panels]
    spec, signals = _reusable(_with_holds(curves_spec(runs, measure, style, tables[0], _HEIGHT)), tables[0])
    headings = [runs.heading(place) for place in runs.panels]
    return {
        **told,
        "note": _note(runs, style),
        "fields": {f"axis{at}": axis.name for at, axis in enumerate(runs.axes)},
        "titles": _titles(runs),
        "labels": runs.colour_labels or ("train", "test"),
        "colours": {theme: line_colours(runs, theme) for theme in PAIR},
        "signals": signals,
        "spec": spec,
        "themes": themes(),
        "panels": [
            {
                "heading": heading,
                "description": f"{measure.title} against steps, {heading}".rstrip(", "),
                "columns": _columns(table),
            }
            for heading, table in zip(headings, tables, strict=True)
        ],
        "most": min(PANELS, max((len(axis.labels) for axis in scene.axes[:-1]), default=1)),
    }


def _in_order(runs: Runs) -> tuple[Axis, ...]:
    """The axes with that of the colours first, so that it has the same column whichever it is."""
    ordered = [axis for axis in (runs.colour, runs.panel, *runs.axes) if axis is not None]
    return tuple({axis.name: axis for axis in ordered}.values())


def _end(scene: Scene, choice: Choice) -> int:
    """Where curves on their way will end, so that they grow into an axis that stays."""
    running = np.array([state == "running" for state in scene.states])
    return scene.planned if (running & scene.chosen(choice.where)).any() else 0


def _note(runs: Runs, style: Style) -> str:
    # Runs are no axis that somebody swept, so a note does not say that they are pooled.
    swept = dataclasses.replace(runs, axes=tuple(axis for axis in runs.axes if axis.name != RUN))
    return note(swept, style, tables=False)


def _titles(runs: Runs) -> dict[str, str]:
    """What a pointer on a line is told of, by column; a column that is empty there is left out."""
    (measure,) = runs.measures
    axes = {f"axis{at}": axis.title for at, axis in enumerate(runs.axes) if len(axis.labels) > 1}
    parts = {part or "value": f"{part} {measure.title}".strip() for part in measure.parts}
    return {**axes, "step": "step", **parts}


def _with_holds(spec: Spec) -> Spec:
    """With wide invisible copies of the thin lines, which a pointer can meet: they say whose line it is."""
    layers = []
    for layer in spec["layer"]:
        layers.append(layer)
        if layer["mark"].get("strokeWidth") == 0.8:
            mark = {**layer["mark"], "strokeWidth": 9, "strokeDash": [1, 0]}
            encoding = {**layer["encoding"], "opacity": {"value": 0}, "tooltip": []}
            layers.append({"transform": layer["transform"], "mark": mark, "encoding": encoding})
    return {**spec, "layer": layers}


def _reusable(spec: Spec, table: Table) -> tuple[Spec, dict[str, typing.Any]]:
    """The same chart with names, colours and the ends of its axes as parameters, and values of these.

    The page adds those of `labels` and `colours`.
    """
    x, signals = _freed(spec["encoding"]["x"], "x")
    layers = []
    for layer in spec["layer"]:
        mark, encoding = dict(layer["mark"]), dict(layer["encoding"])
        encoding["y"], found = _freed(encoding["y"], "y")
        signals |= found
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
    parameters = [{"name": name, "value": []} for name in ("labels", "colours", *signals)]
    return {**spec, "params": [*spec["params"], *parameters], "encoding": {"x": x}, "layer": layers}, signals


def _freed(channel: Spec, name: str) -> tuple[Spec, dict[str, typing.Any]]:
    """A channel whose domain and ticks are signals, with their values."""
    if "scale" not in channel:
        return channel, {}
    domain, ticks = f"{name}_domain", f"{name}_ticks"
    signals = {domain: channel["scale"]["domain"]}
    freed = {**channel, "scale": {**channel["scale"], "domain": {"signal": domain}}}
    if "values" in channel["axis"]:
        signals[ticks] = channel["axis"]["values"]
        freed["axis"] = {**channel["axis"], "values": {"signal": ticks}}
    return freed, signals


def _columns(table: Table) -> dict[str, Sequence[typing.Any]]:
    places: dict[tuple[str, ...], int] = {}
    names = zip(*table.labels.values(), strict=True)
    lines = [places.setdefault(name, len(places)) for name in names]
    values = {name: _plain(column) for name, column in table.numbers.items() if name != "step"}
    return {**table.labels, "line": lines, "step": table.numbers["step"].astype(int).tolist(), **values}


def _plain(column: Float[np.ndarray, " row"]) -> list[float | None]:
    """Numbers with the seven digits of a float32, None where missing."""
    return [float(f"{value:.7g}") if math.isfinite(value) else None for value in column.tolist()]
