"""What makes training lazy or a kernel unfit, as sweeps that figures share, and trends along them.

Axes of this module
    seed    runs that differ in chance only
    place   values of one axis of a sweep
"""

import typing

import numpy as np
from jaxtyping import Float

from ... import tasks
from ...ensemble import Sweep, sweep
from ...statistics import kernel_regression, spearman
from ...training import Experiment
from .._study import Scale
from ._losses import loss_times, TOTAL
from ._recipe import ALPHA, machine


if typing.TYPE_CHECKING:
    import xarray

SEEDS = {"smoke": 2, "laptop": 3, "paper": 3}

SHARE = 0.2
"""Losses have fallen once they are at this share of the first one (our choice)."""

# As in the authors' code; the smallest needs more inputs to be stable.
ALPHAS = {
    "smoke": (0.25, 1.0, 4.0),
    "laptop": (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0),
    "paper": (0.03125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0),
}


def square(scale: Scale, **changes: typing.Any) -> Experiment:
    """The machine of Figures 3 (a, b) and 7: epsilon = 0.25, and the target `(beta . x)^2` without the half.

    Both are those of the authors' code, and so are D = 100, P = 450, N = 500, eta0 = N / 2 and 60,000 steps
    at paper scale.
    """
    sizes: dict[Scale, dict[str, typing.Any]] = {
        "smoke": dict(inputs=6, train=12, width=8, rate=0.5),
        "laptop": dict(inputs=40, train=200, width=200, rate=4.0, steps=20_000),
        "paper": dict(inputs=100, train=450, width=500, rate=0.5, steps=60_000),
    }
    size = sizes[scale] | changes
    task = tasks.Polynomial(inputs=size["inputs"], train=size["train"], factor=1.0)
    given: dict[str, typing.Any] = dict(task=task, nonlinearity=0.25) | size
    return machine(scale, **given)


def alphas(scale: Scale) -> Sweep:
    """The machine over output scales."""
    return sweep(square(scale), {ALPHA: ALPHAS[scale], "seed": range(SEEDS[scale])})


# --- times and trends -----------------------------------------------------------------------------


def sound(data: "xarray.Dataset", values: "xarray.DataArray") -> "xarray.DataArray":
    """The same values, NaN where a run diverged."""
    return values.where(data["outcome"] != "diverged")


def delays(
    data: "xarray.Dataset", measure: str = "delay", *, censored: float = np.inf, share: float = SHARE
) -> "xarray.DataArray":
    """Delays of the exact test loss (or `ratio`s), with another number where a run ended before it fell.

    Infinite by default: larger than any delay of a run of the same length. NaN where the training loss did
    not fall either.
    """
    found = loss_times(data, share, test=TOTAL)
    late = found[f"{measure}_censored"] & ~found["memorised_censored"]
    return sound(data, found[measure].where(~late, censored))


def trends(values: "xarray.DataArray", axis: str, need: int | None = None) -> Float[np.ndarray, " seed"]:
    """Spearman's rank correlation of values with an axis, seed by seed, over the places that are known.

    NaN where fewer than `need` places are (by default all).
    """
    table = values.transpose("seed", axis).values.astype(float)
    places = values[axis].values.astype(float)
    least = places.size if need is None else need
    found = []
    for row in table:
        known = ~np.isnan(row)
        enough = known.sum() >= max(least, 2)
        found.append(spearman(places[known], row[known], draws=1)[0] if enough else np.nan)
    return np.array(found)


def lazy_limit(experiment: Experiment, seed: int, nonlinearity: float) -> float:
    """Test loss of regression with the initial kernel of a wide machine, over the mean square of the targets.

    Where the output scale is infinite training ends there (Kumar et al. 2023, Eq. 5 with M = I).
    """
    data = experiment.task.data(seed)
    train, test = int(data.train_count), int(data.test_count)
    x, y = np.asarray(data.inputs, float), np.asarray(data.targets, float)[:, None]
    s = x[: train + test] @ x[:train].T
    kernel = s + nonlinearity**2 * s**2
    # The kernel is not singular with fewer points than products of inputs, but may come near it.
    ridge = 1e-12 * np.trace(kernel[:train]) / train
    found = kernel_regression(kernel[:train], y[:train], kernel[train:], ridge=ridge)
    return float(np.mean((found - y[train : train + test]) ** 2) / np.mean(y[train : train + test] ** 2))
