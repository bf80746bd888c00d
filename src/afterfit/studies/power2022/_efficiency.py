"""Data efficiency: the best accuracy that a fraction of the data allows, and the fraction that it takes.

Both halves of Figure 2 (Power et al. 2022) show the best validation accuracy within the budget against the
fraction of the table that trains. Where a scale can afford one fraction only, times to generalise stand in.
"""

import dataclasses
import math
import typing
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from ...statistics import bootstrap, grokking_time, judge, Judgement, median_time, Verdict


if typing.TYPE_CHECKING:
    import xarray

FRACTIONS = tuple(percent / 100 for percent in range(5, 100, 5))
"""The grid of the paper's scale (the paper prints none): 5% to 95% in steps of 5 points."""

GRID_STEP = 0.05
"""Fractions nearer to each other than this are tied."""

_ROUNDING = 1e-9  # 0.3 - 0.25 is a grid step, and a little less in binary


def best_accuracy(data: "xarray.Dataset", axis: str) -> Float[np.ndarray, "seed place fraction"]:
    """Highest validation accuracy of each run at any recorded step, places being those of `axis`.

    A run without any finite record has 0: it counts, and as a failure.
    """
    best = data["test_accuracy"].max("step").fillna(0)
    return best.transpose("seed", axis, "task.fraction").values.astype(float)


def fraction_needed(
    accuracy: Float[np.ndarray, "*place fraction"], fractions: Float[np.ndarray, " fraction"], level: float
) -> Float[np.ndarray, "*place"]:
    """Smallest fraction, interpolated on the grid, at which accuracy reaches a level; +inf if it never does.

    Reached at the first grid point already: that point, as nothing is known below.
    """
    reached = accuracy >= level - _ROUNDING
    at = reached.argmax(axis=-1)
    before = np.maximum(at - 1, 0)
    low, high = (np.take_along_axis(accuracy, i[..., None], axis=-1)[..., 0] for i in (before, at))
    share = np.minimum((level - low) / np.where(high > low, high - low, 1), 1)
    needed = fractions[before] + (fractions[at] - fractions[before]) * share
    return np.where(reached.any(axis=-1), needed, np.inf)


def excess(more: typing.SupportsFloat, less: typing.SupportsFloat) -> float:
    """By how much one of two fractions is larger; 0, a tie at the end of the ranking, if neither is known."""
    more, less = float(more), float(less)
    return 0.0 if math.isinf(more) and math.isinf(less) else more - less


def over_seeds(
    statistic: Callable[..., float],
    sample: Float[np.ndarray, "seed ..."],
    *,
    least: float = -math.inf,
    most: float = math.inf,
    note: str = "",
) -> Judgement:
    """Judges a statistic of a sample by its interval under resampling of seeds; limits allow for rounding."""
    return judge(
        statistic(sample),
        bootstrap(statistic, sample),
        least=least - _ROUNDING,
        most=most + _ROUNDING,
        seeds=len(sample),
        runs=sample.size,
        note=note,
    )


def time_ratio(
    data: "xarray.Dataset",
    later: dict[str, typing.Any],
    earlier: dict[str, typing.Any],
    *,
    least: float = -math.inf,
    most: float = math.inf,
    note: str = "",
) -> Judgement:
    """Judges how many times later one place on the axes generalises than another (medians over seeds).

    A run that did not generalise did so after its end, if ever: its time lies between its last record
    and +inf, and so the interval widens (with a single seed this is all it holds). The value of a
    ratio with such a run takes the end of the budget for its time.
    """
    early_low, early_high = _time_bounds(data, earlier)
    late_low, late_high = _time_bounds(data, later)
    open_ended = bool(np.isinf(late_high).any() or np.isinf(early_high).any())
    if open_ended:
        note = "; ".join(filter(None, (note, "not all runs generalised, so their times are lower bounds")))
    shortest, longest = (
        bootstrap(_ratio, *bounds) for bounds in ((late_low, early_high), (late_high, early_low))
    )
    if shortest is not None and longest is not None:
        interval = shortest[0], longest[1]
    else:  # a single seed: nothing is known of the spread, but the bounds stand
        interval = (_ratio(late_low, early_high), _ratio(late_high, early_low)) if open_ended else None
    seeds = len(late_low)
    value = _ratio(late_low, early_low)
    return judge(value, interval, least=least, most=most, seeds=seeds, runs=2 * seeds, note=note)


def supported(judgement: Judgement, why: str) -> Judgement:
    """A judgement of a claim that this data may support and cannot refute."""
    if judgement.verdict != Verdict.FAILS:
        return judgement
    note = "; ".join(filter(None, (judgement.note, why)))
    return dataclasses.replace(judgement, verdict=Verdict.UNDECIDED, note=note)


def rows(data: "xarray.Dataset", axis: str) -> list[dict[str, typing.Any]]:
    """For each place and fraction: best accuracy over seeds, and median steps (inf: half never got there)."""
    best = best_accuracy(data, axis)
    times = grokking_time(data)
    medians = {name: median_time(times, name)["median"] for name in ("memorised", "generalised")}
    found = []
    for i, place in enumerate(data[axis].values.tolist()):
        for j, fraction in enumerate(data["task.fraction"].values.tolist()):
            here = {axis: place, "task.fraction": fraction}
            cell = best[:, i, j]
            found.append(
                {
                    axis: place,
                    "fraction": fraction,
                    "seeds": len(cell),
                    "best_mean": round(float(cell.mean()), 4),
                    "best_least": round(float(cell.min()), 4),
                    "best_most": round(float(cell.max()), 4),
                    "memorised": float(medians["memorised"].sel(here)),
                    "generalised": float(medians["generalised"].sel(here)),
                }
            )
    return found


def _ratio(late: Float[np.ndarray, " seed"], early: Float[np.ndarray, " seed"]) -> float:
    return float(np.median(late) / max(np.median(early), 1))


def _time_bounds(
    data: "xarray.Dataset", place: dict[str, typing.Any]
) -> tuple[Float[np.ndarray, " seed"], Float[np.ndarray, " seed"]]:
    """Between which steps each seed generalised, as far as its budget tells."""
    times = grokking_time(data.sel(place))
    known = times["generalised"].transpose("seed").values.astype(float)
    return known, np.where(times["generalised_censored"].values & ~np.isnan(known), np.inf, known)
