"""Figure 1 (centre): with less data, generalisation takes exponentially longer.

Power et al. 2022, section 3.1.1. The product in S5 from 22% to 80% of its table, seven seeds, 5e5 updates:
near 25-30% each point of data removed multiplies the median time to 99% validation accuracy by 1.4 to 1.5,
while the time to 99% training accuracy tends down and stays within 1e3-1e4 updates.

In miniature S5 is out of reach, so the laptop scale has addition mod 31 ("a similar pattern on all the
algorithmic tasks for which we could get the networks to generalize") and 6,000 updates. It can show the
direction, not the paper's factor.
"""

import dataclasses
import math
import typing

import numpy as np
from jaxtyping import Bool, Float

from ...ensemble import Sweep, sweep
from ...statistics import (
    bootstrap,
    censored_fit,
    CensoredFit,
    combined,
    grokking_time,
    judge,
    Judgement,
    median_time,
    Verdict,
)
from .._draw import COLOURS, panels, short_log_axis
from .._study import Claim, Figure, Results, Scale
from ._recipe import permutations, residues


# --- the experiment and its axes at each scale ----------------------------------------------------

# Our choice, as the paper prints no numbers but "25-30%".
PERCENT = {
    "smoke": (50, 70),
    "laptop": (40, 45, 50, 60, 70),
    "paper": (*range(22, 33), 35, 40, 50, 60, 70, 80),
}
SEEDS = {"smoke": 2, "laptop": 3, "paper": 7}  # section 3.1.1: the median of seven


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """One task over fractions of its table, and seeds."""
    if scale == "paper":  # section 3.1.1: S5, 5e5 updates; decay 1 as by default
        experiment = permutations(scale, "x.y", 0.5, steps=500_000)
    else:
        experiment = residues(scale, "x+y", 0.5)
    fractions = [percent / 100 for percent in PERCENT[scale]]
    return {"fractions": sweep(experiment, {"task.fraction": fractions, "seed": range(SEEDS[scale])})}


# --- the statistics -------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Times:
    """Steps to get to 99% accuracy (to the last record where censored) over seeds and data (percent)."""

    percent: Float[np.ndarray, " fraction"]
    steps: Float[np.ndarray, "seed fraction"]
    censored: Bool[np.ndarray, "seed fraction"]

    def within(self, low: float, high: float) -> "Times":
        """Only some of the fractions."""
        kept = (self.percent >= low) & (self.percent <= high)
        return Times(self.percent[kept], self.steps[:, kept], self.censored[:, kept])

    def fit(self) -> CensoredFit:
        """ln T against percent, for all runs at once."""
        return censored_fit(*self._flat())

    def slope(self) -> tuple[float, tuple[float, float] | None]:
        """Change of ln T with a point of data, and its interval over runs.

        Runs are resampled, not seeds: those of one seed differ in their data, so they are as good as
        independent, and an interval from three seeds covers 73% where this one covers 92%.
        """
        interval = bootstrap(lambda *drawn: censored_fit(*drawn).slope, *self._flat())
        return self.fit().slope, interval

    def _flat(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        percent = np.broadcast_to(self.percent, self.steps.shape)
        return percent.ravel(), self.steps.ravel(), self.censored.ravel()

    def factor(self) -> tuple[float, tuple[float, float] | None]:
        """By how much a point of data removed multiplies the time, and its interval over runs."""
        slope, interval = self.slope()
        return math.exp(-slope), interval and (math.exp(-interval[1]), math.exp(-interval[0]))

    @property
    def seeds(self) -> int:
        return len(self.steps)

    @property
    def runs(self) -> int:
        return self.steps.size


def times(results: Results, which: str) -> Times:
    """Times to `memorised` or `generalised` of all runs."""
    found = grokking_time(results["fractions"]).transpose("seed", "task.fraction")
    percent = 100 * found["task.fraction"].values
    return Times(percent, found[which].values, found[f"{which}_censored"].values)


def paper_factor(results: Results) -> Judgement:
    """Factor of the time for each point of data removed, between 25% and 30%."""
    if results.scale != "paper":
        all_of_it = times(results, "generalised")
        factor, interval = all_of_it.factor()
        spread = "" if interval is None else " [{:.4g}, {:.4g}]".format(*interval)
        note = f"needs the paper's group and size; addition in miniature: {factor:.4g}{spread} a point"
        return Judgement(Verdict.UNDECIDED, None, None, all_of_it.seeds, all_of_it.runs, note)
    near = times(results, "generalised").within(24.5, 30.5)
    factor, interval = near.factor()
    note = "censored log-normal regression on 25-30%"
    found = judge(factor, interval, least=1.3, most=1.6, seeds=near.seeds, runs=near.runs, note=note)
    rare = near.percent[(~near.censored).sum(axis=0) < 4]
    if rare.size:
        note = f"fewer than 4 seeds generalised at {', '.join(f'{percent:.0f}%' for percent in rare)}"
        return dataclasses.replace(found, verdict=Verdict.UNDECIDED, note=note)
    return found


def slower_with_less(results: Results) -> Judgement:
    """Factor of the time for each point of data removed: its interval above 1, itself above a least one."""
    found, least = times(results, "generalised"), 1.02
    if results.scale == "paper":
        found, least = found.within(24.5, 30.5), 1.1
    factor, interval = found.factor()
    note = f"the interval must lie above 1 and the factor be at least {least}"
    if results.scale != "paper":
        note += " (1.1 at the paper's scale)"
    above = judge(factor, interval, least=least, seeds=found.seeds, runs=found.runs, note=note)
    if interval is not None and interval[0] > 1 and factor >= least:
        return dataclasses.replace(above, verdict=Verdict.HOLDS)
    return above


def train_range(results: Results) -> Judgement:
    """The longest median time to memorise of any fraction; the shortest is judged with it."""
    found = times(results, "memorised")
    # A tenth of the paper's in miniature, as its table is about a tenth as large.
    least, most = (3e2, 3e4) if results.scale == "paper" else (3e1, 3e3)
    values = np.where(found.censored, np.inf, found.steps)
    ends = [lambda drawn: np.median(drawn, axis=0).min(), lambda drawn: np.median(drawn, axis=0).max()]
    both = combined([judge(end(values), bootstrap(end, values), least=least, most=most) for end in ends])
    shortest, longest = (float(end(values)) for end in ends)
    adapted = "" if results.scale == "paper" else ", a tenth of the paper's as the table is"
    note = f"medians from {shortest:.4g} to {longest:.4g} steps, criterion {least:g} to {most:g}{adapted}"
    value = None if math.isnan(longest) else longest
    return dataclasses.replace(both, value=value, seeds=found.seeds, runs=found.runs, note=note)


def train_trend(results: Results) -> Judgement:
    """Change of ln T with a point of data, T the steps to memorise."""
    found = times(results, "memorised")
    slope, interval = found.slope()
    note = "change of ln T with a point of data: above 0, T falls as data shrink"
    return judge(slope, interval, least=0, seeds=found.seeds, runs=found.runs, note=note)


def converged(results: Results) -> Judgement:
    """Over fractions, the lowest median of the best validation accuracy of runs that generalised."""
    data, found = results["fractions"], times(results, "generalised")
    best = data["test_accuracy"].max("step").transpose("seed", "task.fraction").values.astype(float)
    reached = np.where(found.censored, np.nan, best)
    value = _lowest_median(reached)
    note = f"of the {int((~found.censored).sum())} runs that generalised; 100% to the nearest point"
    interval = bootstrap(_lowest_median, reached)
    return judge(value, interval, least=0.995, seeds=found.seeds, runs=found.runs, note=note)


def _lowest_median(values: Float[np.ndarray, "seed fraction"]) -> float:
    """NaN without any value."""
    columns = [column[~np.isnan(column)] for column in values.T]
    return min((float(np.median(column)) for column in columns if column.size), default=math.nan)


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "factor",
        "Near 25-30% of data, each point of data removed raises the median time to generalise by 40-50%.",
        "section 3.1.1, Figure 1 centre",
        "a factor of 1.4 to 1.5",
        paper_factor,
    ),
    Claim(
        "slower with less data",
        "The time to generalise grows exponentially as data shrink.",
        "section 3.1.1, Figure 1 centre",
        "exponential increase on all tasks that generalise",
        slower_with_less,
    ),
    Claim(
        "train range",
        "At all fractions the training set is fitted within 1e3 to 1e4 updates, to a factor of three.",
        "section 3.1.1",
        "1e3 to 1e4 steps",
        train_range,
    ),
    Claim(
        "train trend",
        "The time to fit the training set does not grow as data shrink.",
        "section 3.1.1",
        "generally trends down",
        train_trend,
    ),
    Claim(
        "converged",
        "Converged validation accuracy stays at 100% wherever networks generalise.",
        "section 3.1.1",
        "100%",
        converged,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Median steps to 99% of either accuracy against the fraction of data, with the fitted line."""
    figure, axes = panels(1, 1, width=4.4, height=3.2)
    ax, task = axes[0, 0], results.sweeps["fractions"].experiment.task
    _draw_times(ax, results, "memorised", "train", COLOURS[1])
    _draw_times(ax, results, "generalised", "validation", COLOURS[2])
    found = times(results, "generalised")
    fit = found.fit()
    if math.isfinite(fit.slope):
        ends = found.percent[[0, -1]]
        line = np.exp(fit.intercept + fit.slope * ends)
        ax.plot(
            ends, line, "--", color=COLOURS[5], label=f"fit: {math.exp(-fit.slope):.3g} times per point less"
        )
    ax.set(xlabel="training data (% of the table)", ylabel="steps to 99%", yscale="log", title=task.title)
    short_log_axis(ax.yaxis)
    ax.legend(frameon=False)
    return figure


def _draw_times(ax: typing.Any, results: Results, which: str, label: str, colour: str) -> None:
    """Medians with their intervals, and each run as a dot, or as a triangle where it ended before."""
    runs, medians = times(results, which), median_time(grokking_time(results["fractions"]), which)
    seen = np.isfinite(medians["median"].values)
    middle, low, high = (medians[name].values[seen] for name in ("median", "low", "high"))
    # Open ends (0 below, +inf above), as three seeds have them, are not drawn.
    bars = np.where([low > 0, np.isfinite(high)], [middle - low, high - middle], 0)
    percent = np.broadcast_to(runs.percent, runs.steps.shape)
    if seen.any():
        ax.errorbar(runs.percent[seen], middle, bars, fmt="o-", color=colour, label=label, capsize=2)
    ax.plot(percent[~runs.censored], runs.steps[~runs.censored], ".", color=colour, alpha=0.4)
    if runs.censored.any():
        never = {"fillstyle": "none", "label": f"{label}: not reached"}
        ax.plot(percent[runs.censored], runs.steps[runs.censored], "^", color=colour, **never)


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Median steps of each fraction, with how many runs are censored."""
    rows = []
    medians = {
        which: median_time(grokking_time(results["fractions"]), which)
        for which in ("memorised", "generalised")
    }
    for fraction in results["fractions"]["task.fraction"].values:
        row = {"fraction": float(fraction)}
        for which, column in medians.items():
            one = column.sel({"task.fraction": fraction})
            row |= {f"{which}_{name}": float(one[name]) for name in ("median", "low", "high", "censored")}
        rows.append(row)
    return rows


FIGURE = Figure(
    "fig1-centre", "time to generalise against the fraction of data", sweeps, CLAIMS, chart, table
)
