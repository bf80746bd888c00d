"""Figure 3d: handwritten digits are grokked from weights of eight times the standard norm.

Liu et al. 2023 ("Omnigrok"), section 4. A ReLU network learns 1,000 images of MNIST by mean squared error;
alpha = 8, AdamW with decay 0.01, batches of 200, 1e5 steps (alpha and decay as in the authors' code). The
training set is fitted within some thousand steps, and test accuracy rises from 0.18 to 0.89 much later.

In miniature images have 14 x 14 pixels, alpha is 10, the decay 0.03, and there are 5e4 steps.
float32, where the authors' code has float64.
"""

import typing

import numpy as np

from ...ensemble import Sweep, sweep
from ...statistics import bootstrap, grokking_time, judge, Judgement, Verdict
from .._draw import COLOURS, curves, panels
from .._judging import agreed
from .._maps import ALPHA
from .._study import Claim, Figure, Results, Scale
from ._images import grokked, LARGE_NORM


# --- the experiment and its axes at each scale ----------------------------------------------------

SEEDS = {"smoke": 2, "laptop": 3, "paper": 3}
LARGE = LARGE_NORM | {"paper": 8.0}
DECAY = {"smoke": 0.03, "laptop": 0.03, "paper": 0.01}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Training from a large norm, and from the standard one for contrast."""
    base = grokked(scale, decay=DECAY[scale])
    return {"norms": sweep(base, {ALPHA: [LARGE[scale], 1.0], "seed": range(SEEDS[scale])})}


# --- the statistics -------------------------------------------------------------------------------


def early_fit(results: Results) -> Judgement:
    """Median steps to 99% on the training set; infinite where a run never gets there."""
    fitted = _fitted(results)
    steps = np.where(np.isnan(fitted), np.inf, fitted)
    return judge(
        float(np.median(steps)), bootstrap(np.median, steps), most=5e3, seeds=steps.size, runs=steps.size
    )


def poor_when_fitted(results: Results) -> Judgement:
    """Test accuracy at the step at which the training set is fitted, median over seeds."""
    data = results["norms"].sel({ALPHA: LARGE[results.scale]})
    there = [
        np.nan if np.isnan(step) else float(data["test_accuracy"].isel(seed=one).sel(step=step))
        for one, step in enumerate(_fitted(results))
    ]
    values = np.array(there)
    return judge(
        float(np.median(values)), bootstrap(np.median, values), most=0.35, seeds=values.size, runs=values.size
    )


def delayed(results: Results) -> Judgement:
    """Steps to 80% on the test set over steps to 99% on the training set, median over seeds."""
    late = _times(results, LARGE[results.scale], 0.8)
    ratio = late["generalised"] / _fitted(results)
    if late["generalised_censored"].any():
        return Judgement(Verdict.UNDECIDED, seeds=ratio.size, runs=ratio.size, note="not all get to 80%")
    return judge(
        float(np.median(ratio)), bootstrap(np.median, ratio), least=8, seeds=ratio.size, runs=ratio.size
    )


def generalises(results: Results) -> Judgement:
    """Highest test accuracy, median over seeds; runs end once they stay above 0.86."""
    best = (
        results["norms"]["test_accuracy"].sel({ALPHA: LARGE[results.scale]}).max("step").values.astype(float)
    )
    return judge(
        float(np.median(best)), bootstrap(np.median, best), least=0.85, seeds=best.size, runs=best.size
    )


def no_delay_from_standard(results: Results) -> Judgement:
    """The same ratio, both at 80%, from the standard norm: the largest over seeds."""
    found = _times(results, 1.0, 0.8)
    held = [
        None if censored else bool(ratio <= 2)
        for ratio, censored in zip(found["ratio"], found["ratio_censored"], strict=True)
    ]
    return agreed(held, float(found["ratio"].max()), runs=len(held), note="at most 2")


def _fitted(results: Results) -> np.ndarray:
    """Steps to 99% on the training set from the large norm; NaN where a run never gets there."""
    found = _times(results, LARGE[results.scale], 0.99)
    return np.where(found["memorised_censored"], np.nan, found["memorised"])


def _times(results: Results, alpha: float, level: float) -> dict[str, np.ndarray]:
    found = grokking_time(results["norms"], level).sel({ALPHA: alpha})
    return {str(name): values.values for name, values in found.data_vars.items()}


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "early fit",
        "The training set is fitted within some thousand steps.",
        "section 4, Figure 3d",
        "about 2e3 steps",
        early_fit,
    ),
    Claim(
        "poor when fitted",
        "Test accuracy is low at that time.",
        "section 4, Figure 3d",
        "0.18 (read from the figure)",
        poor_when_fitted,
    ),
    Claim(
        "delay",
        "Generalisation comes at least eight times later.",
        "section 4, Figure 3d",
        "grokking: 0.89 at 1e5 steps",
        delayed,
    ),
    Claim(
        "generalises",
        "Test accuracy gets to at least 0.85 in the end.",
        "section 4, Figure 3d",
        "0.89 (read from the figure)",
        generalises,
    ),
    Claim(
        "no delay from the standard norm",
        "From the standard norm training and test accuracy rise together.",
        "section 4",
        "no grokking at alpha = 1",
        no_delay_from_standard,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Accuracies and weight norm against steps for both norms."""
    figure, axes = panels(1, 3, width=3.2, height=2.6)
    for ax, alpha in zip(axes[0], (LARGE[results.scale], 1.0), strict=False):
        data = results["norms"].sel({ALPHA: alpha})
        for split, label, colour in (("train", "training", COLOURS[1]), ("test", "test", COLOURS[2])):
            curves(ax, data[f"{split}_accuracy"], colour=colour, label=label)
        ax.set(title=rf"$\alpha$ = {alpha:g}", ylabel="accuracy", ylim=(0, 1.02))
        ax.legend(frameon=False)
        curves(
            axes[0, 2],
            data["weight_norm"],
            colour=COLOURS[3 + int(alpha == 1)],
            label=rf"$\alpha$ = {alpha:g}",
        )
    axes[0, 2].set(ylabel="weight norm", yscale="log")
    axes[0, 2].legend(frameon=False)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Times and best accuracies of each run."""
    rows = []
    for alpha in (LARGE[results.scale], 1.0):
        fit, late = _times(results, alpha, 0.99), _times(results, alpha, 0.8)
        best = results["norms"]["test_accuracy"].sel({ALPHA: alpha}).max("step").values
        for seed, accuracy in enumerate(best):
            rows.append(
                {
                    "alpha": alpha,
                    "seed": seed,
                    "steps_to_99_train": float(fit["memorised"][seed]),
                    "steps_to_80_test": float(late["generalised"][seed]),
                    "censored": bool(late["generalised_censored"][seed]),
                    "best_test_accuracy": float(accuracy),
                }
            )
    return rows


FIGURE = Figure("fig3d", "handwritten digits, grokked", sweeps, CLAIMS, chart, table)
