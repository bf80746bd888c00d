"""Trends of delays over alpha, seed by seed."""

import numpy as np
import pytest
import xarray

from afterfit.studies import _trends
from afterfit.studies._trends import Delays


ALPHAS = np.array([0.5, 1.0, 2.0, 4.0])


def test_gap_and_ratio_where_runs_ended_first():
    found = Delays(np.array([[10.0, 10.0, np.inf, 0.0]]), np.array([[30.0, np.inf, np.inf, 5.0]]))
    np.testing.assert_array_equal(found.gap, [[20, np.inf, np.nan, 5]])
    np.testing.assert_array_equal(found.ratio, [[3, np.inf, np.nan, 5]])


def test_times_come_in_the_order_of_seed_and_place():
    times = xarray.Dataset(
        {
            "memorised": (("a", "seed"), [[1.0, 2.0], [3.0, 4.0]]),
            "memorised_censored": (("a", "seed"), [[False, False], [False, True]]),
            "generalised": (("a", "seed"), [[5.0, 6.0], [7.0, 8.0]]),
            "generalised_censored": (("a", "seed"), [[False, True], [False, False]]),
        }
    )
    found = _trends.delays(times, "a")
    assert found.fit.tolist() == [[1, 3], [2, np.inf]] and found.late.tolist() == [[5, 7], [np.inf, 8]]


@pytest.mark.parametrize(
    ("rows", "verdict", "value"),
    [
        ([[1, 2, 3, 4]] * 3, "holds", 1),
        ([[1, 2, 3, np.inf]] * 3, "holds", 1),
        ([[1, 2, np.inf, np.inf]] * 3, "holds", 4.5 / np.sqrt(5 * 4.5)),
        ([[4, 3, 2, 1]] * 3, "fails", -1),
        ([[2, 2, 2, 2]] * 3, "fails", np.nan),
        ([[np.inf] * 4] * 3, "undecided", np.nan),
        ([[1, np.nan, 3, 4]] * 3, "undecided", np.nan),
        ([[1, 2, 3, 4], [4, 3, 2, 1], [1, 3, 2, 4]], "undecided", 0.8),
    ],
)
def test_rises(rows, verdict, value):
    found = _trends.rises(ALPHAS, np.array(rows, float))
    assert found.verdict == verdict and found.runs == 12 and found.seeds == 3
    assert found.value == pytest.approx(value, nan_ok=True)


def test_rows_are_empty_where_runs_ended_first():
    found = Delays(np.array([[1.0, np.inf]]), np.array([[np.inf, 3.0]]))
    assert _trends.rows(np.array([1.0, 2.0]), found, ("fit", "late"), task="x") == [
        {"task": "x", "alpha": 1.0, "seed": 0, "fit": 1.0, "late": None},
        {"task": "x", "alpha": 2.0, "seed": 0, "fit": None, "late": 3.0},
    ]
