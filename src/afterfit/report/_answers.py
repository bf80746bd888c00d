"""What the live page asks for: a scene and a reader's choices in, plain data out."""

import dataclasses
import json
import math
import typing

import numpy as np

from ..statistics import Phase
from ..store import SessionStatus
from ._colours import PAIR, palette
from ._curves import choose_style, note, panel_table, Style, Table
from ._diagram import diagram_spec, STATISTICS
from ._labels import label, words
from ._runs import Axis, COLOURS, Measure, PANELS, Runs
from ._scene import OPEN, RUN, Scene
from ._specs import curves_spec, is_number, themes
from ._words import ratio_text, step_text


Plain = dict[str, typing.Any]
THEMES = ("light", "dark")
_DRAWN = 2_400  # rows of a chart, or 60 runs one by one: few, so that a change shows at once
_POINTS = 120  # of a line of medians, for the same reason
_ROWS = 200  # of the list of runs
_HEIGHT = 260


@dataclasses.dataclass(frozen=True)
class Choice:
    """What a reader has chosen to look at.

    **Arguments:**

    - `measure`, `index`: what is drawn; the index is the place in a measure whose values are arrays.
    - `where`: axis -> label, of the runs to show.
    - `colour`, `panel`: names of axes, "" for none; the colour `None` asks for the strongest one.
    - `linear`: the step axis, instead of logarithmic.
    """

    measure: str = "accuracy"
    index: tuple[int, ...] = ()
    where: dict[str, str] = dataclasses.field(default_factory=dict)
    colour: str | None = None
    panel: str = ""
    linear: bool = False


def status(scene: Scene) -> Plain:
    """What runs, what there is to choose from, and what happened so far."""
    counts = {outcome: count for outcome, count in scene.status.counts.items() if count}
    counts["running"] = sum(state == "running" for state in scene.states)
    counts["waiting"] = sum(len(session.waiting) for session in scene.status.sessions)
    counts["interrupted"] = sum(state == "interrupted" for state in scene.states)
    phases = [(phase, scene.phases.count(phase)) for phase in Phase if phase in scene.phases]
    return {
        "version": scene.version,
        "counts": {state: count for state, count in counts.items() if count},
        "sessions": [_session(session) for session in scene.status.sessions],
        "phases": [{"name": phase, "count": count, "advice": phase.advice} for phase, count in phases],
        "axes": [{"name": axis.name, "title": axis.title, "labels": axis.labels} for axis in scene.axes[:-1]],
        "measures": [{"name": name, "shape": shape} for name, shape in scene.measures.items()],
        "statistics": [{"name": name, "title": title} for name, title in STATISTICS.items()],
    }


def _session(session: SessionStatus) -> Plain:
    speed, left = (session.progress.get(name) for name in ("steps_per_second", "seconds_left"))
    return {
        "process": f"process {session.pid} on {session.host}",
        "since": session.since,
        "devices": str(session.about.get("devices", "")),
        "running": len(session.live),
        "waiting": len(session.waiting),
        "steps_per_second": speed if speed and math.isfinite(speed) else None,
        "seconds_left": left if left is not None and math.isfinite(left) else None,
    }


def curves(scene: Scene, choice: Choice) -> Plain:
    """The learning curves of a measure, as specifications of charts, one for each panel."""
    measure = scene.measure(choice.measure, choice.index)
    colour = scene.strongest if choice.colour is None else scene.axis(choice.colour)
    runs = scene.runs(measure, choice.where, colour, scene.axis(choice.panel))
    told: Plain = {
        "title": measure.title,
        "colour": colour.name if colour else "",
        "panels": [],
        "legend": [],
    }
    if runs is None:
        return {**told, "note": "No record of this yet."}
    fitting = choose_style(runs, rows=_DRAWN)
    points = min(fitting.points, _POINTS)
    style = dataclasses.replace(fitting, points=points, end=_end(scene, choice), linear=choice.linear)
    drawn = {panel for panel, _, _ in runs.cells()}
    places = [None] if runs.panel is None else [at for at in runs.panel.spread(PANELS) if at in drawn]
    colours = {theme: _colours(runs, theme) for theme in THEMES}
    return {
        **told,
        "note": _note(runs, style),
        "shown": int(runs.present.sum()),
        "panels": [_panel(runs, style, place) for place in places],
        "legend": _legend(runs, colours),
        "themes": themes(colours),
    }


def _end(scene: Scene, choice: Choice) -> int:
    """Where curves on their way will end, so that they grow into an axis that stays."""
    running = np.array([state == "running" for state in scene.states])
    return scene.planned if (running & scene.chosen(choice.where)).any() else 0


def _note(runs: Runs, style: Style) -> str:
    # Runs are no axis that somebody swept, so a note does not say that they are pooled.
    swept = dataclasses.replace(runs, axes=tuple(axis for axis in runs.axes if axis.name != RUN))
    return note(swept, style)


def _panel(runs: Runs, style: Style, place: int | None) -> Plain:
    (measure,) = runs.measures
    heading = ""
    if runs.panel is not None and place is not None:
        heading = f"{runs.panel.title} {runs.panel.labels[place]}"
    table = panel_table(runs, measure, style, place)
    spec = curves_spec(runs, measure, style, table, _HEIGHT)
    spec["description"] = f"{measure.title} against steps, {heading}".rstrip(", ")
    fields = {f"axis{at}": axis.name for at, axis in enumerate(runs.axes)}
    if style.pooled and style.single:
        spec["layer"] += [_hold(measure, spec, runs)]
    return {"heading": heading, "spec": spec, "fields": fields, "columns": _columns(table)}


def _columns(table: Table) -> dict[str, list[str] | list[float | None]]:
    """The rows of a table, by column; what is not a label is a number, or missing."""
    columns = dict(zip(table.columns, zip(*table.rows, strict=True), strict=True))
    return {
        name: [float(text) if text else None for text in texts] if is_number(name) else list(texts)
        for name, texts in columns.items()
    }


def _hold(measure: Measure, spec: Plain, runs: Runs) -> Plain:
    """A wide invisible copy of the thin lines, which a pointer can meet: it says whose line it is."""
    thin = next(layer for layer in spec["layer"] if layer["mark"].get("strokeWidth") == 0.8)
    shown = [
        {"field": f"axis{at}", "type": "nominal", "title": axis.title}
        for at, axis in enumerate(runs.axes)
        if len(axis.labels) > 1
    ]
    return {
        "transform": thin["transform"],
        "mark": {**thin["mark"], "strokeWidth": 9, "strokeDash": [1, 0]},
        "encoding": {**thin["encoding"], "opacity": {"value": 0}, "tooltip": shown},
    }


def _colours(runs: Runs, theme: str) -> list[str]:
    if runs.colour is None:
        return list(PAIR[theme])
    return palette(len(runs.colour.spread(COLOURS)), runs.colour.ordered, theme)


def _legend(runs: Runs, colours: dict[str, list[str]]) -> list[Plain]:
    if runs.colour is None:
        labels = ["train", "test"]
    else:
        labels = [runs.colour.labels[place] for place in runs.colour.spread(COLOURS)]
    return [
        {"label": text, **{theme: colours[theme][place] for theme in THEMES}}
        for place, text in enumerate(labels)
    ]


def diagram(scene: Scene, x: str, y: str, statistic: str, choice: Choice) -> Plain:
    """A statistic over two axes, as the specification of a heat map.

    **Raises:** `ValueError` for an unknown axis or statistic.
    """
    across, up = (scene.axis(name) for name in (x, y))
    if across is None:
        raise ValueError("a phase diagram needs an axis to run along x")
    return diagram_spec(scene, across, up, statistic, choice.where)


def runs(scene: Scene, choice: Choice) -> Plain:
    """A list of the runs at `where`, the latest records of each, the first few hundred."""
    places = np.flatnonzero(scene.chosen(choice.where))
    return {
        "total": int(places.size),
        "axes": [axis.title for axis in _swept(scene)],
        "rows": [_row(scene, int(place)) for place in places[:_ROWS]],
    }


def _row(scene: Scene, place: int) -> Plain:
    record = scene.records[place]
    latest = {name: values[-1] for name, values in record.values.items() if values.ndim == 1}
    return {
        "run": record.run,
        "state": scene.states[place],
        "phase": str(scene.phases[place]),
        "labels": [axis.labels[axis.index[place]] for axis in _swept(scene)],
        "step": step_text(float(record.steps[-1])),
        "train": _percent(latest.get("train_accuracy")),
        "test": _percent(latest.get("test_accuracy")),
    }


def run(scene: Scene, name: str) -> Plain:
    """One run: its recipe, what became of it, what was measured.

    **Raises:** `ValueError` if it has no record here.
    """
    found = [place for place, record in enumerate(scene.records) if record.run == name]
    if not found:
        raise ValueError(f"no run {name!r} has a record here")
    record = scene.records[found[0]]
    times = scene.times.isel(run=found[0])
    phase = scene.phases[found[0]]
    return {
        **_row(scene, found[0]),
        "message": record.message,
        "advice": "" if phase == OPEN else Phase(phase).advice,
        "fields": [[axis.title, axis.labels[axis.index[found[0]]]] for axis in _swept(scene)],
        "memorised": _time(times, "memorised"),
        "generalised": _time(times, "generalised"),
        "ratio": ratio_text(times["ratio"].item()) if np.isfinite(times["ratio"].item()) else "–",
        "about": {
            words(str(name)): label(value)
            for name, value in record.about.items()
            if not isinstance(value, dict)
        },
        "recipe": json.dumps(record.recipe, indent=1, ensure_ascii=False),
    }


def _swept(scene: Scene) -> tuple[Axis, ...]:
    return scene.axes[:-1]


def _time(times: typing.Any, which: str) -> str:
    mark = "> " if times[f"{which}_censored"] else "≤ " if times[f"{which}_before"] else ""
    return mark + step_text(times[which].item())


def _percent(accuracy: typing.Any) -> str:
    return "–" if accuracy is None or not np.isfinite(accuracy) else f"{float(accuracy):.1%}"
