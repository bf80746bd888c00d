"""When losses fall: the statistics that figures of the paper share.

All are relative to the first loss of a run, as losses of several tasks and scales stand beside each other.

Axes of this module
    seed    runs that differ in chance only
    place   further axes of a sweep
"""

import typing

import numpy as np

from ...statistics import crossing_time


if typing.TYPE_CHECKING:
    import xarray

TOTAL = "committee_loss/total"
"""The exact test loss of a committee machine."""

LATE = 3.0
"""Test loss falls at least this many times later than training loss where a run groks."""


def loss_times(
    data: "xarray.Dataset", share: float = 0.1, *, train: str = "train_loss", test: str = "test_loss"
) -> "xarray.Dataset":
    """Steps until losses have fallen to a share of the first one.

    **Returns:** over the axes of a sweep, in steps: `memorised`, the first record of the training loss
    there; `generalised`, the first from which on the test loss stays there; `delay = generalised -
    memorised`, and `ratio = generalised / memorised`; each with `..._censored`, true where a run ended first
    (the delay and the ratio are then lower bounds; NaN where the training loss did not fall either).
    """
    import xarray

    found = xarray.Dataset()
    for which, measure, lasting in (("memorised", train, False), ("generalised", test, True)):
        level = share * data[measure].isel(step=0, drop=True)
        times = crossing_time(data[measure], level, below=True, lasting=lasting)
        found[which], found[f"{which}_censored"] = times["time"], times["time_censored"]
    unfitted, late = found["memorised_censored"], found["generalised_censored"]
    found["delay"] = (found["generalised"] - found["memorised"]).where(~unfitted)
    found["ratio"] = (found["generalised"] / np.maximum(found["memorised"], 1)).where(~unfitted)
    found["delay_censored"] = found["ratio_censored"] = unfitted | late
    return found


def rise(data: "xarray.Dataset", test: str = "test_loss") -> "xarray.DataArray":
    """The largest test loss over the first."""
    return data[test].max("step") / data[test].isel(step=0, drop=True)


def remainder(data: "xarray.Dataset", test: str = "test_loss") -> "xarray.DataArray":
    """The test loss at the end (mean of the last five records of each run) over the first."""
    ordered = data[test].transpose(..., "step")
    values = ordered.values
    known = ~np.isnan(values)
    last = np.where(known, np.arange(values.shape[-1]), -1).max(axis=-1, keepdims=True)
    ends = np.where(known & (np.arange(values.shape[-1]) > last - 5), values, np.nan)
    count = (~np.isnan(ends)).sum(axis=-1)
    total = np.where(count > 0, np.nansum(ends, axis=-1), np.nan)
    first = ordered.isel(step=0, drop=True)
    return first.copy(data=total / np.maximum(count, 1) / first.values)


def grokked(
    data: "xarray.Dataset", *, train: str = "train_loss", test: str = "test_loss", ratio: float = LATE
) -> "xarray.DataArray":
    """Whether runs grok in terms of loss.

    The test loss rises by at least 5% first, falls to at most a fifth of its start in the end, and reaches a
    tenth at least three times later than the training loss.

    A test loss that still is at nine tenths of its start when the training loss has halved is as late.
    """
    times = loss_times(data, train=train, test=test)
    half = loss_times(data, 0.5, train=train, test=test)["memorised"]
    start = data[test].isel(step=0, drop=True)
    at_half = data[test].where(data["step"] == half).max("step") / start
    late = (times["ratio"] >= ratio) | (at_half >= 0.9)
    return (rise(data, test) >= 1.05) & (remainder(data, test) <= 0.2) & late
