"""Landscapes of runs at constant norm, and the ways of the others through them.

Axes of this module
    run      runs of the scene; chosen: those on spheres; way: those whose norm is free
"""

import collections
import dataclasses
import json
import typing
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int

from ._landscape_specs import curve_spec, map_spec, Spec
from ._runs import Axis, family_of, spread
from ._scene import RUN, Scene
from ._specs import themes


NORM = "weight_norm"
FLOOR = 1e-8
"""Of a loss: below it lies rounding."""

_RADII = ("parametrisation.init_scale", "constraint.norm")  # fields that set the radius
_SOURCES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
_WAYS, _POINTS = 24, 100  # more ways hide one another; more points of one cannot be told apart
_SERIES = 12  # lines at most
_SPREAD = 1.1  # norms of one column of a map lie within this factor
_LEVELS = 6  # contours at most

Row = dict[str, typing.Any]


@dataclasses.dataclass(frozen=True)
class Sphere:
    """Runs at one radius."""

    norm: float
    place: int  # on the axis of a map
    radius: str
    series: str  # what tells it apart from other spheres at this radius
    members: list[int]


@dataclasses.dataclass(frozen=True, eq=False)
class _Ground:
    """What curves and maps are drawn from."""

    scene: Scene
    measure: str
    spheres: list[Sphere]
    values: Mapping[str, Float[np.ndarray, " run"]]  # by part
    norms: Float[np.ndarray, "run step"]
    ways: Int[np.ndarray, " way"]
    note: str


def landscape(scene: Scene, measure: str, up: str, where: Mapping[str, str]) -> dict[str, typing.Any]:
    """A measure at the training minima of spheres, over their radius, and over an axis of numbers as well.

    Beside spheres, which are runs with a `ConstantNorm`, a store may hold runs whose norm is free: their
    ways are drawn through the same plane.

    **Arguments:** `measure`: by default the loss; `up`: an axis of numbers, for a map with contours; "" for
    curves. What this store does not have gives way to these.
    """
    measures = [name for name, shape in scene.measures.items() if not shape and name != NORM]
    measure = measure if measure in measures else "loss"
    numbers = [
        one for one in scene.axes if one.ordered and not one.is_seed and one.name not in (RUN, *_RADII)
    ]
    axis = next((one for one in numbers if one.name == up), None)
    told = {
        "measures": measures,
        "measure": measure,
        "axes": [one.name for one in numbers],
        "up": axis.name if axis else "",
        "panels": [],
        "themes": themes(),
    }
    norms = scene.measure(NORM, ()).parts.get("")
    wanted = scene.chosen(where)
    if norms is None:
        return {**told, "note": "The norm of the weights is not recorded here."}
    fixed = np.array([_is_sphere(run.recipe) for run in scene.records], bool)
    found = _spheres(scene, np.flatnonzero(wanted & fixed), norms, axis)
    free = np.flatnonzero(wanted & ~fixed & np.isfinite(norms).any(axis=1))
    shown = free[spread(len(free), _WAYS)]
    values, there = _minima(scene, measure)
    note = _note(found, there, len(shown), len(free))
    ground = _Ground(scene, measure, found, values, norms, shown, note)
    return {**told, **(_curves(ground) if axis is None else _maps(ground, axis))}


def _is_sphere(recipe: Mapping[str, typing.Any]) -> bool:
    constraint = recipe.get("constraint")
    return isinstance(constraint, Mapping) and constraint.get("kind") == "ConstantNorm"


def _spheres(
    scene: Scene, runs: Int[np.ndarray, " chosen"], norms: Float[np.ndarray, "run step"], axis: Axis | None
) -> list[Sphere]:
    """Runs at one radius together, in the order of the axis, then of the norm."""
    apart = [
        one
        for one in scene.axes
        if not one.is_seed and one.name not in (RUN, *_RADII) and one is not axis and _varies(one, runs)
    ]
    groups: dict[tuple[int, str, str], list[int]] = collections.defaultdict(list)
    for run in runs:
        recipe = scene.records[run].recipe
        scale = recipe.get("parametrisation")
        radius = scale.get("init_scale") if isinstance(scale, Mapping) else None
        series = ", ".join(f"{one.title} {one.labels[one.index[run]]}" for one in apart)
        place = 0 if axis is None else int(axis.index[run])
        groups[place, json.dumps([radius, recipe["constraint"].get("norm")]), series].append(int(run))
    found = [
        Sphere(float(np.nanmedian(norms[members])), place, radius, series, members)
        for (place, radius, series), members in groups.items()
        if np.isfinite(norms[members]).any()
    ]
    return sorted(found, key=lambda one: (one.series, one.place, one.norm))


def _varies(axis: Axis, runs: Int[np.ndarray, " chosen"]) -> bool:
    return len(np.unique(axis.index[runs])) > 1


def _minima(scene: Scene, measure: str) -> tuple[dict[str, Float[np.ndarray, " run"]], str]:
    """Each part of a measure at every run's training minimum, and that in words."""
    import xarray

    from ..landscape import reduced

    parts = scene.measure(measure, ()).parts
    named = {part: f"{part}_{measure}" if part else measure for part in parts}
    families = {full: family_of(full) for full in _SOURCES}
    recorded = {full: scene.measure(name, ()).parts.get(part) for full, (name, part) in families.items()}
    if any(table is None for table in recorded.values()):
        from ._diagram import last_values

        return {part: last_values(table) for part, table in parts.items()}, "at their last records"
    tables = recorded | {name: parts[part] for part, name in named.items()}
    data = xarray.Dataset(
        {name: (("run", "step"), table) for name, table in tables.items()}, {"step": scene.steps}
    )
    found = reduced(data, measures=[name for name in named.values() if name not in _SOURCES])
    if measure == "accuracy":
        return {part: 1 - found[f"{part}_error"].values for part in parts}, "at their training minima"
    return {part: found[name].values for part, name in named.items()}, "at their training minima"


def _note(spheres: list[Sphere], there: str, shown: int, free: int) -> str:
    said = []
    if spheres:
        runs = sum(len(one.members) for one in spheres)
        said.append(f"{runs} runs at constant norm: medians {there}.")
    else:
        said.append("No run of constant norm is shown; `af.landscape.spheres` makes them.")
    if shown:
        some = f"{shown} of {free:,}" if shown < free else str(shown)
        said.append(f"Thin lines: {some} of the runs whose norm is free, on their way to a dot.")
    return " ".join(said)


def _panel(heading: str, spec: Spec, rows: list[Row]) -> dict[str, typing.Any]:
    names = dict.fromkeys(name for row in rows for name in row)
    plain = {name: [row.get(name) for row in rows] for name in names}
    columns = {
        name: [value.item() if isinstance(value, np.generic) else value for value in values]
        for name, values in plain.items()
    }
    return {"heading": heading, "fields": {}, "spec": spec, "columns": columns}


# --- curves -----------------------------------------------------------------------------------------


def _curves(ground: _Ground) -> dict[str, typing.Any]:
    measure, note = ground.measure, ground.note
    series = list(dict.fromkeys(one.series for one in ground.spheres))
    if len(series) > _SERIES:
        note += f" The first {_SERIES} of {len(series)} settings are drawn; choose values above."
    rows: list[Row] = [
        {"kind": "sphere", "part": part or "test", "w": one.norm, "series": one.series, "value": value}
        for part, table in ground.values.items()
        for one in ground.spheres
        if one.series in series[:_SERIES] and (value := _median(table[one.members], measure)) is not None
    ]
    for part, table in ground.scene.measure(measure, ()).parts.items():
        for run in ground.ways:
            way = _way(ground, run, np.isfinite(table[run]))
            rows += [
                {**row, "part": part or "test", "value": _floored(table[run, at], measure)} for at, row in way
            ]
    if not rows:
        return {"note": note + " Nothing of it is recorded yet."}
    return {"note": note, "panels": [_panel("", curve_spec(measure, rows), rows)]}


def _way(ground: _Ground, run: int | np.integer, known: Bool[np.ndarray, " step"]) -> list[tuple[int, Row]]:
    """The records of a run along which its norm is drawn; the last one stands once more, as a dot."""
    scene, norms = ground.scene, ground.norms[run]
    places = np.flatnonzero(np.isfinite(norms) & known)
    places = places[spread(len(places), _POINTS)]
    name = scene.records[run].run[:8]
    rows = [(int(at), {"run": name, "w": norms[at], "step": scene.steps[at]}) for at in places]
    ends = [(at, {"kind": "end", **row}) for at, row in rows[-1:]]
    return [(at, {"kind": "path", **row}) for at, row in rows] + ends


# --- maps -------------------------------------------------------------------------------------------


def _maps(ground: _Ground, axis: Axis) -> dict[str, typing.Any]:
    merged, note = _merged(ground.spheres), ground.note
    if merged is None:
        several = " and ".join(sorted({one.series for one in ground.spheres})[:2])
        return {"note": f"{note} Spheres of one radius have several norms ({several}): choose values above."}
    everywhere = np.ones(len(ground.scene.steps), bool)
    heights = {run: float(axis.labels[axis.index[run]]) for run in ground.ways}
    ways = [
        {**row, "up": up}
        for run, up in heights.items()
        if np.isfinite(up)
        for _, row in _way(ground, run, everywhere)
    ]
    panels = []
    gridless = False
    for part, table in ground.values.items():
        by_row: dict[float, list[Row]] = collections.defaultdict(list)
        for one in merged:
            up, value = float(axis.labels[one.place]), _median(table[one.members], ground.measure)
            if value is not None and np.isfinite(up):
                by_row[up].append({"w": one.norm, "up": up, "value": value, "radius": one.radius})
        grid = _is_grid(by_row)
        rows = [*_cell_rows(by_row), *(_contour_rows(by_row, ground.measure) if grid else []), *ways]
        if rows:
            panels.append(_panel(part, map_spec(rows, ground.measure, axis.title), rows))
        gridless |= bool(by_row) and not grid
    if gridless:
        note += " No contours: the rows do not have the same norms (yet)."
    return {"note": note, "panels": panels}


def _merged(spheres: list[Sphere]) -> list[Sphere] | None:
    """Spheres of one radius and place as one, whatever else they differ in; None if their norms do."""
    groups: dict[tuple[int, str], list[Sphere]] = collections.defaultdict(list)
    for one in spheres:
        groups[one.place, one.radius].append(one)
    found = []
    for (place, radius), alike in groups.items():
        its = [one.norm for one in alike]
        if max(its) > _SPREAD * min(its):
            return None
        members = [run for one in alike for run in one.members]
        found.append(Sphere(float(np.median(its)), place, radius, "", members))
    return sorted(found, key=lambda one: (one.place, one.norm))


def _cell_rows(by_row: Mapping[float, list[Row]]) -> list[Row]:
    heights = np.array(sorted(by_row))
    rows = []
    for (low, high), height in zip(_sides(heights), heights, strict=True):
        cells = by_row[height]
        for (left, right), cell in zip(_sides(np.array([one["w"] for one in cells])), cells, strict=True):
            rows.append({"kind": "cell", **cell, "left": left, "right": right, "low": low, "high": high})
    return rows


def _sides(places: Float[np.ndarray, " place"]) -> list[tuple[float, float]]:
    """The sides of growing places: halfway to their neighbours, in logarithms where all are positive."""
    positive = len(places) > 0 and places[0] > 0
    at = np.log(places) if positive else places
    between = (at[1:] + at[:-1]) / 2
    first, last = (at[1] - at[0], at[-1] - at[-2]) if len(at) > 1 else (0.2, 0.2)
    edges = np.concatenate([at[:1] - first / 2, between, at[-1:] + last / 2])
    edges = np.exp(edges) if positive else edges
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _is_grid(by_row: Mapping[float, list[Row]]) -> bool:
    """Whether all rows have the same radii, and at each about the same norm: seeds have their own."""
    rows = list(by_row.values())
    if len(rows) < 2 or len(rows[0]) < 2 or len({tuple(c["radius"] for c in row) for row in rows}) > 1:
        return False
    norms = np.array([[cell["w"] for cell in row] for row in rows])
    return bool(np.all(norms.max(axis=0) <= _SPREAD * norms.min(axis=0)))


def _contour_rows(by_row: Mapping[float, list[Row]], measure: str) -> list[Row]:
    """Lines of constant value on a grid, between the logarithms of losses."""
    from ..landscape import contours

    heights = sorted(by_row)
    norms = np.median([[cell["w"] for cell in by_row[height]] for height in heights], axis=0)
    table = np.array([[cell["value"] for cell in by_row[height]] for height in heights])
    logarithmic = measure == "loss"
    table = np.log10(table) if logarithmic else table
    low, high = table.min(), table.max()
    levels = np.linspace(low, high, _LEVELS + 2)[1:-1]
    if logarithmic and high - low > 2:
        levels = np.arange(np.ceil(low), np.floor(high) + 1)[-_LEVELS:]
    rows = []
    for level in levels:
        lines = contours(norms, np.array(heights), table, float(level), log_x=True, log_y=min(heights) > 0)
        value = float(10.0**level if logarithmic else level)
        rows += [
            {"kind": "contour", "line": f"{value:.2g}/{number}", "order": at, "w": x, "up": y, "value": value}
            for number, line in enumerate(lines)
            for at, (x, y) in enumerate(line)
        ]
    return rows


def _median(values: Float[np.ndarray, " member"], measure: str) -> float | None:
    known = values[np.isfinite(values)]
    return _floored(float(np.median(known)), measure) if known.size else None


def _floored(value: float, measure: str) -> float:
    return max(float(value), FLOOR) if measure == "loss" else float(value)
