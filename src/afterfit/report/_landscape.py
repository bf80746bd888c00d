"""Landscapes of runs at constant norm, and the ways of the others through them.

Axes of this module
    run      runs of the scene
    sphere   groups of runs of one radius
"""

import collections
import dataclasses
import json
import typing
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from ._colours import PAIR
from ._diagram import last_values
from ._runs import Axis
from ._scene import Scene
from ._specs import Spec, theme_config


NORM = "weight_norm"
MINIMA = ("loss", "accuracy")  # whose values at the training minimum are known
_PARTS = ("train", "test")
_PATHS = 24  # more ways hide one another
_LEVELS = 6  # contours at most
_HEIGHT = 320
_FLOOR = 1e-8  # of a loss, as in maps: below it lies rounding


@dataclasses.dataclass(frozen=True)
class _Spheres:
    """Groups of runs of one radius, or one radius and one value of an axis."""

    norm: Float[np.ndarray, " sphere"]
    place: list[int]
    members: list[list[int]]


def landscape(scene: Scene, measure: str, up: str, where: Mapping[str, str]) -> dict[str, typing.Any]:
    """A measure at the training minima of spheres, over their radius, and over an axis of numbers as well.

    Beside spheres, which are runs with a `ConstantNorm`, a store may hold runs whose norm is free: their
    ways are drawn through the same plane.

    **Arguments:** `measure`: "loss", "accuracy", or any other measure, which is taken at the last record;
    `up`: an axis of numbers, for a map with contours; "" for curves.

    **Raises:** `ValueError` for an unknown measure or axis, and an axis that has no numbers.
    """
    axis = scene.axis(up)
    if axis is not None and not axis.ordered:
        raise ValueError(f"the axis {up!r} has places that are no numbers")
    wanted = scene.chosen(where)
    fixed = np.array([_is_sphere(run.recipe) for run in scene.records], bool)
    norms = scene.measure(NORM, ()).parts[""]
    minima = _minima(scene, measure)
    spheres = _spheres(scene, wanted & fixed, norms, axis)
    paths = np.flatnonzero(wanted & ~fixed & np.isfinite(norms).any(axis=1))
    shown = paths[np.unique(np.linspace(0, len(paths) - 1, min(_PATHS, len(paths))).round().astype(int))]
    told = {
        "measures": [name for name, shape in scene.measures.items() if not shape and name != NORM],
        "axes": [one.name for one in scene.axes if one.ordered and not one.is_seed],
        "themes": {theme: theme_config(theme, list(PAIR[theme])) for theme in PAIR},
        "note": _note(spheres, len(shown), len(paths)),
    }
    if axis is None:
        rows = [*_curve_rows(spheres, minima), *_path_rows(scene, measure, norms, shown)]
        return {**told, "panels": [_panel("", _curve_spec(measure, rows), rows)]}
    panels = []
    for part, values in minima.items():
        rows = [*_map_rows(spheres, values, measure, axis), *_level_rows(scene, norms, axis, shown)]
        panels.append(_panel(part, _map_spec(rows, measure, axis), rows))
    return {**told, "panels": panels}


def _panel(heading: str, spec: Spec, rows: list[dict]) -> dict[str, typing.Any]:
    return {"heading": heading, "fields": {}, "spec": spec, "columns": _columns(rows)}


def _is_sphere(recipe: Mapping[str, typing.Any]) -> bool:
    constraint = recipe.get("constraint")
    return isinstance(constraint, Mapping) and constraint.get("kind") == "ConstantNorm"


def _spheres(
    scene: Scene, wanted: Bool[np.ndarray, " run"], norms: Float[np.ndarray, "run step"], axis: Axis | None
) -> _Spheres:
    """Runs of one setting of the radius together, in the order of the norm."""
    groups: dict[tuple, list[int]] = collections.defaultdict(list)
    for run in np.flatnonzero(wanted):
        recipe = scene.records[run].recipe
        radius = (recipe.get("parametrisation") or {}).get("init_scale"), recipe["constraint"]
        place = 0 if axis is None else int(axis.index[run])
        groups[place, json.dumps(radius, sort_keys=True)].append(int(run))
    middle = {
        key: float(np.nanmedian(norms[members])) for key, members in groups.items() if _known(norms, members)
    }
    order = sorted(middle, key=lambda key: (key[0], middle[key]))
    return _Spheres(
        np.array([middle[key] for key in order]), [key[0] for key in order], [groups[key] for key in order]
    )


def _known(norms: Float[np.ndarray, "run step"], members: list[int]) -> bool:
    return bool(np.isfinite(norms[members]).any())


def _minima(scene: Scene, measure: str) -> dict[str, Float[np.ndarray, " run"]]:
    """Each part of a measure at every run's training minimum; of others than loss and accuracy the last."""
    recorded = {name: scene.measure(name, ()).parts for name in MINIMA}
    if measure in MINIMA and all(set(_PARTS) <= parts.keys() for parts in recorded.values()):
        import xarray

        from ..landscape import reduced

        tables = {
            f"{part}_{name}": (("run", "step"), parts[part])
            for name, parts in recorded.items()
            for part in _PARTS
        }
        found = reduced(xarray.Dataset(tables, {"step": scene.steps}))
        if measure == "loss":
            return {part: found[f"{part}_loss"].values for part in _PARTS}
        return {part: 1 - found[f"{part}_error"].values for part in _PARTS}
    return {part: last_values(table) for part, table in scene.measure(measure, ()).parts.items()}


def _note(spheres: _Spheres, shown: int, paths: int) -> str:
    said = []
    if spheres.members:
        runs = sum(map(len, spheres.members))
        said.append(f"{runs} runs at constant norm: medians at their training minima.")
    else:
        said.append("No run of constant norm is shown; `af.landscape.spheres` makes them.")
    if shown:
        some = f"{shown} of {paths:,}" if shown < paths else str(shown)
        said.append(f"Thin lines: {some} of the runs whose norm is free, on their way to a dot.")
    return " ".join(said)


def _curve_rows(spheres: _Spheres, minima: dict[str, Float[np.ndarray, " run"]]) -> list[dict]:
    return [
        {"kind": "sphere", "part": part or "test", "w": norm, "value": _median(values[members])}
        for part, values in minima.items()
        for norm, members in zip(spheres.norm, spheres.members, strict=True)
    ]


def _path_rows(
    scene: Scene, measure: str, norms: Float[np.ndarray, "run step"], shown: np.ndarray
) -> list[dict]:
    """The way of each run; its last record stands once more, as a dot."""
    rows: list[dict] = []
    for part, table in scene.measure(measure, ()).parts.items():
        for run in shown:
            known = np.flatnonzero(np.isfinite(norms[run]) & np.isfinite(table[run]))
            for at in known:
                one = {
                    "part": part or "test",
                    "w": norms[run, at],
                    "value": table[run, at],
                    "step": scene.steps[at],
                }
                named = {"kind": "path", "run": scene.records[run].run[:8], **one}
                rows += [named, {**named, "kind": "end"}] if at == known[-1] else [named]
    return rows


def _map_rows(spheres: _Spheres, values: Float[np.ndarray, " run"], measure: str, axis: Axis) -> list[dict]:
    """Cells of a map, and contours where the spheres lie on a grid."""
    by_row: dict[float, list[dict]] = collections.defaultdict(list)
    for norm, place, members in zip(spheres.norm, spheres.place, spheres.members, strict=True):
        up = float(axis.labels[place])
        by_row[up].append({"w": norm, "up": up, "value": _median(values[members])})
    heights = np.array(sorted(by_row))
    drawn = []
    for (low, high), height in zip(_sides(heights), heights, strict=True):
        row = by_row[height]
        for (left, right), cell in zip(_sides(np.array([one["w"] for one in row])), row, strict=True):
            if cell["value"] is not None:
                around = {"left": left, "right": right, "low": low, "high": high}
                drawn.append({"kind": "cell", **cell, **around})
    return [*drawn, *_contour_rows(by_row, measure)]


def _sides(places: Float[np.ndarray, " place"]) -> list[tuple[float, float]]:
    """The sides of growing places: halfway to their neighbours, in logarithms where all are positive."""
    positive = len(places) > 0 and places[0] > 0
    at = np.log(places) if positive else places
    between = (at[1:] + at[:-1]) / 2
    first, last = (at[1] - at[0], at[-1] - at[-2]) if len(at) > 1 else (0.2, 0.2)
    edges = np.concatenate([at[:1] - first / 2, between, at[-1:] + last / 2])
    edges = np.exp(edges) if positive else edges
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _level_rows(
    scene: Scene, norms: Float[np.ndarray, "run step"], axis: Axis, shown: np.ndarray
) -> list[dict]:
    """The ways of runs across a map: each stays at its place on the axis while its norm moves."""
    rows: list[dict] = []
    for run in shown:
        up = float(axis.labels[axis.index[run]])
        known = np.flatnonzero(np.isfinite(norms[run]))
        name = scene.records[run].run[:8]
        way = [{"run": name, "w": norms[run, at], "up": up, "step": scene.steps[at]} for at in known]
        rows += [{"kind": "path", **one} for one in way] + [{"kind": "end", **way[-1]}]
    return rows


def _contour_rows(by_row: Mapping[float, list[dict]], measure: str) -> list[dict]:
    """Lines of constant value, between the logarithms of losses."""
    from ..landscape import contours

    heights = sorted(by_row)
    widths = {len(row) for row in by_row.values()}
    if len(heights) < 2 or len(widths) != 1 or min(widths) < 2:
        return []  # no grid yet: runs are still to come
    # The norms of one radius differ a little from row to row: seeds have norms of their own.
    norms = np.median([[cell["w"] for cell in by_row[height]] for height in heights], axis=0)
    table = np.array(
        [
            [np.nan if cell["value"] is None else cell["value"] for cell in by_row[height]]
            for height in heights
        ]
    )
    logarithmic = measure == "loss"
    table = np.log10(np.maximum(table, _FLOOR)) if logarithmic else table
    if not np.all(np.diff(norms) > 0) or not np.isfinite(table).any():
        return []
    low, high = np.nanmin(table), np.nanmax(table)
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


def _median(values: Float[np.ndarray, " member"]) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else None


def _columns(rows: list[dict]) -> dict[str, list]:
    names = dict.fromkeys(name for row in rows for name in row)
    plain = {name: [row.get(name) for row in rows] for name in names}
    return {
        name: [value.item() if isinstance(value, np.generic) else value for value in values]
        for name, values in plain.items()
    }


def _channel(field: str, title: str, values: list[float]) -> Spec:
    # Always with a domain: Vega complains of layers without a row, and has none to find it from.
    low, high = (min(values), max(values)) if values else (1.0, 2.0)
    scale: Spec = {"nice": False}
    if low > 0 and high > 5 * low:
        scale |= {"type": "log", "domain": [low / 1.1, high * 1.1]}
    else:
        margin = 0.04 * (high - low) or 0.1 * abs(high) or 1.0
        scale |= {"domain": [low - margin, high + margin]}
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": scale,
        "axis": {"grid": False, "tickCount": 6, "labelOverlap": True, "format": "~g"},
    }


def _values(rows: list[dict], field: str) -> list[float]:
    return [float(row[field]) for row in rows if row.get(field) is not None]


def _only(kind: str) -> list[Spec]:
    return [{"filter": f"datum.kind === '{kind}'"}]


def _base(height: int, description: str) -> Spec:
    sized = {"width": "container", "height": height, "description": description}
    return {**sized, "autosize": {"type": "fit-x", "contains": "padding"}}


def _curve_spec(measure: str, rows: list[dict]) -> Spec:
    title = measure.replace("_", " ")
    y = _channel("value", title, _values(rows, "value"))
    if measure == "accuracy":
        y["scale"] = {"domain": [0, 1.03], "nice": False}
    colour = {
        "field": "part",
        "type": "nominal",
        "scale": {"domain": ["train", "test"]},
        "legend": {"orient": "top", "title": None},
    }
    pointed = [{"field": name, "type": "quantitative", "format": ".4~g"} for name in ("w", "value")]
    way = [{"field": "run", "type": "nominal"}, {"field": "step", "type": "quantitative"}, *pointed]
    return {
        **_base(_HEIGHT, f"{title} against the norm of the weights"),
        "encoding": {
            "x": _channel("w", "weight norm", _values(rows, "w")),
            "y": y,
            "color": colour,
        },
        "layer": [
            {
                "transform": _only("path"),
                "mark": {"type": "line", "strokeWidth": 0.8, "opacity": 0.55},
                "encoding": {"detail": {"field": "run"}, "order": {"field": "step", "type": "quantitative"}},
            },
            {
                "transform": _only("end"),
                "mark": {"type": "point", "filled": True, "size": 30},
                "encoding": {"tooltip": way},
            },
            {
                "transform": _only("sphere"),
                "mark": {"type": "line", "strokeWidth": 2.4, "point": {"size": 40}},
                "encoding": {"tooltip": pointed},
            },
        ],
    }


def _map_spec(rows: list[dict], measure: str, axis: Axis) -> Spec:
    title = measure.replace("_", " ")
    values = _values(rows, "value")
    across = [value for field in ("left", "right", "w") for value in _values(rows, field)]
    upwards = [value for field in ("low", "high", "up") for value in _values(rows, field)]
    logarithmic = measure == "loss" and bool(values) and max(values) > 5 * max(min(values), _FLOOR)
    low, high = (max(min(values), _FLOOR) if logarithmic else min(values), max(values)) if values else (0, 1)
    scale: Spec = {"scheme": "viridis", "reverse": True, "domain": [low, high], "clamp": True}
    if logarithmic:
        scale["type"] = "log"
    pointed = [{"field": name, "type": "quantitative", "format": ".4~g"} for name in ("w", "up", "value")]
    return {
        **_base(_HEIGHT, f"map of {title}"),
        "encoding": {
            "x": _channel("w", "weight norm", across),
            "y": _channel("up", axis.title, upwards),
        },
        "layer": [
            {
                "transform": _only("cell"),
                "mark": {"type": "rect"},
                "encoding": {
                    "x": _channel("left", "weight norm", across),
                    "x2": {"field": "right"},
                    "y": _channel("low", axis.title, upwards),
                    "y2": {"field": "high"},
                    "color": {
                        "field": "value",
                        "type": "quantitative",
                        "scale": scale,
                        "legend": {
                            "orient": "top",
                            "title": title,
                            "format": ".2~g",
                            "tickCount": 3,
                            "gradientLength": 180,
                        },
                    },
                    "tooltip": pointed,
                },
            },
            {
                "transform": _only("contour"),
                "mark": {"type": "line", "strokeWidth": 1.6, "color": "#c0304b"},
                "encoding": {
                    "detail": {"field": "line"},
                    "order": {"field": "order", "type": "quantitative"},
                    "tooltip": {"field": "value", "type": "quantitative", "format": ".2~g"},
                },
            },
            {
                "transform": _only("path"),
                "mark": {"type": "line", "strokeWidth": 2, "color": "white"},
                "encoding": {"detail": {"field": "run"}, "order": {"field": "step", "type": "quantitative"}},
            },
            {
                "transform": _only("end"),
                "mark": {"type": "point", "size": 45, "fill": "black", "stroke": "white", "opacity": 1},
                "encoding": {"tooltip": [{"field": name} for name in ("run", "w", "up", "step")]},
            },
        ],
    }
