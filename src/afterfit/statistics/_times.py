"""Steps to memorise and to generalise, run by run."""

import typing

import numpy as np
from jaxtyping import Bool, Float

from ._phase import GROKKING_RATIO, Phase


if typing.TYPE_CHECKING:
    import xarray

_ROUNDING = 1e-6  # float32 means of zeros and ones: 99 right answers of 100 may read 0.98999995


def grokking_time(data: "xarray.Dataset", accuracy: float = 0.99) -> "xarray.Dataset":
    """When each run memorised its training set and when it generalised to its test set.

    `memorised = min {t : train_accuracy(t) >= accuracy}` over recorded steps t, `generalised` likewise
    for `test_accuracy`. A run that never gets there is *censored*: its time is its last recorded
    step (its budget), marked as such, and never counted as an event. One that is there at its first record,
    and that after step 0, may have got there before: forks begin so. Its time is the latest possible one.

    **Arguments:**

    - `data`: `train_accuracy` and `test_accuracy` ("axes... step", NaN where a run has no record),
      the coordinate `step`, and where present `train_loss` (a record counts only while it is
      finite) and `outcome`.
    - `accuracy`: what counts as fitted, above 0 and at most 1.

    **Returns:** variables over the axes of `data`, their coordinates kept; times in steps.

    - `memorised`, `generalised`; `memorised_censored`, `generalised_censored`.
    - `memorised_before`, `generalised_before`: whether a run was there at its first record, after step 0.
    - `memorised_from`, `generalised_from`: the recorded step before the crossing, which lies in
      `(from, time]`. 0 if the run was there before, and equal to the time for a crossing at step 0 and for a
      censored run.
    - `delay = generalised - memorised` in steps and `ratio = generalised / max(memorised, 1)`: how
      many times later; high is grokking. Lower bounds where `generalised` is censored or the run memorised
      before, NaN where `memorised` is censored or the run generalised before, as nothing bounds them then;
      `delay_censored`, `ratio_censored` mark all of these.
    - `phase`: a value of `Phase`, as text; by the lower bound where there is no more.

    **Degenerate inputs:** a diverged run is censored at its last finite record, unless it crossed before;
    a run without any finite record has NaN times and is marked censored.

    **Raises:** `ValueError` for an accuracy outside (0, 1] or a missing variable.

    After Power et al. 2022, "Grokking: Generalization beyond overfitting on small algorithmic
    datasets", Section 3.1.1.
    """
    if not 0 < accuracy <= 1:
        raise ValueError(f"`accuracy` must lie above 0 and at most at 1, got {accuracy}. Try 0.99.")
    _check_variables(data)
    import xarray

    axes = [dim for dim in data["train_accuracy"].dims if dim != "step"]
    train, test = (_by_run(data[name], axes, "step") for name in ("train_accuracy", "test_accuracy"))
    steps = np.asarray(data["step"].values, float)
    recorded = np.isfinite(train) & np.isfinite(test)
    usable = recorded
    if "train_loss" in data:
        usable = recorded & np.isfinite(_by_run(data["train_loss"], axes, "step"))
    diverged = np.any(recorded & ~usable, axis=-1)
    if "outcome" in data:
        diverged |= _by_run(data["outcome"], axes) == "diverged"

    fit, late = (_first_crossing(curve, usable, steps, accuracy) for curve in (train, test))
    unbounded = fit.censored | late.before
    ratio = np.where(unbounded, np.nan, late.time / np.maximum(fit.time, 1))
    inexact = unbounded | late.censored | fit.before
    columns = {
        **_columns("memorised", fit),
        **_columns("generalised", late),
        "delay": (np.where(unbounded, np.nan, late.time - fit.time), "step"),
        "delay_censored": (inexact, ""),
        "ratio": (ratio, "1"),
        "ratio_censored": (inexact, ""),
        "phase": (_phase(fit.time, fit.censored, late.censored, ratio, diverged), ""),
    }
    shape = [data.sizes[axis] for axis in axes]
    return xarray.Dataset(
        {
            name: (axes, values.reshape(shape), {"units": unit} if unit else {})
            for name, (values, unit) in columns.items()
        },
        coords={name: data[name] for name in data.coords if set(data[name].dims) <= set(axes)},
        attrs={"accuracy": float(accuracy), "units": "steps"},
    )


def _check_variables(data: "xarray.Dataset") -> None:
    missing = [name for name in ("train_accuracy", "test_accuracy", "step") if name not in data]
    if missing:
        raise ValueError(
            f"expected a Dataset with `train_accuracy`, `test_accuracy` and the coordinate `step`, "
            f"got one without {', '.join(f'`{name}`' for name in missing)}. "
            "Try what `sweep(...).run()` returns."
        )


def _by_run(variable: "xarray.DataArray", axes: list, *rest: str) -> np.ndarray:
    """The values with all axes flattened into one: "run" or "run step"."""
    values = variable.transpose(*axes, *rest).values
    runs = int(np.prod(values.shape[: len(axes)]))  # -1 would not do where no run has a record
    return values.reshape(runs, *values.shape[len(axes) :])


class _Crossing(typing.NamedTuple):
    time: Float[np.ndarray, " run"]
    since: Float[np.ndarray, " run"]  # the recorded step before it
    censored: Bool[np.ndarray, " run"]
    before: Bool[np.ndarray, " run"]  # there already at the first record, which is not that of step 0


def _columns(name: str, found: _Crossing) -> dict[str, tuple[np.ndarray, str]]:
    return {
        name: (found.time, "step"),
        f"{name}_from": (found.since, "step"),
        f"{name}_censored": (found.censored, ""),
        f"{name}_before": (found.before, ""),
    }


def _first_crossing(
    curve: Float[np.ndarray, "run step"],
    usable: Bool[np.ndarray, "run step"],
    steps: Float[np.ndarray, " step"],
    level: float,
) -> _Crossing:
    """The first usable record at or above `level`."""
    positions = np.where(usable, np.arange(steps.size), -1)
    last = positions.max(axis=-1, initial=-1)
    hit = usable & (np.nan_to_num(curve) >= level - _ROUNDING)
    censored = ~hit.any(axis=-1)
    at = np.where(censored, last, hit.argmax(axis=-1) if steps.size else last)
    previous = np.where(np.arange(steps.size) < at[..., None], positions, -1).max(axis=-1, initial=-1)
    # A run without a record has `at` = -1, which indexes this NaN.
    padded = np.append(steps, np.nan)
    before = ~censored & (previous < 0) & (padded[at] > 0)
    since = padded[np.where(censored | (previous < 0), at, previous)]
    return _Crossing(padded[at], np.where(before, 0, since), censored, before)


def _phase(
    memorised: Float[np.ndarray, " run"],
    unfitted: Bool[np.ndarray, " run"],
    ungeneralised: Bool[np.ndarray, " run"],
    ratio: Float[np.ndarray, " run"],
    diverged: Bool[np.ndarray, " run"],
) -> np.ndarray:
    # The first that applies; a run that generalised before it diverged keeps what it reached.
    cases = [
        (np.isnan(memorised) & ~diverged, Phase.NO_RECORD),
        (~ungeneralised & ~unfitted & (np.nan_to_num(ratio) >= GROKKING_RATIO), Phase.GROKKED),
        (~ungeneralised, Phase.GENERALISED),
        (diverged, Phase.DIVERGED),
        (~unfitted, Phase.MEMORISED_ONLY),
    ]
    return np.select(
        [condition for condition, _ in cases],
        [str(phase) for _, phase in cases],
        default=str(Phase.NEVER_FITTED),
    )
