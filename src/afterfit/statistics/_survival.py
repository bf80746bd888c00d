"""Medians of times of which some are only known to be longer than a budget."""

import typing
import warnings
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float


if typing.TYPE_CHECKING:
    import xarray

_ROUNDING = 1e-9  # survival is a product of fractions: one half may come out as 0.5000000000000001


def median_time(
    times: "xarray.Dataset",
    which: str = "generalised",
    over: str | Sequence[str] = "seed",
    confidence: float = 0.95,
) -> "xarray.Dataset":
    """Kaplan-Meier median of a time over runs, with a confidence interval.

    With `S(t) = prod_{t_i <= t} (1 - d_i / n_i)`, `d_i` events among the `n_i` runs still at risk at
    `t_i`, the median is the time at which S falls below 1/2, or the middle of the stretch on which
    S equals 1/2. So without censoring it is the ordinary median, and with all runs censored at
    one budget it is the median with the censored runs at +inf. The interval is where the
    log-log confidence band of S contains 1/2 (Brookmeyer and Crowley).

    **Arguments:**

    - `times`: what `grokking_time` returns: `which` and `which + "_censored"` (and perhaps
      `which + "_before"`), over axes.
    - `which`: `memorised`, `generalised`, `delay` or `ratio`.
    - `over`: the axis or axes whose runs are pooled; the others remain. `()` pools none.
    - `confidence`: of the interval, between 0 and 1.

    **Returns:** over the remaining axes, in the unit of `which`: `median`, `low`, `high`, each +inf
    where open: a median of +inf says that at least half of the runs had not got there; low is
    quick. `runs`: the runs that have a value; `censored`: how many of these are censored. `at_most`: whether
    the median rests on runs that were there before their first record, and is an upper bound.

    **Degenerate inputs:** NaN times are left out; a cell without any other has NaN for all three. All
    censored: all three are +inf. One run, or all at the same time: S jumps from 1 to 0 and has no
    band, so the interval is (0, +inf). A run censored at the time of another's event counts as at
    risk there. The band is an approximation for many runs: with three, read it as a hint.

    **Raises:** `ValueError` for an unknown `which` or `over`, or a confidence outside (0, 1).

    Kaplan and Meier 1958, "Nonparametric estimation from incomplete observations"; Brookmeyer and Crowley
    1982, "A confidence interval for the median survival time".
    """
    over = [over] if isinstance(over, str) else list(over)
    _check_request(times, which, over, confidence)
    import xarray

    remaining = [dim for dim in times[which].dims if dim not in over]
    shape = [times.sizes[dim] for dim in remaining]
    values, censored, before = (
        times.get(name, xarray.zeros_like(times[which], bool))
        .transpose(*remaining, *over)
        .values.reshape(*shape, -1)
        for name in (which, f"{which}_censored", f"{which}_before")
    )
    result = {name: np.full(shape, np.nan) for name in ("median", "low", "high")}
    result["at_most"] = np.zeros(shape, bool)
    for cell in np.ndindex(*shape):
        known = ~np.isnan(values[cell])
        median, low, high, least = _median(values[cell][known], censored[cell][known], confidence)
        result["median"][cell], result["low"][cell], result["high"][cell] = median, low, high
        # Runs known to be there before `least` stay on that side of the median, wherever they were.
        result["at_most"][cell] = np.isfinite(median) and (before[cell] & (values[cell] >= least)).any()
    result["runs"] = (~np.isnan(values)).sum(axis=-1)
    result["censored"] = (censored & ~np.isnan(values)).sum(axis=-1)
    return xarray.Dataset(
        {name: (remaining, column) for name, column in result.items()},
        coords={name: times[name] for name in times.coords if set(times[name].dims) <= set(remaining)},
        attrs={**times.attrs, "which": which, "over": ", ".join(over), "confidence": float(confidence)},
    )


def _check_request(times: "xarray.Dataset", which: str, over: list[str], confidence: float) -> None:
    known = [str(name) for name in times.data_vars if f"{name}_censored" in times]
    if which not in known:
        raise ValueError(f"`which` must be one of {', '.join(known)}, got {which!r}.")
    unknown = [axis for axis in over if axis not in times[which].dims]
    if unknown:
        axes = ", ".join(str(dim) for dim in times[which].dims) or "none"
        raise ValueError(f"`over` must name axes of the times ({axes}), got {unknown[0]!r}. Try `over=()`.")
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` must lie strictly between 0 and 1, got {confidence}. Try 0.95.")


def _median(
    times: Float[np.ndarray, " run"], censored: Bool[np.ndarray, " run"], confidence: float
) -> tuple[float, float, float, float]:
    """`(median, low, high)` of one cell, and where the stretch begins that the median is the middle of."""
    if times.size == 0:
        return np.nan, np.nan, np.nan, np.nan
    if censored.all():
        return np.inf, np.inf, np.inf, np.inf
    from scipy.stats import CensoredData, ecdf

    survival = ecdf(CensoredData(uncensored=times[~censored], right=times[censored])).sf
    with warnings.catch_warnings():
        # Where S is 1 or 0 the band is undefined (NaN); NaN never counts as a crossing below.
        warnings.simplefilter("ignore", RuntimeWarning)
        band = survival.confidence_interval(confidence, method="log-log")
    steps = survival.quantiles
    half, below = (
        _first(steps, survival.probabilities <= 0.5 + _ROUNDING),
        _first(steps, survival.probabilities < 0.5 - _ROUNDING),
    )
    low = _first(steps, band.low.probabilities <= 0.5 + _ROUNDING)
    high = _first(steps, band.high.probabilities <= 0.5 + _ROUNDING)
    falls_at_once = bool(survival.probabilities[steps == times[~censored].min()][0] <= _ROUNDING)
    return (half + below) / 2, 0.0 if falls_at_once else low, high, half


def _first(steps: Float[np.ndarray, " event"], condition: Bool[np.ndarray, " event"]) -> float:
    return float(steps[condition.argmax()]) if condition.any() else np.inf
