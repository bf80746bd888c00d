"""Tempered volumes against exact solid angles and against guessing (the sampler: `test_annealing.py`)."""

import dataclasses
import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from spheres import assert_estimates, at_rest, moment_of, orthant, Signs, vectors

import afterfit as af
from afterfit.ensemble import silent
from afterfit.probes import RandomNetworks, TemperedVolume
from afterfit.statistics import exact_interval


QUICK = TemperedVolume(temperatures=10, replicas=8, chains=8, burn_in=20, moves=40, leaps=5)


@eqx.filter_jit
def measured(probe, moment):
    return probe(moment)


@pytest.mark.parametrize("count", [2, 3])
def test_linear_models_have_the_exact_solid_angle(count):
    given = vectors(count + 1, 5, seed=count)
    found = measured(QUICK, moment_of(at_rest(Signs(given, train=count, capacity=50))))
    assert_estimates(found["log_fraction"], math.log(orthant(given[:count])), spread=0.3)


def test_a_share_that_guesses_do_not_find():
    """An orthant of 20 coordinates, a millionth; the last example is orthogonal to all others."""
    axes = tuple(tuple(map(float, row)) for row in 10 * np.eye(21))
    found = measured(dataclasses.replace(QUICK, temperatures=20), moment_of(at_rest(Signs(axes, train=20))))
    assert_estimates(found["log_fraction"], -20 * math.log(2), spread=0.5)
    assert_estimates(found["test_accuracy"], 0.5, spread=0.3)


def test_what_is_said_of_small_networks_is_what_guesses_find():
    task = Signs(tuple((*v[:2], v[2] + 1.0) for v in vectors(30, 3, seed=1)), train=10)
    moment = moment_of(at_rest(task, hidden=(4,), alpha=2.0))
    tempered, guessed = measured(QUICK, moment), measured(RandomNetworks(samples=50_000), moment)
    for ours, (some, all_), spread in (
        (np.exp(tempered["log_fraction"]), (guessed["fits"], guessed["samples"]), 0.05),
        (tempered["good"], (guessed["good"], guessed["fits"]), 0.1),
    ):
        low, high = exact_interval(int(some), int(all_), confidence=0.999)
        ours = np.asarray(ours)
        assert ours.std(ddof=1) < spread
        error = 3.3 * ours.std(ddof=1) / math.sqrt(len(ours))
        assert low - error < ours.mean() < high + error
    np.testing.assert_allclose(np.mean(tempered["test_accuracy"]), guessed["test_accuracy"], atol=0.02)


def test_a_lower_loss_is_asked_for_by_epsilon_and_never_found_in_a_contradiction():
    moment = moment_of(at_rest(Signs(((1.0, 2.0), (-1.0, -2.0), (1.0, 0.0)), train=2)))
    below = eqx.filter_jit(lambda at: dataclasses.replace(QUICK, epsilon=at)(moment))
    fractions = [below(jnp.asarray(at)) for at in (0.6, 5.0)]
    assert (fractions[0]["log_fraction"] == -np.inf).all()  # the loss is at least ln 2
    assert np.isnan(fractions[0]["test_accuracy"]).all() and np.isnan(fractions[0]["good"]).all()
    np.testing.assert_allclose(fractions[1]["log_fraction"], 0, atol=1e-4)  # of all


def test_it_is_a_probe_of_a_pack():
    probe = dataclasses.replace(QUICK, temperatures=4, replicas=2, chains=2, burn_in=2, moves=3, beta=50.0)
    task = Signs(vectors(4, 3, seed=3), train=2)
    data = af.sweep(at_rest(task, probe, hidden=(4,)), {"seed": [0, 1]}).run(display=silent)
    assert data["tempered_volume/log_fraction"].shape == (2, 1, 2)
    assert data["tempered_volume/acceptance"].shape == (2, 1, 2, 4)
    np.testing.assert_allclose(data["tempered_volume/beta"][0, 0, [0, -1]], [0, 50], rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"beta": 0.0}, "above 0"),
        ({"good": 90}, "from 0 to 1"),
        ({"temperatures": 2}, "`temperatures` must be at least 3, got 2"),
    ],
)
def test_settings_out_of_range_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(QUICK, **changes)
