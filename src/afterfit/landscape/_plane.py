"""A smooth surface through values on a grid of (ln w, m)."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..tasks import HostOrDevice


class Plane(eqx.Module):
    """The bicubic spline through values on a grid, twice differentiable in JAX; made by `Plane.fit`.

    It is the tensor product of cubic splines with not-a-knot ends, so it goes through every value. Outside
    of the grid it goes on in straight lines: along each axis the value and the slope at the edge are kept.
    """

    norms: Float[HostOrDevice, " norm"]  # logarithms
    messinesses: Float[HostOrDevice, " messiness"]
    # Of the cell from a corner on, in powers of the distance from that corner.
    coefficients: Float[HostOrDevice, "norm_cell messiness_cell 4 4"]

    @classmethod
    def fit(
        cls,
        log_norm: Float[np.ndarray, " norm"],
        messiness: Float[np.ndarray, " messiness"],
        values: Float[np.ndarray, "norm messiness"],
    ) -> "Plane":
        """The surface through `values`.

        A spline through a steep loss overshoots and may fall below zero; that of its logarithm, or of the
        loss plus a little, does less. Which one to fit is the caller's choice.

        **Arguments:**

        - `log_norm`: ln w, at least two, increasing.
        - `messiness`: m, at least two, increasing.
        - `values`: at each pair of them, finite.

        Raises `ValueError` for places that do not increase and for values that are not finite.
        """
        for name, places in (("log_norm", log_norm), ("messiness", messiness)):
            if len(places) < 2 or not np.all(np.diff(places) > 0):
                raise ValueError(f"`{name}` must be at least two increasing places, got {places}.")
        if not np.isfinite(values).all():
            count = int((~np.isfinite(values)).sum())
            raise ValueError(f"`values` must be finite, got {count} that are not. Fill or cut them first.")
        import scipy.interpolate

        # SciPy's coefficients have the highest power first: "power cell other".
        along_norm = scipy.interpolate.CubicSpline(log_norm, values, axis=0).c[::-1]
        both = scipy.interpolate.CubicSpline(messiness, along_norm, axis=2).c[::-1]
        return cls(
            norms=np.asarray(log_norm, float),
            messinesses=np.asarray(messiness, float),
            coefficients=np.ascontiguousarray(both.transpose(3, 1, 2, 0)),
        )

    def __call__(
        self, log_norm: Float[Array, ""] | float, messiness: Float[Array, ""] | float
    ) -> Float[Array, ""]:
        """The value at (ln w, m)."""
        row, left = _cell(self.norms, log_norm)
        column, right = _cell(self.messinesses, messiness)
        return left @ jnp.asarray(self.coefficients)[row, column] @ right

    def at_norm(
        self, norm: Float[Array, ""] | float, messiness: Float[Array, ""] | float
    ) -> Float[Array, ""]:
        """The value at (w, m), as `flow` asks for it."""
        return self(jnp.log(jnp.asarray(norm)), messiness)


def _cell(
    places: Float[HostOrDevice, " place"], at: Float[Array, ""] | float
) -> tuple[Array, Float[Array, "4"]]:
    """The number of the cell that a place lies in, and the powers of its distance from the cell's start.

    Beyond the edges the powers are replaced by their tangents there.
    """
    places = jnp.asarray(places)
    at = jnp.asarray(at, places.dtype)
    inside = jnp.clip(at, places[0], places[-1])
    index = jnp.clip(jnp.searchsorted(places, inside, side="right") - 1, 0, len(places) - 2)
    t = inside - places[index]
    powers = jnp.stack([jnp.ones_like(t), t, t * t, t * t * t])
    slopes = jnp.stack([jnp.zeros_like(t), jnp.ones_like(t), 2 * t, 3 * t * t])
    return index, powers + slopes * (at - inside)
