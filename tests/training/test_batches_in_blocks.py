"""A gradient over blocks of a batch against the plain mean over its examples, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from afterfit.tasks import BinaryOperation, CrossEntropy
from afterfit.training._evaluation import batch_gradient, block_size, full_gradient
from afterfit.training._sampling import Batch


TASK = BinaryOperation("x+y", modulus=5, fraction=0.6)


def maker(parameters, block=0):
    del block
    return lambda inputs: jnp.tanh(parameters["rows"][inputs[:, 0]] * parameters["rows"][inputs[:, 1]])


def plain(parameters, data, positions):
    """One example after another."""
    rows = data.rows[positions]
    predict, objective = maker(parameters), CrossEntropy()
    losses = [objective.score(predict, data.inputs[r][None], data.targets[r][None]).loss[0] for r in rows]
    return sum(losses) / len(losses)


@pytest.fixture
def parameters():
    with jax.enable_x64(True):
        yield {"rows": jnp.asarray(np.random.default_rng(0).normal(size=(5, 5)))}


@pytest.mark.parametrize("count", [1, 4, 5, 8, 9])
@pytest.mark.parametrize("block", [4, 5, 9])
def test_minibatches(parameters, count, block):
    data, capacity = jax.tree.map(jnp.asarray, TASK.data(0)), 9
    positions = np.random.default_rng(1).permutation(15)[:capacity].astype(np.int32)
    valid = np.arange(capacity) < count
    batch = Batch(jnp.asarray(np.where(valid, positions, 0)), jnp.asarray(valid))
    together = lambda p: batch_gradient(
        maker, p, CrossEntropy(), jax.tree.map(jnp.asarray, data), batch, block
    )
    loss, gradient = together(parameters)
    wanted = jax.value_and_grad(plain)(parameters, data, positions[:count])
    np.testing.assert_allclose(loss, wanted[0], rtol=1e-12)
    np.testing.assert_allclose(gradient["rows"], wanted[1]["rows"], atol=1e-12)
    lanes = jax.vmap(together)(jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), parameters))
    np.testing.assert_allclose(lanes[1]["rows"][0], wanted[1]["rows"], atol=1e-12)


@pytest.mark.parametrize(("modulus", "fraction"), [(5, 0.6), (11, 0.3), (11, 0.5), (11, 0.8), (29, 0.7)])
def test_full_batches_of_one_block_two_halves_and_many(modulus, fraction):
    """25 examples are one block, 121 two halves, 841 blocks of 512."""
    with jax.enable_x64(True):
        parameters = {"rows": jnp.asarray(np.random.default_rng(2).normal(size=(modulus, modulus)))}
        data = jax.tree.map(jnp.asarray, BinaryOperation("x+y", modulus=modulus, fraction=fraction).data(3))
        loss, gradient = full_gradient(maker, parameters, CrossEntropy(), data, "train")
        rows = data.rows[: int(data.train_count)]

        def mean(p):
            return CrossEntropy().score(maker(p), data.inputs[rows], data.targets[rows]).loss.mean()

        wanted = jax.value_and_grad(mean)(parameters)
    np.testing.assert_allclose(loss, wanted[0], rtol=1e-12)
    np.testing.assert_allclose(gradient["rows"], wanted[1]["rows"], atol=1e-12)


def test_sizes_of_blocks():
    assert [block_size(capacity) for capacity in (1, 64, 65, 200, 512, 513, 9409)] == [
        1, 64, 33, 100, 256, 512, 512,
    ]  # fmt: skip
