"""How well one number tells two kinds of runs apart."""

import numpy as np
from jaxtyping import Bool, Float, Int


def separation(
    values: Float[np.ndarray, " run"],
    positive: Bool[np.ndarray, " run"],
    settings: Int[np.ndarray, " run"] | None = None,
    *,
    draws: int = 2000,
) -> tuple[float, tuple[float, float]]:
    """The area under the ROC curve of a number, with a 95% bootstrap interval over runs of each kind.

    **Arguments:** `settings`: whose run each is. Runs of one setting are near copies of each other, so
    settings are drawn, each with all of its runs.

    The chance that a positive run has a larger value than another one, ties counting half (Mann, Whitney
    1947): 1 separates perfectly, 0.5 not at all.

    **Degenerate inputs:** NaN for both where a kind has no runs, or a value is NaN.
    """
    values, positive = np.asarray(values, float), np.asarray(positive, bool)
    if positive.all() or not positive.any() or np.isnan(values).any():
        return np.nan, (np.nan, np.nan)
    settings = np.arange(values.size) if settings is None else np.asarray(settings)
    kinds = [_by_setting(values[kind], settings[kind]) for kind in (positive, ~positive)]
    generator = np.random.default_rng(0)
    found = []
    for _ in range(draws):
        drawn = [generator.integers(0, len(kind), len(kind)) for kind in kinds]
        found.append(_area(*(np.concatenate([kind[i] for i in one]) for kind, one in zip(kinds, drawn))))
    low, high = np.quantile(found, (0.025, 0.975))
    return _area(values[positive], values[~positive]), (float(low), float(high))


def _by_setting(values: Float[np.ndarray, " run"], settings: Int[np.ndarray, " run"]) -> list[np.ndarray]:
    return [values[settings == one] for one in np.unique(settings)]


def _area(yes: Float[np.ndarray, " one"], no: Float[np.ndarray, " other"]) -> float:
    above = yes[:, None] > no[None]
    equal = yes[:, None] == no[None]
    return float(np.mean(above + 0.5 * equal))
