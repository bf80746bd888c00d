"""What may be added to plain training: scales, noise, a constraint on the weights."""

import abc
import dataclasses

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree


@dataclasses.dataclass(frozen=True)
class Parametrisation:
    """How the model's parameters stand to its function.

    **Fields:**

    - `init_scale`: all initial parameters are multiplied by it (Liu et al. 2023, "Omnigrok", alpha).
    - `output_scale`: if given, the trained function is the centred one,
      `output_scale * (f(w) - f(w0))` (Chizat et al. 2019; Kumar et al. 2023). Large: lazy training.
    """

    init_scale: float = 1.0
    output_scale: float | None = None

    def __post_init__(self):
        if self.output_scale == 0:
            raise ValueError("`output_scale` must not be 0: the function would be constant; leave it out.")


@dataclasses.dataclass(frozen=True)
class Noise:
    """Standard deviations of Gaussian noise, fresh at each step; `None` leaves a kind out.

    **Fields:**

    - `gradient`: added to the gradient.
    - `update`: added to the optimiser's direction, before the learning rate (Power et al., Figure 2).
    - `weight`: loss and gradient are taken at noisy weights, the update moves the clean ones.
    """

    gradient: float | None = None
    update: float | None = None
    weight: float | None = None


class AbstractConstraint(abc.ABC):
    """A set that parameters are projected onto after each step."""

    @abc.abstractmethod
    def project(self, parameters: PyTree, initial: PyTree) -> PyTree:
        """The parameters, moved onto the set; `initial` are those at step 0."""


@dataclasses.dataclass(frozen=True)
class ConstantNorm(AbstractConstraint):
    """Keeps the norm of all parameters together at its initial value (Liu et al. 2023, section 3)."""

    def project(self, parameters: PyTree, initial: PyTree) -> PyTree:
        norm = optax.tree.norm(parameters)
        ratio = jnp.where(norm > 0, optax.tree.norm(initial) / norm, 1)  # at the origin there is no direction
        return jax.tree.map(lambda leaf: leaf * ratio.astype(jnp.result_type(leaf)), parameters)
