"""What is measured of a twin, by hand; and that a twin which is lost is not hidden."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import afterfit as af
from afterfit.ensemble import silent
from afterfit.models import MLP
from afterfit.probes import relative_change, twin
from afterfit.tasks import TeacherStudent


EXPERIMENT = af.Experiment(
    TeacherStudent(inputs=3, hidden=(4,), outputs=2, train=8, test=9),
    MLP(hidden=(5,), activation="tanh"),
    parametrisation=af.Parametrisation(output_scale=2.0, centred=False),
    steps=1,
    precision="float64",
)


@pytest.fixture(scope="module")
def moment():
    """A network at made-up weights, beside a twin at others."""
    with jax.enable_x64(True):
        run = af.sweep(EXPERIMENT).runs[0]
        data = EXPERIMENT.task.data(0)
        model = EXPERIMENT.model.build(data.sizes, key=jax.random.key(0))
        random = np.random.default_rng(0)
        named = {
            jax.tree_util.keystr(path): random.normal(size=leaf.shape)
            for path, leaf in jax.tree_util.tree_leaves_with_path(model)
            if hasattr(leaf, "shape")
        }
        found = run.moment(named, 5)
        its = jax.tree.map(lambda leaf: leaf + random.normal(size=leaf.shape), found.initial)
        return dataclasses.replace(found, twin=its)


def flat(parameters):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(parameters)])


def linear_outputs(moment, split):
    """The expansion from a dense Jacobian, one column a parameter, by central differences in NumPy."""
    data = moment.data
    rows = np.arange(8) if split == "train" else np.arange(8, 17)
    x, y = np.asarray(data.inputs)[rows].astype(float), np.asarray(data.targets)[rows].astype(float)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(moment.initial)]
    treedef = jax.tree.structure(moment.initial)

    def function(vector):
        pieces, start = [], 0
        for leaf in leaves:
            pieces.append(vector[start : start + leaf.size].reshape(leaf.shape))
            start += leaf.size
        model = jax.tree.unflatten(treedef, pieces)
        hidden = np.tanh(x @ model.layers[0].weight + model.layers[0].bias)
        return 2.0 * (hidden @ model.readout.weight + model.readout.bias)

    at, moved = flat(moment.initial), flat(moment.twin) - flat(moment.initial)
    change = sum(
        (function(at + 1e-5 * axis) - function(at - 1e-5 * axis)) / 2e-5 * step
        for axis, step in zip(np.eye(at.size), moved, strict=True)
    )
    return function(at) + change, function(flat(moment.parameters)), y


def test_losses_and_the_difference_by_hand(moment):
    """Central differences of step 1e-5 know a derivative of order one to about 1e-10."""
    with jax.enable_x64(True):
        found = {name: float(value) for name, value in twin(moment).items()}
    for split in ("train", "test"):
        linear, network, y = linear_outputs(moment, split)
        loss = ((linear - y) ** 2).mean(axis=1)
        assert found[f"{split}_loss"] == pytest.approx(loss.mean(), rel=1e-8)
        assert found[f"{split}_accuracy"] == (loss < 1e-3).mean()
    apart = ((network - linear) ** 2).mean() ** 0.5 / (linear**2).mean() ** 0.5
    assert found["difference"] == pytest.approx(apart, rel=1e-8) and apart > 0.1


def test_a_twin_that_is_lost_is_not_hidden(moment):
    """Not finite weights are a difference that is not known, and never one of 0."""
    with jax.enable_x64(True):
        for value in (np.nan, np.inf):
            lost = jax.tree.map(lambda leaf, value=value: jnp.full_like(leaf, value), moment.twin)
            found = twin(dataclasses.replace(moment, twin=lost))
            assert not float(found["difference"]) < 1e300
            assert not np.isfinite(float(found["train_loss"])) and float(found["test_accuracy"]) == 0
        far = jax.tree.map(lambda leaf: 1e200 * leaf, moment.twin)
        assert not float(twin(dataclasses.replace(moment, twin=far))["difference"]) < 0.9


def test_a_network_that_is_its_twin(moment):
    with jax.enable_x64(True):
        same = dataclasses.replace(moment, twin=moment.initial, parameters=moment.initial)
        # Not at step 0, where it would be 0 whatever the weights: rounding is all there may be.
        assert float(twin(same)["difference"]) < 1e-14


def test_a_run_without_a_twin_says_so():
    experiment = dataclasses.replace(EXPERIMENT, probes=(twin,))
    with pytest.raises(ValueError, match=r"`twin` needs a run that has one: Experiment\(..., twin=True\)"):
        af.sweep(experiment).run(display=silent)


def test_relative_change_by_hand(moment):
    with jax.enable_x64(True):
        found = float(relative_change(moment))
    start, now = flat(moment.initial), flat(moment.parameters)
    assert found == pytest.approx(np.linalg.norm(now - start) / np.linalg.norm(start), rel=1e-13)
