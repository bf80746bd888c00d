"""The classic picture of grokking: accuracy against the logarithm of steps, drawn by matplotlib."""

import pathlib
import typing

import numpy as np

from ._colours import PAIR, palette
from ._curves import LINES, pooled_quantiles
from ._runs import COLOURS, read_runs, Runs


if typing.TYPE_CHECKING:
    import xarray

_NO_DATE = {
    ".svg": {"Date": None, "Creator": None},
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
_DASH: dict[str, typing.Any] = {"train": (0, (4, 2)), "test": "solid"}


def learning_curves(data: "xarray.Dataset", path: str | pathlib.Path) -> pathlib.Path:
    """Draw train (dashed) and test (solid) accuracy against steps; single runs thin, medians thick.

    Colours follow the axis that moves the time to generalise most; all other axes are pooled. Beyond
    200 runs bands hold the middle half of the runs in place of thin lines. The step axis is
    logarithmic from the first positive record on and linear below it, so that step 0 has its
    place. The same data gives the same bytes with the same version of matplotlib.

    **Arguments:**

    - `data`: what a sweep returned: any axes and "step".
    - `path`: where to; `.svg`, `.png` or `.pdf`.

    **Returns:** the path.

    **Raises:** `ValueError` for another suffix, or for data without a record.
    """
    path = pathlib.Path(path)
    if path.suffix not in _NO_DATE:
        raise ValueError(
            f"`path` must end in one of {', '.join(_NO_DATE)}, got {path.name!r}. Try 'curves.svg'."
        )
    runs = read_runs(data)
    import matplotlib
    from matplotlib.figure import Figure

    style: dict[typing.Any, typing.Any] = {
        "svg.hashsalt": "afterfit",
        "font.family": "DejaVu Sans",  # ships with matplotlib, so every machine draws the same
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(7.2, 3.6), layout="constrained")
        _draw(figure, runs)
        figure.savefig(path, dpi=200, metadata=_NO_DATE[path.suffix])
    return path


def _draw(figure: typing.Any, runs: Runs) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

    axes = figure.add_subplot()
    accuracy = next(measure for measure in runs.measures if measure.name == "accuracy")
    lines = _lines(runs)
    crowded = sum(member.size for _, member in lines) > LINES
    for place, (_, member) in enumerate(lines):
        for part, values in accuracy.parts.items():
            colour = _colour(runs, len(lines), place, part)
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
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylim(-0.02, 1.03)
    axes.set_xlabel("step")
    axes.set_ylabel("accuracy")
    axes.grid(axis="y", color="#e8eaee", linewidth=0.8)
    axes.set_axisbelow(True)
    _explain(figure, runs, lines)


def _lines(runs: Runs) -> list[tuple[str, np.ndarray]]:
    """`(label, runs)` of each colour; all other axes pooled."""
    if runs.colour is None:
        return [("", np.flatnonzero(runs.present))]
    lines = [
        (runs.colour.labels[place], np.flatnonzero(runs.present & (runs.colour.index == place)))
        for place in runs.colour.spread(COLOURS)
    ]
    return [(label, member) for label, member in lines if member.size]


def _colour(runs: Runs, count: int, place: int, part: str) -> str:
    if runs.colour is None:
        return PAIR["light"][("train", "test").index(part)]
    return palette(count, runs.colour.ordered, "light")[place]


def _explain(figure: typing.Any, runs: Runs, lines: list[tuple[str, np.ndarray]]) -> None:
    from matplotlib.lines import Line2D

    if runs.colour is None:
        handles = [
            Line2D([], [], color=PAIR["light"][place], linestyle=_DASH[part], label=part)
            for place, part in enumerate(("train", "test"))
        ]
        figure.legend(handles=handles, loc="outside right upper", frameon=False)
        return
    # A dollar sign in a name would start a formula.
    colours = [
        Line2D([], [], color=_colour(runs, len(lines), place, "test"), linewidth=1.9, label=_short(label))
        for place, (label, _) in enumerate(lines)
    ]
    parts = [Line2D([], [], color="#3d434d", linestyle=_DASH[part], label=part) for part in ("train", "test")]
    title = _short(runs.colour.title)
    figure.legend(
        handles=[*colours, *parts], title=title, alignment="left", loc="outside right upper", frameon=False
    )


def _short(text: str, most: int = 24) -> str:
    text = text if len(text) <= most else text[: most - 1] + "…"
    return text.replace("$", r"\$")
