"""Data efficiency: fractions needed, and times of which some are only bounded, on data written down."""

import math

import numpy as np
import pytest
import xarray

from afterfit.statistics import judge
from afterfit.studies.power2022._efficiency import (
    best_accuracy,
    excess,
    fraction_needed,
    over_seeds,
    rows,
    supported,
    time_ratio,
)


GRID = np.array([0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize(
    ("accuracy", "needed"),
    [
        ([0.0, 0.4, 0.6, 1.0], 0.25),  # half of the way from 0.4 to 0.6
        ([0.0, 0.5, 0.5, 1.0], 0.2),  # exactly reached
        ([0.0, 0.25, 1.0, 1.0], 0.2 + 0.1 / 3),
        ([0.7, 0.8, 0.9, 1.0], 0.1),  # reached at the first: nothing is known below
        ([0.0, 0.6, 0.3, 1.0], 0.1 + 0.1 * 5 / 6),  # the first crossing counts
        ([0.0, 0.1, 0.2, 0.49], math.inf),
    ],
)
def test_the_fraction_needed_is_interpolated(accuracy, needed):
    assert fraction_needed(np.array(accuracy), GRID, 0.5) == pytest.approx(needed)


def test_many_places_at_once():
    accuracy = np.array([[0.0, 0.4, 0.6, 1.0], [0.0, 0.1, 0.2, 0.3]])
    np.testing.assert_allclose(fraction_needed(accuracy, GRID, 0.5), [0.25, math.inf])


def test_two_that_never_generalise_are_tied():
    assert excess(math.inf, math.inf) == 0
    assert excess(math.inf, 0.3) == math.inf and excess(0.3, math.inf) == -math.inf
    assert excess(0.5, 0.3) == pytest.approx(0.2)


def _data(times, budget=1000):
    """Runs that generalise at `times[place][seed]`, or never."""
    steps = np.arange(0, budget + 1, 10)
    times = np.asarray(times, float)
    dims = ("place", "task.fraction", "seed", "step")
    curve = np.where(steps >= times[..., None], 1.0, 0.25)[:, None]
    train = np.where(steps >= 50, 1.0, 0.25) * np.ones_like(curve)
    return xarray.Dataset(
        {"test_accuracy": (dims, curve), "train_accuracy": (dims, train)},
        {"place": ["a", "b"], "task.fraction": [0.5], "seed": range(times.shape[1]), "step": steps},
    )


def _ratio(data, **criterion):
    a, b = ({"place": name, "task.fraction": 0.5} for name in "ab")
    return time_ratio(data, later=b, earlier=a, **criterion)


def test_a_ratio_of_times():
    found = _ratio(_data([[200], [500]]), least=0.5, most=2)
    assert (found.verdict, found.value, found.interval) == ("fails", 2.5, None)
    assert found.note == "one seed carries no interval"
    assert _ratio(_data([[200], [500]]), least=1.05).verdict == "holds"


def test_a_time_beyond_the_budget_is_a_bound():
    # b takes more than 1000 steps, five times as long as a: that settles some questions and not others.
    data = _data([[200], [math.inf]])
    assert _ratio(data, least=1.05).verdict == "holds"
    assert _ratio(data, least=0.5, most=2).verdict == "fails"
    assert _ratio(data, least=0.5, most=8).verdict == "undecided"
    found = _ratio(data, least=1.05)
    assert found.value == 5 and found.interval == (5, math.inf) and "lower bounds" in found.note
    # a takes more than 1000 steps: the ratio is at most 0.2.
    assert _ratio(_data([[math.inf], [200]]), least=1.05).verdict == "fails"
    both = _ratio(_data([[math.inf], [math.inf]]), least=0.5, most=2)
    assert both.verdict == "undecided" and both.interval == (0, math.inf)


def test_times_of_several_seeds():
    clear = _ratio(_data([[200, 210, 220], [500, 510, 600]]), least=1.05)
    assert clear.verdict == "holds" and clear.interval == pytest.approx((510 / 210, 600 / 220))
    assert (clear.seeds, clear.runs) == (3, 6)
    assert _ratio(_data([[200, 500, 300], [250, 400, 350]]), least=1.05).verdict == "undecided"


def test_best_accuracy_counts_runs_without_a_record_as_failures():
    data = _data([[200, 300], [500, 600]])
    data["test_accuracy"][1, 0, 1] = np.nan
    np.testing.assert_array_equal(best_accuracy(data, "place")[:, :, 0], [[1, 1], [1, 0]])


def test_over_seeds_allows_for_rounding():
    step = np.full((3, 1), 0.3 - 0.25)  # 0.04999999999999999
    assert over_seeds(np.mean, step, least=0.05).verdict == "holds"


def test_support_without_refutation():
    failed = supported(judge(0.3, least=0.5, note="adapted"), "too small")
    assert (failed.verdict, failed.note, failed.value) == ("undecided", "adapted; too small", 0.3)
    assert supported(judge(0.7, least=0.5), "too small").verdict == "holds"


def test_rows():
    first, second = rows(_data([[200, 300], [500, math.inf]]), "place")
    assert first == {
        "place": "a", "fraction": 0.5, "seeds": 2, "best_mean": 1.0, "best_least": 1.0, "best_most": 1.0,
        "memorised": 50.0, "generalised": 250.0,
    }  # fmt: skip
    assert (second["best_mean"], second["best_least"], second["generalised"]) == (0.625, 0.25, math.inf)
