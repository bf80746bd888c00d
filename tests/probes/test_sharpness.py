"""Keskar's sharpness against a search over all corners, and against searches from many starts."""

import itertools

import jax
import numpy as np
import pytest
import scipy.optimize
from jax.flatten_util import ravel_pytree

import afterfit as af
from afterfit.ensemble import silent
from afterfit.models import MLP
from afterfit.probes import keskar_sharpness
from afterfit.tasks import BinaryOperation
from afterfit.training import Every


@pytest.fixture(scope="module")
def moments(tmp_path_factory):
    """A tiny network at its start and after it has fitted, in float64."""
    folder = tmp_path_factory.mktemp("store")
    experiment = af.Experiment(
        BinaryOperation("x+y", modulus=5, fraction=0.6),
        MLP(hidden=(6,), activation="tanh"),
        af.AdamW(learning_rate=1e-2),
        steps=150,
        snapshots=Every(150),
        record=Every(150),
    )
    plan = af.sweep(experiment)
    plan.run(folder, display=silent)
    kept = af.store.Store(folder).load([plan.runs[0].id])[0]
    return [plan.runs[0].moment(kept.snapshots[step], step, "float64") for step in (0, 150)]


def plain_loss(moment):
    """Mean training loss in NumPy, from the arrays of the network, and the flat weights."""
    examples = moment.examples("train")
    valid = np.asarray(examples.valid)
    inputs, targets = np.asarray(examples.inputs)[valid], np.asarray(examples.targets)[valid]
    with jax.enable_x64(True):
        flat, unravel = ravel_pytree(moment.parameters)
    tokens = np.concatenate([np.eye(5)[inputs[:, 0]], np.eye(5)[inputs[:, 1]]], axis=1)

    def loss(at):
        with jax.enable_x64(True):
            model = jax.tree.map(np.asarray, unravel(jax.numpy.asarray(at)))
        hidden = np.tanh(tokens @ model.layers[0].weight + model.layers[0].bias)
        logits = hidden @ model.readout.weight + model.readout.bias
        logits = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        return -logits[np.arange(len(targets)), targets].mean()

    return loss, np.asarray(flat)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("radius", [1e-3, 0.05])
def test_sharpness_in_a_subspace_is_that_of_a_thorough_search(moments, which, radius):
    loss, weights = plain_loss(moments[which])
    ours = keskar_sharpness(moments[which], radius=radius, dimension=3, draws=2)
    rises = []
    for draw in range(2):
        rows = np.random.default_rng([draw, 1]).uniform(-1, 1, (3, weights.size))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        box, inverse = radius * (np.abs(rows @ weights) + 1), np.linalg.pinv(rows)
        corners = [np.array(corner) for corner in itertools.product((-1.0, 0.0, 1.0), repeat=3)]
        rises.append(
            max(
                -scipy.optimize.minimize(
                    lambda unit: loss(weights) - loss(weights + inverse @ (box * unit)),
                    corner,
                    method="Nelder-Mead",
                    bounds=[(-1, 1)] * 3,
                    options={"xatol": 1e-6, "fatol": 1e-16, "maxfev": 60},
                ).fun
                for corner in corners
            )
        )
    expected = 100 * np.mean(rises) / (1 + loss(weights))
    assert ours > 0
    np.testing.assert_allclose(ours, expected, rtol=1e-3)


@pytest.mark.parametrize("which", [0, 1])
def test_sharpness_in_the_full_space_is_that_of_many_starts(moments, which):
    moment = moments[which]
    loss, weights = plain_loss(moment)
    box = 1e-3 * (np.abs(weights) + 1)
    generator = np.random.default_rng(0)
    with jax.enable_x64(True):
        _, unravel = ravel_pytree(moment.parameters)

        def slope(at):
            return np.asarray(ravel_pytree(moment.gradient("train", unravel(jax.numpy.asarray(at))))[0])

        best = 0.0
        for _ in range(20):
            at = weights + box * generator.choice([-1.0, 1.0], weights.size)
            for _ in range(30):  # from corner to corner: where the slope points is where the box ends
                after = weights + box * np.sign(slope(at))
                if np.array_equal(after, at):
                    break
                at = after
            best = max(best, loss(at) - loss(weights))
    expected = 100 * best / (1 + loss(weights))
    np.testing.assert_allclose(keskar_sharpness(moment, dimension=None), expected, rtol=1e-3)


def test_a_larger_box_allows_a_larger_rise(moments):
    small, large = (keskar_sharpness(moments[1], radius=radius, dimension=None) for radius in (5e-4, 1e-3))
    assert 0 < small < large


def test_what_it_cannot_measure_is_said(moments):
    with pytest.raises(ValueError, match="float64, got float32"):
        keskar_sharpness(moments[0].cast("float32"))
    with pytest.raises(ValueError, match="radius"):
        keskar_sharpness(moments[0], radius=0.0)
    with pytest.raises(ValueError, match="draws"):
        keskar_sharpness(moments[0], draws=0)
    experiment = af.Experiment(
        BinaryOperation("x+y", modulus=5), MLP(hidden=(4,)), steps=1, probes=(keskar_sharpness,)
    )
    with pytest.raises(ValueError, match="on the host"):
        af.sweep(experiment).run(display=silent)
