"""Figure 7: networks that generalise lie in flat regions of the training loss.

Power et al. 2022, appendix A.5. Networks with different initial weights learn S5 for a fixed number of
steps, until about half of them have high validation accuracy. Validation accuracy and the sharpness phi of
Keskar et al. (2017) have a rank correlation of -0.79548 (p < 0.000014; 20 networks give these digits).

Of phi the paper says no more than that; a random subspace of 10 dimensions and a box of 1e-3 are those of
its released code. The code itself cannot have made the figure: it looks for the lowest loss in the box
instead of the highest, with gradients so small that the search stops where it starts. Here phi is computed
as it is defined, in float64, on the whole training set, in 10 dimensions (averaged over 5 subspaces) and
in the full space. The step is chosen by validation accuracies alone.

In miniature: division mod 31 at 70% with decay 1, 14 networks; "high" is above one half.
"""

import dataclasses
import typing

import numpy as np
from jaxtyping import Bool, Float, Int

from ...ensemble import Sweep
from ...statistics import bootstrap, judge, Judgement, Verdict
from .._draw import COLOURS, panels, short_log_axis
from .._study import Claim, Figure, Results, Scale
from ._flatness import (
    accuracies,
    AXIS,
    kept_steps,
    measured,
    networks,
    partial_correlation,
    permutation_p,
    PHI,
    PHI_FULL,
    rank_correlation,
    shares,
    step_of_half,
)


# --- the experiment and its axes at each scale ----------------------------------------------------

COUNT = {"smoke": 3, "laptop": 14, "paper": 20}  # 20 in the released code
LEVEL = {"smoke": 0.5, "laptop": 0.5, "paper": 0.95}
"""Validation accuracy of a network that counts as having generalised (our choice)."""
AROUND_HALF = {"smoke": (0.25, 0.75), "laptop": (4 / 14, 10 / 14), "paper": (8 / 20, 12 / 20)}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Networks on one split of one task."""
    return {"networks": networks(scale, 0.7, COUNT[scale])}


# --- the statistics -------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Compared:
    """The networks at the step at which they are compared; `balanced`: about half have generalised there."""

    step: int
    balanced: bool
    accuracy: Float[np.ndarray, " network"]
    share: float

    @property
    def count(self) -> int:
        """How many networks there are."""
        return len(self.accuracy)

    @property
    def trouble(self) -> str:
        """Why nothing can be said of these networks, or nothing."""
        if np.isnan(self.accuracy).any():
            return f"{int(np.isnan(self.accuracy).sum())} networks diverged before step {self.step:,}"
        if not self.balanced:
            return f"at no kept step have about half generalised (step {self.step:,}: {self.share:.0%})"
        return ""


def compared(results: Results) -> Compared:
    """The networks at the first kept step at which about half of them have generalised."""
    data, level = results["networks"], LEVEL[results.scale]
    steps = kept_steps(results.sweeps["networks"])
    share = shares(data, steps, level)
    step, balanced = step_of_half(steps, share, AROUND_HALF[results.scale])
    return Compared(step, balanced, accuracies(data, step), float(share[steps == step][0]))


def sharpness(results: Results, measure: str) -> Float[np.ndarray, " network"]:
    """phi of each network at the step of comparison."""
    return measured(results, "networks", compared(results).step, measure)


def in_a_subspace(results: Results) -> Judgement:
    """Rank correlation of validation accuracy and phi in 10 dimensions."""
    return _correlation(results, PHI)


def in_the_full_space(results: Results) -> Judgement:
    """Rank correlation of validation accuracy and phi in the full space."""
    return _correlation(results, PHI_FULL)


def as_strong(results: Results) -> Judgement:
    """The same in 10 dimensions, against a range around the paper's number."""
    here = compared(results)
    if here.trouble:
        return _undecided(here)
    correlation, interval, _ = _statistic(here, sharpness(results, PHI))
    return judge(
        correlation,
        interval,
        least=-0.95,
        most=-0.6,
        note="criterion: -0.95 to -0.6",
        seeds=here.count,
        runs=here.count,
    )


def beyond_the_loss(results: Results) -> Judgement:
    """Rank correlation of accuracy and phi in 10 dimensions that the training loss does not explain."""
    here = compared(results)
    if here.trouble:
        return _undecided(here)
    phi, loss = sharpness(results, PHI), sharpness(results, "training loss")
    value = partial_correlation(here.accuracy, phi, loss)
    interval = bootstrap(partial_correlation, here.accuracy, phi, loss)
    with_loss = rank_correlation(here.accuracy, loss, np.zeros(here.count, int))
    note = f"partial correlation given the training loss, which alone correlates {with_loss:.2f}"
    return judge(value, interval, most=0, note=note, seeds=here.count, runs=here.count)


def only_in_flat_regions(results: Results) -> Judgement:
    """How often, of a network that has generalised and one that has not, the first is the flatter."""
    here = compared(results)
    if here.trouble:
        return _undecided(here)
    grokked, phi = here.accuracy >= LEVEL[results.scale], sharpness(results, PHI)
    note = "of pairs of networks, phi in 10 dimensions; at least 80% (our criterion), 50% by chance"
    value, interval = flatter(grokked, phi), bootstrap(flatter, grokked, phi)
    return judge(value, interval, least=0.8, note=note, seeds=here.count, runs=here.count)


def flatter(grokked: Bool[np.ndarray, " network"], phi: Float[np.ndarray, " network"]) -> float:
    """The share of pairs, one network of each kind, in which phi is lower for the one that generalised."""
    flat, other = phi[grokked], phi[~grokked]
    if not flat.size or not other.size:
        return np.nan
    below = (flat[:, None] < other[None, :]) + 0.5 * (flat[:, None] == other[None, :])
    return float(below.mean())


def _correlation(results: Results, measure: str) -> Judgement:
    here = compared(results)
    if here.trouble:
        return _undecided(here)
    most, significant = (-0.5, 0.01) if results.scale == "paper" else (-0.4, 0.05)
    correlation, interval, p = _statistic(here, sharpness(results, measure))
    note = f"step {here.step:,}; p = {p:.2g}; criterion: at most {most} with p < {significant}"
    judged = judge(correlation, interval, most=most, note=note, seeds=here.count, runs=here.count)
    if correlation <= most and p < significant:
        return dataclasses.replace(judged, verdict=Verdict.HOLDS)
    if judged.verdict == Verdict.HOLDS:
        return dataclasses.replace(judged, verdict=Verdict.UNDECIDED)
    return judged


def _statistic(
    here: Compared, values: Float[np.ndarray, " network"]
) -> tuple[float, tuple[float, float] | None, float]:
    """Rank correlation with accuracy, its interval over networks, its p-value."""
    one_group: Int[np.ndarray, " network"] = np.zeros(len(values), int)
    sample = (here.accuracy, values, one_group)
    return rank_correlation(*sample), bootstrap(rank_correlation, *sample), permutation_p(*sample)


def _undecided(here: Compared) -> Judgement:
    return Judgement(Verdict.UNDECIDED, note=here.trouble, seeds=here.count, runs=here.count)


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "sharpness",
        "Validation accuracy falls with the sharpness of the minimum (phi in 10 random dimensions).",
        "appendix A.5, Figure 7",
        "Spearman -0.79548, p < 0.000014",
        in_a_subspace,
    ),
    Claim(
        "sharpness in the full space",
        "Validation accuracy falls with the sharpness of the minimum (phi in the full space).",
        "appendix A.5, Figure 7",
        "Spearman -0.79548, p < 0.000014",
        in_the_full_space,
    ),
    Claim(
        "as strong",
        "The correlation with phi in 10 dimensions is about as strong as in the paper.",
        "appendix A.5",
        "-0.79548",
        as_strong,
    ),
    Claim(
        "only in flat regions",
        "Networks generalise in relatively flat regions only.",
        "caption of Figure 7",
        "appear to only grok in relatively flat regions",
        only_in_flat_regions,
    ),
    Claim(
        "beyond the loss",
        "The correlation with phi is not that with the training loss.",
        "our check of appendix A.5",
        "not tested",
        beyond_the_loss,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Validation accuracy against sharpness, network by network; and when they were compared."""
    here, level = compared(results), LEVEL[results.scale]
    figure, ((when, *scatters),) = panels(1, 3)
    data = results["networks"]["test_accuracy"].where(results["networks"]["step"] > 0, drop=True)
    for place in range(data.sizes[AXIS]):
        when.plot(data["step"], data.isel({AXIS: place}), color=COLOURS[2], alpha=0.5, linewidth=0.8)
    when.axvline(here.step, color=COLOURS[5], linestyle=":", label=f"step {here.step:,}")
    when.set(xscale="log", xlabel="step", ylabel="validation accuracy", ylim=(0, 1.03))
    when.set_title(f"{len(here.accuracy)} networks, {results.sweeps['networks'].experiment.task.title}")
    when.legend(frameon=False)
    for ax, measure in zip(scatters, (PHI, PHI_FULL), strict=True):
        phi = sharpness(results, measure)
        ax.plot(phi, here.accuracy, "o", color=COLOURS[0], alpha=0.7)
        ax.axhline(level, color=COLOURS[5], linestyle=":", linewidth=0.8)
        correlation, _, p = _statistic(here, phi)
        ax.set(xlabel=f"sharpness {measure} (%)", ylabel="validation accuracy", ylim=(-0.03, 1.03))
        ax.set_title(
            "no correlation defined"
            if np.isnan(correlation)
            else f"rank correlation {correlation:.2f}, p = {p:.2g}"
        )
        if phi.min() > 0 and phi.max() > 5 * phi.min():
            ax.set_xscale("log")
            short_log_axis(ax.xaxis)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Each network at the step of comparison."""
    here = compared(results)
    columns = {measure: sharpness(results, measure) for measure in (PHI, PHI_FULL, "training loss")}
    names = results["networks"][AXIS].values.tolist()
    return [
        {
            "network": name,
            "step": here.step,
            "test_accuracy": round(float(here.accuracy[place]), 4),
            **{measure: float(f"{values[place]:.6g}") for measure, values in columns.items()},
        }
        for place, name in enumerate(names)
    ]


FIGURE = Figure("fig7", "sharpness and generalisation", sweeps, CLAIMS, chart, table)
