"""Charts of landscapes as Vega-Lite specifications."""

import typing
from collections.abc import Sequence

import numpy as np

from ._labels import words
from ._specs import Spec


_HEIGHT = 320  # pixels
_FAR = 100.0  # a way that leaves the spheres by more than this factor is cut off at the edge

Row = dict[str, typing.Any]


def curve_spec(measure: str, rows: Sequence[Row]) -> Spec:
    """Values over the norm: lines of spheres, a thin line for each way."""
    y = _channel("value", words(measure), _domain(rows, ("value",)))
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
        **_base(f"{words(measure)} against the norm of the weights"),
        "encoding": {
            "x": _channel("w", "weight norm", _domain(rows, ("w",))),
            "y": y,
            "color": colour,
        },
        "layer": [
            {
                "transform": _only("path"),
                "mark": {"type": "line", "strokeWidth": 0.8, "opacity": 0.55, "clip": True},
                "encoding": {"detail": {"field": "run"}, **_ordered("step")},
            },
            {
                "transform": _only("end"),
                "mark": {"type": "point", "filled": True, "size": 30, "clip": True},
                "encoding": {"tooltip": way},
            },
            {
                "transform": _only("sphere"),
                "mark": {"type": "line", "strokeWidth": 2.4, "point": {"size": 40}},
                "encoding": {
                    "detail": {"field": "series"},
                    "tooltip": [{"field": "series", "type": "nominal"}, *pointed],
                },
            },
        ],
    }


def map_spec(rows: Sequence[Row], measure: str, title: str) -> Spec:
    """Cells over the norm and an axis, with contours and the ways of runs."""
    values = _values(rows, "value", ("cell",)) or [0.0, 1.0]
    low, high = min(values), max(values)
    scale: Spec = {"scheme": "viridis", "reverse": True, "domain": [low, high], "clamp": True}
    if measure == "loss" and high > 5 * low:
        scale["type"] = "log"
    across, up = _domain(rows, ("left", "right", "w")), _domain(rows, ("low", "high", "up"))
    pointed = [{"field": name, "type": "quantitative", "format": ".4~g"} for name in ("w", "up", "value")]
    legend = {
        "orient": "top",
        "title": words(measure),
        "format": ".2~g",
        "tickCount": 3,
        "gradientLength": 180,
    }
    way = {"detail": {"field": "run"}, **_ordered("step")}
    return {
        **_base(f"map of {words(measure)}"),
        "encoding": {"x": _channel("w", "weight norm", across), "y": _channel("up", title, up)},
        "layer": [
            {
                "transform": _only("cell"),
                "mark": {"type": "rect"},
                "encoding": {
                    "x": _channel("left", "weight norm", across),
                    "x2": {"field": "right"},
                    "y": _channel("low", title, up),
                    "y2": {"field": "high"},
                    "color": {"field": "value", "type": "quantitative", "scale": scale, "legend": legend},
                    "tooltip": pointed,
                },
            },
            {
                "transform": _only("contour"),
                "mark": {"type": "line", "strokeWidth": 1.6, "color": "#c0304b"},
                "encoding": {
                    "detail": {"field": "line"},
                    **_ordered("order"),
                    "tooltip": {"field": "value", "type": "quantitative", "format": ".2~g"},
                },
            },
            # Light around dark, to be seen on any paper and on any cell.
            {
                "transform": _only("path"),
                "mark": {"type": "line", "strokeWidth": 4, "color": "white", "opacity": 0.8, "clip": True},
                "encoding": way,
            },
            {
                "transform": _only("path"),
                "mark": {"type": "line", "strokeWidth": 1.4, "color": "black", "clip": True},
                "encoding": way,
            },
            {
                "transform": _only("end"),
                "mark": {"type": "point", "size": 45, "fill": "black", "stroke": "white", "opacity": 1},
                "encoding": {"tooltip": [{"field": name} for name in ("run", "w", "up", "step")]},
            },
        ],
    }


def _base(description: str) -> Spec:
    sized = {"width": "container", "height": _HEIGHT, "description": description}
    return {**sized, "autosize": {"type": "fit-x", "contains": "padding"}}


def _only(kind: str) -> list[Spec]:
    return [{"filter": f"datum.kind === '{kind}'"}]


def _ordered(field: str) -> Spec:
    return {"order": {"field": field, "type": "quantitative"}}


def _values(rows: Sequence[Row], field: str, kinds: Sequence[str]) -> list[float]:
    found = [float(row[field]) for row in rows if row["kind"] in kinds and row.get(field) is not None]
    return [value for value in found if np.isfinite(value)]


def _domain(rows: Sequence[Row], fields: Sequence[str]) -> tuple[float, float]:
    """From the least to the largest value, of ways only as far as they stay near the spheres."""
    spheres = [value for field in fields for value in _values(rows, field, ("sphere", "cell", "contour"))]
    ways = [value for field in fields for value in _values(rows, field, ("path",))]
    if not spheres:  # one way that diverges must not flatten all the others
        spheres = [float(np.median(ways))] if ways else [1.0]
    low, high = min(spheres), max(spheres)
    if low > 0:
        ways = [value for value in ways if low / _FAR <= value <= high * _FAR]
    return min([low, *ways]), max([high, *ways])


def _channel(field: str, title: str, domain: tuple[float, float]) -> Spec:
    # Always with a domain: Vega complains of layers without a row, and has none to find it from.
    low, high = domain
    scale: Spec = {"nice": False, "clamp": True}
    if low > 0 and high > 5 * low:
        scale |= {"type": "log", "domain": [low / 1.1, high * 1.1]}
    else:
        margin = 0.04 * (high - low) or 0.1 * abs(high) or 1.0
        scale |= {"domain": [low - margin, high + margin]}
    axis = {"grid": False, "tickCount": 6, "labelOverlap": True, "format": "~g"}
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, "axis": axis}
