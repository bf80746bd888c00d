"""Regressions on times of which some are only known to be longer than a budget."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float


@dataclasses.dataclass(frozen=True)
class CensoredFit:
    """A log-normal accelerated failure time model, `ln T = intercept + slope x + scale N(0, 1)`."""

    intercept: float
    slope: float
    scale: float

    @property
    def factor(self) -> float:
        """By how much one unit of `x` multiplies the time."""
        return float(np.exp(self.slope))


_LEAST_SCALE = 1e-4  # times that lie on a line exactly have no likeliest scale: it goes to zero


def censored_fit(
    x: Float[np.ndarray, " run"], times: Float[np.ndarray, " run"], censored: Bool[np.ndarray, " run"]
) -> CensoredFit:
    """Maximum likelihood fit of ln T on x with right-censored times (Tobit; AFT with log-normal errors).

    With z = (ln T - intercept - slope x) / scale, an event adds -ln scale - z^2 / 2 to the log-likelihood
    and a censored run ln P(N(0, 1) > z). Without censoring it is the least-squares line, and scale^2 the
    mean squared residual.

    **Arguments:** `times` (in steps) are those of the event, or of the end of observation where `censored`.
    Times below 1, an event at step 0, count as 1.

    **Degenerate inputs:** runs whose time is NaN are left out. NaN throughout if fewer than two values of
    `x` have an event. Events on one line with no censored run above it: that line, with a scale of 1e-4.

    **Raises:** `ValueError` for infinite times: a censored run has the time at which it was last seen.

    Olsen 1978, "Note on the uniqueness of the maximum likelihood estimator for the Tobit model".
    """
    x, times, censored = np.asarray(x, float), np.asarray(times, float), np.asarray(censored, bool)
    if np.isinf(times).any():
        raise ValueError("`times` must be finite, got inf: give a censored run the step it was last seen at.")
    known = ~np.isnan(times)
    x, times, censored = x[known], times[known], censored[known]
    if len(np.unique(x[~censored])) < 2:
        return CensoredFit(np.nan, np.nan, np.nan)
    logs = np.log(np.maximum(times, 1.0))
    # Centred and scaled, the three parameters are of one size and hardly correlated.
    middle, width, level = x[~censored].mean(), x[~censored].std(), logs[~censored].mean()
    columns = np.stack([-np.ones_like(x), (middle - x) / width, logs - level], axis=-1)
    constant, gradient, precision = _most_likely(columns, censored)
    slope = float(gradient / precision / width)
    intercept = float(constant / precision + level - slope * middle)
    return CensoredFit(intercept, slope, float(1 / precision))


def _most_likely(columns: Float[np.ndarray, "run 3"], censored: Bool[np.ndarray, " run"]) -> np.ndarray:
    """(intercept, slope, 1) / scale: in these the log-likelihood is concave, so that Newton's steps find it.

    `columns` times these parameters are the z of the runs.
    """
    events = columns[~censored]
    line = np.linalg.lstsq(-events[:, :2], events[:, 2], rcond=None)[0]
    spread = np.std(events @ np.array([*line, 1.0]))
    start = np.array([*line, 1.0]) / max(float(spread), 1e-2)
    at = start
    loss, slope, curvature = _loss(at, columns, censored)
    for _ in range(100):
        step = -np.linalg.solve(curvature, slope)
        promised = -float(slope @ step)
        if promised < 1e-9:  # this close, a step squares the error, and rounding hides what it gains
            at = at + step
            break
        if at[2] >= 1 / _LEAST_SCALE:
            break
        length = 1.0 if step[2] >= 0 else min(1.0, 0.5 * at[2] / -step[2])  # the scale stays positive
        after = _loss(at + length * step, columns, censored)
        while after[0] > loss - 0.1 * length * promised and length > 1e-10:
            length /= 2
            after = _loss(at + length * step, columns, censored)
        at = at + length * step
        loss, slope, curvature = after
    return at * min(1.0, 1 / _LEAST_SCALE / at[2])


def _loss(
    at: Float[np.ndarray, "3"], columns: Float[np.ndarray, "run 3"], censored: Bool[np.ndarray, " run"]
) -> tuple[float, np.ndarray, np.ndarray]:
    """Negative log-likelihood with its gradient and its second derivatives."""
    import scipy.special

    z, events = columns @ at, int((~censored).sum())
    beyond = scipy.special.log_ndtr(-z)
    # Mills' ratio, density over tail; by logarithms, as both may be smaller than any number.
    mills = np.exp(-0.5 * z**2 - 0.5 * np.log(2 * np.pi) - beyond)
    loss = -events * np.log(at[2]) + float(np.where(censored, -beyond, 0.5 * z**2).sum())
    gradient = np.where(censored, mills, z) @ columns
    weights = np.where(censored, mills * (mills - z), 1.0)
    curvature = (columns * weights[:, None]).T @ columns
    gradient[2] -= events / at[2]
    curvature[2, 2] += events / at[2] ** 2
    return float(loss), gradient, curvature
