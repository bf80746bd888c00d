"""A model with parameters that do nothing: the control for every claim that counts parameters."""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from .._sizes import MOST
from ..tasks import Sizes
from ._base import AbstractArchitecture, call_batch, named_key, split_trainable
from ._initial import widened


class PaddedModel(eqx.Module):
    """The model `.live`, and parameters `.dead` that are trained, decay and have a share of every norm."""

    live: PyTree
    dead: Float[Array, " parameter"]

    def __call__(self, inputs: PyTree) -> Float[Array, " outputs"]:
        """Outputs of the model, for one example."""
        return self.live(inputs)

    def batched(self, inputs: PyTree, key: Key[Array, ""] | None = None) -> Float[Array, "batch outputs"]:
        """Outputs of the model, for many examples."""
        return call_batch(self.live, inputs, key)


@dataclasses.dataclass(frozen=True)
class Padded(AbstractArchitecture):
    """A model with as many more parameters, which its outputs do not depend on, as it has times `ratio`.

    They start normal, with the root mean square of the model's own. So a sphere of `alpha` times the initial
    norm has more dimensions, while the model on it is what it was: volumes grow, functions do not.

    **Arguments:**

    - `model`: what is padded.
    - `ratio`: dead parameters for each live one, as a whole number.

    Raises `ValueError` for a ratio below 0.
    """

    model: AbstractArchitecture = dataclasses.field(metadata={"room": "afterfit.models"})
    ratio: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.ratio, int) or self.ratio < 0:
            raise ValueError(f"`ratio` must be a whole number of at least 0, got {self.ratio!r}.")
        if self.ratio > MOST:
            raise ValueError(f"`ratio` must be a whole number of at most {MOST:,}, got {self.ratio!r}.")

    def build(self, sizes: Sizes, *, key: Key[Array, ""]) -> PaddedModel:
        """The model as it is built alone, and its padding."""
        live = self.model.build(sizes, key=key)
        leaves = jax.tree.leaves(split_trainable(live)[0])
        count = sum(leaf.size for leaf in leaves)
        spread = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in leaves)) / math.sqrt(count)
        drawn = jax.random.normal(named_key(key, "dead"), (self.ratio * count,), jnp.float32)
        return PaddedModel(live, spread * widened(drawn))
