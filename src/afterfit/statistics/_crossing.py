"""When a measure crosses a level, run by run."""

import typing

import numpy as np


if typing.TYPE_CHECKING:
    import xarray


def crossing_time(
    values: "xarray.DataArray",
    level: "float | xarray.DataArray",
    *,
    below: bool = False,
    lasting: bool = False,
) -> "xarray.Dataset":
    """The first recorded step at which a measure is at or above a level.

    **Arguments:**

    - `values`: "axes... step", NaN where a run has no record.
    - `level`: one for all runs, or one for each (over `axes`).

    **Other arguments:**

    - `below`: at or below the level instead.
    - `lasting`: the first record from which on it stays there to the end.

    **Returns:** `time` in steps; `time_censored` where a run ended first: its time then is that of its last
    record, and NaN without any record; `time_before` where it was there at its first record, after step 0 (as
    a fork may be), and may have been earlier. For `median_time(..., "time")`.
    """
    import xarray

    ordered = values.transpose(..., "step")
    known = ~np.isnan(ordered.values)  # an infinite loss is a record too, and no small one
    bound = xarray.DataArray(level).broadcast_like(ordered.isel(step=0, drop=True))
    bound = bound.transpose(*ordered.dims[:-1]).values[..., None]
    with np.errstate(invalid="ignore"):
        inside = known & ((ordered.values <= bound) if below else (ordered.values >= bound))
    if lasting:
        # Records that a run does not have cannot take it back.
        inside = known & np.logical_and.accumulate((inside | ~known)[..., ::-1], axis=-1)[..., ::-1]
    steps = np.asarray(values["step"].values, float)
    censored = ~inside.any(axis=-1)
    last = np.where(known, np.arange(steps.size), -1).max(axis=-1, initial=-1)
    at = np.where(censored, last, inside.argmax(axis=-1) if steps.size else last)
    time = np.append(steps, np.nan)[at]  # -1, without a record, is the NaN
    earlier = (known & (np.arange(steps.size) < at[..., None])).any(axis=-1)
    before = ~censored & ~earlier & (time > 0)
    dims = ordered.dims[:-1]
    coords = {name: values[name] for name in values.coords if set(values[name].dims) <= set(dims)}
    return xarray.Dataset(
        {
            "time": (dims, time, {"units": "step"}),
            "time_censored": (dims, censored),
            "time_before": (dims, before),
        },
        coords=coords,
    )
