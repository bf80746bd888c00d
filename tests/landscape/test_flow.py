"""Flows with a closed form, flows along a wall, and the times that are predicted for them."""

import math
import typing

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

from afterfit.landscape import boundary_time, count_maxima, flow, Plane, predicted_time


# Surfaces as `jax.tree_util.Partial` of these: their settings are arrays, so that each is compiled once.


def bowl(stiffness, middle, pull, rest, norm, messiness):
    return 0.5 * stiffness * (norm - middle) ** 2 + 0.5 * pull * (messiness - rest) ** 2


def wall(slope, height, sharpness, norm, messiness):
    """Flat where ln w > m / slope, and a ramp on the other side: the mouth of an L for each m."""
    return height * sharpness * jax.nn.softplus((messiness - slope * jnp.log(norm)) / sharpness)


def surface(function, *numbers):
    return jax.tree_util.Partial(function, *(np.asarray(number, float) for number in numbers))


RATES: typing.Any = {"decoder_rate": 0.1, "representation_rate": 0.1}


def test_on_a_plain_decay_is_a_uniform_drift():
    path = flow(surface(bowl, 0, 0, 0, 0), (3.0, 0.4), decay=0.5, duration=100.0, **RATES)
    np.testing.assert_allclose(path.norm, 3 * np.exp(-0.05 * path.time), rtol=1e-6)
    np.testing.assert_allclose(path.messiness, 0.4, rtol=1e-12)
    np.testing.assert_allclose(path.speed, 0.05, rtol=1e-12)
    assert len(path.time) == 400 and path.time[0] == 0 and path.time[-1] == 100
    np.testing.assert_array_equal(path.train, 0)


@pytest.mark.parametrize("stiffness", [0.1, 1e5])
def test_in_a_bowl_it_is_the_closed_form_however_stiff(stiffness):
    decay, pull = 0.5, 0.2
    path = flow(surface(bowl, stiffness, 2.0, pull, 0.1), (3.0, 0.9), decay=decay, duration=100.0, **RATES)
    end = stiffness * 2 / (stiffness + decay)
    norm = end + (3 - end) * np.exp(-0.1 * (stiffness + decay) * path.time)
    messiness = 0.1 + 0.8 * np.exp(-0.1 * pull * path.time)
    np.testing.assert_allclose(path.norm, norm, rtol=1e-6)
    np.testing.assert_allclose(path.messiness, messiness, rtol=1e-6)
    np.testing.assert_allclose(
        path.train,
        0.5 * stiffness * (norm - 2) ** 2 + 0.5 * pull * (messiness - 0.1) ** 2,
        rtol=1e-4,
        atol=1e-5,
    )
    np.testing.assert_allclose(path.messiness_rate, -0.1 * pull * (messiness - 0.1), rtol=1e-5)


@pytest.mark.parametrize(("rest", "end"), [(-0.5, 0.0), (1.5, 1.0)])
def test_messiness_stops_at_the_ends_of_its_range(rest, end):
    path = flow(surface(bowl, 0, 0, 1.0, rest), (1.0, 0.5), decay=0.1, duration=100.0, **RATES)
    free = rest + (0.5 - rest) * np.exp(-0.1 * path.time)
    np.testing.assert_allclose(path.messiness, np.clip(free, 0, 1), atol=1e-6)
    assert (path.messiness[-1], path.messiness_rate[-1]) == pytest.approx((end, 0), abs=1e-8)


def arrival(path, messiness):
    """When m has fallen to a value."""
    return float(np.interp(-messiness, -path.messiness, path.time))


@pytest.mark.parametrize("decay", [0.03, 0.3])
@pytest.mark.parametrize(("degrees", "height"), [(30, 0.02), (60, 0.06)])
def test_time_to_slide_down_a_wall(decay, degrees, height):
    slope = math.tan(math.radians(degrees))
    path = flow(
        surface(wall, slope, 1.0, 1e-5),
        (math.exp(0.05), height),
        decay=decay,
        duration=0.2 / (0.1 * decay),
        **RATES,
    )
    measured = arrival(path, 1e-3 * height)
    predicted = predicted_time(0.05, height, math.radians(degrees), decay=decay, rate=0.1)
    assert measured == pytest.approx(predicted, rel=0.05)
    corner = height / slope
    slide = boundary_time(np.array([corner, 0.0]), np.array([height, 0.0]), decay=decay, **RATES)
    assert measured == pytest.approx((0.05 - corner) / (0.1 * decay) + slide, rel=0.02)
    # v while it drifts; while it slides v cos(theta) near w = 1, and exactly this:
    assert path.speed[0] == pytest.approx(0.1 * decay, rel=1e-6)
    sliding = np.flatnonzero((path.messiness < 0.8 * height) & (path.messiness > 0.2 * height))
    drag = 0.1 * decay / (1 + (slope / path.norm[sliding]) ** 2)
    assert path.speed[sliding] == pytest.approx(drag * math.sqrt(1 + slope**2), rel=0.01)


def test_unequal_rates_and_large_norms_need_the_integral():
    slope, height, decay = 1.5, 0.6, 0.1
    rates: typing.Any = {"decoder_rate": 0.1, "representation_rate": 0.002}
    # The wall as it stands begins at w = 1: here w runs from 1.5 down.
    path = flow(
        surface(wall, slope, 5.0, 1e-5),
        (math.exp(height / slope), height),
        decay=decay,
        duration=4000.0,
        **rates,
    )
    curve = np.array([height / slope, 0.0]), np.array([height, 0.0])
    exact = boundary_time(*curve, decay=decay, **rates)
    assert arrival(path, 1e-3) == pytest.approx(exact, rel=0.02)
    formula = predicted_time(height / slope, height, math.atan(slope), decay=decay, rate=0.1)
    assert exact > 5 * formula


def test_on_a_spline_of_a_wall_it_is_nearly_the_flow_on_the_wall():
    true = surface(wall, 1.0, 1.0, 0.05)
    log_norm, messiness = np.linspace(-0.5, 1, 31), np.linspace(0, 1, 21)
    with jax.enable_x64(True):
        values = jax.vmap(jax.vmap(true, (None, 0)), (0, None))(jnp.exp(log_norm), jnp.asarray(messiness))
    plane = Plane.fit(log_norm, messiness, np.asarray(values))
    setting: typing.Any = {"start": (math.exp(0.9), 0.5), "decay": 0.1, "duration": 150.0, **RATES}
    splined, exact = flow(plane.at_norm, **setting), flow(true, **setting)
    np.testing.assert_allclose(splined.norm, exact.norm, rtol=5e-3)
    np.testing.assert_allclose(splined.messiness, exact.messiness, atol=5e-3)
    np.testing.assert_allclose(splined.along(plane.at_norm), splined.train, atol=1e-12)
    np.testing.assert_allclose(splined.along(true), splined.train, atol=5e-4)


def test_a_loss_that_cannot_be_followed_is_named():
    with pytest.raises(ValueError, match="`loss` must be smooth and finite on the way"):
        flow(surface(bowl, np.nan, 0, 0, 0), (1.0, 0.5), decay=0.1, duration=1.0, **RATES)
    fields: typing.Any = {"start": (1.0, 0.5), "decay": 0.1, "duration": 1.0, **RATES}
    for wrong, message in (
        ({"start": (0.0, 0.5)}, "`start` must be"),
        ({"start": (1.0, 1.5)}, "`start` must be"),
        ({"decay": -1.0}, "`decay` must not be negative"),
        ({"duration": 0.0}, "`duration` must be above 0"),
    ):
        with pytest.raises(ValueError, match=message):
            flow(surface(bowl, 0, 0, 0, 0), **(fields | wrong))


# --- times and curves ---------------------------------------------------------------------------------


@hypothesis.given(st.floats(0.01, 2), st.floats(0, 1), st.floats(0, 1.5), st.floats(0.01, 3))
def test_the_formula_is_drift_and_slide(length, height, angle, decay):
    rate = 0.2
    time = predicted_time(length, height, angle, decay=decay, rate=rate)
    if angle > 0.01:
        drift = (length - height / math.tan(angle)) / (rate * decay)
        slide = height / math.sin(angle) / (rate * decay * math.cos(angle))
        assert time == pytest.approx(drift + slide, rel=1e-9, abs=1e-9)
    else:
        assert time == pytest.approx((length + height * angle) / (rate * decay), rel=1e-3)


def test_the_integral_is_that_of_a_curve():
    rates = {"decoder_rate": 0.3, "representation_rate": 0.05}
    log_norm = np.linspace(0.2, 1.4, 2001)

    def density(x):  # of M = sin(ln w): dM/dw = cos(ln w) / w
        return 1 / 0.3 + (math.cos(x) * math.exp(-x)) ** 2 / 0.05

    exact = scipy.integrate.quad(density, 0.2, 1.4)[0] / 0.7
    assert boundary_time(log_norm, np.sin(log_norm), decay=0.7, **rates) == pytest.approx(exact, rel=1e-6)
    back = boundary_time(log_norm[::-1], np.sin(log_norm)[::-1], decay=0.7, **rates)
    assert back == pytest.approx(exact, rel=1e-6)
    # Near w = 1, with one rate, it is the formula without a drift before.
    ends = np.array([0.0, 1e-6]), np.array([0.0, 2e-6])
    formula = predicted_time(1e-6, 2e-6, math.atan(2), decay=0.7, rate=0.3)
    same = {"decoder_rate": 0.3, "representation_rate": 0.3}
    assert boundary_time(*ends, decay=0.7, **same) == pytest.approx(formula, rel=1e-5)


def test_a_vertical_boundary_holds_for_ever():
    assert boundary_time(np.array([1.0, 1.0, 0.5]), np.array([1.0, 0.5, 0.5]), decay=0.1, **RATES) == math.inf
    repeated = boundary_time(np.array([1.0, 1.0, 0.5]), np.array([0.5, 0.5, 0.5]), decay=0.1, **RATES)
    assert repeated == pytest.approx(0.5 / 0.01)
    with pytest.raises(ValueError, match="`log_norm` must fall or rise throughout"):
        boundary_time(np.array([1.0, 0.2, 0.5]), np.zeros(3), decay=0.1, **RATES)
    with pytest.raises(ValueError, match="`decay` must be above 0, got 0"):
        boundary_time(np.array([1.0, 0.2]), np.zeros(2), decay=0.0, **RATES)
    with pytest.raises(ValueError, match="`angle` must be in"):
        predicted_time(1.0, 1.0, 90.0, decay=0.1, rate=0.1)


def test_maxima_that_stand_out_are_counted():
    x = np.linspace(0, 4 * math.pi, 500)
    assert count_maxima(np.sin(x), prominence=0.1) == 2
    assert count_maxima(np.sin(x) + 0.01 * np.sin(40 * x), prominence=0.1) == 2
    assert count_maxima(-x, prominence=0.1) == 0
    assert count_maxima(0.05 * np.sin(x), prominence=0.2) == 0
