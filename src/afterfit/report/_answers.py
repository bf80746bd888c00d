"""What the live page asks for: a scene and a reader's choices in, plain data out."""

import json
import math
import typing

import numpy as np

from ..statistics import Phase
from ..store import SessionStatus
from ._diagram import diagram_spec, STATISTICS
from ._labels import label, words
from ._runs import Axis
from ._scene import Choice, OPEN, Scene
from ._words import ratio_text, step_text


Plain = dict[str, typing.Any]
_ROWS = 200  # of the list of runs


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
        "ratio": _ratio(times),
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


def _ratio(times: typing.Any) -> str:
    ratio = times["ratio"].item()
    return ("> " if times["ratio_censored"] else "") + ratio_text(ratio) if np.isfinite(ratio) else "–"


def _percent(accuracy: typing.Any) -> str:
    return "–" if accuracy is None or not np.isfinite(accuracy) else f"{float(accuracy):.1%}"
