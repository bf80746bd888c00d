"""Shapes of planted rows, and what a change of units must not change."""

import math

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from afterfit.landscape import critical_size, l_shape, mismatch, u_shape, zone_width


ALPHA = np.geomspace(0.1, 10, 11)
LOGS = np.log10(ALPHA)
PARABOLA = 10 ** (LOGS**2 - 3)  # a loss: one decade of rise for each end


def test_a_parabola_is_a_u():
    shape = u_shape(ALPHA, PARABOLA)
    assert shape.holds and shape.interior
    assert shape.minimum == pytest.approx(1) and shape.least == pytest.approx(1e-3)
    assert shape.left_rise == pytest.approx(1) and shape.right_rise == pytest.approx(1)


@pytest.mark.parametrize(
    ("values", "kind", "holds"),
    [
        (10 ** (0.5 * LOGS**2 - 3), "loss", True),  # half a decade, just
        (10 ** (0.49 * LOGS**2 - 3), "loss", False),
        (0.1 + 0.1 * LOGS**2, "error", True),
        (0.1 + 0.09 * LOGS**2, "error", False),
        (10**-LOGS, "loss", False),  # falls throughout
        (np.where(LOGS < 0, 10**-LOGS, 1e-9), "loss", False),  # an L
        (np.where(LOGS < 0, 1.0, 1e-9 * 10**LOGS), "loss", False),  # rises below the floor are none
        (np.full(11, 0.5), "error", False),
        (np.full(11, np.nan), "error", False),
    ],
)
def test_u(values, kind, holds):
    assert u_shape(ALPHA, values, kind=kind).holds is holds


@pytest.mark.parametrize(
    ("values", "kind", "holds"),
    [
        (np.where(LOGS < -0.5, 1e-3, 1e-6), "loss", True),
        (np.where(LOGS < -0.5, 1e-7, 1e-12), "loss", True),  # one decade above the floor of 1e-8
        (np.where(LOGS < -0.5, 9e-8, 1e-12), "loss", False),
        (np.where(LOGS < -0.5, 1e-3, np.where(LOGS > 0.9, 2e-5, 1e-6)), "loss", False),  # rises again
        (np.where(LOGS < -0.5, 1e-3, np.where(LOGS > 0.9, 1e-5, 1e-6)), "loss", True),  # within tolerance
        (np.where(LOGS < -0.5, 1.0, np.where(LOGS > 0.9, 0.04, 0.01)), "loss", True),  # within 5 floors
        (np.where(LOGS < -0.5, 0.35, 0.05), "error", True),
        (np.where(LOGS < -0.5, 0.34, 0.05), "error", False),
        (np.where(LOGS < 0.9, 1.0, 1e-6), "loss", False),  # nothing beyond the knee
        (PARABOLA, "loss", False),
        (np.full(11, np.nan), "loss", False),
    ],
)
def test_l(values, kind, holds):
    assert l_shape(ALPHA, values, kind=kind).holds is holds


def test_an_l_tells_its_numbers():
    shape = l_shape(ALPHA, np.where(LOGS < -0.5, 0.1, np.where(LOGS > 0.9, 2e-4, 1e-4)))
    assert (shape.floor, shape.knee, shape.beyond) == (1e-4, pytest.approx(10**-0.4), 2e-4)
    assert shape.height == pytest.approx(3) and shape.low == pytest.approx(5e-4)
    assert (
        not l_shape(ALPHA, np.where(LOGS < 0, 1, 0.03), kind="error", tolerance=0.02).beyond > shape.low * 100
    )


@hypothesis.given(st.lists(st.floats(1e-6, 1e3), min_size=11, max_size=11), st.floats(1e-2, 1e2))
def test_shapes_of_a_loss_do_not_depend_on_its_unit_nor_on_gaps(values, unit):
    row = np.array(values)
    one, other = u_shape(ALPHA, row), u_shape(3 * ALPHA, unit * row)
    hypothesis.assume(row.min() * unit > 1e-8)
    assert one.left_rise == pytest.approx(other.left_rise, abs=1e-9)
    assert one.right_rise == pytest.approx(other.right_rise, abs=1e-9)
    assert zone_width(ALPHA, row) == pytest.approx(zone_width(3 * ALPHA, unit * row), abs=1e-6)
    wide, gaps = np.insert(ALPHA, 4, 0.5 * (ALPHA[3] + ALPHA[4])), np.insert(row, 4, np.nan)
    assert u_shape(wide, gaps) == one
    assert zone_width(wide, gaps) == zone_width(ALPHA, row)


def test_zone_width_on_analytic_rows():
    fine = np.geomspace(0.1, 10, 4001)
    # |log10 alpha| is twice the least at log10 2, and interpolation in logarithms is exact there.
    assert zone_width(ALPHA, 10 ** np.abs(LOGS)) == pytest.approx(2 * math.log10(2))
    error = 0.2 + np.log10(fine) ** 2
    assert zone_width(fine, error, kind="error") == pytest.approx(2 * math.sqrt(0.05), rel=1e-3)
    assert zone_width(ALPHA, 10**LOGS) == pytest.approx(math.log10(2))  # cut off at the left end
    assert math.isnan(zone_width(ALPHA, np.full(11, np.nan)))


def test_mismatch_is_the_integral_over_decades():
    train, test = np.zeros(11), np.maximum(LOGS, 0)
    assert mismatch(ALPHA, train, test) == pytest.approx(0.5)
    assert mismatch(ALPHA, test, test) == 0
    # Ends between the points of the grid, and a point missing on a straight line, cost nothing.
    gap = np.where(np.arange(11) == 8, np.nan, test)
    assert mismatch(ALPHA, train, gap, low=2, high=5) == pytest.approx(
        (np.log10(5) ** 2 - np.log10(2) ** 2) / 2
    )
    for low, high in ((0.01, 1), (1, 20), (5, 2)):
        with pytest.raises(ValueError, match="`low` and `high` must lie in order within 0.1 to 10"):
            mismatch(ALPHA, train, test, low=low, high=high)


def test_critical_size_is_the_tip_of_the_thumb():
    size, least = np.array([10, 100, 1000, 10000]), np.array([np.nan, 0.5, 0.2, 0.3])
    assert critical_size(size, least, 0.5) == 100
    assert critical_size(size[::-1], least[::-1], 0.4) == 1000
    assert critical_size(size, least, 0.1) == math.inf


def test_rows_are_checked():
    with pytest.raises(ValueError, match="`alpha` must be positive and increase"):
        u_shape(ALPHA[::-1], PARABOLA)
    with pytest.raises(ValueError, match="`values` must not be negative, got -1.0"):
        l_shape(ALPHA, np.where(LOGS > 0, -1.0, 1.0))
