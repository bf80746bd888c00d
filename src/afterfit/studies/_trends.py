"""Delays against alpha: trends over a sweep, seed by seed, where censored runs are the latest of all.

Axes of this module
    seed    runs that differ in chance only
    place   values of alpha, in order
"""

import typing

import numpy as np
from jaxtyping import Float

from ..statistics import grokking_time, Judgement, spearman
from ._draw import axis_of_places, COLOURS
from ._judging import agreed, middle


if typing.TYPE_CHECKING:
    import matplotlib.axes
    import xarray


class Delays(typing.NamedTuple):
    """When runs fit and generalise, in steps; infinite where they ended first."""

    fit: Float[np.ndarray, "seed place"]
    late: Float[np.ndarray, "seed place"]

    @property
    def gap(self) -> Float[np.ndarray, "seed place"]:
        """Steps from one to the other; infinite where only the first came, NaN where neither did."""
        return np.where(
            np.isfinite(self.fit), self.late - np.where(np.isfinite(self.fit), self.fit, 0), np.nan
        )

    @property
    def ratio(self) -> Float[np.ndarray, "seed place"]:
        """How many times later the second came."""
        fit = np.where(np.isfinite(self.fit), np.maximum(self.fit, 1), np.nan)
        return self.late / fit


def delays(times: "xarray.Dataset", place: str) -> Delays:
    """From `memorised` and `generalised` with their `..._censored`, as `grokking_time` gives them."""
    ordered = times.transpose("seed", place)
    return Delays(
        *(
            np.where(ordered[f"{which}_censored"].values, np.inf, ordered[which].values.astype(float))
            for which in ("memorised", "generalised")
        )
    )


def accuracy_delays(data: "xarray.Dataset", level: float, place: str) -> Delays:
    """The same of accuracies."""
    return delays(grokking_time(data, level), place)


def rises(
    places: Float[np.ndarray, " place"],
    values: Float[np.ndarray, "seed place"],
    *,
    least: float = 0.9,
    note: str = "",
) -> Judgement:
    """Whether values rise with alpha: Spearman's correlation of each seed, their median as the value.

    Infinite values rank beyond all others, all alike. A seed with an undefined value is open, and so is one
    of which all are infinite: it has no trend to see.
    """
    return _trend(places, values, 1, least, f"correlation of at least {least:g}", note)


def falls(
    places: Float[np.ndarray, " place"],
    values: Float[np.ndarray, "seed place"],
    *,
    least: float = 0.9,
    note: str = "",
) -> Judgement:
    """Whether values fall, as `rises`; `least` is the size of the correlation, which is negative then."""
    return _trend(places, values, -1, least, f"correlation of at most {-least:g}", note)


def _trend(
    places: Float[np.ndarray, " place"],
    values: Float[np.ndarray, "seed place"],
    sign: int,
    least: float,
    criterion: str,
    note: str,
) -> Judgement:
    found = [spearman(places, row, draws=1)[0] for row in values]
    held: list[bool | None] = []
    for row, one in zip(values, found, strict=True):
        if np.isnan(one):
            held.append(False if np.isfinite(row).all() else None)  # one value for all: no trend
        else:
            held.append(bool(sign * one >= least))
    return agreed(held, middle(found), runs=values.size, note="; ".join(filter(None, (criterion, note))))


def draw_delays(
    ax: "matplotlib.axes.Axes",
    places: Float[np.ndarray, " place"],
    found: Delays,
    *,
    budget: float,
    label: str = "",
    colours: tuple[str, str] = (COLOURS[1], COLOURS[2]),
    dashed: bool = False,
) -> None:
    """Both times against alpha: seeds as dots, medians as lines; runs that ended first hollow, at the top."""
    for which, times, colour in (("training", found.fit, colours[0]), ("test", found.late, colours[1])):
        shown = np.maximum(np.minimum(times, budget), 1)
        for row, censored in zip(shown, np.isinf(times), strict=True):
            ax.plot(places[~censored], row[~censored], ".", color=colour, alpha=0.5, markersize=5)
            ax.plot(places[censored], row[censored], "^", color=colour, mfc="none", alpha=0.7, markersize=5)
        style = "--" if dashed else "-"
        name = " ".join(filter(None, (which, label)))
        ax.plot(places, np.median(shown, axis=0), style, color=colour, label=name, linewidth=1.3)
    ax.set_yscale("log")
    axis_of_places(ax, places)
    ax.set(xlabel=r"$\alpha$", ylabel="steps")


def log_values(ax: "matplotlib.axes.Axes") -> None:
    """A logarithmic axis of values, if there is one to show on it."""
    if any(np.any(np.nan_to_num(np.asarray(line.get_ydata(), float)) > 0) for line in ax.lines):
        ax.set_yscale("log")


def rows(
    places: Float[np.ndarray, " place"], found: Delays, names: tuple[str, str], **more: typing.Any
) -> list[dict[str, typing.Any]]:
    """Rows of a table: both times of each run, empty where it ended first."""
    table = []
    for seed, place in np.ndindex(*found.fit.shape):
        row: dict[str, typing.Any] = {**more, "alpha": float(places[place]), "seed": seed}
        for name, times in zip(names, found, strict=True):
            known = np.isfinite(times[seed, place])
            row[name] = float(times[seed, place]) if known else None
        table.append(row)
    return table
