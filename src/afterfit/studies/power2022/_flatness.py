"""Networks that differ in their initial weights and batches alone, and how flat the loss is around each.

Figure 7 of Power et al. 2022 compares networks trained for a fixed number of steps; so does the figure of our
own that asks which measures of flatness predict when a network generalises.
"""

import math
import typing
from collections.abc import Callable

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from ...ensemble import Run, Sweep, sweep
from ...models import Transformer
from ...probes import FisherTrace, gradient_norm, HessianTrace, keskar_sharpness, TopEigenvalue
from ...store import RunRecords
from ...training import Adam, At, LogSpaced, Moment
from .._study import Results, Scale
from ._recipe import permutations, residues


if typing.TYPE_CHECKING:
    import xarray

AXIS = "network"


def networks(scale: Scale, fraction: float, count: int) -> Sweep:
    """Networks on one split: only initial weights and the order of batches differ."""
    if scale == "paper":
        # Appendix A.5 says S5; no decay and 70% after the name of a file in the released code; 1e5 steps by
        # default.
        plain = Adam(learning_rate=1e-3, b1=0.9, b2=0.98, warmup=10)
        kept = At(tuple(step for step in LogSpaced(10).steps(100_000).tolist() if step >= 1000))
        experiment = permutations(scale, "x.y", fraction, optimiser=plain, stop=None, snapshots=kept)
    else:  # our choice: division with decay, as without it nothing generalises at this size
        last, first = (5000, 1500) if scale == "laptop" else (40, 30)
        kept = At(tuple(step for step in LogSpaced(20).steps(last).tolist() if step >= first))
        experiment = residues(scale, "x/y", fraction, steps=last, stop=None, snapshots=kept)
        if scale == "smoke":
            tiny = Transformer(layers=1, width=16, heads=4)
            experiment = residues(scale, "x/y", fraction, steps=last, stop=None, snapshots=kept, model=tiny)
    labelled = {str(seed): {"seeds.init": seed, "seeds.batches": seed} for seed in range(count)}
    return sweep(experiment, {AXIS: labelled})


# --- measures ---------------------------------------------------------------------------------------

PHI, PHI_FULL = "phi in 10 dimensions", "phi in the full space"

_MEASURES: dict[str, Callable[[Moment], typing.Any]] = {
    # Keskar et al. 2017: 10 dimensions and a box of 1e-3; averages over 5 subspaces are our choice.
    PHI: lambda moment: keskar_sharpness(moment.cast("float64"), dimension=10, draws=5),
    PHI_FULL: lambda moment: keskar_sharpness(moment.cast("float64"), dimension=None),
    "top eigenvalue": eqx.filter_jit(TopEigenvalue()),
    "Hessian trace": eqx.filter_jit(lambda moment: HessianTrace()(moment)["mean"]),
    "Fisher trace": eqx.filter_jit(lambda moment: FisherTrace()(moment)["mean"]),
    "gradient norm": eqx.filter_jit(gradient_norm),
}
MEASURES = (*_MEASURES, "weight norm", "training loss")
"""Each grows with sharpness, or is a simpler quantity that might do as well."""

_RECORDED = {"weight norm": "weight_norm", "training loss": "train_loss"}

_known: dict[tuple[str, int, str], float] = {}


def measured(results: Results, name: str, step: int, measure: str) -> Float[np.ndarray, " network"]:
    """A measure of each network of a sweep at a step; NaN where the network has diverged before."""
    return np.array(
        [_one(results, run, records, step, measure) for _, run, records in results.records(name)], float
    )


def _one(results: Results, run: Run, records: RunRecords, step: int, measure: str) -> float:
    if measure in _RECORDED:
        at = np.flatnonzero(records.steps == step)
        return float(records.values[_RECORDED[measure]][at[0]]) if at.size else math.nan
    if step not in records.snapshots:
        return math.nan
    # What a run is follows from its recipe, so what is measured of it may be kept by its identity:
    # claims, chart and table ask for the same, and each of these takes seconds.
    known = (run.id, step, measure)
    if known not in _known:
        _known[known] = float(_MEASURES[measure](results.moment(run, records, step)))
    return _known[known]


# --- which step -------------------------------------------------------------------------------------


def kept_steps(plan: Sweep) -> Int[np.ndarray, " snapshot"]:
    """The steps at which the runs of a sweep are kept."""
    return np.array(sorted(plan.runs[0].snapshot_steps))


def accuracies(data: "xarray.Dataset", step: int) -> Float[np.ndarray, " network"]:
    """Validation accuracies at a step; NaN for networks that diverged before."""
    return data["test_accuracy"].sel(step=step).values.astype(float)


def shares(
    data: "xarray.Dataset", steps: Int[np.ndarray, " snapshot"], level: float
) -> Float[np.ndarray, " snapshot"]:
    """The share of networks whose validation accuracy is at least `level`."""
    return np.array([np.mean(np.nan_to_num(accuracies(data, int(step))) >= level) for step in steps])


def step_of_half(
    steps: Int[np.ndarray, " snapshot"],
    share: Float[np.ndarray, " snapshot"],
    allowed: tuple[float, float],
) -> tuple[int, bool]:
    """The first step at which the share that has generalised is in a range around a half, and `True`.

    Without such a step, the first one at which it is nearest to a half, and `False`.
    """
    fits = np.flatnonzero((share >= allowed[0] - 1e-9) & (share <= allowed[1] + 1e-9))
    if fits.size:
        return int(steps[fits[0]]), True
    return int(steps[np.argmin(np.abs(share - 0.5))]), False


# --- rank correlations ------------------------------------------------------------------------------


def rank_correlation(
    first: Float[np.ndarray, " network"],
    second: Float[np.ndarray, " network"],
    group: Int[np.ndarray, " network"],
) -> float:
    """Spearman's correlation within groups: of ranks inside each group, counted from its middle.

    With one group it is the usual one. Infinite values have ranks; NaN where a sample is constant in every
    group, or has a NaN.
    """
    ranks = [_centred_ranks(sample, group) for sample in (first, second)]
    norm = math.sqrt(float(ranks[0] @ ranks[0]) * float(ranks[1] @ ranks[1]))
    return float(ranks[0] @ ranks[1]) / norm if norm > 0 else math.nan


def permutation_p(
    first: Float[np.ndarray, " network"],
    second: Float[np.ndarray, " network"],
    group: Int[np.ndarray, " network"],
    draws: int = 10_000,
) -> float:
    """One-sided p-value of `rank_correlation`, in the direction observed, permuting inside each group."""
    observed = rank_correlation(first, second, group)
    if math.isnan(observed):
        return math.nan
    one, other = (_centred_ranks(sample, group) for sample in (first, second))
    norm = math.sqrt(float(one @ one) * float(other @ other))
    generator = np.random.default_rng(0)
    shuffled = np.empty((draws, len(other)))
    for label in np.unique(group):
        inside = np.flatnonzero(group == label)
        orders = np.argsort(generator.random((draws, inside.size)), axis=1)
        shuffled[:, inside] = other[inside][orders]
    extreme = (shuffled @ one) / norm * math.copysign(1, observed) >= abs(observed) - 1e-12
    return float((extreme.sum() + 1) / (draws + 1))


def partial_correlation(
    first: Float[np.ndarray, " network"],
    second: Float[np.ndarray, " network"],
    given: Float[np.ndarray, " network"],
) -> float:
    """Spearman's correlation of two samples with what ranks of a third explain linearly taken out of both."""
    group = np.zeros(len(first), int)
    pairs = ((first, second), (first, given), (second, given))
    direct, left, right = (rank_correlation(*pair, group) for pair in pairs)
    free = (1 - left**2) * (1 - right**2)
    return (direct - left * right) / math.sqrt(free) if free > 1e-12 else math.nan


def _centred_ranks(
    sample: Float[np.ndarray, " network"], group: Int[np.ndarray, " network"]
) -> Float[np.ndarray, " network"]:
    """Ranks inside each group, counted from its middle; the average rank for ties."""
    if np.isnan(sample).any():
        return np.full(len(sample), np.nan)
    ranks = np.empty(len(sample))
    for label in np.unique(group):
        inside = group == label
        _, place, ties = np.unique(sample[inside], return_inverse=True, return_counts=True)
        ranks[inside] = (np.cumsum(ties) - (ties - 1) / 2)[place] - (inside.sum() + 1) / 2
    return ranks
