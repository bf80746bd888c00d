"""Kaplan-Meier medians against published and hand-computed ones."""

import numpy as np
import pytest
import xarray
from hypothesis import given, strategies as st

from afterfit.statistics import median_time


INF = np.inf
# Weeks of remission under 6-MP and under placebo: Freireich et al. 1963, Blood 21.
TREATED = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
TREATED_CENSORED = [0, 0, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


def _times(values, censored=None, dims=("seed",), coords=None):
    values = np.asarray(values, float)
    censored = np.zeros(values.shape, bool) if censored is None else np.asarray(censored, bool)
    return xarray.Dataset(
        {"generalised": (dims, values), "generalised_censored": (dims, censored)}, coords=coords
    )


def _median(values, censored=None, **options):
    found = median_time(_times(values, censored), **options)
    return tuple(found[name].item() for name in ("median", "low", "high"))


def test_remission_of_leukaemia():
    # The medians 23 and 8 are the published ones; the intervals are those of the naive version below.
    assert _median(TREATED, TREATED_CENSORED) == (23, 13, INF)
    assert _median(PLACEBO) == (8, 4, 11)
    assert _naive_interval(TREATED, TREATED_CENSORED) == (13, INF)
    assert _naive_interval(PLACEBO, [0] * 21) == (4, 11)


@pytest.mark.parametrize(
    ("values", "censored", "median"),
    [
        ([3, 1, 2], [0, 0, 0], 2),
        ([4, 1, 2, 3], [0, 0, 0, 0], 2.5),  # S equals 1/2 between 2 and 3
        ([3, 4, 9], [0, 0, 1], 4),
        ([3, 4, 9, 9], [0, 0, 1, 1], INF),  # half are censored at the budget: longer than it
        ([5, 9, 9], [0, 1, 1], INF),
        ([2, 4, 6], [1, 0, 0], 5),  # the censored run leaves before the first event: S = 1, 1/2, 0
        ([4, 4, 6], [0, 1, 0], 6),  # a tie: the censored run is at risk at the event, S = 2/3, 0
        ([5, 5, 5], [0, 0, 0], 5),
        ([5], [0], 5),
        ([5], [1], INF),
    ],
)
def test_by_hand(values, censored, median):
    assert _median(values, censored)[0] == median


def test_degenerate_intervals():
    assert _median([5.0]) == (5, 0, INF)
    assert _median([5.0, 5.0, 5.0]) == (5, 0, INF)
    assert _median([7.0, 7.0], [True, True]) == (INF, INF, INF)
    assert all(np.isnan(_median([np.nan, np.nan], [True, True])))


def test_cells_keep_their_axes():
    values = [[[1.0, 2.0, 3.0], [9.0, 9.0, 9.0]], [[4.0, 5.0, np.nan], [6.0, 7.0, 8.0]]]
    censored = [[[0, 0, 0], [1, 1, 1]], [[0, 0, 1], [0, 0, 0]]]
    coords = {"decay": [0.1, 1.0], "fraction": [0.3, 0.5], "seed": [0, 1, 2]}
    times = _times(values, censored, ("decay", "fraction", "seed"), coords)
    found = median_time(times)
    assert found["median"].dims == ("decay", "fraction") and set(found.coords) == {"decay", "fraction"}
    assert found["median"].values.tolist() == [[2, INF], [4.5, 7]]
    assert found["runs"].values.tolist() == [[3, 3], [2, 3]]
    assert found["censored"].values.tolist() == [[0, 3], [0, 0]]
    assert median_time(times, over=["seed", "fraction"])["median"].values.tolist() == [INF, 6]
    assert median_time(times, over=()).sizes == times.sizes


def test_a_single_run_without_axes():
    found = median_time(_times(12.0, False, dims=()), over=())
    assert found["median"].item() == 12 and found["runs"].item() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"which": "generalized"}, "`which` must be one of generalised, got 'generalized'"),
        ({"over": "sed"}, r"`over` must name axes of the times \(seed\), got 'sed'"),
        ({"confidence": 95}, "`confidence` must lie strictly between 0 and 1, got 95"),
    ],
)
def test_requests_that_cannot_be_met(options, message):
    with pytest.raises(ValueError, match=message):
        median_time(_times([1.0]), **options)


def _naive_interval(values, censored):
    """Brookmeyer and Crowley by their formula, event by event; 1.959964 is the normal quantile of 0.975."""
    survival, greenwood, low, high = 1.0, 0.0, INF, INF
    for step in sorted({value for value, is_censored in zip(values, censored) if not is_censored}):
        at_risk = sum(value >= step for value in values)
        events = sum(value == step and not c for value, c in zip(values, censored))
        survival *= 1 - events / at_risk
        if survival < 1e-12:  # the band ends: with everything before it at S = 1 it never began
            return (0, INF) if greenwood == 0 else (low, high)
        greenwood += events / (at_risk * (at_risk - events))
        spread = 1.959964 * np.sqrt(greenwood) / abs(np.log(survival))
        low = min(low, step) if survival ** np.exp(spread) <= 0.5 else low
        high = min(high, step) if survival ** np.exp(-spread) <= 0.5 else high
    return low, high


_runs = st.lists(st.tuples(st.integers(1, 30), st.booleans()), min_size=1, max_size=15)


@given(_runs)
def test_the_interval_against_a_naive_version(runs):
    values, censored = zip(*runs)
    assert _median(values, censored)[1:] == _naive_interval(values, censored)


@given(_runs, st.randoms())
def test_the_order_of_runs_does_not_matter(runs, random):
    shuffled = random.sample(runs, len(runs))
    np.testing.assert_array_equal(_median(*zip(*runs)), _median(*zip(*shuffled)))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=15))
def test_without_censoring_it_is_the_ordinary_median(values):
    median, low, high = _median(values)
    assert median == np.median(values)
    assert low <= median <= high


@given(st.lists(st.integers(1, 30), min_size=1, max_size=15), st.integers(1, 31))
def test_at_one_budget_it_is_the_median_with_censored_runs_at_infinity(values, budget):
    values = np.array(values, float)
    censored = values >= budget
    expected = np.median(np.where(censored, INF, values))
    assert _median(np.minimum(values, budget), censored)[0] == expected


@given(_runs, st.data())
def test_censoring_one_more_run_never_shortens_the_median(runs, data):
    values, censored = (list(column) for column in zip(*runs))
    more = list(censored)
    more[data.draw(st.integers(0, len(runs) - 1))] = True
    assert _median(values, more)[0] >= _median(values, censored)[0]


@given(_runs)
def test_the_interval_holds_the_median_and_grows_with_confidence(runs):
    values, censored = zip(*runs)
    median, low, high = _median(values, censored, confidence=0.8)
    assert low <= median <= high
    _, lower, higher = _median(values, censored, confidence=0.99)
    assert lower <= low and higher >= high


def test_a_median_that_rests_on_runs_there_before_their_first_record_is_an_upper_bound():
    def found(values, before):
        times = _times(values)
        return median_time(times.assign(generalised_before=("seed", before)))

    bound = found([40, 40, 60], [True, True, False])
    assert (bound["median"].item(), bound["at_most"].item()) == (40, True)
    sure = found([40, 60, 80], [True, False, False])
    assert (sure["median"].item(), sure["at_most"].item()) == (60, False)
    assert found([20, 30, 40], [False, False, True])["at_most"].item()  # it may have been there at step 10
    assert not median_time(_times([20, 30]))["at_most"].item()
