"""The nonlinearities that a model may name."""

import typing

import jax
import jax.numpy as jnp
from jaxtyping import Array


Activation = typing.Callable[[Array], Array]

_FROM_JAX = (
    "celu elu gelu hard_sigmoid hard_silu hard_swish hard_tanh identity leaky_relu log_sigmoid mish relu "
    "relu6 selu sigmoid silu soft_sign softplus sparse_plus sparse_sigmoid squareplus swish tanh"
).split()  # the elementwise functions of `jax.nn`

ACTIVATIONS: dict[str, Activation] = {name: getattr(jax.nn, name) for name in _FROM_JAX} | {
    "square": jnp.square
}
"""By name: every elementwise function of `jax.nn` under its own name and default settings, and `square`."""
