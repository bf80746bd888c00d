"""Norms of weights, gradients and displacements (Euclidean, over all parameters unless said)."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from ..models import by_path
from ..training import Moment


def layer_norms(moment: Moment) -> dict[str, Float[Array, ""]]:
    """The norm of each parameter array, by its path in the model (`.blocks[0].attention.query`)."""
    leaves = by_path(moment.parameters)
    return {path: jnp.linalg.norm(leaf.reshape(-1)) for path, leaf in leaves.items()}


def gradient_norm(moment: Moment) -> Float[Array, ""]:
    """The norm of the gradient of the mean training loss over the whole training set.

    Zero at a stationary point; weight decay, noise and minibatches are left out.
    """
    return optax.tree.norm(moment.gradient("train"))


def distance_from_initial(moment: Moment) -> Float[Array, ""]:
    """How far the parameters have moved: the norm of `w - w0`; 0 at step 0."""
    return optax.tree.norm(jax.tree.map(jnp.subtract, moment.parameters, moment.initial))
