"""LSTMs: PyTorch's outputs and gradients, the saving against the plain form, padding, counts, errors."""

import functools

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from afterfit.models import call_batch, LSTM, split_trainable
from afterfit.tasks import Sizes


SMALL = LSTM(embedding=3, hidden=4, layers=2)
SHALLOW = LSTM(embedding=3, hidden=4, layers=1)  # where depth adds nothing but compilation
SYMBOLS = 6
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}  # relative, in norm
# Padding on the left, on the right, inside and nowhere.
TEXTS = np.array([[0, 0, 3, 1, 5], [2, 2, 4, 0, 0], [1, 0, 0, 5, 0], [5, 4, 3, 2, 1]], np.int32)


def sizes_of(length, outputs=2, symbols=SYMBOLS):
    return Sizes(jax.ShapeDtypeStruct((length,), jnp.int32), outputs, symbols)


def made(arch=SMALL, length=5, seed=0, **sizes):
    return jax.jit(lambda key: arch.build(sizes_of(length, **sizes), key=key))(jax.random.key(seed))


def relative(got, expected):
    return np.linalg.norm(np.asarray(got) - expected) / np.linalg.norm(expected)


def by_path(model):
    leaves = jax.tree_util.tree_leaves_with_path(model)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def plain(model, texts):
    return jax.vmap(model)(jnp.asarray(texts))


def fast(model, texts):
    return model.batched(jnp.asarray(texts))


def value_and_gradient(call, model, texts):
    def loss(model):
        outputs = call(model, texts)
        return jnp.sum(jnp.arange(1.0, outputs.size + 1).reshape(outputs.shape) * outputs**2), outputs

    gradient, outputs = jax.jit(jax.grad(loss, has_aux=True))(model)
    return outputs, by_path(gradient)


def torch_parts(torch, model, layers):
    """`torch.nn.LSTM`, its embedding and readout with the weights of a model; and parameters by our paths."""
    p = {path: torch.tensor(leaf) for path, leaf in by_path(model).items()}
    dtype, (inputs, hidden) = p[".embedding"].dtype, (p[".embedding"].shape[1], p[".readout.weight"].shape[0])
    embedding = torch.nn.Embedding(*p[".embedding"].shape, dtype=dtype)
    lstm = torch.nn.LSTM(inputs, hidden, layers, batch_first=True, dtype=dtype)
    readout = torch.nn.Linear(hidden, p[".readout.bias"].shape[0], dtype=dtype)
    names = {"input_weight": "weight_ih", "state_weight": "weight_hh"}
    names |= {"input_bias": "bias_ih", "state_bias": "bias_hh"}
    ours = {".embedding": embedding.weight, ".readout.weight": readout.weight, ".readout.bias": readout.bias}
    for index in range(layers):
        for name, theirs in names.items():
            ours[f".layers[{index}].{name}"] = getattr(lstm, f"{theirs}_l{index}")
    assert ours.keys() == p.keys()
    for path, parameter in ours.items():
        parameter.data.copy_(p[path] if path == ".embedding" else p[path].T if p[path].ndim == 2 else p[path])
    return embedding, lstm, readout, ours


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_same_outputs_and_gradients_as_pytorch(precision):
    torch = pytest.importorskip("torch")
    with jax.enable_x64(precision == "float64"):
        model = made()
        embedding, lstm, readout, parameters = torch_parts(torch, model, SMALL.layers)
        words = [torch.tensor(text[text != 0], dtype=torch.long) for text in TEXTS]
        packed = torch.nn.utils.rnn.pack_sequence([embedding(text) for text in words], enforce_sorted=False)
        expected = readout(lstm(packed)[1][0][-1])
        weights = torch.arange(1.0, expected.numel() + 1, dtype=expected.dtype).reshape(expected.shape)
        (weights * expected**2).sum().backward()
        assert str(expected.detach().numpy().dtype) == precision
        for call in (plain, fast):
            outputs, gradients = value_and_gradient(call, model, TEXTS)
            assert relative(outputs, expected.detach().numpy()) < TOLERANCE[precision]
            for path, parameter in parameters.items():
                theirs = parameter.grad.numpy() if path == ".embedding" else parameter.grad.numpy().T
                assert relative(gradients[path], theirs) < TOLERANCE[precision], path


@pytest.mark.parametrize(("layers", "symbols"), [(1, 50), (3, SYMBOLS)])
def test_the_saving_is_exact(layers, symbols):
    assert SYMBOLS < TEXTS.size < 50  # a table of all symbols, and a product for each token
    with jax.enable_x64(True):
        model = made(LSTM(3, 4, layers), symbols=symbols)
        outputs, gradients = value_and_gradient(fast, model, TEXTS)
        expected, expected_gradients = value_and_gradient(plain, model, TEXTS)
        assert relative(outputs, expected) < 1e-10
        for path, gradient in gradients.items():
            assert relative(gradient, expected_gradients[path]) < 1e-10, path


def test_the_derivatives_that_probes_take():
    """Forward mode, and forward over reverse, against differences of values and of gradients."""
    with jax.enable_x64(True):
        model = made(SHALLOW)
        keys = iter(jax.random.split(jax.random.key(3), 99))
        towards = jax.tree.map(lambda leaf: jax.random.normal(next(keys), leaf.shape), model)

        @jax.jit
        def moved(t):
            at = jax.tree.map(lambda leaf, to: leaf + t * to, model, towards)
            return jax.value_and_grad(lambda m: jnp.sum(fast(m, TEXTS) ** 2))(at)

        derivatives = jax.jit(lambda t: jax.jvp(moved, (t,), (jnp.ones(()),))[1])(jnp.zeros(()))
        differences = jax.tree.map(lambda up, down: (up - down) / 2e-5, moved(1e-5), moved(-1e-5))
        for one, other in zip(*map(jax.tree.leaves, (derivatives, differences)), strict=True):
            assert relative(one, other) < 1e-8


def test_in_lanes_and_loops():
    """`vmap` over models, `lax.map`, and gradient steps inside `lax.while_loop`."""
    models = jax.vmap(lambda key: SHALLOW.build(sizes_of(5), key=key))(jax.random.split(jax.random.key(1), 3))

    def trained(model, steps):
        def step(state):
            left, model = state
            gradient = jax.grad(lambda m: jnp.sum(fast(m, TEXTS) ** 2))(model)
            return left - 1, jax.tree.map(lambda p, g: p - 0.1 * g, model, gradient)

        return jax.lax.while_loop(lambda state: state[0] > 0, step, (steps, model))[1]

    wide = jax.jit(jax.vmap(trained))(models, jnp.array([0, 1, 4]))
    mapped = jax.jit(lambda *all_: jax.lax.map(lambda one: trained(*one), all_))(models, jnp.array([0, 1, 4]))
    for one, other, start in zip(*map(jax.tree.leaves, (wide, mapped, models)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(other[0], start[0])
        assert not np.allclose(other[2], start[2])


ROOM = 6  # places of every text of the property below, so that it compiles once
CALL = jax.jit(call_batch)
model_of_the_property = functools.cache(lambda: made(length=ROOM))


@hypothesis.given(
    st.lists(st.integers(1, SYMBOLS - 1), max_size=ROOM).flatmap(
        lambda words: st.tuples(st.just(words), st.permutations([0] * (ROOM - len(words)) + [1] * len(words)))
    )
)
def test_padding_changes_nothing_wherever_it_stands(drawn):
    words, places = drawn
    scattered = np.zeros(ROOM, np.int32)
    scattered[np.array(places) == 1] = words
    left = np.array([0] * (ROOM - len(words)) + words, np.int32)
    right = np.array(words + [0] * (ROOM - len(words)), np.int32)
    model = model_of_the_property()
    outputs = np.asarray(CALL(model, np.stack([left, right, scattered])))
    np.testing.assert_array_equal(outputs[0], outputs[1])
    np.testing.assert_array_equal(outputs[0], outputs[2])
    if not words:
        np.testing.assert_array_equal(outputs[0], model.readout.bias)


def test_padding_of_any_length():
    model = made(SHALLOW)
    expected = CALL(model, TEXTS)
    padded = np.pad(TEXTS, ((0, 0), (7, 3)))
    np.testing.assert_allclose(CALL(model, padded), expected, rtol=1e-6)
    gradient = jax.jit(jax.grad(lambda model: jnp.sum(fast(model, padded))))(model)
    np.testing.assert_array_equal(gradient.embedding[0], np.zeros(3))


def test_counts_and_initial_values():
    paper = LSTM()
    shapes = jax.eval_shape(lambda: paper.build(sizes_of(500, 1, 1001), key=jax.random.key(0)))
    # torch.nn: Embedding(1001, 64), LSTM(64, 256, 2), Linear(256, 1).
    assert sum(leaf.size for leaf in jax.tree.leaves(split_trainable(shapes)[0])) == 920_385
    model = by_path(made(LSTM(embedding=50, hidden=25, layers=2), symbols=400))
    embedding = model.pop(".embedding")
    assert abs(embedding.mean()) < 0.03 and abs(embedding.std() - 1) < 0.03
    for path, leaf in model.items():
        assert np.abs(leaf).max() <= 1 / 5, path  # uniform in +-1/sqrt(25)
        assert leaf.size < 100 or np.abs(leaf).max() > 0.95 / 5, path
    assert len({leaf.tobytes() for leaf in model.values()}) == len(model)


def test_a_token_outside_the_vocabulary_is_no_other_token():
    outputs = CALL(made(), np.array([[1, 2, 3, 4, 5], [1, 2, 3, 4, SYMBOLS]], np.int32))
    assert np.isfinite(outputs[0]).all() and np.isnan(outputs[1]).all()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (Sizes(jax.ShapeDtypeStruct((5,), jnp.float32), 2), "an LSTM reads texts .* got .* Try an MLP"),
        (sizes_of(5, symbols=None), "with `symbols`"),
        (sizes_of(0), "an LSTM reads texts"),
        (Sizes(jax.ShapeDtypeStruct((2, 2), jnp.int32), 2, 6), "an LSTM reads texts"),
        (Sizes((jax.ShapeDtypeStruct((2,), jnp.int32),), 2, 6), "an LSTM reads texts"),
        (sizes_of(5, symbols=1), "`symbols` must be at least 2 for an LSTM, got 1"),
    ],
)
def test_inputs_that_are_no_texts(sizes, message):
    with pytest.raises(ValueError, match=message):
        SMALL.build(sizes, key=jax.random.key(0))


@pytest.mark.parametrize("field", ["embedding", "hidden", "layers"])
def test_bad_widths(field):
    with pytest.raises(ValueError, match=f"{field} must consist of integers of at least 1, got 0"):
        LSTM(**{field: 0})
