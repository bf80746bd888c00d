"""How parameters move: `W <- W - rate(step) * (direction + update noise)`.

An optimiser is a frozen dataclass with two methods. `direction` is an `optax` transformation that
turns gradients into a direction; `rate` is the learning rate at a step. Decoupled decay is part of
the direction, so `W <- W - rate * (u + decay * (W - anchor))`.
"""

import abc
import dataclasses
import typing

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree


class AbstractOptimiser(abc.ABC):
    """The contract of an optimiser: subclass it as a frozen dataclass with these two methods."""

    @abc.abstractmethod
    def direction(self) -> optax.GradientTransformation:
        """From gradients to the direction that is subtracted, without the learning rate.

        Its `update` may accept `initial`, the parameters at step 0.
        """

    @abc.abstractmethod
    def rate(self, step: Int[Array, ""]) -> Float[Array, ""]:
        """The learning rate of the update that leads from `step` to `step + 1`."""


@dataclasses.dataclass(frozen=True)
class AdamW(AbstractOptimiser):
    """Adam with decoupled weight decay of all parameters, biases and gains included.

    The defaults are those of Power et al. (2022), appendix A.1.2. The rate grows linearly over
    `warmup` steps, and the first update has rate 0, as in the authors' code. `decay_to` says
    whether decay pulls towards zero or towards the initial parameters (their Figure 2, left).
    """

    learning_rate: float = 1e-3
    weight_decay: float = 1.0
    b1: float = 0.9
    b2: float = 0.98
    eps: float = 1e-8
    warmup: float = 10
    decay_to: typing.Literal["origin", "initial"] = "origin"

    def __post_init__(self):
        check_rate(self.learning_rate)
        check_decay_rates(b1=self.b1, b2=self.b2)
        check_not_negative(weight_decay=self.weight_decay, eps=self.eps, warmup=self.warmup)
        check_one_of("decay_to", self.decay_to, ("origin", "initial"))

    def direction(self) -> optax.GradientTransformation:
        return optax.chain(
            optax.scale_by_adam(self.b1, self.b2, self.eps), decayed(self.weight_decay, self.decay_to)
        )

    def rate(self, step: Int[Array, ""]) -> Float[Array, ""]:
        return warmed_up(self.learning_rate, self.warmup, step)


@dataclasses.dataclass(frozen=True)
class Adam(AbstractOptimiser):
    """Adam without weight decay."""

    learning_rate: float = 1e-3
    b1: float = 0.9
    b2: float = 0.98
    eps: float = 1e-8
    warmup: float = 10

    def __post_init__(self):
        check_rate(self.learning_rate)
        check_decay_rates(b1=self.b1, b2=self.b2)
        check_not_negative(eps=self.eps, warmup=self.warmup)

    def direction(self) -> optax.GradientTransformation:
        return optax.scale_by_adam(self.b1, self.b2, self.eps)

    def rate(self, step: Int[Array, ""]) -> Float[Array, ""]:
        return warmed_up(self.learning_rate, self.warmup, step)


@dataclasses.dataclass(frozen=True)
class SGD(AbstractOptimiser):
    """Gradient descent with heavy-ball momentum: `v <- momentum v + g + decay W; W <- W - rate v`.

    With minibatches this is stochastic gradient descent. The decay is coupled, as in PyTorch's SGD.
    """

    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0
    warmup: float = 0

    def __post_init__(self):
        check_rate(self.learning_rate)
        check_decay_rates(momentum=self.momentum)
        check_not_negative(weight_decay=self.weight_decay, warmup=self.warmup)

    def direction(self) -> optax.GradientTransformation:
        return optax.chain(decayed(self.weight_decay, "origin"), optax.trace(self.momentum))

    def rate(self, step: Int[Array, ""]) -> Float[Array, ""]:
        return warmed_up(self.learning_rate, self.warmup, step)


@dataclasses.dataclass(frozen=True)
class GradientDescent(AbstractOptimiser):
    """Plain gradient descent, `W <- W - rate (g + decay W)`."""

    learning_rate: float = 0.1
    weight_decay: float = 0.0

    def __post_init__(self):
        check_rate(self.learning_rate)
        check_not_negative(weight_decay=self.weight_decay)

    def direction(self) -> optax.GradientTransformation:
        return decayed(self.weight_decay, "origin")

    def rate(self, step: Int[Array, ""]) -> Float[Array, ""]:
        return jnp.asarray(self.learning_rate)


def decayed(weight_decay: float, towards: str) -> optax.GradientTransformationExtraArgs:
    """Adds `weight_decay * (W - anchor)`; the anchor is zero or the initial parameters."""

    def update(updates: PyTree, state: PyTree, params: PyTree | None = None, **extra: typing.Any):
        pull = params
        if towards == "initial":
            pull = jax.tree.map(jnp.subtract, params, extra["initial"])
        return jax.tree.map(lambda u, p: u + weight_decay * p, updates, pull), state

    return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)


def warmed_up(learning_rate: float, warmup: float, step: Int[Array, ""]) -> Float[Array, ""]:
    """The rate after a linear warm-up of `warmup` steps that starts at zero."""
    ramp = step / jnp.maximum(warmup, 1)
    return learning_rate * jnp.where(step >= warmup, 1, ramp)


def check_rate(learning_rate: float) -> None:
    """Raises `ValueError` unless the learning rate is a positive number."""
    if not learning_rate > 0:
        raise ValueError(f"`learning_rate` must be positive, got {learning_rate}.")


def check_decay_rates(**rates: float) -> None:
    """Raises `ValueError` unless each rate of forgetting, given by its field, lies in [0, 1)."""
    for field, rate in rates.items():
        if not 0 <= rate < 1:
            raise ValueError(f"`{field}` must lie in [0, 1), got {rate}.")


def check_not_negative(**values: float | None) -> None:
    """Raises `ValueError` unless each value, given by its field, is at least 0, or left out."""
    for field, value in values.items():
        if value is not None and not value >= 0:
            raise ValueError(f"`{field}` must not be negative, got {value}.")


def check_one_of(field: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raises `ValueError` unless the value is one of those allowed."""
    if value not in allowed:
        raise ValueError(f"`{field}` must be one of {', '.join(allowed)}, got {value!r}.")
