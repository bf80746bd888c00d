"""Figure 6a: alpha controls the delay on handwritten digits.

Kumar et al. 2023, section 6. Liu et al. 2023 ("Omnigrok") induce grokking of MNIST by a large initial norm;
with the norm as it is, a small factor alpha at the output makes it vanish. 1,000 images, mean squared error,
AdamW with rate 1e-3 for all alpha, not centred.

At paper scale the settings of the authors' code: a ReLU network 784-200-200-200-10 without biases, decay
0.01, batches of 200, weights of standard deviation 150 sqrt(2 / inputs), and sums divided by the square root
of their number of inputs, in the readout by the width. ReLU is homogeneous, so these divisors are one factor
of the output.

In miniature images have 14 x 14 pixels, and the network is 196-200-200-10 with weights of standard deviation
6 / sqrt(inputs), about ten times those of the standard start; decay 0.12 and 15,000 steps. There the paper's
weights and three hidden layers of width 100 gave no delay at any alpha.

Fitted is 95% on the training set, generalised nine tenths of the best test accuracy of a run.
"""

import math
import typing

import numpy as np

from ... import models, tasks, training
from ...ensemble import Sweep, sweep
from ...statistics import crossing_time, Judgement
from .._draw import COLOURS, curves, panels
from .._judging import agreed, middle
from .._study import Claim, Figure, Results, Scale
from .._trends import Delays, draw_delays, rises, rows


# --- the experiment and its axes at each scale ----------------------------------------------------

FITTED, SHARE = 0.95, 0.9
ALPHAS = {
    "smoke": (0.01, 1.0),
    "laptop": (0.01, 0.05, 0.2, 1.0),
    "paper": (1e-4, 1e-3, 0.01, 0.05, 0.5),  # the authors' code, and 1e-4 of the caption
}
SEEDS = {"smoke": 2, "laptop": 3, "paper": 3}
WIDTH = {"smoke": 8, "laptop": 200, "paper": 200}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Networks of one large norm over alpha."""
    width, paper = WIDTH[scale], scale == "paper"
    base = training.Experiment(
        tasks.MNIST(side=28 if paper else 14),
        models.MLP(hidden=(width,) * (3 if paper else 2), bias=False, output_bias=False, init="normal"),
        training.AdamW(learning_rate=1e-3, weight_decay=0.01 if paper else 0.12, b1=0.9, b2=0.999, warmup=0),
        batch=200,
        steps={"smoke": 20, "laptop": 15_000, "paper": 250_000}[scale],
        parametrisation=training.Parametrisation(
            init_scale=150 * math.sqrt(2) if paper else 6.0, output_scale=1.0, centred=False
        ),
    )
    # Square roots of the inputs of three layers, and the width at the readout.
    unit = 1 / (28 * width * width) if paper else 1.0
    axis = {f"{alpha:g}": {"parametrisation.output_scale": alpha * unit} for alpha in ALPHAS[scale]}
    return {"alphas": sweep(base, {"alpha": axis, "seed": range(SEEDS[scale])})}


# --- the statistics -------------------------------------------------------------------------------


def delay_rises(results: Results) -> Judgement:
    """Rank correlation of the delay in steps with alpha."""
    return rises(alphas(results), times(results).gap, least=0.8)


def small_removes(results: Results) -> Judgement:
    """The delay at the smallest alpha over the largest of a seed, median; below 0: tests came first."""
    gap = times(results).gap
    with np.errstate(divide="ignore", invalid="ignore"):
        share = gap[:, 0] / gap.max(axis=1)
    held = [
        None if np.isnan(one) else bool(one <= 0.1 and largest > 0)
        for one, largest in zip(share, gap.max(axis=1), strict=True)
    ]
    return agreed(held, middle(share), runs=gap.size, note="at most 0.1")


def large_delays(results: Results) -> Judgement:
    """Steps to generalise over steps to fit at the largest alpha, median."""
    ratio = times(results).ratio[:, -1]
    held = [None if np.isnan(one) else bool(one >= 2) for one in ratio]
    fitted = middle(times(results).fit[:, -1])
    return agreed(held, middle(ratio), runs=len(held), note=f"at least 2; fitted at step {fitted:,.0f}")


def times(results: Results) -> Delays:
    """Steps to fit and to generalise."""
    data = results["alphas"]
    best = data["test_accuracy"].max("step")
    columns = []
    for split, level in (("train", FITTED - 1e-6), ("test", SHARE * best)):
        found = crossing_time(data[f"{split}_accuracy"], level).transpose("seed", "alpha")
        columns.append(np.where(found["time_censored"].values, np.inf, found["time"].values.astype(float)))
    return Delays(*columns)


def alphas(results: Results) -> np.ndarray:
    """The values of alpha."""
    return results["alphas"]["alpha"].values.astype(float)


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "grokking at large alpha",
        "At the largest alpha the test set is learned at least twice as late as the training set.",
        "section 6, Figure 6a",
        "grokking on MNIST",
        large_delays,
    ),
    Claim(
        "delay grows with alpha",
        "The larger alpha, the longer the delay, at one and the same initial norm.",
        "section 6, Figure 6a",
        "we make this grokking vanish continuously by tuning alpha",
        delay_rises,
    ),
    Claim(
        "small alpha removes the delay",
        "At the smallest alpha the delay is at most a tenth of the largest.",
        "section 6, Figure 6a",
        "making it vanish by encouraging fast feature learning",
        small_removes,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Accuracies at each alpha, and times against alpha."""
    places = alphas(results)
    figure, axes = panels(1, len(places) + 1, width=2.6, height=2.6)
    for ax, place in zip(axes[0], range(len(places)), strict=False):
        data = results["alphas"].isel({"alpha": place})
        for split, label, colour in (("train", "training", COLOURS[1]), ("test", "test", COLOURS[2])):
            curves(ax, data[f"{split}_accuracy"], colour=colour, label=label)
        ax.set(title=rf"$\alpha$ = {places[place]:g}", ylim=(0, 1.02))
    axes[0, 0].set_ylabel("accuracy")
    budget = float(results.sweeps["alphas"].experiment.steps)
    draw_delays(axes[0, -1], places, times(results), budget=budget)
    axes[0, -1].set_title("steps to 95%, and to 90% of the best", fontsize=9)
    for ax in (axes[0, 0], axes[0, -1]):
        ax.legend(frameon=False, fontsize=7)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Times and best accuracy of each run."""
    best = results["alphas"]["test_accuracy"].max("step").transpose("seed", "alpha").values
    found = rows(alphas(results), times(results), ("steps_to_fit", "steps_to_generalise"))
    return [row | {"best_test_accuracy": float(one)} for row, one in zip(found, best.ravel(), strict=True)]


FIGURE = Figure("fig6a", "handwritten digits: the delay against alpha", sweeps, CLAIMS, chart, table)
