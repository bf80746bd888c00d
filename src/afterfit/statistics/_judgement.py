"""Judging a statistic against the criterion that a paper sets for it."""

import dataclasses
import enum
import math
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Shaped


class Verdict(enum.StrEnum):
    """What the data say of a claim."""

    HOLDS = "holds"
    FAILS = "fails"
    UNDECIDED = "undecided"


@dataclasses.dataclass(frozen=True)
class Judgement:
    """A statistic with its interval, and the verdict that follows from them.

    **Fields:**

    - `value`, `interval`: the statistic and its 95% interval, `None` where it cannot be computed. Infinite
      where censored runs leave it open.
    - `seeds`, `runs`: how much data it rests on.
    - `note`: what a reader must know: censoring, missing runs, a criterion that was adapted.
    """

    verdict: Verdict
    value: float | None = None
    interval: tuple[float, float] | None = None
    seeds: int = 0
    runs: int = 0
    note: str = ""


def judge(
    value: float,
    interval: tuple[float, float] | None = None,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    seeds: int = 0,
    runs: int = 0,
    note: str = "",
) -> Judgement:
    """Holds if the whole interval lies in [least, most], fails if none of it does, else is undecided.

    Without an interval the value stands for it: for counts and other statistics without chance, and where
    there is one seed, which the note then says. NaN is undecided. Infinite ends are allowed (a censored
    median is +inf).

    **Raises:** `ValueError` for an interval whose ends are not in order.
    """
    low, high = (value, value) if interval is None else interval
    if math.isnan(value) or math.isnan(low) or math.isnan(high):
        undefined = note or "the statistic is not defined here"
        return Judgement(Verdict.UNDECIDED, None, None, seeds, runs, undefined)
    if low > high:
        raise ValueError(f"`interval` must be (low, high), got {interval}: try the ends in the other order.")
    if least <= low and high <= most:
        verdict = Verdict.HOLDS
    elif high < least or low > most:
        verdict = Verdict.FAILS
    else:
        verdict = Verdict.UNDECIDED
    if interval is None and seeds == 1:
        note = "; ".join(filter(None, (note, "one seed carries no interval")))
    return Judgement(verdict, value, interval, seeds, runs, note)


def bootstrap(
    statistic: Callable[..., float],
    *samples: Shaped[np.ndarray, "seed ..."],
    draws: int = 1000,
    confidence: float = 0.95,
) -> tuple[float, float] | None:
    """Percentile interval of a statistic under resampling of seeds (the first axis of each sample).

    All samples are resampled together. The generator is fixed, so the interval is a function of the data.

    **Degenerate inputs:** one seed carries no interval: `None`. An undefined (NaN) replicate may lie
    anywhere, so it counts below the low end and above the high one: where many are undefined, the interval
    is open. Without seeds, or without any defined replicate, both ends are NaN.

    With few seeds the interval is too narrow: three seeds give the range of what single seeds would give.

    **Raises:** `ValueError` for samples of different numbers of seeds.
    """
    counts = {len(sample) for sample in samples}
    if len(counts) != 1:
        raise ValueError(f"`samples` must have one number of seeds, got {sorted(counts)}.")
    (count,) = counts
    if count == 0:
        return math.nan, math.nan
    if count == 1:
        return None
    generator = np.random.default_rng(0)
    found = []
    for _ in range(draws):
        chosen = generator.integers(0, count, count)
        found.append(statistic(*(sample[chosen] for sample in samples)))
    values = np.asarray(found, float)
    undefined = np.isnan(values)
    if undefined.all():
        return math.nan, math.nan
    tail = (1 - confidence) / 2
    # Not interpolated: between a finite and an infinite replicate there is no number.
    low = np.quantile(np.where(undefined, -np.inf, values), tail, method="inverted_cdf")
    high = np.quantile(np.where(undefined, np.inf, values), 1 - tail, method="inverted_cdf")
    return float(low), float(high)


def spearman(
    first: Float[np.ndarray, " sample"], second: Float[np.ndarray, " sample"], *, draws: int = 10_000
) -> tuple[float, float]:
    """Spearman's rank correlation (average ranks for ties) and its one-sided permutation p-value.

    The p-value is for a correlation at least as far from zero in the direction observed. It rests on
    `draws` random permutations and is never below `1 / (draws + 1)`.

    **Degenerate inputs:** NaN for both where a sample is constant or has a NaN. Infinite values have ranks
    like any others.
    """
    import scipy.stats

    ranks = [scipy.stats.rankdata(sample) for sample in (first, second)]
    centred = [rank - rank.mean() if rank.size else rank for rank in ranks]
    norm = math.sqrt(float(centred[0] @ centred[0]) * float(centred[1] @ centred[1]))
    if norm == 0 or math.isnan(norm):
        return math.nan, math.nan
    observed = float(centred[0] @ centred[1]) / norm
    generator = np.random.default_rng(0)
    shuffled = np.stack([generator.permutation(centred[1]) for _ in range(draws)]) @ centred[0] / norm
    # The observed arrangement is one of the permutations.
    extreme = np.sum(shuffled * math.copysign(1, observed) >= abs(observed) - 1e-12)
    return observed, float((extreme + 1) / (draws + 1))


def combined(judgements: Sequence[Judgement], *, need: int | None = None, note: str = "") -> Judgement:
    """One verdict from several: `need` of them (default: all) must hold.

    It fails once so many have failed that `need` cannot be reached. The value is the number that hold.

    **Raises:** `ValueError` where `need` does not lie between 1 and the number of judgements.
    """
    need = len(judgements) if need is None else need
    if not 1 <= need <= len(judgements):
        raise ValueError(f"`need` must lie from 1 to the {len(judgements)} judgements given, got {need}.")
    held = sum(one.verdict == Verdict.HOLDS for one in judgements)
    failed = sum(one.verdict == Verdict.FAILS for one in judgements)
    verdict = Verdict.UNDECIDED
    if held >= need:
        verdict = Verdict.HOLDS
    elif len(judgements) - failed < need:
        verdict = Verdict.FAILS
    seeds = max(one.seeds for one in judgements)
    runs = max(one.runs for one in judgements)
    counted = f"{held} of {len(judgements)} hold, {need} needed"
    return Judgement(verdict, float(held), None, seeds, runs, note or counted)
