"""Shares of trials that succeed: how well they are known, and whether they rise along an axis."""

import dataclasses
import math

import numpy as np
from jaxtyping import Float, Int


def exact_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact (Clopper-Pearson) interval of a proportion: it covers with at least the confidence asked for.

    The ends are the proportions at which so many successes or more, or so many or fewer, have the chance
    `(1 - confidence) / 2`: quantiles of beta distributions. Its width is never zero: no success in n trials
    leaves everything up to `1 - ((1 - confidence) / 2)^(1/n)` open.

    **Degenerate inputs:** no trial says nothing: (0, 1).

    **Raises:** `ValueError` for counts that are none, and for a confidence that is not between 0 and 1.

    Clopper and Pearson 1934, "The use of confidence or fiducial limits illustrated in the case of
    the binomial".
    """
    import scipy.special

    if not 0 <= successes <= trials:
        raise ValueError(f"`successes` must be from 0 to the {trials} trials, got {successes}.")
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` must lie strictly between 0 and 1, got {confidence}. Try 0.95.")
    tail, failures = (1 - confidence) / 2, trials - successes
    low = scipy.special.betaincinv(successes, failures + 1, tail) if successes else 0.0
    high = scipy.special.betainccinv(successes + 1, failures, tail) if failures else 1.0
    return float(low), float(high)


@dataclasses.dataclass(frozen=True)
class Trend:
    """The test of a trend in proportions.

    **Fields:** `z`, standard normal without a trend, positive where the proportion rises with the score;
    `p`, two-sided.
    """

    z: float
    p: float


def trend(
    successes: Int[np.ndarray, " group"],
    trials: Int[np.ndarray, " group"],
    scores: Float[np.ndarray, " group"],
) -> Trend:
    """Whether a proportion rises or falls along groups: the Cochran-Armitage test.

    With proportion p of all trials together and mean score s of a trial,
    `z = sum_i s_i (x_i - n_i p) / sqrt(p (1 - p) sum_i n_i (s_i - s)^2)` for x_i successes of n_i trials at
    score s_i. The p-value is that of the normal distribution; it needs a handful of expected successes and
    failures.

    **Degenerate inputs:** groups without a trial count for nothing. NaN for both where all trials succeed or
    none does, and where all trials have one score.

    **Raises:** `ValueError` for groups of different numbers, and for counts that are none.

    Armitage 1955, "Tests for linear trends in proportions and frequencies".
    """
    counts, totals, at = (np.asarray(values, float) for values in (successes, trials, scores))
    if not counts.shape == totals.shape == at.shape:
        raise ValueError(
            "`successes`, `trials` and `scores` must have one number for each group, got "
            f"{counts.size}, {totals.size} and {at.size}."
        )
    if (counts < 0).any() or (counts > totals).any():
        raise ValueError("`successes` must be from 0 to the trials of their group.")
    if totals.sum() == 0:
        return Trend(math.nan, math.nan)
    share = counts.sum() / totals.sum()
    centred = at - totals @ at / totals.sum()
    variance = share * (1 - share) * float(totals @ centred**2)
    if not variance > 0:
        return Trend(math.nan, math.nan)
    z = float(centred @ counts) / math.sqrt(variance)  # sum_i n_i (s_i - s) is 0, so p drops out
    return Trend(z, math.erfc(abs(z) / math.sqrt(2)))
