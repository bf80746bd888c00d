"""The classic picture of grokking: a measure against the logarithm of steps, drawn by matplotlib."""

import difflib
import pathlib
import typing

import numpy as np

from .._style import NAMELESS, restyle, SETTINGS, StyleName, WidthName
from ._colours import line_colours, PAIR
from ._curves import LINES, pooled_quantiles
from ._runs import Measure, read_runs, Runs
from ._specs import y_scale


if typing.TYPE_CHECKING:
    import matplotlib.figure
    import xarray

_SUFFIXES = tuple(f".{kind}" for kind in NAMELESS)
_LETTERS = 10  # points
_RC: dict[typing.Any, typing.Any] = {
    **SETTINGS,
    "font.family": "DejaVu Sans",  # ships with matplotlib, so every machine draws the same
    "font.size": _LETTERS,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_DASH: dict[str, typing.Any] = {"train": (0, (4, 2)), "test": "solid", "": "solid"}


def learning_curves(
    data: "xarray.Dataset",
    path: str | pathlib.Path,
    *,
    measure: str = "accuracy",
    style: StyleName = "screen",
    width: WidthName = "double",
) -> pathlib.Path:
    """Draw a measure against steps, train dashed and test solid; single runs thin, medians thick.

    Colours follow the axis that moves the time to generalise most; all other axes are pooled. Beyond
    200 runs bands hold the middle half of the runs in place of thin lines. The step axis is
    logarithmic from the first positive record on and linear below it, so that step 0 has its
    place. The same data gives the same bytes with the same version of matplotlib.

    **Main arguments:**

    - `data`: what a sweep returned: any axes and "step".
    - `path`: where to; `.svg`, `.png` or `.pdf`.
    - `measure`: one that has a value at each step, such as "weight_norm"; "accuracy" and "loss" are train
      and test together, "test_accuracy" is one of them.

    **Other arguments:**

    - `style`: "screen"; "paper" with letters of 7 points; "talk" with letters of 16.
    - `width`: of a paper's column, "single" (3.4 inches) or "double" (7.0); half of a slide or a whole one.

    **Returns:** the path.

    **Raises:** `ValueError` for another suffix, for a measure that the data lack (with the nearest), or for
    data without a record.
    """
    path = pathlib.Path(path)
    if path.suffix not in _SUFFIXES:
        raise ValueError(
            f"`path` must end in one of {', '.join(_SUFFIXES)}, got {path.name!r}. Try 'curves.svg'."
        )
    figure = curves_figure(data, measure, style=style, width=width)
    import matplotlib

    with matplotlib.rc_context(_RC):  # ticks take their letters when they are drawn
        figure.savefig(path, dpi=200, metadata=NAMELESS[path.suffix[1:]])
    return path


def curves_figure(
    data: "xarray.Dataset",
    measure: str = "accuracy",
    *,
    style: StyleName = "screen",
    width: WidthName = "double",
) -> "matplotlib.figure.Figure":
    """The picture that `learning_curves` writes, as a figure of matplotlib: for a notebook, or to go on with.

    Datasets that a sweep or a store returned have it as `data.afterfit.plot("test_accuracy")`.
    """
    import matplotlib

    runs = read_runs(data)
    shown = _measure(runs, measure)
    with matplotlib.rc_context(_RC):
        figure = _figure(runs, shown, narrow=style != "screen" and width == "single")
        restyle(figure, style, width, _LETTERS)
        return figure


def pooled_axes(data: "xarray.Dataset") -> list[str]:
    """The axes that vary and have no colour of their own in the picture, seeds apart."""
    runs = read_runs(data)
    return [axis.title for axis in runs.varying if not axis.is_seed and axis is not runs.colour]


def _measure(runs: Runs, name: str) -> Measure:
    """A measure, or one of its parts, by its name in the data."""
    known = {}
    for measure in runs.measures:
        known[measure.name] = measure
        for part, values in measure.parts.items():
            if part:
                known[f"{part}_{measure.name}"] = Measure(measure.name, {part: values})
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
        raise ValueError(f"no measure {name!r} has one value a step: {hint}")
    return known[name]


def _figure(runs: Runs, measure: Measure, narrow: bool) -> "matplotlib.figure.Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4, 3.4) if narrow else (7.2, 3.6), layout="constrained")
    _draw(figure, runs, measure)
    _explain(figure, runs, _lines(runs), tuple(measure.parts), narrow)
    return figure


def _draw(figure: typing.Any, runs: Runs, measure: Measure) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

    axes = figure.add_subplot()
    lines = _lines(runs)
    crowded = sum(member.size for _, member in lines) > LINES
    for place, (_, member) in enumerate(lines):
        for part, values in measure.parts.items():
            colour = _colour(runs, place, part)
            curve = {"color": colour, "linestyle": _DASH[part]}
            median, low, high = pooled_quantiles(values[member])
            if crowded:
                axes.fill_between(runs.steps, low, high, color=colour, alpha=0.15, linewidth=0)
            elif member.size > 1:
                for run in values[member]:
                    known = np.isfinite(run)
                    axes.plot(runs.steps[known], run[known], **curve, linewidth=0.6, alpha=0.35)
            known = np.isfinite(median)
            axes.plot(runs.steps[known], median[known], **curve, linewidth=1.9)
    first = runs.first_positive_step()
    last = max(runs.last_step(), first + 1)
    axes.set_xscale("symlog", linthresh=first, linscale=0.4)
    axes.set_xlim(0 if (runs.steps == 0).any() else first, last)
    powers = [10**power for power in range(len(str(last))) if first <= 10**power <= last]
    axes.set_xticks([*([0] if (runs.steps == 0).any() else []), *powers])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{int(step):,}"))
    if measure.name == "accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_ylim(-0.02, 1.03)
    else:
        scale = y_scale(measure)
        axes.set_yscale(scale["type"])
        axes.set_ylim(*scale["domain"])
    axes.set_xlabel("step")
    axes.set_ylabel(_label(measure))
    axes.grid(axis="y", color="#e8eaee", linewidth=0.8)
    axes.set_axisbelow(True)


def _label(measure: Measure) -> str:
    """What the axis is called: "test accuracy" where there is no other part to tell it from."""
    return _short(" ".join([*(measure.parts if len(measure.parts) == 1 else ()), measure.title]).strip())


def _lines(runs: Runs) -> list[tuple[str, np.ndarray]]:
    """`(label, runs)` of each colour; all other axes pooled."""
    if runs.colour is None:
        return [("", np.flatnonzero(runs.present))]
    lines = [
        (runs.colour.labels[place], np.flatnonzero(runs.present & (runs.colour.index == place)))
        for place in runs.colours
    ]
    return [(label, member) for label, member in lines if member.size]


def _colour(runs: Runs, place: int, part: str) -> str:
    if runs.colour is None:
        return PAIR["light"][0 if part == "train" else 1]
    return line_colours(runs, "light")[place]


def _explain(
    figure: typing.Any,
    runs: Runs,
    lines: list[tuple[str, np.ndarray]],
    parts: tuple[str, ...],
    narrow: bool,
) -> None:
    from matplotlib.lines import Line2D

    where: dict[str, typing.Any] = {"loc": "outside right upper"}
    if narrow:  # there is no room beside the curves
        where = {"loc": "outside upper center", "ncols": 3}
    if runs.colour is None:
        handles = [
            Line2D([], [], color=_colour(runs, 0, part), linestyle=_DASH[part], label=part)
            for part in parts
            if part
        ]
        if handles:
            figure.legend(handles=handles, frameon=False, **where)
        return
    # A dollar sign in a name would start a formula.
    colours = [
        Line2D([], [], color=_colour(runs, place, "test"), linewidth=1.9, label=_short(label))
        for place, (label, _) in enumerate(lines)
    ]
    dashes = [Line2D([], [], color="#3d434d", linestyle=_DASH[part], label=part) for part in parts if part]
    title = _short(runs.colour.title)
    figure.legend(handles=[*colours, *dashes], title=title, alignment="left", frameon=False, **where)


def _short(text: str, most: int = 24) -> str:
    text = text if len(text) <= most else text[: most - 1] + "…"
    return text.replace("$", r"\$")
