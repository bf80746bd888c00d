"""Where training starts: the distributions from which parameters are drawn.

Weights are stored as [in, out]. Draws are made in float32 and then widened to JAX's default type, so
that a run in float64 starts from the weights of the same run in float32.
"""

import math
import typing

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key


class Initialiser(typing.Protocol):
    """Draws one parameter of a layer that sums over `fan_in` inputs."""

    def __call__(self, key: Key[Array, ""], shape: tuple[int, ...], fan_in: int) -> Float[Array, "..."]:
        """An array of that shape."""
        ...


def widened(draw: Float[Array, "..."]) -> Float[Array, "..."]:
    """A float32 draw in JAX's default floating-point type."""
    return draw.astype(jnp.result_type(float))


def uniform(key: Key[Array, ""], shape: tuple[int, ...], fan_in: int) -> Float[Array, "..."]:
    """Uniform in +-1/sqrt(fan_in): PyTorch's default for weights and biases of linear layers."""
    limit = 1 / math.sqrt(fan_in)
    return widened(jax.random.uniform(key, shape, jnp.float32, -limit, limit))


def normal(key: Key[Array, ""], shape: tuple[int, ...], fan_in: int) -> Float[Array, "..."]:
    """Normal with standard deviation 1/sqrt(fan_in)."""
    return widened(jax.random.normal(key, shape, jnp.float32)) / math.sqrt(fan_in)


def unit(key: Key[Array, ""], shape: tuple[int, ...], fan_in: int) -> Float[Array, "..."]:
    """Normal with standard deviation 1, whatever the fan-in."""
    del fan_in
    return widened(jax.random.normal(key, shape, jnp.float32))


def zeros(key: Key[Array, ""], shape: tuple[int, ...], fan_in: int) -> Float[Array, "..."]:
    """All zero, whatever the key."""
    del key, fan_in
    return jnp.zeros(shape)


INITIALISERS: dict[str, Initialiser] = {"uniform": uniform, "normal": normal, "unit": unit, "zeros": zeros}
