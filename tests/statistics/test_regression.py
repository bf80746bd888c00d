"""Censored regressions against least squares, a search of the likelihood on grids, and planted slopes."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings, strategies as st

from afterfit.statistics import censored_fit


def _likelihood(x, times, censored, intercept, slope, scale):
    """Log-likelihood of ln T by SciPy's distribution; lines of any shape."""
    intercept, slope, scale = (np.asarray(one)[..., None] for one in (intercept, slope, scale))
    z = (np.log(times) - intercept - slope * x) / scale
    each = np.where(censored, scipy.stats.norm.logsf(z), scipy.stats.norm.logpdf(z) - np.log(scale))
    return each.sum(axis=-1)


def _search(x, times, censored):
    """The most likely (intercept at the mean x, slope, ln scale), by ever finer grids."""
    best, reach = np.array([np.log(times).mean(), 0.0, 0.0]), np.array([4.0, 1.0, 3.0])
    for _ in range(28):
        axes = [value + width * np.linspace(-1, 1, 9) for value, width in zip(best, reach, strict=True)]
        level, slope, log_scale = np.meshgrid(*axes, indexing="ij")
        found = _likelihood(x - x.mean(), times, censored, level, slope, np.exp(log_scale))
        best = np.array([axis[at] for axis, at in zip(axes, np.unravel_index(found.argmax(), found.shape))])
        reach = reach * 0.6
    return best


def _planted(count, *, slope=-0.1, scale=0.4, budget=math.inf, seed=0):
    random = np.random.default_rng(seed)
    x = random.choice([40.0, 45.0, 50.0, 60.0, 70.0], size=count)
    times = np.exp(13 + slope * x + scale * random.normal(size=count))
    return x, np.minimum(times, budget), times > budget


def test_without_censoring_it_is_least_squares():
    x, times, censored = _planted(12)
    found = censored_fit(x, times, censored)
    slope, intercept = np.polyfit(x, np.log(times), 1)
    residuals = np.log(times) - intercept - slope * x
    assert found.slope == pytest.approx(slope, rel=1e-9)
    assert found.intercept == pytest.approx(intercept, rel=1e-9)
    assert found.scale == pytest.approx(np.sqrt(np.mean(residuals**2)), rel=1e-7)
    assert found.factor == pytest.approx(math.exp(slope))


@pytest.mark.parametrize(("seed", "budget"), [(0, 6000), (1, 3000), (2, 1500)])
def test_it_is_the_most_likely_line_of_all(seed, budget):
    x, times, censored = _planted(14, budget=budget, seed=seed)
    assert 2 <= censored.sum() <= 11
    found, (level, slope, log_scale) = censored_fit(x, times, censored), _search(x, times, censored)
    assert found.intercept + found.slope * x.mean() == pytest.approx(level, abs=1e-4)
    assert found.slope == pytest.approx(slope, abs=1e-5)
    assert found.scale == pytest.approx(math.exp(log_scale), rel=1e-4)


def test_planted_slopes_are_recovered_where_leaving_censored_runs_out_would_not():
    x, times, censored = _planted(4000, slope=-0.08, scale=0.5, budget=8000)
    assert 0.3 < censored.mean() < 0.6
    found = censored_fit(x, times, censored)
    error = 0.5 / (x.std() * math.sqrt((~censored).sum()))
    assert found.slope == pytest.approx(-0.08, abs=4 * error)
    assert found.scale == pytest.approx(0.5, rel=0.05)
    dropped = censored_fit(x[~censored], times[~censored], censored[~censored])
    budgets = censored_fit(x, times, np.zeros_like(censored))  # as if the budget were the event
    assert min(dropped.slope, budgets.slope) > -0.08 + 10 * error


runs = st.lists(
    st.tuples(st.sampled_from([40.0, 45.0, 50.0, 60.0]), st.integers(2, 9000), st.booleans()),
    min_size=4,
    max_size=12,
)


@settings(max_examples=150)
@given(runs, st.data())
def test_no_line_is_more_likely(drawn, data):
    x, times, censored = _arrays(drawn)
    found = censored_fit(x, times, censored)
    reached = _likelihood(x, times, censored, found.intercept, found.slope, found.scale)
    turn, shift = (data.draw(st.floats(-1, 1)) for _ in range(2))
    stretch = data.draw(st.floats(0.5, 2))
    for size in (1e-3, 0.1, 1.0):
        slope = found.slope + 0.1 * size * turn
        level = found.intercept + (found.slope - slope) * x.mean() + size * shift
        other = _likelihood(x, times, censored, level, slope, found.scale * stretch**size)
        assert other <= reached + 1e-6 * max(1.0, abs(reached))


def _arrays(drawn):
    x, times, censored = (np.array(column) for column in zip(*drawn, strict=True))
    assume(len(np.unique(x[~censored])) >= 2)
    fitted = np.polyfit(x[~censored], np.log(times[~censored]), 1)
    assume(np.std(np.log(times[~censored]) - np.polyval(fitted, x[~censored])) > 0.05)  # not a line exactly
    return x, times.astype(float), censored


def test_units_change_nothing():
    x, times, censored = _planted(20, budget=4000)
    found, order = censored_fit(x, times, censored), np.random.default_rng(0).permutation(20)
    shares = censored_fit(x / 100, 10 * times, censored)
    assert shares.slope == pytest.approx(100 * found.slope) and shares.scale == pytest.approx(found.scale)
    assert shares.intercept == pytest.approx(found.intercept + math.log(10))
    shuffled = censored_fit(x[order], times[order], censored[order])
    assert shuffled.slope == pytest.approx(found.slope)


@pytest.mark.parametrize("middle", ["event", "censored below", "censored at it"])
def test_times_on_a_line_give_the_line(middle):
    x, times = np.array([40.0, 50.0, 60.0]), np.exp([6.0, 5.0, 4.0])
    censored = np.array([False, middle != "event", False])
    times[1] /= 2 if middle == "censored below" else 1
    found = censored_fit(x, times, censored)
    assert found.slope == pytest.approx(-0.1, rel=1e-3) and 0 < found.scale < 1e-3


def test_degenerate_inputs():
    x, times, none = np.array([40.0, 50.0, 60.0]), np.array([900.0, 400.0, 100.0]), np.zeros(3, bool)
    for censored in itertools.product([False, True], repeat=3):
        found = censored_fit(x, times, np.array(censored))
        assert np.isnan([found.intercept, found.slope, found.scale]).all() == (sum(censored) >= 2)
    assert np.isnan(censored_fit(np.full(3, 50.0), times, none).factor)
    assert np.isnan(censored_fit(x[:0], times[:0], none[:0]).slope)
    # Nothing is known of a run without a record.
    more = censored_fit(np.append(x, 70), np.append(times, np.nan), np.append(none, True))
    assert more == censored_fit(x, times, none)
    assert np.isfinite(censored_fit(x, np.array([900.0, 30.0, 0.0]), none).slope)  # solved at step 0
    with pytest.raises(ValueError, match="`times` must be finite, got inf"):
        censored_fit(x, np.array([np.inf, 400.0, 100.0]), np.array([True, False, False]))
