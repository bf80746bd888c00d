"""Charts as Vega-Lite specifications: plain dicts that a browser or `vl_convert` draws."""

import typing
from collections.abc import Container, Mapping, Sequence

import numpy as np

from ._colours import PAIR
from ._curves import column, Style, Table
from ._runs import Measure, Runs


Spec = dict[str, typing.Any]
_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_DASH = {"train": [5, 3]}
# A plain wheel must go on scrolling the page, so zooming asks for Ctrl (or a pinch, which sends the same).
_ZOOM = {
    "name": "zoom",
    "select": {"type": "interval", "encodings": ["x"], "zoom": "wheel![event.ctrlKey || event.metaKey]"},
    "bind": "scales",
}


def curves_spec(runs: Runs, measure: Measure, style: Style, table: Table, height: int = 230) -> Spec:
    """One panel: the parts of a measure against steps, one colour a value of `runs.colour`.

    The parameter `focus` names the one value to stand out ("" for all of them).
    """
    colour = None if runs.colour is None else f"axis{runs.axes.index(runs.colour)}"
    y = y_scale(measure)
    layers: list[Spec] = []
    for part in measure.parts:
        field = column(part)
        shared = {"color": _colour_channel(runs, colour, part)}
        if style.banded:
            ends = {
                "y": _y_channel(f"{field}_low", y),
                "y2": {"field": f"{field}_high"},
                "opacity": {"value": 0.15},
            }
            layers.append(_layer("median", {"type": "area", "clip": True}, {**shared, **ends}))
        line = {"type": "line", "clip": True, "strokeDash": _DASH.get(part, [1, 0])}
        detail = {"detail": [{"field": name} for name in table.labels if name != "kind"]}
        if style.pooled and style.single:
            thin = {**line, "strokeWidth": 0.8}
            layers.append(
                _layer(
                    "run",
                    thin,
                    {**shared, **detail, "y": _y_channel(field, y), "opacity": _opacity(colour, 0.45)},
                )
            )
        thick = {**line, "strokeWidth": 2.2}
        layers.append(
            _layer(
                style.main,
                thick,
                {**shared, **detail, "y": _y_channel(field, y), "opacity": _opacity(colour, 1.0)},
            )
        )
    for part in measure.parts:
        # Wide invisible points on top: a line itself would answer the pointer with its first record only.
        layers.append(
            _layer(
                style.main,
                {"type": "point", "filled": True, "size": 120, "opacity": 0, "clip": True},
                {"y": _y_channel(column(part), y), "tooltip": _tooltip(runs, measure, style)},
            )
        )
    layers[0]["params"] = [_ZOOM]
    return {
        "$schema": _SCHEMA,
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "padding": {"left": 0, "right": 12, "top": 6, "bottom": 0},
        "params": [{"name": "focus", "value": ""}],
        "encoding": {"x": _x_channel(runs, style)},
        "layer": layers,
    }


def enclosed(text: str, columns: Sequence[str], numbers: Container[str]) -> Spec:
    """The data of a chart that come with it, as comma-separated values."""
    parse = {name: "number" if name in numbers else "string" for name in columns}
    return {"values": text, "format": {"type": "csv", "parse": parse}}


def reaches_over_edge(measure: Measure) -> bool:
    """Whether some value lies outside a logarithmic axis and is drawn at its edge."""
    scale = y_scale(measure)
    low, high = scale["domain"]
    return scale["type"] == "log" and bool(measure.finite[0] < low or measure.finite[-1] > high)


def theme_config(theme: str, colours: list[str]) -> Spec:
    """What differs between light and dark paper; `colours` in the order of the colour domain."""
    ink, faint, grid = {
        "light": ("#3d434d", "#8a919c", "#e8eaee"),
        "dark": ("#c9cfda", "#7d8592", "#2b3038"),
    }[theme]
    font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"
    return {
        "background": "transparent",
        "font": font,
        "view": {"stroke": None},
        "range": {"category": colours},
        "legend": {"labelColor": ink, "titleColor": ink, "labelFontSize": 11},
        "axis": {
            "labelColor": ink,
            "titleColor": ink,
            "titleFontWeight": "normal",
            "labelFontSize": 11,
            "titleFontSize": 11,
            "titleLimit": 200,  # pixels; names of fields may be of any length
            "gridColor": grid,
            "domainColor": faint,
            "tickColor": faint,
        },
    }


def themes(colours: Mapping[str, Sequence[str]] = PAIR) -> dict[str, Spec]:
    """The configurations of all themes; `colours` by theme, by default those of train and test."""
    return {theme: theme_config(theme, list(colours[theme])) for theme in PAIR}


def _layer(kind: str, mark: Spec, encoding: Spec) -> Spec:
    return {"transform": [{"filter": f"datum.kind === '{kind}'"}], "mark": mark, "encoding": encoding}


def _colour_channel(runs: Runs, colour: str | None, part: str) -> Spec:
    if colour is None or runs.colour is None:
        return {
            "datum": part or "test",
            "type": "nominal",
            "scale": {"domain": ["train", "test"]},
            "legend": None,
        }
    domain = list(runs.colour_labels)
    return {"field": colour, "type": "nominal", "scale": {"domain": domain}, "legend": None}


def _opacity(colour: str | None, value: float) -> Spec:
    if colour is None:
        return {"value": value}
    return {"condition": {"test": f"focus === '' || focus === datum.{colour}", "value": value}, "value": 0.06}


def _tooltip(runs: Runs, measure: Measure, style: Style) -> list[Spec]:
    axes = [
        {"field": f"axis{place}", "type": "nominal", "title": axis.title}
        for place, axis in enumerate(runs.axes)
        if len(axis.labels) > 1 and (not style.pooled or axis is runs.colour or axis is runs.panel)
    ]
    parts = [
        {
            "field": column(part),
            "type": "quantitative",
            "title": f"{part} {measure.title}".strip(),
            "format": ".4~g",
        }
        for part in measure.parts
    ]
    return [*axes, {"field": "step", "type": "quantitative", "format": ","}, *parts]


def _x_channel(runs: Runs, style: Style) -> Spec:
    """Steps, by default on a logarithmic scale that is linear below the first positive step, for step 0."""
    first = runs.first_positive_step()
    last = max(runs.last_step(), style.end)
    start = 0 if (runs.steps == 0).any() else first
    domain = [start, max(last, start + 1)]
    title: Spec = {"title": "step", "titleAnchor": "end", "grid": False, "labelFlush": True}
    if style.linear:
        linear = {"type": "linear", "domain": domain, "nice": False}
        axis = {**title, "format": "~s", "tickCount": 6}
        return {"field": "step", "type": "quantitative", "scale": linear, "axis": axis}
    decades = range(int(np.floor(np.log10(first))), int(np.ceil(np.log10(max(last, first)))) + 1)
    ticks = [factor * 10**decade for decade in decades for factor in range(1, 10)]
    ticks = [tick for tick in ticks if first <= tick <= last]
    # Labels: powers of ten, and 2 and 5 between them once little more than two decades are in view.
    digit = "datum.value / pow(10, floor(log(datum.value) / LN10 + 1e-9))"
    close = f"domain('x')[1] < 150 * max(domain('x')[0], {first})"
    between = f"{close} && (abs({digit} - 2) < 0.01 || abs({digit} - 5) < 0.01)"
    wanted = f"datum.value === 0 || abs({digit} - 1) < 0.01 || ({between})"
    text = "datum.value < 10000 ? format(datum.value, ',') : format(datum.value, '~s')"
    return {
        "field": "step",
        "type": "quantitative",
        "scale": {
            "type": "symlog",
            "constant": first,
            "domain": domain,
            "nice": False,
        },
        "axis": {
            "values": ([0] if start == 0 else []) + ticks,
            "labelExpr": f"({wanted}) ? ({text}) : ''",
            "labelOverlap": False,
            **title,
        },
    }


def _y_channel(field: str, scale: Spec) -> Spec:
    axis: Spec = {"title": None, "format": ".4~g", "tickCount": 5}
    if scale["type"] == "log":
        low, high = (np.log10(end) for end in scale["domain"])
        powers = range(int(np.ceil(low)), int(np.floor(high)) + 1)
        stride = 1 + len(powers) // 7
        # Counted from 10^0, so that 1 keeps its label.
        axis["values"] = [float(f"1e{power}") for power in powers if power % stride == 0]
        # Powers of ten in full where they are short: 0.01, 100, else 1e-6.
        axis["labelExpr"] = (
            "abs(log(datum.value) / LN10) < 3.5 ? format(datum.value, '~f') : format(datum.value, '~e')"
        )
    return {"field": field, "type": "quantitative", "scale": scale, "axis": axis}


def y_scale(measure: Measure) -> Spec:
    """Accuracy from 0 to 1; otherwise logarithmic where positive values span more than a factor of 20."""
    if measure.name == "accuracy":
        return {"type": "linear", "domain": [0, 1.03], "nice": False}  # room for a thick line at 1
    values = measure.finite
    low, high = float(values[0]), float(values[-1])
    if low >= 0 and high > 0:
        positive = values[np.searchsorted(values, 0, side="right") :]
        least = float(positive[0])
        if high > 20 * least:
            # One diverging run must not flatten all the others against the lower edge.
            high = min(high, 1e3 * float(positive[int(0.9 * (positive.size - 1))]))
            ends = [max(least, 1e-12 * high) / 1.4, high * 1.4]
            return {"type": "log", "domain": ends, "clamp": True, "nice": False}
    margin = 0.05 * (high - low) or max(0.05 * abs(high), 0.5)
    bottom = 0.0 if 0 <= low < 0.5 * high else low - margin
    return {"type": "linear", "domain": [bottom, high + margin], "nice": False}
