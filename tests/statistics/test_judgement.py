"""Verdicts, intervals and rank correlations against enumeration, SciPy and coverage."""

import itertools
import math

import jaxtyping
import numpy as np
import pytest
import scipy.stats

from afterfit.statistics import bootstrap, combined, judge, Judgement, spearman, Verdict


INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("value", "interval", "criterion", "verdict"),
    [
        (5, (4, 6), {"least": 4}, "holds"),  # ends count as inside
        (5, (4, 6), {"most": 6}, "holds"),
        (5, (4, 6), {"least": 4, "most": 6}, "holds"),
        (5, (4, 6), {"least": 4.5}, "undecided"),
        (5, (4, 6), {"least": 4.5, "most": 5.5}, "undecided"),
        (5, (4, 6), {"least": 6.5}, "fails"),
        (5, (4, 6), {"most": 3.5}, "fails"),
        (5, None, {"least": 4.5, "most": 5.5}, "holds"),
        (5, None, {"most": 4.5}, "fails"),
        (INF, (INF, INF), {"least": 10}, "holds"),  # censored medians
        (INF, (INF, INF), {"most": 10}, "fails"),
        (20, (5, INF), {"least": 10}, "undecided"),
        (20, (5, INF), {"least": 5}, "holds"),
        (20, (15, INF), {"most": 10}, "fails"),
        (1, (-INF, INF), {"most": 10}, "undecided"),
        (NAN, None, {"most": 10}, "undecided"),
        (5, (NAN, NAN), {"most": 10}, "undecided"),
    ],
)
def test_three_outcomes(value, interval, criterion, verdict):
    found = judge(value, interval, seeds=3, runs=6, note="so", **criterion)
    assert found.verdict == verdict and (found.seeds, found.runs, found.note) == (3, 6, "so")
    defined = not any(map(math.isnan, (value, *(interval or ()))))
    assert (found.value, found.interval) == ((value, interval) if defined else (None, None))


def test_what_is_undefined_says_so_and_one_seed_says_that_it_has_no_interval():
    assert judge(NAN, most=1).note == "the statistic is not defined here"
    assert judge(1.0, most=2, seeds=1, note="adapted").note == "adapted; one seed carries no interval"
    assert judge(1.0, most=2, seeds=2).note == ""


def test_an_interval_with_its_ends_exchanged_is_refused():
    with pytest.raises(ValueError, match="must be .low, high., got .6, 4."):
        judge(5, (6, 4), least=1)


# --- intervals ------------------------------------------------------------------------------------


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says():
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(300):
        low, high = bootstrap(np.mean, random.normal(size=20), draws=200) or (NAN, NAN)
        hits += low <= 0 <= high
    # A percentile interval of 20 samples covers about 92%; 300 trials have a standard error of 1.6%.
    assert 0.88 < hits / 300 < 0.97


def test_the_interval_of_a_mean_is_as_wide_as_theory_says():
    sample = np.random.default_rng(2).normal(3.0, 2.0, size=400)
    low, high = bootstrap(np.mean, sample, draws=4000) or (NAN, NAN)
    half = 1.96 * sample.std() / math.sqrt(400)
    assert low == pytest.approx(sample.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(sample.mean() + half, abs=0.1 * half)


def test_seeds_are_resampled_together_and_the_same_way_each_time():
    first = np.random.default_rng(3).normal(5, 1, size=(7, 2))
    assert bootstrap(lambda a, b: b.sum() / a.sum(), first, 2 * first) == pytest.approx((2, 2))
    assert bootstrap(np.median, first) == bootstrap(np.median, first)


def test_degenerate_intervals():
    assert bootstrap(np.median, np.array([5.0])) is None
    assert all(np.isnan(bootstrap(np.mean, np.zeros(0)) or ()))
    assert all(np.isnan(bootstrap(lambda sample: NAN, np.ones(3)) or ()))
    assert bootstrap(np.median, np.array([5.0, 5.0])) == (5, 5)
    # The median is that of the first seed, or of the last, in 7 of 27 draws of three each.
    assert bootstrap(np.median, np.array([5.0, 6.0, INF])) == (5, INF)
    assert bootstrap(np.median, np.array([INF, INF])) == (INF, INF)


def test_samples_of_different_seeds_are_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as users meet it
    with pytest.raises(ValueError, match="one number of seeds, got .2, 3."):
        bootstrap(lambda a, b: 0.0, np.zeros(2), np.zeros(3))


@pytest.mark.parametrize(("seeds", "open_ended"), [(3, True), (9, False)])
def test_undefined_replicates_open_the_interval_once_they_are_many(seeds, open_ended):
    """All draws being one seed, which has no spread, has a chance of 1/9 at three seeds, none at nine."""

    def spread(sample):
        return sample.std() if sample.std() > 0 else NAN

    interval = bootstrap(spread, np.arange(float(seeds))) or (NAN, NAN)
    assert (interval == (-INF, INF)) == open_ended
    assert open_ended or np.isfinite(interval).all()


# --- rank correlation -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3, 6, 20])
@pytest.mark.parametrize("ties", [False, True])
def test_spearman_is_that_of_scipy(size, ties):
    random = np.random.default_rng(size)
    for _ in range(10):
        first, second = random.normal(size=(2, size))
        if ties:
            first, second = np.round(first), np.round(2 * second)
        if len(set(first)) > 1 and len(set(second)) > 1:
            expected = scipy.stats.spearmanr(first, second).statistic
            assert spearman(first, second, draws=10)[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_the_p_value_is_that_of_all_permutations(seed):
    random = np.random.default_rng(seed)
    first = random.normal(size=6)
    second = np.round(first * [0, 1, -1, 2, -2, 0][seed] + random.normal(size=6), seed % 2)
    observed, p = spearman(first, second)
    every = [scipy.stats.spearmanr(first, order).statistic for order in itertools.permutations(second)]
    exact = np.mean(np.sign(observed) * np.array(every) >= abs(observed) - 1e-9)
    error = math.sqrt(exact * (1 - exact) / 10_000)
    assert p == pytest.approx(exact, abs=4 * error + 2e-4)


def test_degenerate_correlations():
    line = np.arange(5.0)
    assert spearman(line, line)[0] == 1 and spearman(line, -line)[0] == -1
    assert spearman(line, line, draws=99)[1] >= 1 / 100
    assert all(np.isnan(spearman(line, np.ones(5))))
    assert all(np.isnan(spearman(line, np.array([0, 1, NAN, 3, 4]))))
    assert all(np.isnan(spearman(np.zeros(0), np.zeros(0))))
    assert spearman(line, np.array([0, 1, 2, INF, INF]))[0] == pytest.approx(
        scipy.stats.spearmanr(line, [0, 1, 2, 9, 9]).statistic
    )


# --- several at once ------------------------------------------------------------------------------


@pytest.mark.parametrize("need", [1, 2, 3])
def test_a_combination_is_decided_once_what_is_undecided_cannot_change_it(need):
    for verdicts in itertools.product(Verdict, repeat=3):
        worlds = itertools.product(
            *([True, False] if one == Verdict.UNDECIDED else [one == Verdict.HOLDS] for one in verdicts)
        )
        outcomes = {sum(world) >= need for world in worlds}
        expected = Verdict.UNDECIDED
        if len(outcomes) == 1:
            expected = Verdict.HOLDS if outcomes.pop() else Verdict.FAILS
        found = combined([Judgement(one, seeds=2, runs=4) for one in verdicts], need=need)
        assert found.verdict == expected
        assert found.value == verdicts.count(Verdict.HOLDS) and (found.seeds, found.runs) == (2, 4)
    assert combined([Judgement(Verdict.HOLDS)], note="mine").note == "mine"
    assert combined([Judgement(Verdict.FAILS)] * 2).note == "0 of 2 hold, 2 needed"


@pytest.mark.parametrize(("count", "need"), [(0, None), (2, 3), (2, 0)])
def test_a_combination_that_makes_no_sense_is_refused(count, need):
    with pytest.raises(ValueError, match=f"`need` must lie from 1 to the {count} judgements"):
        combined([Judgement(Verdict.HOLDS)] * count, need=need)
