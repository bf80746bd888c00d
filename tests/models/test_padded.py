"""Dead parameters: they move norms and dimensions, and no output."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import afterfit as af
from afterfit.ensemble import silent
from afterfit.models import call_batch, MLP, Padded, split_trainable
from afterfit.tasks import Sizes, TeacherStudent


SIZES = Sizes(jax.ShapeDtypeStruct((3,), np.float32), 2)


def test_a_padded_model_is_the_model_it_pads():
    plain = MLP((50,), activation="tanh")
    model = Padded(plain, ratio=3).build(SIZES, key=jax.random.key(4))
    alone = plain.build(SIZES, key=jax.random.key(4))
    inputs = jnp.asarray(np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32))
    np.testing.assert_array_equal(call_batch(model, inputs), call_batch(alone, inputs))
    np.testing.assert_allclose(jax.vmap(model)(inputs), call_batch(alone, inputs), atol=1e-6)
    live = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(split_trainable(alone)[0])])
    assert model.dead.size == 3 * live.size
    # The same root mean square, within four standard errors of that of so many normal numbers.
    ratio = np.sqrt(np.mean(np.asarray(model.dead) ** 2) / np.mean(live**2))
    assert abs(ratio - 1) < 4 / np.sqrt(2 * model.dead.size)


@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_dead_parameters_decay_and_nothing_else(decay):
    """Adam divides by the size of gradients, so that a gradient of exactly 0 is what must come out."""
    plain = af.Experiment(
        TeacherStudent(inputs=3, hidden=(4,), outputs=2, train=9, test=9, pool=18),
        MLP((5,)),
        af.AdamW(1e-2, decay, warmup=0),
        steps=50,
        record=af.At((0, 50)),
    )
    padded = af.sweep(plain, {"model": {"no": {}, "yes": {"model": Padded(MLP((5,)), ratio=2)}}})
    data = padded.run(display=silent)
    np.testing.assert_allclose(*data["train_loss"].isel(step=-1).values, rtol=1e-5)
    squares = data["weight_norm"].values.astype(float) ** 2
    dead = squares[1] - squares[0]
    np.testing.assert_allclose(dead[1] / dead[0], (1 - 1e-2 * decay) ** 100, rtol=1e-3)


def test_a_ratio_is_a_whole_number():
    with pytest.raises(ValueError, match="`ratio` must be a whole number of at least 0, got -1"):
        Padded(MLP(), ratio=-1)
