"""Norms of weights, gradients and displacements (Euclidean, over all parameters unless said)."""

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
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


def angle_from_initial(moment: Moment) -> Float[Array, ""]:
    """The angle (radians, 0 to pi) between the parameters and those at step 0; NaN if either are all zero.

    Times the norm it is the distance along the sphere, for runs of constant norm.
    """
    ends = (ravel_pytree(tree)[0] for tree in (moment.initial, moment.parameters))
    start, end = (flat / jnp.linalg.norm(flat) for flat in ends)
    # Not the arc cosine of the product: in float32 that cannot tell angles below 3e-4 from 0 (Kahan 2006).
    return 2 * jnp.arctan2(jnp.linalg.norm(end - start), jnp.linalg.norm(end + start))
