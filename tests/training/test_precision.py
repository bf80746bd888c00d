"""Coarser matrix products against products of numbers that NumPy has rounded."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import afterfit as af
from afterfit.ensemble import silent
from afterfit.models import AbstractArchitecture, MLP
from afterfit.tasks import BinaryOperation
from afterfit.training._precision import in_precision


def rounded(x, bits):
    """To so many bits after the leading one, halves to even."""
    mantissa, exponent = np.frexp(np.asarray(x, np.float64))
    return np.ldexp(np.round(mantissa * 2 ** (bits + 1)) / 2 ** (bits + 1), exponent)


@pytest.mark.parametrize(("precision", "bits"), [("tf32", 10), ("bf16", 7)])
def test_products_and_their_derivatives_are_of_rounded_operands(precision, bits):
    x, y, g = (jax.random.normal(jax.random.key(i), (5, 5)) for i in range(3))
    square = lambda x, y: jax.nn.relu(x) @ y  # relu: an equation that must pass untouched
    product, pull = jax.vjp(lambda x, y: in_precision(precision, square, x, y), x, y)
    by_x, by_y = pull(g)
    positive = rounded(np.maximum(x, 0), bits)
    y_, g_ = rounded(y, bits), rounded(g, bits)
    np.testing.assert_allclose(product, positive @ y_, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(by_x, (g_ @ y_.T) * (np.asarray(x) > 0), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(by_y, positive.T @ g_, rtol=1e-6, atol=1e-6)
    assert np.abs(product - np.maximum(x, 0) @ y).max() > 2.0 ** -(bits + 3)  # it does round


def test_every_kind_of_derivative_passes():
    x, y = (jax.random.normal(jax.random.key(i), (5, 5)) for i in range(2))
    loss = lambda x: jnp.sum(jnp.tanh(in_precision("tf32", jnp.matmul, x, y)))
    exact = lambda x: jnp.sum(jnp.tanh(x @ y))
    along = lambda function: jax.jvp(function, (x,), (y,))[1]
    # 10 bits of each operand, sums of 5 products of order one.
    np.testing.assert_allclose(jax.grad(loss)(x), jax.grad(exact)(x), atol=2e-2)
    np.testing.assert_allclose(along(loss), along(exact), atol=5e-2)
    np.testing.assert_allclose(along(jax.grad(loss)), along(jax.grad(exact)), atol=0.1)
    many = jax.vmap(jax.grad(loss))(jnp.stack([x, y]))
    np.testing.assert_allclose(many[0], jax.grad(loss)(x), atol=1e-6)


def test_products_of_integers_stay_as_they_are():
    tokens = jnp.arange(9).reshape(3, 3)
    np.testing.assert_array_equal(in_precision("bf16", jnp.matmul, tokens, tokens), tokens @ tokens)


def test_float32_and_float64_stay_as_they_are():
    x = jax.random.normal(jax.random.key(0), (4, 4))
    for precision in ("float32", "float64"):
        np.testing.assert_array_equal(in_precision(precision, jnp.matmul, x, x), x @ x)


def test_training_in_coarser_products_departs_from_float32_by_their_rounding():
    experiment = af.Experiment(
        BinaryOperation("x+y", modulus=7), MLP(hidden=(16,)), af.AdamW(warmup=0), steps=3
    )
    data = af.sweep(experiment, {"precision": ["float32", "tf32", "bf16"]}).run(display=silent)
    losses = data["train_loss"].isel(step=-1).values
    departure = np.abs(losses[1:] / losses[0] - 1)
    assert (departure > 0).all() and departure[0] < 1e-3 and departure[1] < 1e-2


def test_what_cannot_be_rounded_is_refused():
    class Scanned(eqx.Module):
        weight: jax.Array

        def __call__(self, tokens):
            start = jax.nn.one_hot(tokens[0], 7)
            return jax.lax.scan(lambda x, _: (x @ self.weight, None), start, length=2)[0]

    @dataclasses.dataclass(frozen=True)
    class Recurrent(AbstractArchitecture):
        def build(self, sizes, *, key):
            return Scanned(jax.random.normal(key, (7, sizes.outputs)))

    experiment = af.Experiment(BinaryOperation("x+y", modulus=7), Recurrent(), steps=3, precision="bf16")
    with pytest.raises(ValueError, match="do not reach the products inside 'scan'"):
        af.sweep(experiment).run(display=silent)
