"""How well one number tells two kinds of runs apart."""

import numpy as np
from jaxtyping import Bool, Float


def separation(
    values: Float[np.ndarray, " run"], positive: Bool[np.ndarray, " run"], *, draws: int = 2000
) -> tuple[float, tuple[float, float]]:
    """The area under the ROC curve of a number, with a 95% bootstrap interval over runs of each kind.

    The chance that a positive run has a larger value than another one, ties counting half (Mann, Whitney
    1947): 1 separates perfectly, 0.5 not at all.

    **Degenerate inputs:** NaN for both where a kind has no runs, or a value is NaN.
    """
    values, positive = np.asarray(values, float), np.asarray(positive, bool)
    if positive.all() or not positive.any() or np.isnan(values).any():
        return np.nan, (np.nan, np.nan)
    yes, no = values[positive], values[~positive]
    generator = np.random.default_rng(0)
    found = [_area(generator.choice(yes, yes.size), generator.choice(no, no.size)) for _ in range(draws)]
    low, high = np.quantile(found, (0.025, 0.975))
    return _area(yes, no), (float(low), float(high))


def _area(yes: Float[np.ndarray, " one"], no: Float[np.ndarray, " other"]) -> float:
    above = yes[:, None] > no[None]
    equal = yes[:, None] == no[None]
    return float(np.mean(above + 0.5 * equal))
