"""Record schedules."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from afterfit.training import At, Every, LogSpaced, Sustained


@given(last=st.integers(1, 10**7), per_decade=st.integers(1, 100))
def test_log_spaced_steps(last, per_decade):
    steps = LogSpaced(per_decade).steps(last)
    assert steps[0] == 0 and steps[-1] == last and (np.diff(steps) > 0).all()
    assert len(steps) <= per_decade * np.log10(last) + 3
    late = steps[(steps >= 10 * per_decade) & (steps < last)]
    if len(late) > 1:  # once rounding no longer shows, the ratio is 10 ** (1 / per_decade)
        assert np.allclose(np.diff(np.log10(late)), 1 / per_decade, rtol=0.15)


def test_others():
    assert Every(4).steps(10).tolist() == [0, 4, 8, 10]
    assert At((5, 0, 100, 5)).steps(50).tolist() == [0, 5]
    with pytest.raises(ValueError, match="at least 1 step"):
        Every(0)


def test_sustained_needs_an_unbroken_streak():
    rule = Sustained(level=0.9, records=3)
    assert rule.first_end(np.array([1, 1, 0, 1, 0.9, 1, 1.0])) == 5
    assert rule.first_end(np.array([1, 1, 0.0])) is None
