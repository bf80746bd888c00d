"""Figure 17: whether a student groks in accuracy depends on what counts as a right answer.

Kumar et al. 2023, appendix 16.2. Accuracy in regression needs a threshold; of one and the same run some
thresholds show a long delay of the test set, others none. Thresholds are on the squared error, averaged over
outputs, as in the authors' code (1e-4 to 0.1); 1e-3 is that of Figure 8. Times are those to half of each set.
"""

import typing
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from ...ensemble import Sweep
from ...statistics import Judgement
from .._draw import COLOURS, curves, panels
from .._judging import agreed, middle
from .._study import Claim, Figure, Results, Scale
from .._trends import accuracy_delays, Delays, draw_delays
from ._student import grokked, shares, THRESHOLDS


# --- the experiment and its axes at each scale ----------------------------------------------------

LEVEL = 0.5


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Students at alpha = 1 for 1e5 steps, five where the paper has one."""
    return {"runs": grokked(scale)}


# --- the statistics -------------------------------------------------------------------------------


def spans_a_decade(results: Results) -> Judgement:
    """Largest over smallest ratio of both times among thresholds, in decades, median over seeds.

    A lower bound where the test set never gets there.
    """
    ratio, ended = bounded(results)
    open_ = [bool(row.any()) for row in ended]
    spans = np.log10(_extreme(ratio, np.nanmax) / _extreme(np.where(ended, np.nan, ratio), np.nanmin))
    held = [
        None if np.isnan(span) or (late and span < 1) else bool(span >= 1)
        for span, late in zip(spans, open_, strict=True)
    ]
    note = f"at least 1; {sum(open_)} of {len(held)} lower bounds"
    return agreed(held, middle(spans), runs=len(held), note=note)


def none_where_loose(results: Results) -> Judgement:
    """The ratio of both times at the loosest threshold that no run meets at its start, median."""
    found = times(results)
    fresh = [place for place in range(len(THRESHOLDS)) if (found.fit[:, place] > 0).all()]
    place = max(fresh, default=0)
    ratio = found.ratio[:, place]
    held = [None if np.isnan(one) else bool(one <= 2) for one in ratio]
    return agreed(held, middle(ratio), runs=len(held), note=f"at most 2; threshold {THRESHOLDS[place]:g}")


def times(results: Results) -> Delays:
    """Steps to half of each set, for each seed and threshold."""
    found = [
        accuracy_delays(shares(results["runs"], f"below_{one:g}").expand_dims("one"), LEVEL, "one")
        for one in THRESHOLDS
    ]
    return Delays(*(np.concatenate(columns, axis=1) for columns in zip(*found, strict=True)))


def bounded(
    results: Results,
) -> tuple[Float[np.ndarray, "seed threshold"], Bool[np.ndarray, "seed threshold"]]:
    """Ratios of both times, with the last record where the test set ends first; and where it does."""
    found = times(results)
    ended = np.isinf(found.late) & np.isfinite(found.fit)
    last = float(results["runs"]["step"].values[-1])
    return Delays(found.fit, np.where(ended, last, found.late)).ratio, ended


def _extreme(values: np.ndarray, which: Callable[..., np.ndarray]) -> np.ndarray:
    """The largest or smallest known value of each seed; NaN where nothing is known."""
    return np.array([which(row) if np.isfinite(row).any() else np.nan for row in values])


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "the delay depends on the threshold",
        "In one and the same run the delay in accuracy differs tenfold or more between thresholds.",
        "appendix 16.2, Figure 17",
        "apparent grokking for some choices of the threshold but not others",
        spans_a_decade,
    ),
    Claim(
        "no delay at a loose threshold",
        "At a loose threshold both sets are answered almost at once.",
        "appendix 16.2, Figure 17",
        "but not others",
        none_where_loose,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Accuracies of the same runs under each threshold, and times against it."""
    figure, axes = panels(1, 2, width=3.8, height=2.8)
    for colour, threshold in zip(COLOURS, THRESHOLDS, strict=False):
        data = shares(results["runs"], f"below_{threshold:g}")
        for split, dashed in (("test", False), ("train", True)):
            # The median alone: the seeds of six thresholds would hide each other.
            values = data[f"{split}_accuracy"].median("seed")
            curves(axes[0, 0], values, colour=colour, label="" if dashed else f"{threshold:g}", dashed=dashed)
    axes[0, 0].set(ylabel="share answered", ylim=(0, 1.02))
    axes[0, 0].set_title("same runs, squared error below (dashed: training)", fontsize=9)
    draw_delays(
        axes[0, 1], np.array(THRESHOLDS), times(results), budget=float(results["runs"]["step"].values[-1])
    )
    axes[0, 1].set_xticks((1e-4, 1e-3, 1e-2, 1e-1), ("1e-4", "1e-3", "1e-2", "0.1"))
    axes[0, 1].set(xlabel="threshold of the squared error", ylabel="steps to half of the set")
    axes[0, 1].set_title("hollow: never", fontsize=9)
    for ax in axes.flat:
        ax.legend(frameon=False, fontsize=7)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Times of each run under each threshold."""
    found = times(results)
    plain = lambda value: float(value) if np.isfinite(value) else None
    return [
        {
            "threshold": THRESHOLDS[place],
            "seed": seed,
            "steps_to_half_train": plain(found.fit[seed, place]),
            "steps_to_half_test": plain(found.late[seed, place]),
        }
        for seed, place in np.ndindex(*found.fit.shape)
    ]


FIGURE = Figure("fig17", "a student's accuracy under several thresholds", sweeps, CLAIMS, chart, table)
