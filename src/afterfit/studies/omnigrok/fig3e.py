"""Figure 3e: below a critical size of the training set images are never generalised, near it late.

Liu et al. 2023 ("Omnigrok"), section 4, after Liu et al. 2022. Large initial weights (alpha = 9 in the
authors' development runs), training sets of 128 to 32,768 images. The text names no decay and no accuracy for
the time to generalise; here decay 0.1 and 60%, which a fit of 100 images hardly gets to.

In miniature alpha is 10 and the budget 5e4 steps, with 100 to 3,200 images of 14 x 14 pixels.
"""

import typing

import numpy as np

from ...ensemble import Sweep, sweep
from ...statistics import grokking_time, judge, Judgement, median_time, spearman
from .._draw import COLOURS, panels
from .._study import Claim, Figure, Results, Scale
from ._images import grokked, LARGE_NORM


# --- the experiment and its axes at each scale ----------------------------------------------------

LEVEL = 0.6
SIZES = {
    "smoke": (50, 100),
    "laptop": (100, 200, 400, 800, 1600, 3200),
    "paper": (128, 256, 512, 1024, 2048, 4096, 8192),
}
SIZE = "task.train"


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """One recipe over sizes of the training set, and seeds."""
    base = grokked(scale, decay=0.1, alpha=LARGE_NORM[scale], level=LEVEL + 0.05)
    return {"sizes": sweep(base, {SIZE: SIZES[scale], "seed": range(2 if scale == "smoke" else 3)})}


# --- the statistics -------------------------------------------------------------------------------


def falls(results: Results) -> Judgement:
    """Rank correlation of size and median time to generalise; sizes that never do count as last."""
    median = _medians(results)["median"].values.astype(float)
    correlation, p = spearman(np.arange(median.size, dtype=float), median)
    return judge(
        correlation, most=-0.9, seeds=_seeds(results), runs=_runs(results), note=f"at most -0.9; p = {p:.2g}"
    )


def spread(results: Results) -> Judgement:
    """The longest median time over the shortest, of sizes that generalise."""
    median = _medians(results)["median"].values.astype(float)
    seen = median[np.isfinite(median)]
    ratio = float(seen.max() / seen.min()) if seen.size > 1 else float("nan")
    return judge(ratio, least=5, seeds=_seeds(results), runs=_runs(results))


def blows_up(results: Results) -> Judgement:
    """Median time of the smallest training set, as a share of the budget; never counts as all of it."""
    median = float(_medians(results)["median"].values[0])
    budget = results.sweeps["sizes"].experiment.steps
    best = float(results["sizes"]["test_accuracy"].isel({SIZE: 0}).max("step").median())
    note = f"{'never; ' if np.isinf(median) else ''}its best accuracy is {best:.2f}"
    if np.isinf(median) and best < LEVEL - 0.1:
        note = f"so few images may not do for {LEVEL:.0%} at all: their best accuracy is {best:.2f}"
        return judge(float("nan"), seeds=_seeds(results), runs=_runs(results), note=note)
    return judge(min(median / budget, 1.0), least=0.5, seeds=_seeds(results), runs=_runs(results), note=note)


def _medians(results: Results) -> typing.Any:
    return median_time(grokking_time(results["sizes"], LEVEL), "generalised")


def _seeds(results: Results) -> int:
    return results["sizes"].sizes["seed"]


def _runs(results: Results) -> int:
    return int(results["sizes"]["outcome"].size)


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "less data, later",
        "The less data, the later networks generalise.",
        "section 4, Figure 3e",
        "monotone",
        falls,
    ),
    Claim(
        "by a large factor",
        "Over sizes the time to generalise differs at least fivefold.",
        "section 4, Figure 3e",
        "orders of magnitude",
        spread,
    ),
    Claim(
        "critical size",
        "Near a critical size the time to generalise blows up.",
        "section 4, Figure 3e",
        "a critical training size",
        blows_up,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Steps to generalise and to fit against the size of the training set."""
    figure, axes = panels(1, 1, width=4.4, height=3.2)
    ax, found = axes[0, 0], grokking_time(results["sizes"], LEVEL).transpose("seed", SIZE)
    sizes = np.broadcast_to(found[SIZE].values, found["generalised"].shape)
    for which, label, colour in (("memorised", "training", COLOURS[1]), ("generalised", "test", COLOURS[2])):
        steps, late = found[which].values, found[f"{which}_censored"].values
        ax.plot(sizes[~late], steps[~late], "o", color=colour, markersize=3.5, alpha=0.7, label=label)
        ax.plot(sizes[late], steps[late], "^", color=colour, fillstyle="none", label=f"{label}: not reached")
        median = median_time(found, which)["median"].values
        ax.plot(found[SIZE], np.where(np.isfinite(median), median, np.nan), "-", color=colour, linewidth=1)
    ax.set(xscale="log", yscale="log", xlabel="training images", ylabel=f"steps to {LEVEL:.0%}")
    ax.legend(frameon=False)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Median times of each size."""
    rows = []
    found = grokking_time(results["sizes"], LEVEL)
    columns = {which: median_time(found, which) for which in ("memorised", "generalised")}
    for size in found[SIZE].values.tolist():
        row: dict[str, typing.Any] = {"size": size}
        for which, column in columns.items():
            one = column.sel({SIZE: size})
            row |= {f"{which}_{name}": float(one[name]) for name in ("median", "censored")}
        rows.append(row)
    return rows


FIGURE = Figure(
    "fig3e", "time to generalise images against the size of the training set", sweeps, CLAIMS, chart, table
)
