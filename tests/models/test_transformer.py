"""Transformers: every saving against the plain form, causality, counts, initial moments, dropout, errors."""

import dataclasses
import itertools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from afterfit.models import call_batch, nanda_transformer, split_trainable, Transformer
from afterfit.tasks import Sizes


KEY = jax.random.key(0)
POWER = Transformer(width=8, heads=2)
NANDA = nanda_transformer(width=8, heads=2)


def sizes(symbols, outputs=None):
    return Sizes(jax.ShapeDtypeStruct((2,), jnp.int32), outputs or symbols, symbols)


def all_pairs(symbols):
    return jnp.asarray(list(itertools.product(range(symbols), repeat=2)))


def count(model):
    return sum(leaf.size for leaf in jax.tree.leaves(split_trainable(model)[0]))


def made(arch, symbols=5, outputs=None):
    return jax.jit(lambda key: arch.build(sizes(symbols, outputs), key=key))(KEY)


@eqx.filter_jit
def answers(model, inputs, key=None):
    return call_batch(model, inputs, key)


@eqx.filter_jit
def plain_answers(model, inputs):
    return jax.vmap(model)(inputs)


def gradients(call, model, inputs):
    """Outputs and gradients in the parameters of a loss that weighs every logit differently."""
    parameters, rest = split_trainable(model)

    def loss(parameters):
        outputs = call(eqx.combine(parameters, rest), inputs)
        weights = jnp.cos(jnp.arange(outputs.size)).reshape(outputs.shape)
        return jnp.sum(weights * jax.nn.log_softmax(outputs)), outputs

    gradient, outputs = jax.jit(jax.grad(loss, has_aux=True))(parameters)
    return outputs, gradient


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("base", [POWER, NANDA], ids=["a op b =", "a b ="])
def test_savings_change_nothing(layers, base):
    with jax.enable_x64(True):
        model = made(dataclasses.replace(base, layers=layers))
        assert model.embedding.dtype == jnp.float64
        inputs = all_pairs(5)[:: 1 if layers == 3 else 8]  # more examples than symbols, and fewer
        plain = gradients(plain_answers, model, inputs)
        saved = gradients(answers, model, inputs)
        for expected, got in zip(jax.tree.leaves(plain), jax.tree.leaves(saved), strict=True):
            # Relative to the largest entry: small entries are sums of large ones that cancel.
            assert jnp.max(jnp.abs(expected - got)) <= 1e-12 * jnp.max(jnp.abs(expected))


@pytest.mark.parametrize(
    "settings",
    [
        {"layer_norm": False},
        {"positions": "learned"},
        {"mlp_bias": True, "mlp_width": 5},
        {"activation": "gelu", "heads": 4},
        {"init": "normal", "heads": 1},
        {"width": 7, "heads": 1},  # an odd number of sinusoids
    ],
)
def test_savings_change_nothing_in_variants(settings):
    with jax.enable_x64(True):
        model = made(dataclasses.replace(POWER, **settings), 4)
        inputs = all_pairs(4)
        np.testing.assert_allclose(
            answers(model, inputs), plain_answers(model, inputs), rtol=1e-10, atol=1e-12
        )


def test_earlier_positions_do_not_see_later_ones():
    """What the prefix tables rest on: `a` is computed without knowing `b` or `=`."""
    block = made(POWER).blocks[0]
    causal = jnp.tril(jnp.ones((4, 4), bool))

    def attended(x):
        return block.attention(x @ block.attention.query, *block.memory(x), causal)

    slope = jax.jit(jax.jacobian(attended))(jax.random.normal(KEY, (4, 8)))  # here, width, there, width
    seen = jnp.any(slope != 0, axis=(1, 3))
    np.testing.assert_array_equal(seen, causal)


def test_order_of_the_operands_matters():
    model = made(POWER)
    there, back = answers(model, jnp.array([[1, 3], [3, 1]]))
    assert jnp.max(jnp.abs(there - back)) > 0.01


@pytest.mark.parametrize(
    ("arch", "symbols", "parameters"),
    [
        (Transformer(), 97, 419_584),  # Power et al. 2022 with a vocabulary of the task alone
        (Transformer(), 120, 425_472),  # the same for the group S5
        (Transformer(width=64), 31, 103_040),
        (nanda_transformer(), 113, 226_816),  # Nanda et al. 2023
    ],
)
def test_number_of_parameters(arch, symbols, parameters):
    model = jax.eval_shape(lambda key: arch.build(sizes(symbols), key=key), KEY)
    assert sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(model)) == parameters


def test_logits_span_the_vocabulary():
    assert answers(made(POWER), all_pairs(5)).shape == (25, 7)
    assert answers(made(NANDA), all_pairs(5)).shape == (25, 6)
    assert answers(made(POWER, outputs=9), all_pairs(5)).shape == (25, 9)


def variance_is(weight, expected):
    # Five standard errors; sqrt(2 / count) is that of normal draws, and above that of uniform ones.
    assert abs(float(jnp.mean(weight**2)) / expected - 1) < 5 * math.sqrt(2 / weight.size)


def test_uniform_start_is_that_of_pytorch():
    model = made(Transformer(positions="learned"), 97)
    block = model.blocks[1]
    variance_is(model.embedding, 1)
    variance_is(model.positions, 1)
    for weight in (block.attention.query, block.attention.output, block.mlp.hidden.weight, model.unembedding):
        variance_is(weight, 1 / 128 / 3)
        assert jnp.max(jnp.abs(weight)) <= 1 / math.sqrt(128)
    variance_is(block.mlp.output.weight, 1 / 512 / 3)
    assert jnp.all(block.mlp_norm.gain == 1) and not jnp.any(block.mlp_norm.bias)


def test_normal_start_is_that_of_nanda_2023():
    model = made(nanda_transformer(), 113)
    (block,) = model.blocks
    for weight in (model.embedding, model.positions, block.attention.value, block.attention.output):
        variance_is(weight, 1 / 128)
    variance_is(block.mlp.hidden.weight, 1 / 128)
    variance_is(block.mlp.output.weight, 1 / 128)
    variance_is(model.unembedding, 1 / 114)
    assert not jnp.any(block.mlp.hidden.bias)
    assert block.attention_norm is None and block.mlp_norm is None


def test_a_new_block_moves_no_other():
    one, two = (made(dataclasses.replace(POWER, layers=n)) for n in (1, 2))
    assert eqx.tree_equal(one.blocks[0], two.blocks[0])
    assert jnp.array_equal(one.unembedding, two.unembedding)


def test_zero_readout_is_the_zero_function():
    model = made(dataclasses.replace(POWER, zero_readout=True))
    assert not jnp.any(answers(model, all_pairs(5)))
    assert jnp.any(model.embedding)


def test_sinusoids_are_not_trained_and_interleave():
    model = made(dataclasses.replace(POWER, dropout=0.1))
    parameters, _ = split_trainable(model)
    assert parameters.positions is None and parameters.dropout.value is None
    table = model._position_table()
    np.testing.assert_allclose(table[0], [0, 1] * 4)
    np.testing.assert_allclose(
        table[2, :4], [math.sin(2), math.cos(2), math.sin(0.2), math.cos(0.2)], rtol=1e-6
    )


def test_paths_of_parameters():
    parameters, _ = split_trainable(made(dataclasses.replace(NANDA, layer_norm=True)))
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(parameters)]
    parts = ["attention.query", "attention.key", "attention.value", "attention.output"]
    parts += ["mlp.hidden.weight", "mlp.hidden.bias", "mlp.output.weight", "mlp.output.bias"]
    parts += ["attention_norm.gain", "attention_norm.bias", "mlp_norm.gain", "mlp_norm.bias"]
    assert paths == [".embedding", ".positions", *(f".blocks[0].{part}" for part in parts), ".unembedding"]


@pytest.mark.parametrize("dropout_on", ["residual", "mlp"])
def test_dropout(dropout_on):
    arch = dataclasses.replace(POWER, dropout=0.3, dropout_on=dropout_on)
    model, inputs = made(arch), all_pairs(5)
    key = jax.random.key(3)
    without = answers(made(POWER), inputs)
    np.testing.assert_allclose(answers(model, inputs), without, rtol=1e-5, atol=1e-6)
    dropped = answers(model, inputs, key)
    assert jnp.array_equal(dropped, answers(model, inputs, key))
    assert not jnp.allclose(dropped, without, atol=1e-2)
    never = made(dataclasses.replace(arch, dropout=0.0))
    np.testing.assert_allclose(answers(never, inputs, key), without, rtol=1e-5, atol=1e-5)


def test_dropout_drops_a_branch_at_its_rate_and_keeps_its_mean():
    model = made(dataclasses.replace(POWER, dropout=0.3, dropout_on="mlp"))
    drop = model._dropout(0, KEY)
    x = jnp.ones((100, 100))
    assert jnp.array_equal(drop(x, "attention"), x)
    kept = drop(x, "mlp")
    # Five standard errors of a share of 10 000 coins.
    assert abs(jnp.mean(kept == 0) - 0.3) < 5 * math.sqrt(0.3 * 0.7 / 10_000)
    np.testing.assert_allclose(jnp.unique(kept), [0, 1 / 0.7], rtol=1e-6)


def test_dropout_rate_may_be_traced():
    """It is data: it may differ between lanes of one program."""

    def outputs(rate):
        arch = Transformer(width=8, heads=2, dropout=0.5)
        object.__setattr__(arch, "dropout", rate)  # as numbers are grafted into a recipe, past its checks
        return call_batch(made(arch), all_pairs(5), KEY)

    none, some = jax.jit(jax.vmap(outputs))(jnp.array([0.0, 0.4]))
    without = answers(made(POWER), all_pairs(5))
    np.testing.assert_allclose(none, without, rtol=1e-5, atol=1e-5)
    assert not jnp.allclose(none, some, atol=1e-2)


@pytest.mark.parametrize("arch", [POWER, NANDA], ids=["a op b =", "a b ="])
def test_models_are_vmapped_over_keys(arch):
    keys, inputs = jax.random.split(KEY, 3), all_pairs(5)
    models = jax.vmap(lambda key: arch.build(sizes(5), key=key))(keys)
    outputs = jax.jit(jax.vmap(call_batch, in_axes=(0, None)))(models, inputs)
    for key, got in zip(keys, outputs, strict=True):
        alone = answers(arch.build(sizes(5), key=key), inputs)
        np.testing.assert_allclose(got, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heads": 5}, r"got width=128 and heads=5: try heads=4 or 8, or width=125 or 130\."),
        ({"width": 2, "heads": 3}, r"try heads=2, or width=3\."),
        ({"width": 0}, "width must consist of integers of at least 1, got 0"),
        ({"layers": 0}, "layers must"),
        ({"mlp_width": 0}, "mlp_width must"),
        ({"positions": "sinusoid"}, "unknown positions 'sinusoid': did you mean 'sinusoidal'"),
        ({"init": "zeros"}, "unknown init 'zeros': use one of 'uniform', 'normal'"),
        ({"dropout_on": "attention"}, "unknown dropout_on"),
        ({"activation": "gelo"}, "did you mean 'gelu'"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        Transformer(**settings)


def test_bad_inputs():
    with pytest.raises(ValueError, match="two tokens"):
        Transformer().build(Sizes(jax.ShapeDtypeStruct((3,), jnp.int32), 5, 5), key=KEY)
    with pytest.raises(ValueError, match="two tokens"):
        Transformer().build(Sizes(jax.ShapeDtypeStruct((2,), jnp.float32), 5), key=KEY)
