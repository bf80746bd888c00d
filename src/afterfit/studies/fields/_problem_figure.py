"""One figure for each field: its landscape, its curves, and its times against the weight decay.

Of the network's norm three things are asked that Liu et al. 2023 ("Omnigrok") found elsewhere: on spheres of
constant norm the test measure is a U and the training loss an L; from a large norm a run solves the problem
long after it has fitted its training set, the sooner the more it decays, and never without; from the standard
norm there is no delay.
"""

import typing

import numpy as np
from jaxtyping import Float

from ...ensemble import Sweep, sweep
from ...landscape import spheres, u_shape
from ...statistics import bootstrap, censored_fit, judge, Judgement
from .._draw import COLOURS, curves, panels, short_log_axis, with_band
from .._judging import by_median, middle
from .._laws import draw_times, norms_at, Times, variation
from .._maps import ALPHA, ALPHA_LABEL, by_seed, cells, falls_to_an_l, minima
from .._study import Claim, Figure, Results, Scale
from ._fates import DECAY, fates, late, never, prompt, times, told
from ._problems import Problem


QUESTION = "the reader's first question"
MOST_DECAY = 0.3
"""With more, networks are held back from fitting."""

WIDEST = 0.2
"""Greatest coefficient of variation of what counts as one norm."""

MOST_SOLVE, LEAST_LOST = 0.8, 1.5
"""To speak of one norm: the share of runs that must solve it, and how many times smaller the norm must be."""


def figure_of(name: str, problem: Problem, *more: Claim, gap: float = 0, note: str = "") -> Figure:
    """The figure of a problem; `more` claims follow those that all problems share."""
    return Figure(
        name,
        problem.title,
        lambda scale: _sweeps(problem, scale),
        (*_claims(problem, gap), *more),
        lambda results: _chart(problem, results),
        lambda results: _table(problem, results),
        note,
    )


def at_decay(results: Results, decay: float) -> "typing.Any":
    """The runs from a large norm with one decay."""
    return results["decay"].sel({DECAY: decay})


# --- the experiment and its axes at each scale ----------------------------------------------------


def _sweeps(problem: Problem, scale: Scale) -> dict[str, Sweep]:
    seeds = 2 if scale == "smoke" else problem.seeds
    radii = problem.radii[::3] if scale == "smoke" else problem.radii
    decays = (0.0, problem.late, 1.0) if scale == "smoke" else problem.decays
    landscape = problem.experiment(scale, steps=30 if scale == "smoke" else problem.steps[0])
    return {
        "landscape": spheres(landscape, radii, {"seed": range(seeds)}),
        "decay": sweep(problem.experiment(scale, alpha=problem.large), {DECAY: decays, "seed": range(seeds)}),
        "standard": sweep(problem.experiment(scale), {DECAY: (0.0, problem.late), "seed": range(seeds)}),
    }


# --- the statistics -------------------------------------------------------------------------------


def test_is_a_u(problem: Problem, results: Results) -> Judgement:
    """The norm at which the measure is least, and whether it rises half a decade on both sides."""
    found = minima(results, measures=_further(problem))
    best = found[problem.measure].idxmin(ALPHA)

    def holds(one: typing.Any) -> bool:
        return u_shape(one[ALPHA].values, one[problem.measure].values.astype(float)).holds

    return by_seed(
        found, holds, float(best.median()), "least value inside, half a decade below the largest on each side"
    )


def training_is_an_l(problem: Problem, results: Results) -> Judgement:
    """The training loss at the largest norm, and whether it falls and stays low."""
    found = minima(results)
    return by_seed(
        found,
        lambda one: falls_to_an_l(one, "loss", "loss"),
        float(found["train_loss"].isel({ALPHA: -1}).median()),
        "a decade lower at its knee, and low beyond",
    )


def inverse_law(problem: Problem, results: Results) -> Judgement:
    """k of `t ~ decay^-k` for the time to solve, one law for all seeds."""
    found = times(problem, results["decay"]).within(0, MOST_DECAY)
    return found.judged(0.7, 1.3, f"decays up to {MOST_DECAY:g}")


def law_of_each_seed(problem: Problem, results: Results) -> Judgement:
    """The same, median over seeds of the law of each: seeds may solve at very different times."""
    within = times(problem, results["decay"]).within(0, MOST_DECAY)
    found = exponents(within)
    known = found[np.isfinite(found)]
    note = f"decays up to {MOST_DECAY:g}; {known.size} of {found.size} seeds have times at four decays"
    if known.size < 3:
        return judge(float("nan"), seeds=known.size, note=f"{note}: three are needed")
    return by_median(known, runs=int((~within.censored).sum()), least=0.7, most=1.3, note=note)


def exponents(found: Times) -> Float[np.ndarray, " seed"]:
    """k of each seed by the censored fit; NaN below four decays with a time."""
    fits = [
        -censored_fit(np.log(found.decay), steps, late).slope if (~late).sum() >= 4 else np.nan
        for steps, late in zip(found.steps, found.censored, strict=True)
    ]
    return np.array(fits)


def one_norm(problem: Problem, results: Results) -> Judgement:
    """Coefficient of variation, over decays and seeds, of the norm at which runs solve the problem.

    Open where few runs solve it, or where norms hardly move until then: any of these would look like one.
    """
    norms = norms_at(times(problem, results["decay"]), results["decay"])
    first = results["decay"]["weight_norm"].isel({DECAY: slice(1, None), "step": 0})
    known = np.isfinite(norms)
    lost = middle(first.transpose("seed", DECAY).values.astype(float) / norms)
    note = (
        f"{int(known.sum())} of {known.size} runs solve it, at a median of 1/{lost:.2f} of their first norm"
    )
    if known.mean() < MOST_SOLVE or lost < LEAST_LOST:
        return judge(float("nan"), seeds=len(norms), runs=int(known.sum()), note=note)

    return judge(
        variation(norms),
        bootstrap(variation, norms),
        most=WIDEST,
        seeds=len(norms),
        runs=int(known.sum()),
        note=note,
    )


def gain(problem: Problem, results: Results) -> Judgement:
    """How many times larger the measure ends without decay than with it, median over seeds."""
    ends = [
        at_decay(results, decay)[problem.measure].isel(step=-1).values.astype(float)
        for decay in (0.0, problem.late)
    ]
    ratio = ends[0] / ends[1]
    return by_median(ratio, runs=2 * ratio.size, least=4, note=f"decay 0 over decay {problem.late:g}")


# --- the claims -----------------------------------------------------------------------------------


def _claims(problem: Problem, gap: float) -> tuple[Claim, ...]:
    large, decay = f"{problem.large:g}", f"{problem.late:g}"
    return (
        Claim(
            "the test measure is a U",
            f"On spheres of constant norm the {problem.called} has a least value inside.",
            QUESTION,
            "a U, as in Liu et al. 2023, Figure 2a",
            lambda results: test_is_a_u(problem, results),
        ),
        Claim(
            "the training loss is an L",
            "On spheres the training loss falls and stays low.",
            QUESTION,
            "an L, as in Liu et al. 2023, Figure 2a",
            lambda results: training_is_an_l(problem, results),
        ),
        Claim(
            "late with little decay",
            f"From {large} times the standard norm with decay {decay} it is solved long after it is fitted.",
            QUESTION,
            f"at least {problem.delay:g} times later",
            lambda results: late(fates(problem, at_decay(results, problem.late)), problem.delay, gap),
        ),
        Claim(
            "never without decay",
            f"From {large} times the standard norm without decay it is fitted and not solved.",
            QUESTION,
            "not within the steps",
            lambda results: never(
                fates(problem, at_decay(results, 0.0)), fates(problem, results["decay"], DECAY)
            ),
        ),
        Claim(
            "inverse law",
            "The time to solve is proportional to one over the weight decay.",
            QUESTION,
            "an exponent of 0.7 to 1.3",
            lambda results: inverse_law(problem, results),
        ),
        Claim(
            "inverse law of each seed",
            "In each seed the time to solve is proportional to one over the weight decay.",
            QUESTION,
            "an exponent of 0.7 to 1.3; added after the runs",
            lambda results: law_of_each_seed(problem, results),
        ),
        Claim(
            "one critical norm",
            "Runs solve the problem when their norm has fallen to one value.",
            QUESTION,
            f"variation of at most {WIDEST:g}",
            lambda results: one_norm(problem, results),
        ),
        Claim(
            "what decay gains",
            f"The {problem.called} ends several times lower with decay {decay} than without.",
            QUESTION,
            "at least 4 times",
            lambda results: gain(problem, results),
        ),
        Claim(
            "no delay from the standard norm",
            f"From the standard norm with decay {decay} there is no delay.",
            QUESTION,
            "at most 2 times later",
            lambda results: prompt(
                fates(problem, results["standard"].sel({DECAY: problem.late})),
                2,
                float(results["standard"]["step"][-1]),
            ),
        ),
    )


# --- the chart ------------------------------------------------------------------------------------


def _chart(problem: Problem, results: Results) -> typing.Any:
    """The landscape, the curves of some decays from a large norm, and the times to solve."""
    figure, axes = panels(1, 3, width=3.3, height=2.7)
    _draw_landscape(axes[0, 0], problem, results)
    decays = results["decay"][DECAY].values
    for colour, decay in zip(COLOURS, decays[:: max(1, len(decays) // 3)], strict=False):
        for measure, dashed in ((problem.measure, False), ("train_loss", True)):
            label = "" if dashed else rf"$\gamma$ = {decay:g}"
            curves(axes[0, 1], at_decay(results, decay)[measure], colour=colour, label=label, dashed=dashed)
    axes[0, 1].axhline(problem.solved, color="black", linewidth=0.6, linestyle=":")
    axes[0, 1].set(
        yscale="log", ylabel=problem.called, title=rf"from $\alpha$ = {problem.large:g} (dashed: training)"
    )
    axes[0, 1].set_ylim(bottom=1e-6)
    axes[0, 1].legend(frameon=False, fontsize=7)
    found = times(problem, results["decay"])
    draw_times(axes[0, 2], found, label="solved", colour=COLOURS[2], fit=False)
    _draw_law(axes[0, 2], found.within(0, MOST_DECAY))
    axes[0, 2].set(title=f"time to {problem.solved:g}")
    axes[0, 2].legend(frameon=False, fontsize=7)
    return figure


def _draw_law(ax: typing.Any, found: Times) -> None:
    """The power law of the median seed, through the median time."""
    power = middle(exponents(found))
    if np.isfinite(power):
        time = np.median(found.steps[~found.censored])
        line = time * (found.decay / np.exp(np.log(found.decay).mean())) ** -power
        label = rf"$t \sim \gamma^{{{-power:.2f}}}$"
        ax.plot(found.decay, line, "--", color=COLOURS[5], linewidth=1, label=label)


def _draw_landscape(ax: typing.Any, problem: Problem, results: Results) -> None:
    found = minima(results, measures=_further(problem))
    for measure, label, colour in (
        ("train_loss", "training loss", COLOURS[1]),
        (problem.measure, problem.called, COLOURS[2]),
    ):
        values = found[measure].transpose("seed", ALPHA).astype(float).clip(min=1e-10)
        low, half, high = values.min("seed"), values.median("seed"), values.max("seed")
        with_band(ax, found[ALPHA].values, low.values, half.values, high.values, colour=colour, label=label)
    ax.set(xscale="log", yscale="log", xlabel=ALPHA_LABEL, title="minima on spheres")
    short_log_axis(ax.xaxis)
    ax.legend(frameon=False, fontsize=7)


def _table(problem: Problem, results: Results) -> list[dict[str, typing.Any]]:
    """Medians of the landscape, then the times of each run with decay."""
    measures = ("train_loss", "test_loss", *_further(problem))
    found: list[dict[str, typing.Any]] = [
        {"sweep": "landscape", **row} for row in cells(minima(results, measures=_further(problem)), measures)
    ]
    for name in ("decay", "standard"):
        for decay in results[name][DECAY].values:
            data = results[name].sel({DECAY: decay})
            found += told(fates(problem, data), sweep=name, weight_decay=float(decay))
    return found


def _further(problem: Problem) -> tuple[str, ...]:
    """What the landscape must hold beside losses."""
    return () if problem.measure == "test_loss" else (problem.measure,)
