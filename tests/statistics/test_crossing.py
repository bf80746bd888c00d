"""Crossing times against curves whose crossings are known by construction, and against a plain search."""

import numpy as np
import pytest
import xarray
from hypothesis import given, strategies as st

from afterfit.statistics import crossing_time, median_time


STEPS = [0, 1, 10, 100, 1000]
NAN, INF = np.nan, np.inf


def curve(values):
    return xarray.DataArray(values, dims="step", coords={"step": STEPS})


def found(values, level, **how):
    times = crossing_time(curve(values), level, **how)
    return times["time"].item(), times["time_censored"].item()


@pytest.mark.parametrize(
    ("values", "how", "expected"),
    [
        ([0, 1, 2, 3, 4], {}, (10, False)),
        ([2, 0, 0, 0, 0], {}, (0, False)),  # at the start already
        ([0, 3, 0, 3, 3], {}, (1, False)),  # the first time, whatever comes later
        ([0, 3, 0, 3, 3], {"lasting": True}, (100, False)),
        ([0, 3, 3, 3, 0], {"lasting": True}, (1000, True)),  # it did not last
        ([0, 1, 1, 1, 1], {}, (1000, True)),
        ([9, 5, 2, 1, 5], {"below": True}, (10, False)),  # at the level counts
        ([9, 5, 2, 1, 5], {"below": True, "lasting": True}, (1000, True)),
        ([9, 5, 2, 1, 0], {"below": True, "lasting": True}, (10, False)),
        ([0, NAN, NAN, 2, 2], {}, (100, False)),  # records that a run does not have
        ([0, 2, NAN, 2, 2], {"lasting": True}, (1, False)),
        ([0, 2, 2, NAN, NAN], {"lasting": True}, (1, False)),  # a run that ended
        ([0, 1, 1, NAN, NAN], {}, (10, True)),  # censored at its last record, not at that of others
        ([NAN] * 5, {}, (NAN, True)),
    ],
)
def test_planted_crossings(values, how, expected):
    np.testing.assert_equal(found(np.array(values, float), 2, **how), expected)


def test_an_infinite_loss_is_a_record():
    """A loss that overflows after it was small did not stay small; and a measure may reach infinity."""
    assert found([9.0, 1.0, 1.0, INF, NAN], 2, below=True, lasting=True) == (100, True)
    assert found([9.0, 1.0, 1.0, INF, NAN], 2, below=True) == (1, False)
    assert found([0.0, 1.0, INF, INF, INF], 1e30) == (10, False)


def test_a_level_that_is_not_known_is_never_reached():
    assert found([0.0, 1, 2, 3, 4], NAN) == (1000, True)


def test_each_run_has_its_own_level_and_all_coordinates_stay():
    values = xarray.DataArray(
        np.arange(30.0).reshape(5, 3, 2) // 6,  # step by step 0, 1, 2, 3, 4
        dims=("step", "seed", "alpha"),
        coords={"step": STEPS, "seed": [3, 4, 5], "alpha": [0.1, 1.0], "note": ("alpha", ["a", "b"])},
    )
    level = xarray.DataArray([0.0, 2.0, 9.0], dims="seed", coords={"seed": [3, 4, 5]})
    times = crossing_time(values, level)
    assert times["time"].dims == ("seed", "alpha") and times["time"].attrs == {"units": "step"}
    assert times["time"].values.tolist() == [[0, 0], [10, 10], [1000, 1000]]
    assert times["time_censored"].values.tolist() == [[False] * 2, [False] * 2, [True] * 2]
    assert times["note"].values.tolist() == ["a", "b"] and "step" not in times.coords
    # As `median_time` reads it: two of six runs are censored, so the median over all is known.
    assert float(median_time(times, "time", over=("seed", "alpha"))["median"]) == 10


curves = st.lists(st.floats(-3, 3) | st.just(NAN) | st.just(INF), min_size=5, max_size=5).map(np.array)
levels = st.floats(-3, 3)


def plain(values, level, below, lasting):
    """Record by record."""

    def inside(value):
        return value <= level if below else value >= level

    known = [i for i in range(5) if not np.isnan(values[i])]
    for i in known:
        later = [j for j in known if j >= i] if lasting else [i]
        if all(inside(values[j]) for j in later):
            return float(STEPS[i]), False
    return (float(STEPS[known[-1]]) if known else NAN), True


@given(curves, levels, st.booleans(), st.booleans())
def test_it_is_a_search_record_by_record(values, level, below, lasting):
    ours = found(values, level, below=below, lasting=lasting)
    np.testing.assert_equal(ours, plain(values, level, below, lasting))


@given(curves, levels, levels, st.booleans())
def test_a_higher_level_is_never_reached_earlier(values, one, other, lasting):
    (low, early), (high, late) = (found(values, level, lasting=lasting) for level in sorted([one, other]))
    assert late >= early
    assert np.isnan(low) or high >= low


@given(curves, levels, st.booleans())
def test_what_lasts_is_never_earlier_than_the_first_time(values, level, below):
    (first, missed), (stays, left) = (
        found(values, level, below=below, lasting=lasting) for lasting in (False, True)
    )
    assert left >= missed
    assert np.isnan(first) or stays >= first


@given(curves, levels, st.booleans())
def test_below_is_above_of_the_opposite(values, level, lasting):
    np.testing.assert_equal(
        found(values, level, below=True, lasting=lasting), found(-values, -level, lasting=lasting)
    )
