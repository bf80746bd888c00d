"""Times against weight decay: exponents of planted power laws, censored and not."""

import math

import numpy as np
import pytest
import xarray

from afterfit.studies import _laws
from afterfit.studies._draw import panels
from afterfit.studies._laws import DECAY, draw_times, Times


def _times(exponent, *, decays=(0.03, 0.05, 0.1, 0.17, 0.3, 0.55, 1.0), seeds=5, noise=0.1, budget=math.inf):
    """Times of `2000 decay^-exponent` with chance, of which those beyond a budget are not seen."""
    decay = np.array(decays)
    chance = np.random.default_rng(0).normal(size=(seeds, len(decay)))
    steps = 2000 * decay**-exponent * np.exp(noise * chance)
    return Times(decay, np.minimum(steps, budget), steps > budget)


def _covers(interval, number):
    low, high = interval
    return low < number < high


def test_without_censoring_it_is_the_line_of_least_squares():
    found = _times(1.0)
    slope, constant = np.polyfit(np.tile(np.log(found.decay), 5), np.log(found.steps).ravel(), 1)
    assert found.exponent() == pytest.approx(-slope)
    np.testing.assert_allclose(found.line(found.decay), np.exp(constant) * found.decay**slope, rtol=1e-6)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_an_exponent_is_found_although_many_runs_ended_too_early(exponent):
    # At the budget the smallest decays have hardly an event: without censoring the exponent would be lower.
    budget = 2000 * 0.1**-exponent if exponent else math.inf
    found = _times(exponent, budget=budget)
    assert found.exponent() == pytest.approx(exponent, abs=0.06)
    assert _covers(found.interval(), exponent)
    if exponent:
        assert found.censored.mean() > 0.3
        naive = -np.polyfit(np.tile(np.log(found.decay), 5), np.log(found.steps).ravel(), 1)[0]
        assert naive < exponent - 0.1 and found.line(found.decay)[0] > 1.4**exponent * budget


@pytest.mark.parametrize(
    ("exponent", "noise", "verdict"), [(1.0, 0.1, "holds"), (0.5, 0.1, "fails"), (1.23, 0.1, "undecided")]
)
def test_a_law_is_judged_by_the_whole_interval(exponent, noise, verdict):
    found = _times(exponent, noise=noise, decays=(0.1, 0.3, 1.0, 3.0)).judged(0.8, 1.2, "a note")
    assert found.verdict == verdict
    assert found.value == pytest.approx(exponent, abs=0.2) and _covers(found.interval, found.value)
    assert (found.seeds, found.runs, found.note) == (5, 20, "a note")


@pytest.mark.parametrize(
    ("times", "seen"),
    [
        (_times(1.0, decays=(0.1, 0.3, 1.0)), 3),
        (_times(1.0, decays=(0.03, 0.1, 0.3, 1.0), budget=30_000), 3),  # at 0.03 there is no event
        (_times(1.0, decays=(0.2, 0.3, 0.5, 1.0)), 4),  # less than a decade
        (_times(1.0, budget=100), 0),
    ],
)
def test_four_decays_over_a_decade_are_needed(times, seen):
    found = times.judged(0.8, 1.2, "adapted")
    assert found.verdict == "undecided" and found.value is None and found.interval is None
    assert found.note == f"adapted; {seen} decays with times: four over a decade are needed"


def test_a_range_of_decays_has_its_ends():
    found = _times(1.0).within(0.1, 0.3)
    np.testing.assert_array_equal(found.decay, [0.1, 0.17, 0.3])
    assert found.steps.shape == found.censored.shape == (5, 3) and found.seeds == 5
    assert math.isnan(found.within(0.1, 0.1).exponent())


def test_times_of_a_sweep_leave_out_what_has_no_decay():
    step = np.array([0, 10, 100, 1000])
    train, test = np.zeros((2, 3, 2, 4))  # split, decay, seed, step
    train[:2, :, 1:] = 1
    train[2, 0, 1:] = 1
    test[1, :, 3:] = 1
    test[2, 0, 2:] = 0.94
    dims = (DECAY, "seed", "step")
    data = xarray.Dataset(
        {"test_accuracy": (dims, test), "train_accuracy": (dims, train)},
        {DECAY: [0.0, 0.1, 1.0], "seed": [0, 1], "step": step},
    )
    found = _laws.times(data, "generalised", 0.95)
    np.testing.assert_array_equal(found.decay, [0.1, 1.0])
    # The last run has not even fitted its training set: that is no time.
    np.testing.assert_array_equal(found.steps, [[1000, 1000], [1000, np.nan]])
    np.testing.assert_array_equal(found.censored, [[False, True], [False, True]])
    np.testing.assert_array_equal(_laws.times(data, "memorised", 0.95).steps, [[10, 10], [10, np.nan]])


def test_runs_without_an_event_are_drawn_apart():
    figure, axes = panels(1, 1)
    found = _times(1.0, budget=20_000)
    draw_times(axes[0, 0], found, label="test", colour="black")
    dots, triangles, line = axes[0, 0].get_lines()
    assert len(dots.get_xdata()) + len(triangles.get_xdata()) == found.steps.size
    assert set(triangles.get_ydata()) == {20_000}
    labels = [one.get_label() for one in axes[0, 0].get_lines()]
    assert labels[:2] == ["test", "test: not reached"] and f"{-found.exponent():.2f}" in labels[2]
    np.testing.assert_allclose(line.get_ydata(), found.line(found.decay))
    draw_times(axes[0, 0], _times(1.0, budget=10), label="none", colour="black")  # has no line
    figure.draw_without_rendering()
