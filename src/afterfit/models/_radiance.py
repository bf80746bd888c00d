"""A radiance field in the plane: a network of places that is seen along rays.

Axes of this module
    sample   places along a ray, from the camera on
"""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from ..tasks import Sizes
from ._base import AbstractArchitecture, call_batch
from ._coordinate import CoordinateNetwork


class RadianceModel(eqx.Module):
    """What a ray sees of a field of density and grey value. Parameters: those of `.field`."""

    field: PyTree

    def __call__(self, ray: Float[Array, "sample 2"]) -> Float[Array, " 1"]:
        """The grey value of one ray, given by places at equal distances along it."""
        density, grey = self.at(ray)
        return render(density, grey, _spacing(ray))[None]

    def batched(
        self, rays: Float[Array, "batch sample 2"], key: Key[Array, ""] | None = None
    ) -> Float[Array, "batch 1"]:
        """The grey values of many rays."""
        del key
        density, grey = self.at(rays.reshape(-1, rays.shape[-1]))
        shape = rays.shape[:-1]
        seen = jax.vmap(render)(density.reshape(shape), grey.reshape(shape), jax.vmap(_spacing)(rays))
        return seen[:, None]

    def at(self, places: Float[Array, "place 2"]) -> tuple[Float[Array, " place"], Float[Array, " place"]]:
        """Density (for a unit of length) and grey value in [0, 1] at some places."""
        raw = call_batch(self.field, places)
        return jax.nn.softplus(raw[:, 0]), jax.nn.sigmoid(raw[:, 1])


@dataclasses.dataclass(frozen=True)
class RadianceField(AbstractArchitecture):
    """A network of places in the plane, trained on what cameras see of it.

    Its two outputs are the density, by softplus, and the grey value, by a sigmoid (Mildenhall et al. 2020,
    "NeRF", in two dimensions and without directions).

    **Arguments:** `field`: the network of places.
    """

    field: AbstractArchitecture = dataclasses.field(
        default=CoordinateNetwork(), metadata={"room": "afterfit.models"}
    )

    def build(self, sizes: Sizes, *, key: Key[Array, ""]) -> RadianceModel:
        """A model of one ray.

        Raises `ValueError` for inputs that are no rays.
        """
        shape = getattr(sizes.inputs, "shape", ())
        if len(shape) != 2 or sizes.outputs != 1:
            raise ValueError(
                f"a radiance field reads rays, places [sample, 2] with one grey value each, got "
                f"{sizes.inputs}: try the task af.tasks.Flatland()."
            )
        place = jax.ShapeDtypeStruct(shape[1:], sizes.inputs.dtype)
        return RadianceModel(self.field.build(Sizes(place, outputs=2), key=key))


def render(
    density: Float[Array, " sample"], grey: Float[Array, " sample"], spacing: Float[Array, ""]
) -> Float[Array, ""]:
    """What is seen along a ray of cells of one density and grey value each, before a black background.

    `sum_i T_i (1 - exp(-density_i spacing)) grey_i` with `T_i = exp(-spacing sum_{j<i} density_j)`
    (Mildenhall et al. 2020, Eq. 3). Exact for fields that are constant in each cell.
    """
    depth = spacing * density
    before = jnp.cumsum(depth) - depth
    return jnp.sum(jnp.exp(-before) * -jnp.expm1(-depth) * grey)


def _spacing(ray: Float[Array, "sample 2"]) -> Float[Array, ""]:
    return jnp.linalg.norm(ray[1] - ray[0])
