"""Named activations: what each model names, against forward passes written out in NumPy, and the errors."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from afterfit.models import (
    AdditionDecoder,
    call_batch,
    CommitteeMachine,
    GraphConvolution,
    LSTM,
    MLP,
    named,
    named_activations,
    nanda_transformer,
    Transformer,
)
from afterfit.tasks import Sizes


KEY = jax.random.key(1)
TOKENS = Sizes(jax.ShapeDtypeStruct((2,), jnp.int32), 7, 7)
TEXT = Sizes(jax.ShapeDtypeStruct((6,), jnp.int32), 2, 9)
VECTOR = Sizes(jax.ShapeDtypeStruct((5,), jnp.float64), 1)
MOLECULE = Sizes(
    {"atoms": jax.ShapeDtypeStruct((4, 3), jnp.float64), "bonds": jax.ShapeDtypeStruct((4, 4), jnp.int32)}, 1
)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def relu(x):
    return np.maximum(x, 0)


def numpy_of(model):
    return jax.tree.map(np.asarray, model)


def test_hidden_layers_of_an_mlp():
    model = MLP((6, 5), "tanh").build(TOKENS, key=KEY)
    found = named_activations(model, jnp.array([2, 5]))
    known = numpy_of(model)
    one_hot = np.eye(7)[[2, 5]].reshape(-1)
    first = np.tanh(one_hot @ known.layers[0].weight + known.layers[0].bias)
    second = np.tanh(first @ known.layers[1].weight + known.layers[1].bias)
    assert list(found) == ["layers[0]", "layers[1]"]
    np.testing.assert_allclose(found["layers[0]"], first, rtol=1e-6)
    np.testing.assert_allclose(found["layers[1]"], second, rtol=1e-6)


def test_the_stream_of_a_transformer():
    model = nanda_transformer(layers=2, width=8, heads=2, mlp_width=12).build(TOKENS, key=KEY)
    tokens = jnp.array([3, 6])
    found, known = named_activations(model, tokens), numpy_of(model)
    assert list(found) == [
        "embedding",
        *(f"blocks[{i}]{part}" for i in (0, 1) for part in (".attention", ".mlp.hidden", "")),
    ]
    stream = known.embedding[[3, 6, 7]] + known.positions
    np.testing.assert_allclose(found["embedding"], stream, rtol=1e-6)
    for index, block in enumerate(known.blocks):
        stream = stream + np.asarray(found[f"blocks[{index}].attention"])
        hidden = relu(stream @ block.mlp.hidden.weight + block.mlp.hidden.bias)
        np.testing.assert_allclose(found[f"blocks[{index}].mlp.hidden"], hidden, rtol=1e-6, atol=1e-12)
        stream = stream + hidden @ block.mlp.output.weight + block.mlp.output.bias
        np.testing.assert_allclose(found[f"blocks[{index}]"], stream, rtol=1e-6)
    np.testing.assert_allclose(stream[-1] @ known.unembedding, model(tokens), rtol=1e-6)


def test_the_attention_of_a_transformer():
    model = nanda_transformer(width=6, heads=1).build(TOKENS, key=KEY)
    found, known = named_activations(model, jnp.array([1, 2])), numpy_of(model)
    stream, parts = np.asarray(found["embedding"]), known.blocks[0].attention
    scores = (stream @ parts.query) @ (stream @ parts.key).T / np.sqrt(6)
    scores[np.triu_indices(3, 1)] = -np.inf
    pattern = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        found["blocks[0].attention"], pattern @ stream @ parts.value @ parts.output, rtol=1e-6
    )


def test_final_states_of_an_lstm():
    model = LSTM(embedding=3, hidden=4, layers=2).build(TEXT, key=KEY)
    text = jnp.array([4, 1, 8, 2, 0, 0])
    found, known = named_activations(model, text), numpy_of(model)
    sigmoid = lambda x: 1 / (1 + np.exp(-x))
    inputs = known.embedding[np.asarray(text)[:4]]
    for index, layer in enumerate(known.layers):
        hidden, cell, outputs = np.zeros(4), np.zeros(4), []
        for x in inputs:
            gates = x @ layer.input_weight + layer.input_bias + hidden @ layer.state_weight + layer.state_bias
            add, keep, candidate, out = np.split(gates, 4)
            cell = sigmoid(keep) * cell + sigmoid(add) * np.tanh(candidate)
            hidden = sigmoid(out) * np.tanh(cell)
            outputs.append(hidden)
        np.testing.assert_allclose(found[f"layers[{index}]"], hidden, rtol=1e-6)
        inputs = np.stack(outputs)


def test_atoms_of_a_graph_network():
    model = GraphConvolution(widths=(5, 4), edge_width=3, readout=6).build(MOLECULE, key=KEY)
    inputs = {
        "atoms": jax.random.normal(KEY, (4, 3), float).at[3].set(0),
        "bonds": jnp.zeros((4, 4), jnp.int32).at[0, 1].set(1).at[1, 0].set(1),
    }
    found, known = named_activations(model, inputs), numpy_of(model)
    assert list(found) == ["convolutions[0]", "convolutions[1]", "pooled", "hidden"]
    h = np.asarray(inputs["atoms"])
    for index, layer in enumerate(known.convolutions):
        edge = relu(layer.hidden.weight[0] + layer.hidden.bias)  # of the one bond, 0-1, which is single
        theta = (edge @ layer.entries.weight + layer.entries.bias).reshape(layer.root.shape)
        received = np.zeros((4, theta.shape[1]))
        received[[0, 1]] = h[[1, 0]] @ theta
        h = relu(received + h @ layer.root + layer.bias)
        np.testing.assert_allclose(found[f"convolutions[{index}]"], h, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(found["pooled"], h[:3].sum(axis=0), rtol=1e-6)
    hidden = relu(h[:3].sum(axis=0) @ known.hidden.weight + known.hidden.bias)
    np.testing.assert_allclose(found["hidden"], hidden, rtol=1e-6)
    np.testing.assert_allclose(hidden @ known.readout.weight + known.readout.bias, model(inputs), rtol=1e-6)


def test_units_of_a_committee_and_layers_of_a_decoder():
    committee = CommitteeMachine(width=4, nonlinearity=0.5).build(VECTOR, key=KEY)
    x = jax.random.normal(KEY, (5,), float)
    h = np.asarray(committee.hidden) @ np.asarray(x)
    found = named_activations(committee, x)["hidden"]
    np.testing.assert_allclose(found, h + 0.25 * h**2, rtol=1e-6)
    reduced = CommitteeMachine(width=40, nonlinearity=0.5, reduced=True).build(VECTOR, key=KEY)
    assert named_activations(reduced, x) == {}
    decoder = AdditionDecoder(hidden=(5, 4), activation="tanh").build(TOKENS, key=KEY)
    found, known = named_activations(decoder, jnp.array([1, 3])), numpy_of(decoder)
    assert list(found) == ["sum", "layers[0]", "layers[1]"]
    x = known.representation[1] + known.representation[3]
    np.testing.assert_allclose(found["sum"], x, rtol=1e-6)
    for index, layer in enumerate(known.layers):
        x = np.tanh(x @ layer.weight + layer.bias)
        np.testing.assert_allclose(found[f"layers[{index}]"], x, rtol=1e-6)


@pytest.mark.parametrize(
    ("model", "sizes", "inputs"),
    [
        (MLP((6,)), TOKENS, jnp.array([[1, 2]])),
        (Transformer(layers=1, width=8, heads=2), TOKENS, jnp.array([[1, 2]])),
        (LSTM(3, 4, 1), TEXT, jnp.array([[1, 2, 0, 0, 0, 0]])),
    ],
)
def test_names_are_not_in_the_program(model, sizes, inputs, monkeypatch):
    """Neither in the plain form nor in that of batches: compiled code is the same with and without."""
    built = model.build(sizes, key=KEY)
    parameters, rest = eqx.partition(built, eqx.is_array)

    def texts():
        plain = jax.make_jaxpr(lambda p: eqx.combine(p, rest)(inputs[0]))(parameters)
        batch = jax.make_jaxpr(lambda p: call_batch(eqx.combine(p, rest), inputs))(parameters)
        return str(plain), str(batch)

    named_ones = texts()
    for module in ("_mlp", "_transformer", "_lstm", "_block"):
        monkeypatch.setattr(f"afterfit.models.{module}.named", lambda x, name: x)
    assert texts() == named_ones


def test_one_name_twice():
    with pytest.raises(ValueError, match="two activations are called 'x'"):
        named_activations(lambda inputs: named(named(inputs, "x") + 1, "x"), jnp.ones(2))


@pytest.mark.parametrize("wrap", [jax.jit, jax.vmap, lambda f: lambda x: jax.lax.map(f, x)])
def test_a_name_inside_a_transformation(wrap):
    with pytest.raises(ValueError, match="inside a loop or a transformation"):
        named_activations(lambda inputs: wrap(lambda x: named(x, "x"))(inputs), jnp.ones(2))
    assert wrap(lambda x: named(x, "x"))(jnp.ones(2)).shape == (2,)


def test_an_error_in_the_model_leaves_nothing_behind():
    def broken(inputs):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        named_activations(broken, jnp.ones(2))
    assert named(jnp.ones(2), "x").shape == (2,)
