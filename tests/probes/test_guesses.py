"""Random networks against a loop over the same ones, and against exact solid angles."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from spheres import at_rest, moment_of, orthant, Signs, vectors

import afterfit as af
from afterfit.ensemble import silent
from afterfit.probes import _guesses, RandomNetworks
from afterfit.probes._guesses import drawn
from afterfit.statistics import exact_interval


@eqx.filter_jit
def measured(probe, moment):
    return probe(moment)


def looped(moment, samples, good):
    """Counts, mean and histogram from network after network in NumPy: 3-4-1 tanh, all answers positive."""
    points = np.asarray(jax.vmap(lambda number: drawn(moment, number))(jnp.arange(samples)), float)
    train, inputs = int(moment.data.train_count), np.asarray(moment.data.inputs, float)
    test = inputs[train : train + int(moment.data.test_count)]
    accuracies = []
    for point in points:
        first, bias, last = point[:12].reshape(3, 4), point[12:16], point[16:20]
        answer = lambda x, at=point, w=first, b=bias, v=last: np.tanh(x @ w + b) @ v + at[20] > 0
        if answer(inputs[:train]).all():
            accuracies.append(answer(test).mean())
    return {
        "samples": samples,
        "fits": len(accuracies),
        "good": np.sum(np.asarray(accuracies) >= good - 1e-9),
        "test_accuracy": np.mean(accuracies),
        "histogram": np.histogram(np.minimum(np.asarray(accuracies) + 1e-9, 1), bins=20, range=(0, 1))[0],
    }


@pytest.mark.parametrize("chunk", [1 << 21, 24 * 4 * 21], ids=["one chunk", "chunks of 24"])
def test_counts_are_those_of_a_loop(chunk, monkeypatch):
    monkeypatch.setattr(_guesses, "CHUNK_BYTES", chunk)
    # Ten training examples: two rounds of checks, the second not full; 20 examples to test; some padding.
    task = Signs(tuple((*v[:2], v[2] + 2.5) for v in vectors(30, 3, seed=1)), train=10, capacity=40)
    moment = moment_of(at_rest(task, hidden=(4,)))
    found = measured(RandomNetworks(samples=500, good=0.9), moment)
    expected = looped(moment, 500, good=0.9)
    assert 20 < expected["good"] < expected["fits"] < 250
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize(("count", "dimension"), [(2, 2), (2, 50), (3, 3), (3, 20)])
def test_linear_models_have_the_exact_solid_angle(count, dimension):
    given = vectors(count + 1, dimension, seed=count)
    moment = moment_of(at_rest(Signs(given, train=count)))
    found = measured(RandomNetworks(samples=100_000), moment)
    low, high = exact_interval(int(found["fits"]), 100_000, confidence=0.999)
    assert low <= orthant(given[:count]) <= high


def test_the_tested_share_is_a_ratio_of_solid_angles():
    given = vectors(3, 4, seed=7)
    found = measured(RandomNetworks(samples=100_000, good=1.0), moment_of(at_rest(Signs(given, train=2))))
    low, high = exact_interval(int(found["good"]), int(found["fits"]), confidence=0.999)
    assert low <= orthant(given) / orthant(given[:2]) <= high
    assert found["test_accuracy"] == pytest.approx(float(found["good"] / found["fits"]), rel=1e-5)
    assert found["histogram"][-1] == found["good"] == found["fits"] - found["histogram"][0]


def test_networks_have_the_moments_norm():
    moment = moment_of(at_rest(Signs(vectors(2, 3, seed=0), train=1), hidden=(4,)))
    norm = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(moment.parameters)))
    assert np.linalg.norm(drawn(moment, 5)) == pytest.approx(norm, rel=1e-6)


def test_nothing_fits_a_contradiction():
    given = ((1.0, 2.0), (-1.0, -2.0), (1.0, 0.0))
    found = measured(RandomNetworks(samples=100), moment_of(at_rest(Signs(given, train=2))))
    assert found["fits"] == found["good"] == 0
    assert np.isnan(found["test_accuracy"])


def test_it_is_a_probe_of_a_pack():
    """The same in a sweep as alone; the scale of a tanh network matters, and `good` is a number of a lane."""
    task = Signs(vectors(8, 3, seed=3), train=2)
    probes = tuple(RandomNetworks(samples=300, good=good) for good in (0.5, 0.8))
    axes = {"parametrisation.init_scale": [0.1, 3.0], "seed": [0, 1]}
    data = af.sweep(at_rest(task, probes[0], hidden=(4,)), axes).run(display=silent)
    fits = data["random_networks/fits"].squeeze("step", drop=True)
    assert fits.shape == (2, 2) and len(np.unique(fits)) > 1
    other = af.sweep(at_rest(task, probes[1], hidden=(4,), alpha=3.0), {"seed": [0, 1]}).run(display=silent)
    np.testing.assert_array_equal(fits[1], other["random_networks/fits"].squeeze("step"))
    lenient = data["random_networks/good"].sel({"parametrisation.init_scale": 3.0})
    assert (other["random_networks/good"] < lenient).all()


@pytest.mark.parametrize(
    ("changes", "message"), [({"samples": 0}, "at least 1"), ({"good": 90}, "from 0 to 1, got 90")]
)
def test_settings_out_of_range_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(RandomNetworks(), **changes)
