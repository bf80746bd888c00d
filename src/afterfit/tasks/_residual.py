"""Losses that contain derivatives of the network: the residual of a differential equation.

Axes of this module
    point     places of a box, one a row
    axis      coordinates of a place; where there is time, it is the last
"""

import abc
import dataclasses
import typing
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._data import AbstractObjective, HostOrDevice, Predict, Scores


class Derivatives(typing.NamedTuple):
    """A scalar function at some points, and its derivatives along one axis."""

    value: Float[Array, " point"]
    first: Float[Array, " point"]
    second: Float[Array, " point"]


Along = Callable[[int], Derivatives]
"""From an axis to the derivatives of the network along it."""


class Condition(typing.NamedTuple):
    """Values that a solution has on a part of the edge of its box, the start of time included."""

    points: Float[HostOrDevice, "point axis"]
    values: Float[HostOrDevice, " point"]


class AbstractEquation(abc.ABC):
    """A differential equation in a box, with its solution.

    Implementations are frozen dataclasses; their `float` fields are data, so that `residual` and
    `conditions` may see traced numbers.
    """

    low: typing.ClassVar[tuple[float, ...]]
    high: typing.ClassVar[tuple[float, ...]]

    @abc.abstractmethod
    def residual(self, along: Along, source: Float[Array, " point"]) -> Float[Array, " point"]:
        """What is 0 at all points for a solution."""

    @abc.abstractmethod
    def conditions(self) -> tuple[Condition, ...]:
        """What picks out the solution at the edges. Each counts once, whatever its number of points."""

    @abc.abstractmethod
    def solution(self, points: Float[np.ndarray, "point axis"]) -> Float[np.ndarray, " point"]:
        """The solution itself, for measuring; training never sees it."""

    def source(self, points: Float[np.ndarray, "point axis"]) -> Float[np.ndarray, " point"]:
        """The right-hand side, by default 0."""
        return np.zeros(len(points))

    @abc.abstractmethod
    def scale(self, points: Float[np.ndarray, "point axis"]) -> float:
        """The mean square over the box of what the residual balances: residuals are told in its unit."""


@dataclasses.dataclass(frozen=True)
class Residual(AbstractObjective):
    """The squared residual of an equation, and the misfit at the edges.

    The loss of a point is `weight * residual^2 + boundary * sum_c mean_c (u - u_c)^2` over the conditions c.
    Targets are dictionaries of "point" arrays: `source`, `weight` (one over the equation's scale), `boundary`
    (0 for test points: their loss is the residual alone) and `solution`, which the loss does not use.

    **Arguments:** `tolerance`: a point is correct where the root of its loss is below it.

    Raissi, Perdikaris, Karniadakis 2019, "Physics-informed neural networks".
    """

    equation: AbstractEquation
    tolerance: float = 1e-3**0.5

    def score(
        self, predict: Predict, inputs: Float[Array, "point axis"], targets: dict[str, Array]
    ) -> Scores:
        residual = self.equation.residual(lambda axis: derivatives(predict, inputs, axis), targets["source"])
        loss = targets["weight"] * residual**2 + targets["boundary"] * self._misfit(predict, inputs.dtype)
        return Scores(loss, loss < self.tolerance**2)

    def wanted(self, targets: dict[str, Array]) -> Float[Array, " point"]:
        return targets["solution"]

    def _misfit(self, predict: Predict, dtype: jnp.dtype) -> Float[Array, ""]:
        conditions = self.equation.conditions()
        points = jnp.concatenate([jnp.asarray(one.points, dtype) for one in conditions])
        values = jnp.concatenate([jnp.asarray(one.values, dtype) for one in conditions])
        shares = np.concatenate([np.full(len(one.points), 1 / len(one.points)) for one in conditions])
        return jnp.sum(jnp.asarray(shares, dtype) * (predict(points)[:, 0] - values) ** 2)


def derivatives(predict: Predict, points: Float[Array, "point axis"], axis: int) -> Derivatives:
    """Of the first output along an axis, by forward mode: a row of outputs depends on its own point alone.

    **Raises:** `ValueError` for an axis that points do not have.
    """
    if not 0 <= axis < points.shape[1]:  # JAX would drop the direction, and every derivative would be 0
        raise ValueError(f"points have {points.shape[1]} axes, counted from 0: there is no axis {axis}.")
    direction = jnp.zeros_like(points).at[:, axis].set(1)

    def first(at: Float[Array, "point axis"]) -> tuple[Array, Array]:
        return jax.jvp(lambda here: predict(here)[:, 0], (at,), (direction,))

    (value, slope), (_, curvature) = jax.jvp(first, (points,), (direction,))
    return Derivatives(value, slope, curvature)
