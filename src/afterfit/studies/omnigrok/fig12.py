"""Figure 12: with cross-entropy and a norm of a hundred times the standard one, images are grokked mildly.

Liu et al. 2023 ("Omnigrok"), appendix F: 200 images of MNIST, alpha = 100. Test accuracy is 0.3 to 0.4 when
the training set is fitted, stays there for long, and rises to about 0.75. Their code and settings are not
released: decays of 0.01 and 0.1, batches of 200 and 1e5 steps are our choice; the miniature has 14 x 14
pixels.
"""

import dataclasses
import typing

import numpy as np

from ...ensemble import Sweep, sweep
from ...statistics import grokking_time, Judgement
from ...tasks import CrossEntropy
from .._draw import COLOURS, curves, panels
from .._judging import agreed, by_median, middle
from .._laws import DECAY
from .._study import Claim, Figure, Results, Scale
from ._images import grokked, images


# --- the experiment and its axes at each scale ----------------------------------------------------


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Cross-entropy from alpha = 100, and mean squared error from alpha = 9 for contrast."""
    steps = {"smoke": 20, "laptop": 50_000, "paper": 100_000}[scale]
    squared = dataclasses.replace(grokked(scale, decay=0.1, train=200, alpha=9.0), steps=steps, stop=None)
    entropy = dataclasses.replace(
        grokked(scale, decay=0.1, alpha=100.0),
        task=images(scale, train=200, objective=CrossEntropy()),
        steps=steps,
        stop=None,
    )
    seeds = range(2 if scale == "smoke" else 3)
    return {
        "cross-entropy": sweep(entropy, {DECAY: [0.01, 0.1], "seed": seeds}),
        "squared error": sweep(squared, {DECAY: [0.1], "seed": seeds}),
    }


# --- the statistics -------------------------------------------------------------------------------


def when_fitted(results: Results) -> Judgement:
    """Test accuracy at the step at which the training set is fitted, decay 0.1, median over seeds."""
    there = _when_fitted(results, "cross-entropy")
    return by_median(there, least=0.2, most=0.5, runs=there.size)


def plateau(results: Results) -> Judgement:
    """Decades of steps from the fit on for which test accuracy changes by at most 0.05, decay 0.1."""
    data = results["cross-entropy"].sel({DECAY: 0.1})
    found = grokking_time(data, 0.99)
    length = []
    for one, (start, late) in enumerate(
        zip(found["memorised"].values, found["memorised_censored"].values, strict=True)
    ):
        if late:
            length.append(np.nan)
            continue
        values, steps = data["test_accuracy"].isel(seed=one).values, data["step"].values
        after = (steps >= start) & np.isfinite(values)
        moved = np.flatnonzero(np.abs(values[after] - values[after][0]) > 0.05)
        end = steps[after][moved[0]] if moved.size else steps[after][-1]
        length.append(float(np.log10(end / max(start, 1))))
    held = [None if np.isnan(one) else bool(one >= 1) for one in length]
    return agreed(held, middle(length), runs=len(held), note="at least one decade")


def rises(results: Results) -> Judgement:
    """Final test accuracy less that at the fit, decay 0.1, median over seeds."""
    last = results["cross-entropy"]["test_accuracy"].sel({DECAY: 0.1}).isel(step=-1).values
    gain = (last - _when_fitted(results, "cross-entropy")).astype(float)
    return by_median(gain, least=0.25, runs=gain.size)


def lower_with_squared_error(results: Results) -> Judgement:
    """Test accuracy when fitted with squared error from alpha = 9, median over seeds."""
    there = _when_fitted(results, "squared error")
    return by_median(there, most=0.2, runs=there.size)


def _when_fitted(results: Results, name: str, decay: float = 0.1) -> np.ndarray:
    """Test accuracy of each seed at 99% on the training set; NaN where it never gets there."""
    data = results[name].sel({DECAY: decay})
    found = grokking_time(data, 0.99)
    return np.array(
        [
            np.nan if late else float(data["test_accuracy"].isel(seed=one).sel(step=step))
            for one, (step, late) in enumerate(
                zip(found["memorised"].values, found["memorised_censored"].values, strict=True)
            )
        ]
    )


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "low when fitted",
        "Test accuracy is 0.3 to 0.4 when the training set is fitted.",
        "appendix F, Figure 12",
        "0.3 to 0.4",
        when_fitted,
    ),
    Claim(
        "plateau",
        "It stays there for at least a decade of steps.",
        "appendix F, Figure 12",
        "a plateau",
        plateau,
    ),
    Claim("late rise", "It rises by at least 0.25 later.", "appendix F, Figure 12", "to about 0.75", rises),
    Claim(
        "lower with squared error",
        "With mean squared error the plateau is lower: grokking is milder with cross-entropy.",
        "appendix F",
        "milder with cross-entropy",
        lower_with_squared_error,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Accuracies against steps for both losses."""
    figure, axes = panels(1, 2, width=3.6, height=2.8)
    for ax, name in zip(axes[0], results.data, strict=True):
        for colour, decay in zip(COLOURS, results[name][DECAY].values, strict=False):
            for split, dashed in (("test", False), ("train", True)):
                values = results[name][f"{split}_accuracy"].sel({DECAY: decay})
                label = "" if dashed else rf"$\gamma$ = {decay:g}"
                curves(ax, values, colour=colour, label=label, dashed=dashed)
        ax.set(title=f"{name} (dashed: training)", ylabel="accuracy", ylim=(0, 1.02))
        ax.legend(frameon=False)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Test accuracy when fitted and in the end, of each run."""
    rows = []
    for name, data in results.data.items():
        for decay in data[DECAY].values.tolist():
            fitted = _when_fitted(results, name, decay)
            last = data["test_accuracy"].sel({DECAY: decay}).isel(step=-1).values
            for seed, (first, final) in enumerate(zip(fitted, last, strict=True)):
                where = {"loss": name, "weight_decay": decay, "seed": seed}
                rows.append(where | {"test_when_fitted": float(first), "test_at_the_end": float(final)})
    return rows


FIGURE = Figure("fig12", "images with cross-entropy from a very large norm", sweeps, CLAIMS, chart, table)
