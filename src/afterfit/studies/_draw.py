"""Small pieces of charts that figures share: learning curves with seeds, a line with a band."""

import typing
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Shaped


if typing.TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.axis
    import matplotlib.figure
    import xarray

COLOURS = ("#1f4e9c", "#c8553d", "#2a8f6d", "#8f5aa8", "#b8860b", "#4a4a4a", "#d16ba5", "#5ca4d6", "#7a9a2c")
"""Told apart by most eyes, in this order."""


def panels(rows: int, columns: int, width: float = 3.2, height: float = 2.4) -> typing.Any:
    """A figure with `rows` x `columns` axes (inches each), as `(figure, axes[row, column])`."""
    import matplotlib.figure

    figure = matplotlib.figure.Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def curves(
    ax: "matplotlib.axes.Axes",
    values: "xarray.DataArray",
    *,
    colour: str,
    label: str,
    dashed: bool = False,
    seed: str = "seed",
) -> None:
    """One measure against log steps: a thin line for each seed, and the median, where runs keep what they
    ended with. Step 0 is left out."""
    shown = values.where(values["step"] > 0, drop=True)
    style = "--" if dashed else "-"
    if seed in shown.dims:
        for one in range(shown.sizes[seed]):
            ax.plot(shown["step"], shown.isel({seed: one}), style, color=colour, alpha=0.3, linewidth=0.7)
        shown = _last_known(shown).median(seed)
    ax.plot(shown["step"], shown, style, color=colour, label=label, linewidth=1.4)
    ax.set_xscale("log")
    ax.set_xlabel("step")


def _last_known(values: "xarray.DataArray") -> "xarray.DataArray":
    """Runs that ended keep their last value: a median of those that go on would jump when one ends."""
    table = values.transpose(..., "step").values
    known = np.where(np.isnan(table), 0, np.arange(table.shape[-1]))
    held = np.take_along_axis(table, np.maximum.accumulate(known, axis=-1), axis=-1)
    return values.transpose(..., "step").copy(data=held)


def short_log_axis(axis: "matplotlib.axis.Axis") -> None:
    """Labels 1, 2 and 5 of each decade as plain numbers: for a logarithmic axis of a decade or two."""
    import matplotlib.ticker

    axis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    axis.set_minor_formatter(matplotlib.ticker.NullFormatter())


def axis_of_places(
    ax: "matplotlib.axes.Axes", places: Sequence[float] | Shaped[np.ndarray, " place"]
) -> None:
    """A logarithmic horizontal axis with a label at each place, and nothing between."""
    ax.set_xscale("log")
    ax.set_xticks(places, [f"{place:g}" for place in places])
    ax.minorticks_off()


def with_band(
    ax: "matplotlib.axes.Axes",
    x: Shaped[np.ndarray, " place"],
    low: Float[np.ndarray, " place"],
    middle: Float[np.ndarray, " place"],
    high: Float[np.ndarray, " place"],
    *,
    colour: str,
    label: str,
) -> None:
    """A line with the range it may lie in."""
    ax.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
    ax.plot(x, middle, "o-", color=colour, label=label, markersize=3, linewidth=1.2)


def with_seeds(
    ax: "matplotlib.axes.Axes",
    x: Shaped[np.ndarray, " place"],
    values: Float[np.ndarray, "seed place"],
    *,
    colour: str,
    label: str,
    dashed: bool = False,
) -> None:
    """The mean over seeds as a line, and each seed as a faint dot."""
    for one in values:
        ax.plot(x, one, ".", color=colour, alpha=0.5, markersize=5, markeredgewidth=0)
    ax.plot(x, values.mean(axis=0), "--" if dashed else "-", color=colour, label=label, linewidth=1.2)


def bars(
    ax: "matplotlib.axes.Axes",
    values: Float[np.ndarray, "seed place"],
    *,
    names: Sequence[str],
    colours: Sequence[str],
) -> None:
    """The mean over seeds as a horizontal bar with its number, and each seed as a dot; the first on top."""
    places = np.arange(len(names))
    ax.barh(places, values.mean(axis=0), color=colours, alpha=0.75, height=0.7)
    for one in values:
        ax.plot(one, places, "o", color="black", markersize=2.5)
    for place, top in zip(places, values.max(axis=0), strict=True):
        ax.annotate(
            f"{values[:, place].mean():.2f}", (top, place), (4, 0), textcoords="offset points", va="center"
        )
    ax.set_yticks(places, names)
    ax.invert_yaxis()
