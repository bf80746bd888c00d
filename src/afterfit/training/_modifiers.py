"""What may be added to plain training: scales, noise, a constraint on the weights."""

import abc
import dataclasses
import typing
from collections.abc import Iterable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PyTree

from ..models import by_path, from_paths
from ._optimisers import check_not_negative


@dataclasses.dataclass(frozen=True)
class Parametrisation:
    """How the model's parameters stand to its function.

    **Fields:**

    - `init_scale`: all initial parameters are multiplied by it (Liu et al. 2023, "Omnigrok", alpha).
    - `output_scale`: if given, the trained function is the centred one,
      `output_scale * (f(w) - f(w0))` (Chizat et al. 2019; Kumar et al. 2023). Large: lazy training.
    - `centred`: whether `f(w0)` is subtracted, where there is an output scale.
    - `scaled_rate`: the learning rate is divided by `output_scale^2`. With gradient descent, networks of
      all scales then begin to learn at one speed (Kumar et al. 2023, section 2: eta = eta0 / alpha^2).
    - `matrices_only`: `init_scale` leaves biases and gains as they are (Clauw et al. 2024, in their code).
    """

    init_scale: float = 1.0
    output_scale: float | None = None
    centred: bool = True
    scaled_rate: bool = False
    matrices_only: bool = False

    def __post_init__(self):
        if self.output_scale == 0:
            raise ValueError("`output_scale` must not be 0: the function would be constant; leave it out.")
        if self.scaled_rate and self.output_scale is None:
            raise ValueError("`scaled_rate` needs an `output_scale` to divide by: give one, e.g. 1.")


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

    def __post_init__(self):
        check_not_negative(gradient=self.gradient, update=self.update, weight=self.weight)


_WIDEST = 10**6  # units of a layer that is masked


def is_matrix(leaf: Array) -> bool:
    """Whether an array is a matrix (or has more axes), no bias and no gain."""
    return leaf.ndim >= 2


class AbstractConstraint(abc.ABC):
    """A set that parameters are projected onto at the start and after each step."""

    @abc.abstractmethod
    def project(self, parameters: PyTree, initial: PyTree) -> PyTree:
        """The parameters, moved onto the set; `initial` are those at step 0."""


@dataclasses.dataclass(frozen=True)
class ConstantNorm(AbstractConstraint):
    """Keeps the norm of the weights constant, so that only their direction is trained.

    Liu et al. 2023 ("Omnigrok"), section 2: an ordinary step, then all parameters are scaled back. The
    optimiser's own state is left as it is, as in their code.

    **Fields:**

    - `norm`: of all parameters together; by default that of the initial ones.
    - `per_layer`: each parameter array keeps its own norm instead: its initial one, or this times
      `norm` over the initial norm of all. An array that starts at zero stays there.
    - `matrices_only`: biases and gains are free, and count in no norm.
    """

    norm: float | None = None
    per_layer: bool = False
    matrices_only: bool = False

    def __post_init__(self):
        if self.norm is not None and not self.norm > 0:
            raise ValueError(f"`norm` must be above 0, got {self.norm}. Leave it out for the initial one.")

    def project(self, parameters: PyTree, initial: PyTree) -> PyTree:
        if not self.matrices_only:
            return self._projected(parameters, initial)
        held, free = eqx.partition(parameters, is_matrix)
        return eqx.combine(self._projected(held, eqx.filter(initial, is_matrix)), free)

    def _projected(self, parameters: PyTree, initial: PyTree) -> PyTree:
        whole = optax.tree.norm(initial)
        target = whole if self.norm is None else self.norm
        if not self.per_layer:
            return _scaled(parameters, _ratio(target, optax.tree.norm(parameters)))
        share = 1 if self.norm is None else _ratio(target, whole)
        return jax.tree.map(
            lambda leaf, first: _scaled(leaf, _ratio(share * optax.tree.norm(first), optax.tree.norm(leaf))),
            parameters,
            initial,
        )


@dataclasses.dataclass(frozen=True)
class KeepUnits(AbstractConstraint):
    """Only some units of a layer exist: weights into the others, and their biases, are zero at all times.

    With rectified units, or any others of value 0 at 0, the network is the one without them. Masks are data,
    so that runs with different masks share a compiled program. Clauw et al. 2024, section 7 (there the biases
    of the others stay, and act as a bias of the output).

    **Fields:**

    - `layer`: e.g. "layers[0]", a layer with a `weight` [in, out].
    - `mask`: for each of its units 1 (it stays) or 0; `KeepUnits.of` makes it from a list of units. A recipe
      file may have `units` and `width` in its place, and perhaps `inverse`.
    - `biases`: whether the biases of the others are zero too.

    **Raises:** `ValueError` for a mask that keeps nothing or holds other numbers; before training begins, for
    an unknown layer (the layers are listed) and a mask of another length.
    """

    layer: str
    mask: tuple[float, ...]
    biases: bool = True

    @classmethod
    def of(
        cls,
        layer: str,
        units: Iterable[typing.SupportsInt],
        width: int,
        *,
        inverse: bool = False,
        biases: bool = True,
    ) -> "KeepUnits":
        """Keeps these units of so many, or (`inverse`) all others; `biases` as the field.

        **Raises:** `ValueError` for units that a layer of this width does not have, and for truth values or
        fractions in place of their numbers.
        """
        if not 0 < width <= _WIDEST:
            raise ValueError(f"`width` must be from 1 to {_WIDEST:,}, got {width}.")
        given = np.asarray(list(units))
        if given.size and not np.issubdtype(given.dtype, np.integer):
            raise ValueError(
                f"`units` must be whole numbers, got {given[0]!r}: of a mask of truth values take "
                "np.flatnonzero(mask)."
            )
        chosen = {int(unit) for unit in given}
        if strange := sorted(unit for unit in chosen if not 0 <= unit < width):
            raise ValueError(f"a layer of {width} units has no unit {strange[0]}.")
        return cls(layer, tuple(float((unit in chosen) != inverse) for unit in range(width)), biases)

    @classmethod
    def written_out(cls, table: dict[str, typing.Any]) -> dict[str, typing.Any]:
        """A recipe's table with the mask that `units`, `width` and `inverse` stand for.

        **Raises:** `ValueError` as `of`, for `units` without `width`, and for a mask beside them.
        """
        short = {name: table[name] for name in ("units", "width", "inverse") if name in table}
        if not short:
            return table
        if not {"units", "width"} <= short.keys() or "mask" in table:
            raise ValueError(
                "needs `mask`, or `units` and `width` in its place: units = [3, 17], width = 32."
            )
        for name, kind in (("units", list), ("width", int), ("inverse", bool)):
            if type(short.get(name, kind())) is not kind:
                what = {list: "a list of whole numbers", int: "a whole number", bool: "true or false"}[kind]
                raise ValueError(f"`{name}` must be {what}, got {short[name]!r}.")
        rest = {name: value for name, value in table.items() if name not in short}
        return {**rest, "mask": [*cls.of("", **short).mask]}

    def __post_init__(self):
        wrong = [one for one in self.mask if one not in (0, 1)]
        if wrong or not any(self.mask):
            raise ValueError(f"`mask` must be of ones and zeros, with a one in it, got {wrong or self.mask}.")

    def project(self, parameters: PyTree, initial: PyTree) -> PyTree:
        leaves = by_path(parameters)
        weight = f".{self.layer}.weight"
        if weight not in leaves:
            layers = ", ".join(path[1 : -len(".weight")] for path in leaves if path.endswith(".weight"))
            raise ValueError(f"`layer` must name a layer with a weight: {layers}; got {self.layer!r}.")
        width = leaves[weight].shape[-1]
        if len(self.mask) != width:
            raise ValueError(f"`mask` must have {width} entries, one a unit, got {len(self.mask)}.")
        bias = f".{self.layer}.bias"
        for path in (weight, bias) if self.biases and bias in leaves else (weight,):
            mask = jnp.asarray(self.mask, leaves[path].dtype)
            leaves[path] = leaves[path] * jnp.broadcast_to(mask, leaves[path].shape)
        return from_paths(parameters, leaves)


@dataclasses.dataclass(frozen=True)
class InTurn(AbstractConstraint):
    """Several constraints, one after another: the last one holds exactly."""

    constraints: tuple[AbstractConstraint, ...]

    def __post_init__(self):
        if not self.constraints:
            raise ValueError("`constraints` must name one constraint at least.")

    def project(self, parameters: PyTree, initial: PyTree) -> PyTree:
        for constraint in self.constraints:
            parameters = constraint.project(parameters, initial)
        return parameters


def _ratio(target: Float[Array, ""] | float, norm: Float[Array, ""]) -> Float[Array, ""]:
    # At the origin there is no direction to keep.
    return jnp.where(norm > 0, target / jnp.where(norm > 0, norm, 1), 1)


def _scaled(parameters: PyTree, ratio: Float[Array, ""]) -> PyTree:
    return jax.tree.map(lambda leaf: leaf * ratio.astype(jnp.result_type(leaf)), parameters)
