"""Figure 10a and c: with a transformer, too, the time to generalise goes as one over the decay.

Liu et al. 2023 ("Omnigrok"), appendix D. Modular addition as in Figure 9, over two decades of decay; each
seed has a law of its own with the same exponent. Their grid, level and seeds are not stated: 95%, eight
decays and five seeds are our choice. In miniature p = 53, half of the table, five decays and two seeds,
which cannot show how much seeds differ.
"""

import math
import typing

import numpy as np

from ...ensemble import Sweep, sweep
from ...statistics import Judgement
from ...training import Sustained
from .._draw import COLOURS, panels, short_log_axis
from .._judging import agreed
from .._laws import DECAY, draw_times, Times, times
from .._study import Claim, Figure, Results, Scale
from ._arithmetic import arithmetic
from ._recipe import spread


# --- the experiment and its axes at each scale ----------------------------------------------------

LEVEL = 0.95
DECAYS = {"smoke": (0.3, 1.0, 3.0), "laptop": (0.3, 0.55, 1.0, 1.8, 3.0), "paper": spread(0.03, 3, 8)}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """One recipe over decays and seeds."""
    stop = Sustained("test_accuracy", LEVEL + 0.01, records=3)
    base = arithmetic(scale, steps=400_000 if scale == "paper" else 12_000, stop=stop)
    return {"decays": sweep(base, {DECAY: DECAYS[scale], "seed": range(5 if scale == "paper" else 2)})}


# --- the statistics -------------------------------------------------------------------------------


def inverse_law(results: Results) -> Judgement:
    """k of `t ~ decay^-k`, for all seeds together."""
    return _times(results).judged(0.8, 1.2)


def each_seed(results: Results) -> Judgement:
    """k of each seed by itself: how many lie in the same range."""
    found = _times(results)
    values = [_of_seed(found, seed).exponent() for seed in range(found.seeds)]
    held = [None if math.isnan(one) else 0.8 <= one <= 1.2 for one in values]
    note = "exponents " + ", ".join(f"{one:.2f}" for one in values)
    return agreed(held, float(np.median(values)), runs=found.steps.size, note=note)


def memorising(results: Results) -> Judgement:
    """k of the time to fit the training set."""
    return times(results["decays"], "memorised", LEVEL).judged(-0.2, 0.2)


def _times(results: Results) -> Times:
    return times(results["decays"], "generalised", LEVEL)


def _of_seed(found: Times, seed: int) -> Times:
    return Times(found.decay, found.steps[[seed]], found.censored[[seed]])


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "inverse law",
        "The time to generalise is proportional to one over the weight decay.",
        "appendix D, Figure 10a",
        "an exponent of 1",
        inverse_law,
    ),
    Claim(
        "for each seed",
        "So it is for each seed by itself.",
        "appendix D, Figure 10c",
        "one law a seed",
        each_seed,
    ),
    Claim(
        "training time",
        "The time to fit the training set does not depend on the decay.",
        "section 3",
        "an exponent of 0",
        memorising,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Times against decay, each seed in a colour, with its law."""
    figure, axes = panels(1, 1, width=4.4, height=3.2)
    found = _times(results)
    for seed in range(found.seeds):
        draw_times(
            axes[0, 0], _of_seed(found, seed), label=f"seed {seed}", colour=COLOURS[seed % len(COLOURS)]
        )
    memorised = times(results["decays"], "memorised", LEVEL)
    draw_times(axes[0, 0], memorised, label="training", colour=COLOURS[5], fit=False)
    short_log_axis(axes[0, 0].xaxis)
    axes[0, 0].legend(frameon=False, fontsize=7)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Times of every run."""
    found, fitted = _times(results), times(results["decays"], "memorised", LEVEL)
    return [
        {
            "weight_decay": float(found.decay[place]),
            "seed": seed,
            "memorised": float(fitted.steps[seed, place]),
            "generalised": float(found.steps[seed, place]),
            "censored": bool(found.censored[seed, place]),
        }
        for seed, place in np.ndindex(*found.steps.shape)
    ]


FIGURE = Figure(
    "fig10ac", "time of a transformer to generalise against weight decay", sweeps, CLAIMS, chart, table
)
