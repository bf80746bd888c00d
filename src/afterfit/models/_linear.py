"""A matrix with its bias."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ._base import named_key
from ._initial import INITIALISERS, zeros


class Linear(eqx.Module):
    """`inputs @ weight + bias`, along the last axis."""

    weight: Float[Array, "in out"]
    bias: Float[Array, " out"] | None

    def __call__(self, inputs: Float[Array, "*batch in"]) -> Float[Array, "*batch out"]:
        """Outputs for inputs with any axes in front."""
        return self.shift(inputs @ self.weight)

    def shift(self, products: Float[Array, "*batch out"]) -> Float[Array, "*batch out"]:
        """Products with the weight, however they were made, with the bias if there is one."""
        return products if self.bias is None else products + along(self.bias, products)


def along(vector: Float[Array, " width"], x: Float[Array, "*batch width"]) -> Float[Array, "*batch width"]:
    """A vector repeated over all axes of `x` but the last: promotion of ranks is never left to chance."""
    return jnp.broadcast_to(vector, x.shape)


def make_linear(init: str, fan_in: int, fan_out: int, *, bias: bool, key: Key[Array, ""]) -> Linear:
    """A layer under a named initialiser. Biases are uniform like the weights, and otherwise zero."""
    draw = INITIALISERS[init]
    draw_bias = draw if init == "uniform" else zeros
    return Linear(
        draw(named_key(key, "weight"), (fan_in, fan_out), fan_in),
        draw_bias(named_key(key, "bias"), (fan_out,), fan_in) if bias else None,
    )
