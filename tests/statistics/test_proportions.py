"""Exact intervals against SciPy's, the trend against its textbook formula and a permutation test."""

import math

import numpy as np
import pytest
import scipy.stats

from afterfit.statistics import exact_interval, trend


@pytest.mark.parametrize(("successes", "trials"), [(0, 7), (7, 7), (1, 7), (3, 1000), (500, 1000), (0, 1)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.999])
def test_exact_interval_is_scipys(successes, trials, confidence):
    expected = scipy.stats.binomtest(successes, trials).proportion_ci(confidence, method="exact")
    np.testing.assert_allclose(exact_interval(successes, trials, confidence), expected, rtol=1e-9, atol=1e-15)


def test_no_success_leaves_room_and_no_trial_leaves_all():
    low, high = exact_interval(0, 10**6)
    assert low == 0 and high == pytest.approx(1 - 0.025**1e-6, rel=1e-9)
    assert exact_interval(0, 0) == (0.0, 1.0)


def test_exact_interval_covers_at_least_as_often_as_it_says():
    trials, proportion = 30, 0.1
    chances = scipy.stats.binom.pmf(np.arange(trials + 1), trials, proportion)
    ends = [exact_interval(count, trials) for count in range(trials + 1)]
    covered = [low <= proportion <= high for low, high in ends]
    assert chances @ covered >= 0.95


def test_trend_of_a_textbook_table():
    """Agresti 2002, table 2.7: malformations by alcohol of the mother; the statistic z^2 is 6.6."""
    malformed, healthy = np.array([48, 38, 5, 1, 1]), np.array([17066, 14464, 788, 126, 37])
    found = trend(malformed, malformed + healthy, np.array([0, 0.5, 1.5, 4, 7]))
    assert found.z**2 == pytest.approx(6.57, abs=0.005)
    assert found.p == pytest.approx(0.01037, abs=1e-4)


def test_trend_is_the_correlation_of_trials():
    """z = r sqrt(N), with r the correlation of scores with outcomes trial by trial."""
    successes, trials, scores = np.array([3, 9, 14]), np.array([20, 30, 25]), np.array([1.0, 2.0, 4.0])
    x = np.repeat(scores, trials)
    y = np.concatenate([np.arange(n) < k for n, k in zip(trials, successes)]).astype(float)
    assert trend(successes, trials, scores).z == pytest.approx(np.corrcoef(x, y)[0, 1] * math.sqrt(len(x)))


def test_its_p_value_is_that_of_permutations():
    successes, trials, scores = np.array([22, 30, 33]), np.array([60, 70, 65]), np.array([0.0, 1.0, 2.0])
    x = np.repeat(scores, trials)
    y = np.concatenate([np.arange(n) < k for n, k in zip(trials, successes)]).astype(float)
    generator = np.random.default_rng(0)
    moved = np.array([generator.permutation(y) @ x for _ in range(20_000)])
    extreme = np.mean(np.abs(moved - moved.mean()) >= abs(y @ x - moved.mean()))
    # Standard error 0.002. The sum is discrete: half of the chance of one value is worth 0.01.
    assert trend(successes, trials, scores).p == pytest.approx(extreme, abs=0.015)
    fallen = trend(successes[::-1], trials[::-1], scores)
    assert fallen.z == pytest.approx(-trend(successes, trials, scores).z)


def test_where_there_is_no_trend_to_test():
    for successes, trials, scores in (
        ([0, 0], [5, 5], [0, 1]),
        ([5, 5], [5, 5], [0, 1]),
        ([1, 2], [5, 5], [1, 1]),
        ([1, 0], [5, 0], [0, 1]),
        ([0, 0], [0, 0], [0, 1]),
    ):
        found = trend(np.array(successes), np.array(trials), np.array(scores, float))
        assert math.isnan(found.z) and math.isnan(found.p)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: exact_interval(3, 2), "from 0 to the 2 trials, got 3"),
        (lambda: exact_interval(1, 2, 95), "strictly between 0 and 1, got 95"),
        (lambda: trend(np.array([3]), np.array([2]), np.array([0.0])), "from 0 to the trials"),
    ],
)
def test_errors_name_what_is_allowed(make, message):
    with pytest.raises(ValueError, match=message):
        make()
