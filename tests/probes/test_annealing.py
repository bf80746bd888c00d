"""Shares of a sphere against closed forms."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from spheres import assert_estimates

from afterfit.probes._annealing import climb, ladder, log_partitions, log_weights, sphere_log_fraction, Walk


REPLICAS = 8
WALK = Walk(chains=16, burn_in=30, moves=60, leaps=5)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def visited(loss, dimension, walk, radius, betas):
    like = jnp.full(dimension, radius / dimension**0.5)
    one = lambda key: climb(jax.value_and_grad(loss), lambda point: point, like, betas, walk, key)
    return jax.lax.map(one, jax.random.split(jax.random.key(0), REPLICAS))


def first(point):
    return -point[0]


def bowl(point):
    return 0.5 * jnp.sum(point[:8] ** 2)


@pytest.fixture(scope="module")
def linear():
    """Losses linear on the sphere: von Mises and Fisher's distribution."""
    betas = ladder(40.0, 12, span=100.0)
    return betas, visited(first, 10, WALK, 2.0, betas)


def test_partition_function_of_a_linear_loss_is_a_bessel_function(linear):
    """Z(k) = Gamma(d/2) (2/k)^(d/2 - 1) I_(d/2 - 1)(k) with k = beta times the radius."""
    betas, found = linear
    logs = np.asarray(jax.vmap(lambda losses: log_partitions(losses, betas))(found.losses))
    order = 10 / 2 - 1
    for level in (4, 8, 11):
        k = 2.0 * float(betas[level])
        truth = scipy.special.gammaln(order + 1) - order * np.log(k / 2)
        truth += np.log(scipy.special.ive(order, k)) + k
        assert_estimates(logs[:, level], truth, spread=0.2)


def test_mean_loss_of_a_level_is_that_of_its_distribution(linear):
    """-r I_(d/2)(k) / I_(d/2 - 1)(k): the derivative of log Z."""
    betas, found = linear
    for level in (0, 5, 11):
        k = 2.0 * float(betas[level])
        truth = -2.0 * scipy.special.ive(5, k) / scipy.special.ive(4, k) if k else 0.0
        assert_estimates(np.asarray(found.losses)[:, level].mean(axis=1), truth, spread=0.1)


@pytest.mark.parametrize("cosine", [0.3, 0.8, 0.97])
def test_a_cap_is_an_incomplete_beta_function(linear, cosine):
    """Half of I_(sin^2)((d - 1) / 2, 1 / 2); the smallest has 3e-6 of the sphere."""
    betas, found = linear
    weights = jax.vmap(lambda losses: log_weights(losses, betas))(found.losses)
    inside = found.observed[..., 0] >= 2 * cosine
    logs = jax.nn.logsumexp(jnp.where(inside, weights, -jnp.inf), axis=(1, 2))
    truth = np.log(scipy.special.betainc(9 / 2, 1 / 2, 1 - cosine**2) / 2)
    assert_estimates(logs, truth, spread=0.3)


def test_acceptance_is_what_was_asked_for(linear):
    acceptance = np.asarray(linear[1].acceptance)
    assert (acceptance[:, 0] > 0.999).all()  # no loss, no error
    assert (np.abs(acceptance[:, -3:] - 0.8) < 0.15).all()


def test_points_stay_on_the_sphere(linear):
    np.testing.assert_allclose(np.linalg.norm(linear[1].observed, axis=-1), 2.0, rtol=1e-5)


def test_quadratic_loss():
    """Squares of 8 of 12 coordinates sum to a share s ~ Beta(4, 2) of the squared radius.

    So Z(beta) = 1F1(4; 6; -beta r^2 / 2), and the share with a loss below epsilon is an incomplete beta
    function: here 2e-7 of the sphere.
    """
    betas = ladder(200.0, 14, span=1000.0)
    found = visited(bowl, 12, WALK, 1.5, betas)
    logs = jax.vmap(lambda losses: log_partitions(losses, betas))(found.losses)[:, -1]
    k = 0.5 * 200 * 1.5**2
    assert_estimates(logs, np.log(scipy.special.hyp1f1(4, 6, -k)), spread=0.4)
    epsilon = 0.5 * 1.5**2 * 0.0145
    weights = jax.vmap(lambda losses: log_weights(losses, betas))(found.losses)
    inside = jnp.where(found.losses <= epsilon, weights, -jnp.inf)
    truth = np.log(scipy.special.betainc(4, 2, 0.0145))
    assert_estimates(jax.nn.logsumexp(inside, axis=(1, 2)), truth, spread=0.4)


def test_the_whole_of_it_in_one_call():
    """A half-sphere, and nothing at all."""
    fraction = lambda event: sphere_log_fraction(
        first, event, 1.0, 3, jax.random.key(1), betas=ladder(5.0, 4), walk=WALK
    )
    np.testing.assert_allclose(fraction(lambda point: point[0] > 0), np.log(0.5), atol=0.1)
    assert fraction(lambda point: point[0] > 2) == -jnp.inf
    np.testing.assert_allclose(fraction(lambda point: point[0] < 2), 0, atol=1e-5)


def test_ladder():
    np.testing.assert_allclose(ladder(100.0, 4, span=100.0), [0, 1, 10, 100], rtol=1e-6)
