"""Contours and boundaries of fields whose lines of constant value are known."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from afterfit.landscape import boundary, contours


X, Y = np.geomspace(0.1, 10, 21), np.linspace(0, 1, 6)


def test_a_plane_in_the_logarithm_has_straight_contours():
    values = np.log(X)[None, :] - Y[:, None]
    (line,) = contours(X, Y, values, 0.3, log_x=True)
    np.testing.assert_allclose(np.log(line[:, 0]), line[:, 1] + 0.3, atol=1e-12)
    assert set(Y) <= set(line[:, 1])
    # Larger values lie towards larger x, on the left of a line that goes down.
    assert line[0, 1] > line[-1, 1]
    assert contours(X, Y, values, 100.0) == []


def test_a_closed_contour_of_a_bowl():
    x, y = np.linspace(-1, 1, 201), np.linspace(-1, 1, 201)
    (line,) = contours(x, y, x[None, :] ** 2 + y[:, None] ** 2, 0.25)
    np.testing.assert_allclose(np.hypot(*line.T), 0.5, atol=1e-4)
    np.testing.assert_array_equal(line[0], line[-1])


def test_logarithmic_rows_and_missing_values():
    y = np.geomspace(1, 1000, 4)
    values = np.broadcast_to(np.log10(y)[:, None], (4, 21)).copy()
    (line,) = contours(X, y, values, 1.5, log_y=True)
    np.testing.assert_allclose(line[:, 1], 10**1.5)
    values[:, 10] = np.nan
    assert len(contours(X, y, values, 1.5, log_y=True)) == 2


def test_places_are_checked():
    with pytest.raises(ValueError, match="`y` must be at least two increasing places"):
        contours(X, Y[::-1], np.zeros((6, 21)), 0.5)
    with pytest.raises(ValueError, match="`x` must be positive for logarithms, got -1.0"):
        contours(X - 1.1, Y, np.zeros((6, 21)), 0.5, log_x=True)
    with pytest.raises(ValueError, match="`level` must be above 1e-08, got 0.0"):
        boundary(X, np.ones((2, 21)), 0.0)
    with pytest.raises(ValueError, match="`alpha` must be positive and increase"):
        boundary(X[::-1], np.ones((2, 21)), 0.1)


@hypothesis.given(st.floats(0.2, 3), st.floats(-1.5, 1.5), st.floats(-3, 0))
def test_a_power_law_crosses_where_it_does(exponent, shift, level):
    # log10 loss = -exponent (ln alpha - shift), linear in ln alpha.
    crossing = np.exp(shift - level / exponent)
    (found,) = boundary(X, 10 ** (-exponent * (np.log(X) - shift))[None, :], 10**level)
    if X[0] * 1.001 < crossing < X[-1] / 1.001:
        assert found == pytest.approx(crossing, rel=1e-9)
    elif not X[0] / 1.001 < crossing < X[-1] * 1.001:
        assert np.isnan(found)


def test_which_crossing():
    rows = np.array(
        [
            [1, 1e-3, 1, 1e-3],  # the one at the largest alpha
            [1, 1e-3, 1, 1],  # rises are none
            [1e-3, 1e-3, 1e-3, 1],
            [1, 1, 1, 1],
            [1, np.nan, 1e-3, 1e-3],  # between neighbours that are known
            [1, 0.1, 0, 0],  # a loss of 0 counts as 1e-8
        ]
    )
    alpha = np.array([1.0, 10.0, 100.0, 1000.0])
    found = boundary(alpha, rows, 0.1**1.5)
    wanted = [10**2.5, 10**0.5, np.nan, np.nan, 10.0, 10 ** (1 + 0.5 / 7)]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
