"""Blocks of examples add up to what the whole set gives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import afterfit as af
from afterfit.models import MLP
from afterfit.tasks import BinaryOperation
from afterfit.training import Program, Seeds


@pytest.fixture(scope="module")
def moments():
    """Two fractions of the same table (several blocks each), trained a little, in float64."""
    found = []
    with jax.enable_x64(True):
        for fraction in (0.3, 0.8):
            task = BinaryOperation("x*y", modulus=37, fraction=fraction)
            experiment = af.Experiment(task, MLP(hidden=(8,)), precision="float64")
            program, recipe = Program(experiment, task.data(0).sizes), Program.recipe(experiment, Seeds.of(0))
            data = jax.tree.map(jnp.asarray, task.data(0))
            state = program.start(recipe, data)
            found.append((task.data(0), program.moment(recipe, data, state)))
    return found


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("split", ["train", "test"])
def test_scores_and_gradients_equal_those_of_the_whole_set(moments, which, split):
    data, moment = moments[which]
    start = 0 if split == "train" else int(data.train_count)
    count = int(data.train_count if split == "train" else data.test_count)
    rows = data.rows[start : start + count]

    def loss(parameters):
        model = moment.with_parameters(parameters)
        logits = jax.vmap(model)(jnp.asarray(data.inputs[rows]))
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(count), data.targets[rows]]), logits

    with jax.enable_x64(True):
        (mean, logits), gradient = jax.value_and_grad(loss, has_aux=True)(moment.parameters)
        scores = moment.scores(split)
        np.testing.assert_allclose(scores.loss, mean, rtol=1e-12)
        correct = np.asarray(logits.argmax(-1) == data.targets[rows])
        np.testing.assert_allclose(scores.correct, correct.mean(), rtol=1e-12)
        for ours, theirs in zip(*map(jax.tree.leaves, (moment.gradient(split), gradient)), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-15)


def test_examples_are_the_rows_of_the_split(moments):
    data, moment = moments[0]
    with jax.enable_x64(True):
        examples = moment.examples("test")
    rows = data.rows[int(data.train_count) : int(data.train_count + data.test_count)]
    assert (np.asarray(examples.inputs)[np.asarray(examples.valid)] == data.inputs[rows]).all()
