"""The decoder of sums against plain NumPy, and representations between a line and chaos."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from afterfit.models import AdditionDecoder, split_trainable
from afterfit.tasks import Addition, TeacherStudent


SIZES = Addition().data(0).sizes
KEY = jax.random.key(3)


def table(**fields):
    model = AdditionDecoder(hidden=(5,), **fields).build(SIZES, key=KEY)
    shown = model.representation
    return np.asarray(getattr(shown, "value", shown))


def test_outputs_are_those_of_a_plain_network_on_the_sum():
    model = AdditionDecoder(hidden=(7, 6), activation="tanh").build(SIZES, key=KEY)
    x = np.asarray(model.representation)[[4, 9]].sum(axis=0)
    for layer in model.layers:
        x = np.tanh(x @ np.asarray(layer.weight) + np.asarray(layer.bias))
    expected = x @ np.asarray(model.readout.weight) + np.asarray(model.readout.bias)
    np.testing.assert_allclose(model(jnp.array([4, 9])), expected, atol=1e-6)
    np.testing.assert_allclose(model.batched(jnp.array([[9, 4], [4, 9]])), [expected] * 2, atol=1e-6)


def test_messiness_goes_from_a_line_to_chaos_in_a_straight_way():
    line, chaos, between = (table(messiness=m) for m in (0.0, 1.0, 0.3))
    np.testing.assert_allclose(line[:, 0], np.linspace(-1, 1, 10), atol=1e-6)
    assert 0.1 < np.abs(line[:, 1]).max() <= 0.3
    assert np.abs(chaos).max() <= 1 and abs(np.corrcoef(chaos[:, 0], line[:, 0])[0, 1]) < 0.9
    np.testing.assert_allclose(between, 0.3 * chaos + 0.7 * line, atol=1e-6)
    np.testing.assert_allclose(table(messiness=0.0, off_line=0.0)[:, 1], 0)


def test_the_scale_is_the_decoders_alone():
    plain, scaled = (
        AdditionDecoder(hidden=(5,), decoder_scale=scale).build(SIZES, key=KEY) for scale in (1.0, 3.0)
    )
    np.testing.assert_allclose(np.asarray(scaled.representation), np.asarray(plain.representation))
    np.testing.assert_allclose(scaled.layers[0].weight, 3 * plain.layers[0].weight, rtol=1e-6)
    np.testing.assert_allclose(
        *(np.asarray(one.readout.bias) * by for one, by in ((scaled, 1), (plain, 3))), rtol=1e-6
    )


def test_parameters_are_those_of_the_paper_and_a_frozen_representation_is_none():
    frozen, learned = (
        split_trainable(AdditionDecoder(learned=learned).build(SIZES, key=KEY))[0]
        for learned in (False, True)
    )
    count = lambda tree: sum(leaf.size for leaf in jax.tree.leaves(tree))
    assert (count(frozen), count(learned)) == (46_830, 46_830 + 20)
    norm = np.sqrt(sum(float(jnp.sum(leaf**2)) for leaf in jax.tree.leaves(frozen)))
    assert norm == pytest.approx(13.31, rel=0.02)  # what uniform weights and biases give on average


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: AdditionDecoder(hidden=(0,)), "hidden must consist of integers of at least 1"),
        (lambda: AdditionDecoder(dimension=0), "dimension must consist of integers of at least 1"),
        (lambda: AdditionDecoder(activation="rely"), "did you mean 'relu'"),
        (
            lambda: AdditionDecoder().build(TeacherStudent().data(0).sizes, key=KEY),
            "an AdditionDecoder reads tokens",
        ),
    ],
)
def test_what_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
