"""Multilayer perceptrons: the saving against the plain form, counts, initial moments, errors."""

import math

import equinox as eqx
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from afterfit.models import call_batch, MLP, split_trainable
from afterfit.tasks import Sizes


KEY = jax.random.key(0)


def tokens_of(symbols, places=2, outputs=None):
    return Sizes(jax.ShapeDtypeStruct((places,), jnp.int32), outputs or symbols, symbols)


def vectors_of(*shape, outputs=3):
    return Sizes(jax.ShapeDtypeStruct(shape, jnp.float32), outputs)


def count(model):
    return sum(leaf.size for leaf in jax.tree.leaves(split_trainable(model)[0]))


def bias_of(layer):
    assert layer.bias is not None
    return layer.bias


def assert_same_function(model, inputs, tolerance):
    """Values and parameter gradients of `batched` equal those of the plain form, vmapped."""
    weights = jax.random.normal(jax.random.key(9), jax.eval_shape(jax.vmap(model), inputs).shape)

    def value_and_gradient(call):
        def loss(model):
            outputs = call(model)
            return jnp.sum(weights * outputs**2), outputs

        return eqx.filter_jit(eqx.filter_grad(loss, has_aux=True))(model)

    plain_gradient, plain = value_and_gradient(lambda model: jax.vmap(model)(inputs))
    gradient, outputs = value_and_gradient(lambda model: model.batched(inputs))
    # Relative to the largest entry of each array: small entries are sums of large ones that cancel.
    pairs = zip(jax.tree.leaves((plain, plain_gradient)), jax.tree.leaves((outputs, gradient)), strict=True)
    for expected, got in pairs:
        assert jnp.max(jnp.abs(expected - got)) <= tolerance * jnp.max(jnp.abs(expected))


@hypothesis.settings(max_examples=6)
@hypothesis.given(
    symbols=st.integers(2, 6),
    places=st.integers(1, 3),
    hidden=st.sampled_from([(), (5,), (5, 4)]),
    bias=st.booleans(),
    activation=st.sampled_from(["relu", "tanh", "square", "identity"]),
)
def test_lookup_equals_one_hot_product(symbols, places, hidden, bias, activation):
    with jax.enable_x64(True):
        arch = MLP(hidden, activation, bias=bias, output_bias=not bias)
        model = arch.build(tokens_of(symbols, places), key=KEY)
        assert model.readout.weight.dtype == jnp.float64
        inputs = jax.random.randint(jax.random.key(1), (7, places), 0, symbols)
        assert_same_function(model, inputs, 1e-12)


@pytest.mark.parametrize("hidden", [(), (6,), (6, 5)])
def test_real_inputs_of_any_shape(hidden):
    with jax.enable_x64(True):
        model = MLP(hidden).build(vectors_of(2, 3), key=KEY)
        assert_same_function(model, jax.random.normal(KEY, (4, 2, 3)), 1e-12)


def test_integer_images_are_read_as_numbers():
    model = MLP((4,)).build(Sizes(jax.ShapeDtypeStruct((2, 2), jnp.uint8), 3), key=KEY)
    inputs = jnp.arange(8, dtype=jnp.uint8).reshape(2, 2, 2)
    np.testing.assert_allclose(model.batched(inputs), model.batched(inputs.astype(jnp.float32)), rtol=1e-6)


def test_forward_mode_works_through_the_lookup():
    """Linearised models and Hessian products differentiate forwards."""
    model = MLP((5,), "tanh").build(tokens_of(4), key=KEY)
    inputs = jnp.array([[0, 1], [3, 3]])
    _, slope = jax.jvp(lambda m: m.batched(inputs), (model,), (model,))
    _, expected = jax.jvp(lambda m: jax.vmap(m)(inputs), (model,), (model,))
    np.testing.assert_allclose(slope, expected, rtol=1e-5)


def test_network_of_clauw_2024():
    model = MLP(hidden=(250,), output_bias=False).build(tokens_of(97), key=KEY)
    assert model.layers[0].weight.shape == (194, 250)
    assert model.readout.weight.shape == (250, 97)
    assert count(model) == 194 * 250 + 250 + 250 * 97


def test_uniform_start_is_that_of_pytorch():
    layer = MLP((300,)).build(vectors_of(100), key=KEY).layers[0]
    limit = 1 / math.sqrt(100)
    # The largest of 30 000 uniform draws lies within 0.1 % of the limit but for a chance of e^-30.
    assert 0.999 * limit < jnp.max(jnp.abs(layer.weight)) <= limit
    assert 0.9 * limit < jnp.max(jnp.abs(bias_of(layer))) <= limit
    # Five standard errors: the square of a uniform draw has mean limit^2/3 and deviation 0.298 limit^2.
    assert abs(jnp.mean(layer.weight**2) / limit**2 - 1 / 3) < 5 * 0.298 / math.sqrt(30_000)


def test_normal_start():
    layer = MLP((300,), init="normal").build(vectors_of(100), key=KEY).layers[0]
    # Five standard errors of a variance of normal draws, sqrt(2 / count).
    assert abs(jnp.mean(layer.weight**2) * 100 - 1) < 5 * math.sqrt(2 / 30_000)
    assert not jnp.any(bias_of(layer))


def test_zero_starts():
    model = MLP((4,), zero_readout=True).build(vectors_of(3), key=KEY)
    assert jnp.any(model.layers[0].weight) and jnp.any(bias_of(model.layers[0]))
    assert not jnp.any(model.readout.weight) and not jnp.any(bias_of(model.readout))
    assert not any(
        jnp.any(leaf) for leaf in jax.tree.leaves(MLP((), init="zeros").build(vectors_of(3), key=KEY))
    )


def test_a_new_layer_moves_no_other():
    one, two = (MLP(hidden).build(vectors_of(3), key=KEY) for hidden in [(4,), (4, 4)])
    assert jnp.array_equal(one.layers[0].weight, two.layers[0].weight)
    assert jnp.array_equal(one.readout.weight, two.readout.weight)


def test_models_are_vmapped_over_keys():
    arch, inputs = MLP((5,)), jnp.array([[0, 1], [2, 2], [1, 0]])
    keys = jax.random.split(KEY, 3)
    models = jax.vmap(lambda key: arch.build(tokens_of(3), key=key))(keys)
    outputs = jax.jit(jax.vmap(call_batch, in_axes=(0, None)))(models, inputs)
    for key, got in zip(keys, outputs, strict=True):
        np.testing.assert_allclose(
            got, call_batch(arch.build(tokens_of(3), key=key), inputs), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activation": "rellu"}, "unknown activation 'rellu': did you mean 'relu'"),
        ({"init": "unifrom"}, "unknown init 'unifrom': did you mean 'uniform'"),
        ({"init": "?"}, "use one of 'uniform', 'normal', 'unit', 'zeros'"),
        ({"hidden": (4, 0)}, "hidden must consist of integers of at least 1, got 0"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        MLP(**settings)


def test_bad_inputs():
    graph = {"nodes": jax.ShapeDtypeStruct((3,), jnp.float32)}
    with pytest.raises(ValueError, match="one array"):
        MLP().build(Sizes(graph, 1), key=KEY)
