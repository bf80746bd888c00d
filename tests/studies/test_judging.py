"""Verdicts over seeds against answers that are planted."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from afterfit.statistics import Verdict
from afterfit.studies._judging import agreed, by_median, middle


HOLDS, FAILS, UNDECIDED = Verdict.HOLDS, Verdict.FAILS, Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("held", "verdict", "counted"),
    [
        ([True] * 5, HOLDS, "5 of 5 seeds"),
        ([True] * 4 + [False], HOLDS, "4 of 5 seeds"),
        ([True] * 4 + [None], HOLDS, "4 of 5 seeds"),
        ([True] * 3 + [False] * 2, UNDECIDED, "3 of 5 seeds"),
        ([False] * 4 + [True], FAILS, "1 of 5 seeds"),
        ([False] * 3 + [None] * 2, UNDECIDED, "0 of 5 seeds"),  # what is open is no failure
        ([None] * 5, UNDECIDED, "0 of 5 seeds"),
        ([True, True, False], UNDECIDED, "2 of 3 seeds"),  # two of three are no four fifths
        ([True], HOLDS, "1 of 1 seeds"),
        ([], UNDECIDED, "0 of 0 seeds"),
    ],
)
def test_a_claim_holds_where_four_fifths_of_the_seeds_do(held, verdict, counted):
    found = agreed(held, 0.5, runs=7, note="a note")
    assert (found.verdict, found.value, found.seeds, found.runs) == (verdict, 0.5, len(held), 7)
    assert found.note == f"a note; {counted}"
    assert agreed(held, runs=7).note == counted


@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=12), st.integers(0, 11))
def test_one_more_seed_that_holds_never_makes_it_worse(held, which):
    """Nor does turning an answer round leave the verdict on the other side."""
    order = [FAILS, UNDECIDED, HOLDS]
    better = list(held)
    better[which % len(held)] = True
    before, after = (order.index(agreed(answers, runs=1).verdict) for answers in (held, better))
    assert after >= before
    opposite = agreed([None if one is None else not one for one in held], runs=1).verdict
    assert order.index(opposite) == 2 - before


@pytest.mark.parametrize(
    ("values", "least", "most", "verdict"),
    [
        ([3.0, 4.0, 5.0, 6.0, 7.0], 2.0, np.inf, HOLDS),
        ([3.0, 4.0, 5.0, 6.0, 7.0], 8.0, np.inf, FAILS),
        ([3.0, 4.0, 5.0, 6.0, 7.0], 4.5, np.inf, UNDECIDED),  # the interval of the median reaches below
        ([3.0, 4.0, np.inf, np.inf, np.inf], 3.0, np.inf, HOLDS),  # censored times are late
        ([3.0, 4.0, np.inf, np.inf, np.inf], -np.inf, 2.0, FAILS),
        ([np.nan] * 3, 0.0, 1.0, UNDECIDED),
    ],
)
def test_medians_against_a_range(values, least, most, verdict):
    found = by_median(np.array(values), runs=9, least=least, most=most, note="why")
    assert found.verdict == verdict and (found.seeds, found.runs) == (len(values), 9)
    if not np.isnan(values).any():
        assert found.value == np.median(values)
        assert found.interval is not None
        assert found.interval[0] <= np.median(values) <= found.interval[1]


def test_a_seed_without_a_value_leaves_the_median_open():
    """It may lie anywhere."""
    assert by_median(np.array([3.0, 4.0, 5.0, 6.0, np.nan]), runs=5, least=2.0).verdict == UNDECIDED


def test_the_middle_of_what_is_known():
    assert middle([1.0, 5.0, 2.0]) == 2.0
    assert middle(np.array([[1.0, np.nan], [3.0, 2.0]])) == 2.0
    assert middle(value for value in (1.0, np.inf, np.inf)) == np.inf
    assert np.isnan(middle([])) and np.isnan(middle([np.nan]))
