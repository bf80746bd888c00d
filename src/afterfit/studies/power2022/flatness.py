"""Which measures of flatness predict generalisation? Our own figure, for an open question of the paper.

Power et al. 2022 "plan to test whether various proposed measures of minima flatness correlate with
generalization" (section 4), and compare one of them after the fact (Figure 7). Here networks are measured
before they generalise, at one step for all, and each measure is compared with the time of generalisation:
sharpness of two kinds, the top Hessian eigenvalue, the traces of Hessian and Fisher matrix; and what costs
nothing: norms of gradient and weights, the training loss.

Networks differ in initial weights, batches and in the fraction of data. More data generalise sooner and
change every measure, so correlations are taken within fractions.
"""

import dataclasses
import functools
import typing

import numpy as np
from jaxtyping import Float, Int

from ...ensemble import Sweep
from ...statistics import bootstrap, grokking_time, judge, Judgement, Verdict
from .._draw import COLOURS, panels, short_log_axis
from .._study import Claim, Figure, Results, Scale
from ._flatness import (
    kept_steps,
    measured,
    MEASURES,
    networks,
    permutation_p,
    rank_correlation,
    shares,
)


if typing.TYPE_CHECKING:
    import xarray


# --- the experiment and its axes at each scale ----------------------------------------------------

# Networks for each fraction (our choice). Those at 70% are the runs of Figure 7.
COUNT = {
    "smoke": {0.7: 3, 0.8: 2},
    "laptop": {0.7: 14, 0.6: 6, 0.85: 6},
    "paper": {0.6: 20, 0.7: 20, 0.8: 20},
}
# Validation accuracy of a network that has generalised; in miniature few get to 99% within the budget.
GENERALISED = {"smoke": 0.5, "laptop": 0.5, "paper": 0.95}
EARLY = 0.5  # what a tenth of the networks may have when all are measured
LEAST, SIGNIFICANT = 0.4, 0.05 / len(MEASURES)  # all measures are tried, so each must pass for all of them


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Networks on one split, for each fraction."""
    return {f"{fraction:.0%}": networks(scale, fraction, count) for fraction, count in COUNT[scale].items()}


# --- the statistics -------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Predicted:
    """When each network generalised (+inf: not within its budget), its fraction as a number, and the step
    at which all are measured; `early`: hardly any had generalised by then."""

    time: Float[np.ndarray, " network"]
    group: Int[np.ndarray, " network"]
    step: int
    early: bool


def predicted(results: Results) -> Predicted:
    """The networks, to be measured at the last kept step at which at most a tenth had generalised."""
    steps = kept_steps(next(iter(results.sweeps.values())))
    counts = np.array([len(plan.runs) for plan in results.sweeps.values()])
    share = np.array([shares(data, steps, EARLY) for data in results.data.values()])
    together = counts @ share / counts.sum()
    # The first step at which it is more: accuracies may fall again after that.
    more = np.flatnonzero(together > 0.1 + 1e-9)
    before = int(more[0]) if more.size else len(steps)
    level = GENERALISED[results.scale]
    times = [_times(data, level) for data in results.data.values()]
    group = np.repeat(np.arange(len(times)), counts)
    return Predicted(np.concatenate(times), group, int(steps[max(before - 1, 0)]), before > 0)


def values(results: Results, measure: str) -> Float[np.ndarray, " network"]:
    """A measure of all networks, in the order of `predicted`."""
    step = predicted(results).step
    return np.concatenate([measured(results, name, step, measure) for name in results.sweeps])


def predicts(results: Results, measure: str) -> Judgement:
    """Rank correlation within fractions of a measure and the time to generalise."""
    known, value = predicted(results), values(results, measure)
    seeds, runs = max(COUNT[results.scale].values()), len(value)
    late = int(np.isinf(known.time).sum())
    if not known.early:
        note = f"more than a tenth of the networks had generalised by the first kept step, {known.step:,}"
        return Judgement(Verdict.UNDECIDED, note=note, seeds=seeds, runs=runs)
    if np.isnan(value).any():
        note = f"{int(np.isnan(value).sum())} networks diverged before step {known.step:,}"
        return Judgement(Verdict.UNDECIDED, note=note, seeds=seeds, runs=runs)
    sample = (value, known.time, known.group)
    correlation, p = rank_correlation(*sample), permutation_p(*sample)
    pooled = rank_correlation(value, known.time, np.zeros_like(known.group))
    note = (
        f"at step {known.step:,}, {late} of {runs} networks never generalise; p = {p:.2g}; pooled over "
        f"fractions {pooled:.2f}; needed: {LEAST} and p < {SIGNIFICANT:.2g} ({len(MEASURES)} tests)"
    )
    judged = judge(
        correlation, bootstrap(rank_correlation, *sample), least=LEAST, note=note, seeds=seeds, runs=runs
    )
    if correlation >= LEAST and p < SIGNIFICANT:
        return dataclasses.replace(judged, verdict=Verdict.HOLDS)
    if judged.verdict == Verdict.HOLDS:
        return dataclasses.replace(judged, verdict=Verdict.UNDECIDED)
    return judged


def _times(data: "xarray.Dataset", level: float) -> Float[np.ndarray, " network"]:
    found = grokking_time(data, level)
    return np.where(found["generalised_censored"], np.inf, found["generalised"]).astype(float)


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = tuple(
    Claim(
        measure,
        f"The smaller its {measure} while it only memorises, the sooner a network generalises.",
        "our question; section 4 and appendix A.5 ask it",
        "open",
        functools.partial(predicts, measure=measure),
    )
    for measure in MEASURES
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Rank correlations with their intervals; and the measure that predicts best, network by network."""
    known = predicted(results)
    figure, ((left, right),) = panels(1, 2, width=4.0, height=3.0)
    found = {measure: _summary(known, values(results, measure)) for measure in MEASURES}
    for place, (correlation, interval, p) in enumerate(found.values()):
        if interval is not None and np.isfinite(interval).all():
            left.plot(interval, [place, place], color=COLOURS[0], linewidth=1.2)
        colour = COLOURS[0] if p < SIGNIFICANT else "white"
        left.plot(correlation, place, "o", markeredgecolor=COLOURS[0], color=colour)
    left.axvline(0, color=COLOURS[5], linewidth=0.8)
    left.set_yticks(range(len(found)), list(found))
    left.invert_yaxis()
    left.set(xlim=(-1.03, 1.03), xlabel="rank correlation with the time to generalise")
    left.set_title(f"measured at step {known.step:,} (filled: p < {SIGNIFICANT:.2g})")
    best = max(found, key=lambda measure: np.nan_to_num(abs(found[measure][0])))
    budget = max(plan.experiment.steps for plan in results.sweeps.values())
    for place, name in enumerate(results.sweeps):
        chosen = known.group == place
        value, time = values(results, best)[chosen], known.time[chosen]
        never = np.isinf(time)
        right.plot(value[~never], time[~never], "o", color=COLOURS[place], alpha=0.7, label=name)
        right.plot(value[never], np.full(never.sum(), budget), "^", fillstyle="none", color=COLOURS[place])
    right.set(xlabel=best, ylabel=f"steps to {GENERALISED[results.scale]:.0%} (triangle: not reached)")
    right.set_title("no correlation is defined" if np.isnan(found[best][0]) else "the strongest correlation")
    spread = values(results, best)
    if spread.min() > 0 and spread.max() > 5 * spread.min():
        right.set_xscale("log")
        short_log_axis(right.xaxis)
    right.legend(frameon=False, title="training data")
    return figure


def _summary(
    known: Predicted, value: Float[np.ndarray, " network"]
) -> tuple[float, tuple[float, float] | None, float]:
    sample = (value, known.time, known.group)
    return rank_correlation(*sample), bootstrap(rank_correlation, *sample), permutation_p(*sample)


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Each network: its fraction, when it generalised, and its measures."""
    known = predicted(results)
    columns = {measure: values(results, measure) for measure in MEASURES}
    names = list(results.sweeps)
    return [
        {
            "fraction": names[known.group[place]],
            "step": known.step,
            "generalised": float(known.time[place]),
            **{measure: float(f"{column[place]:.6g}") for measure, column in columns.items()},
        }
        for place in range(len(known.time))
    ]


FIGURE = Figure("flatness", "measures of flatness before generalisation", sweeps, CLAIMS, chart, table)
