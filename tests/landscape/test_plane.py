"""The spline against SciPy's, inside of the grid and where it goes on outside."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.interpolate

from afterfit.landscape import Plane


def surfaces(seed):
    """The plane and SciPy's spline through random values at random places."""
    random = np.random.default_rng(seed)
    x, y = (np.cumsum(random.uniform(0.1, 1, count)) for count in (7, 5))
    values = random.normal(size=(7, 5))
    return Plane.fit(x, y, values), scipy.interpolate.RectBivariateSpline(x, y, values, s=0), x, y, values


@jax.jit
def everything(plane, x, y):
    """Value, gradient and second derivatives at many places."""
    value = jax.vmap(plane)(x, y)
    gradient = jax.vmap(jax.grad(lambda x, y: plane(x, y), argnums=(0, 1)))(x, y)
    second = jax.vmap(jax.hessian(lambda x, y: plane(x, y), argnums=(0, 1)))(x, y)
    return value, gradient, second


def derivatives(plane, x, y):
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, everything(plane, jnp.asarray(x), jnp.asarray(y)))


@hypothesis.given(st.integers(0, 10_000))
@hypothesis.settings(max_examples=20)
def test_inside_it_is_the_spline_of_scipy(seed):
    plane, spline, x, y, values = surfaces(seed)
    random = np.random.default_rng(seed + 1)
    at = random.uniform(x[0], x[-1], 30), random.uniform(y[0], y[-1], 30)
    value, gradient, second = derivatives(plane, *at)
    np.testing.assert_allclose(value, spline.ev(*at), atol=1e-9)
    for axis, orders in enumerate(({"dx": 1}, {"dy": 1})):
        np.testing.assert_allclose(gradient[axis], spline.ev(*at, **orders), atol=1e-8)
    for i, j, orders in ((0, 0, {"dx": 2}), (0, 1, {"dx": 1, "dy": 1}), (1, 1, {"dy": 2})):
        np.testing.assert_allclose(second[i][j], spline.ev(*at, **orders), atol=1e-7)
    corners = (np.repeat(x, 5)[:30], np.tile(y, 7)[:30])
    np.testing.assert_allclose(derivatives(plane, *corners)[0], values.ravel()[:30], atol=1e-12)


def test_outside_it_goes_on_in_straight_lines():
    plane, spline, x, y, _ = surfaces(3)
    away = np.linspace(0.01, 5, 30)
    inner = np.linspace(y[0], y[-1], 30)
    value, gradient, second = derivatives(plane, x[-1] + away, inner)
    edge, slope = spline.ev(x[-1], inner), spline.ev(x[-1], inner, dx=1)
    np.testing.assert_allclose(value, edge + slope * away, atol=1e-9)
    np.testing.assert_allclose(gradient[0], slope, atol=1e-9)
    np.testing.assert_allclose(second[0][0], 0, atol=1e-9)
    # Across each edge, and beyond a corner, the gradient has no step.
    for at in ((x[0], inner), (inner, np.full(30, y[-1])), (np.full(30, x[-1] + 1), np.full(30, y[0]))):
        at = np.broadcast_arrays(*at)
        before, after = (derivatives(plane, at[0] + shift, at[1] + shift)[1] for shift in (-1e-9, 1e-9))
        np.testing.assert_allclose(before, after, atol=1e-6)


def test_precision_follows_the_surroundings():
    plane, spline, x, y, _ = surfaces(5)
    assert plane(float(x[2]), float(y[2])).dtype == jnp.float32
    single = float(plane(1.0, 1.0))
    with jax.enable_x64(True):
        assert plane(1.0, 1.0).dtype == jnp.float64
        assert float(plane.at_norm(jnp.e, 1.0)) == pytest.approx(float(spline.ev(1.0, 1.0)), rel=1e-12)
        assert single == pytest.approx(float(plane(1.0, 1.0)), abs=1e-4)


def test_grids_are_checked():
    x, y = np.arange(4.0), np.arange(3.0)
    with pytest.raises(ValueError, match="`messiness` must be at least two increasing places"):
        Plane.fit(x, y[::-1], np.zeros((4, 3)))
    with pytest.raises(ValueError, match="`values` must be finite, got 12 that are not"):
        Plane.fit(x, y, np.full((4, 3), np.nan))
