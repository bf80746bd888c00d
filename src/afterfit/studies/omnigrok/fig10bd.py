"""Figure 10b and d: on images the time to generalise goes as one over the decay, in a middle range of decays.

Liu et al. 2023 ("Omnigrok"), appendix D. MNIST as in Figure 3d from a large norm (alpha = 9 in their
development runs), 1e5 steps. The law holds for decays of about 0.1 to 1; with more, training fails, and
with less, networks generalise sooner than the law says: other regularisation is at work.

In miniature alpha is 10 and the budget 5e4 steps.
"""

import typing

import numpy as np

from ...ensemble import Sweep, sweep
from ...statistics import bootstrap, grokking_time, judge, Judgement, Verdict
from .._draw import COLOURS, curves, panels
from .._judging import agreed
from .._laws import DECAY, draw_times, Times, times
from .._study import Claim, Figure, Results, Scale
from ._images import grokked, LARGE_NORM


# --- the experiment and its axes at each scale ----------------------------------------------------

LEVEL = 0.8
DECAYS = {
    "smoke": (0.0, 0.1, 1.0),
    "laptop": (0.0, 1e-3, 0.01, 0.1, 0.17, 0.3, 0.55, 1.0),
    "paper": (0.0, 1e-4, 1e-3, 0.01, 0.03, 0.1, 0.17, 0.3, 0.55, 1.0, 3.0),
}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """One recipe over decays and seeds."""
    base = grokked(scale, decay=0.01, alpha=LARGE_NORM[scale])
    return {"decays": sweep(base, {DECAY: DECAYS[scale], "seed": range(2 if scale == "smoke" else 3)})}


# --- the statistics -------------------------------------------------------------------------------


def middle_law(results: Results) -> Judgement:
    """k of `t ~ decay^-k` for decays of 0.1 to 1."""
    return times(results["decays"], "generalised", LEVEL).within(0.1, 1).judged(0.75, 1.25)


def flat_below(results: Results) -> Judgement:
    """k from 0.01 on down."""
    below = times(results["decays"], "generalised", LEVEL).within(0, 0.01)
    value, interval = below.exponent(), None
    if np.isfinite(value):
        # Seeds are resampled: of six runs over two decays, every thirtieth draw would have one decay alone.
        interval = bootstrap(
            lambda steps, late: Times(below.decay, steps, late).exponent(), below.steps, below.censored
        )
    note = "at most 0.3; censored runs bound it from below"
    return judge(value, interval, most=0.3, seeds=below.seeds, runs=below.steps.size, note=note)


def without_decay(results: Results) -> Judgement:
    """Seeds that get to 80% without any decay within the budget."""
    late = grokking_time(results["decays"], LEVEL).sel({DECAY: 0.0})["generalised_censored"].values
    best = results["decays"]["test_accuracy"].sel({DECAY: 0.0}).max("step").values
    note = f"best accuracy {np.median(best):.2f}"
    return agreed([not one for one in late], float((~late).mean()), runs=late.size, note=note)


def sooner_than_the_law(results: Results) -> Judgement:
    """Time at the smallest decay over what the law of the middle range says there."""
    found = times(results["decays"], "generalised", LEVEL)
    middle = found.within(0.1, 1)
    if not np.isfinite(middle.exponent()):
        return Judgement(Verdict.UNDECIDED, note="no law in the middle range")
    ratio = np.where(found.censored[:, 0], np.inf, found.steps[:, 0]) / middle.line(found.decay[:1])[0]
    most = 0.2 if results.scale == "paper" else 0.5
    note = f"at decay {found.decay[0]:g}; criterion {most} (0.2 at 1e-4)"
    if found.censored[:, 0].all():
        return Judgement(Verdict.UNDECIDED, seeds=found.seeds, runs=ratio.size, note="none generalises there")
    return judge(
        float(np.median(ratio)),
        bootstrap(np.median, ratio),
        most=most,
        seeds=found.seeds,
        runs=ratio.size,
        note=note,
    )


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "inverse law",
        "For decays of 0.1 to 1 the time to generalise is proportional to one over the decay.",
        "appendix D, Figure 10b",
        "an exponent of 1",
        middle_law,
    ),
    Claim(
        "flat below",
        "For small decays the time hardly depends on the decay.",
        "appendix D, Figure 10b",
        "sooner than the law predicts",
        flat_below,
    ),
    Claim(
        "without decay",
        "Networks generalise even without decay.",
        "appendix D",
        "implicit regularisation",
        without_decay,
    ),
    Claim(
        "sooner than the law",
        "With the smallest decay networks generalise much sooner than the law predicts.",
        "appendix D, Figure 10b",
        "sooner than the law predicts",
        sooner_than_the_law,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Times against decay, and test accuracies of some decays."""
    figure, axes = panels(1, 2, width=3.8, height=3.0)
    for which, colour in (("generalised", COLOURS[2]), ("memorised", COLOURS[1])):
        draw_times(axes[0, 0], times(results["decays"], which, LEVEL), label=which, colour=colour, fit=False)
    middle = times(results["decays"], "generalised", LEVEL).within(0.1, 1)
    draw_times(axes[0, 0], middle, label="middle", colour=COLOURS[2])
    axes[0, 0].legend(frameon=False, fontsize=7)
    decays = results["decays"][DECAY].values
    for colour, decay in zip(COLOURS, decays, strict=False):
        values = results["decays"]["test_accuracy"].sel({DECAY: decay})
        curves(axes[0, 1], values, colour=colour, label=rf"$\gamma$ = {decay:g}")
    axes[0, 1].set(ylabel="test accuracy", ylim=(0, 1.02))
    axes[0, 1].legend(frameon=False, fontsize=6)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Times and best accuracy of each run."""
    found = grokking_time(results["decays"], LEVEL).transpose("seed", DECAY)
    best = results["decays"]["test_accuracy"].max("step").transpose("seed", DECAY).values
    return [
        {
            "weight_decay": float(found[DECAY].values[place]),
            "seed": seed,
            "memorised": float(found["memorised"].values[seed, place]),
            "generalised": float(found["generalised"].values[seed, place]),
            "censored": bool(found["generalised_censored"].values[seed, place]),
            "best_test_accuracy": float(best[seed, place]),
        }
        for seed, place in np.ndindex(*best.shape)
    ]


FIGURE = Figure("fig10bd", "time to generalise images against weight decay", sweeps, CLAIMS, chart, table)
