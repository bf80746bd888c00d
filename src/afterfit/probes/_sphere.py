"""Points and great circles of a sphere around the origin.

Scaling all parameters scales a network's outputs, so what is counted or sampled here lies on the sphere of
one norm: a volume is a share of that sphere.

Axes of this module
    parameter   all parameters in one row
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key


def uniform_point(key: Key[Array, ""], like: Float[Array, " parameter"]) -> Float[Array, " parameter"]:
    """A point drawn uniformly from the sphere that `like` lies on."""
    normal = jax.random.normal(key, like.shape, like.dtype)  # the same in all directions
    return normal * (jnp.linalg.norm(like) / jnp.linalg.norm(normal))


def tangent(
    point: Float[Array, " parameter"], vector: Float[Array, " parameter"]
) -> Float[Array, " parameter"]:
    """The part of a vector that lies in the tangent space of the sphere at a point (not the origin)."""
    return vector - (vector @ point) / (point @ point) * point


def along_circle(
    unit: Float[Array, " parameter"], velocity: Float[Array, " parameter"], time: Float[Array, ""] | float
) -> tuple[Float[Array, " parameter"], Float[Array, " parameter"]]:
    """Where a point of the unit sphere, and its velocity, are after moving along the great circle.

    `velocity` is a tangent at the point; its length is the speed in radians per unit of time.
    """
    speed = jnp.linalg.norm(velocity)
    heading = velocity / jnp.maximum(speed, jnp.finfo(velocity.dtype).tiny)  # 0 stays 0
    cosine, sine = jnp.cos(speed * time), jnp.sin(speed * time)
    return cosine * unit + sine * heading, speed * (cosine * heading - sine * unit)
