"""Differential equations whose solutions are known.

Axes of this module
    point     places of a box, one a row: x, and t where there is time
    node      places of a sum that stands for an integral
"""

import dataclasses
import math
import typing
from collections.abc import Callable

import numpy as np
from jaxtyping import Array, Float

from ._residual import AbstractEquation, Along, Condition


EDGE = 32
"""Points on each edge of a box of two dimensions."""


@dataclasses.dataclass(frozen=True)
class Poisson(AbstractEquation):
    """`u'' = f` for -1 < x < 1, `u(-1) = u(1) = 0`, where f is such that `u = sum_k a_k sin(k pi x)`.

    **Arguments:** `frequencies`, `amplitudes`: k and a_k.
    """

    low: typing.ClassVar = (-1.0,)
    high: typing.ClassVar = (1.0,)

    frequencies: tuple[int, ...] = (1, 3)
    amplitudes: tuple[float, ...] = (1.0, 0.2)

    def __post_init__(self):
        if len(self.frequencies) != len(self.amplitudes):
            raise ValueError(
                f"`amplitudes` must be as many as the {len(self.frequencies)} frequencies, got "
                f"{len(self.amplitudes)}."
            )

    def residual(self, along: Along, source: Float[Array, " point"]) -> Float[Array, " point"]:
        return along(0).second - source

    def conditions(self) -> tuple[Condition, ...]:
        ends = (np.array([[-1.0]]), np.array([[1.0]]))
        return tuple(Condition(end, np.zeros(1)) for end in ends)

    def solution(self, points: Float[np.ndarray, "point 1"]) -> Float[np.ndarray, " point"]:
        return self._waves(points, power=0)

    def source(self, points: Float[np.ndarray, "point 1"]) -> Float[np.ndarray, " point"]:
        return -self._waves(points, power=2)

    def scale(self, points: Float[np.ndarray, "point 1"]) -> float:
        return float(np.mean(self.source(points) ** 2))

    def _waves(self, points: Float[np.ndarray, "point 1"], power: int) -> Float[np.ndarray, " point"]:
        angular = math.pi * np.array(self.frequencies, float)
        return np.sin(points * angular) @ (np.array(self.amplitudes) * angular**power)


@dataclasses.dataclass(frozen=True)
class Heat(AbstractEquation):
    """`u_t = conductivity u_xx` for -1 < x < 1 and 0 < t < 1, from `u = sin(pi x)`, 0 at both ends.

    The solution is `exp(-conductivity pi^2 t) sin(pi x)`.
    """

    low: typing.ClassVar = (-1.0, 0.0)
    high: typing.ClassVar = (1.0, 1.0)

    conductivity: float = 0.1

    def __post_init__(self):
        _check_positive("conductivity", self.conductivity)

    def residual(self, along: Along, source: Float[Array, " point"]) -> Float[Array, " point"]:
        return along(1).first - self.conductivity * along(0).second - source

    def conditions(self) -> tuple[Condition, ...]:
        return _conditions(lambda x: np.sin(math.pi * x))

    def solution(self, points: Float[np.ndarray, "point 2"]) -> Float[np.ndarray, " point"]:
        x, t = points.T
        return np.exp(-self.conductivity * math.pi**2 * t) * np.sin(math.pi * x)

    def scale(self, points: Float[np.ndarray, "point 2"]) -> float:
        rate = self.conductivity * math.pi**2
        return float(np.mean((rate * self.solution(points)) ** 2))


@dataclasses.dataclass(frozen=True)
class Burgers(AbstractEquation):
    """`u_t + u u_x = viscosity u_xx` for -1 < x < 1 and 0 < t < 1, from `u = -sin(pi x)`, 0 at both ends.

    With little viscosity a shock forms at x = 0. The solution is that of Cole and Hopf, a ratio of integrals,
    by sums over a grid, which for such integrands converge exponentially. Basdevant et al. 1986, "Spectral
    and finite difference solutions of the Burgers equation"; viscosity `0.01 / pi` is theirs, and that of
    Raissi et al. 2019.
    """

    low: typing.ClassVar = (-1.0, 0.0)
    high: typing.ClassVar = (1.0, 1.0)

    viscosity: float = 0.01 / math.pi

    def __post_init__(self):
        _check_positive("viscosity", self.viscosity)

    def residual(self, along: Along, source: Float[Array, " point"]) -> Float[Array, " point"]:
        space = along(0)
        return along(1).first + space.value * space.first - self.viscosity * space.second - source

    def conditions(self) -> tuple[Condition, ...]:
        return _conditions(lambda x: -np.sin(math.pi * x))

    def solution(self, points: Float[np.ndarray, "point 2"]) -> Float[np.ndarray, " point"]:
        found = [self._cole_hopf(block) for block in np.array_split(points, max(1, len(points) // 256))]
        return np.concatenate(found)

    def scale(self, points: Float[np.ndarray, "point 2"]) -> float:
        # u_t by central differences, inside of the box.
        inner = points[(points[:, 1] > 0.01) & (points[:, 1] < 0.99)]
        step = np.array([0.0, 1e-5])
        return float(np.mean(((self.solution(inner + step) - self.solution(inner - step)) / 2e-5) ** 2))

    def _cole_hopf(self, points: Float[np.ndarray, "point 2"]) -> Float[np.ndarray, " point"]:
        x, t = points[:, :1], np.maximum(points[:, 1:], 1e-12)  # at t = 0 the kernel is a point
        # Beyond, the Gaussian is too small even where the rest is exp(1 / (pi viscosity)) times larger.
        reach = math.sqrt(2 * (1 / (math.pi * self.viscosity) + 40))
        node = np.arange(-reach, reach, 1 / 80)
        places = x - np.sqrt(2 * self.viscosity * t) * node
        logs = -np.cos(math.pi * places) / (2 * math.pi * self.viscosity) - node**2 / 2
        weights = np.exp(logs - logs.max(axis=1, keepdims=True))
        return -(np.sin(math.pi * places) * weights).sum(axis=1) / weights.sum(axis=1)


def _conditions(start: Callable[[np.ndarray], np.ndarray]) -> tuple[Condition, ...]:
    """Zero at both ends of space at all times, and the values at time 0."""
    t, x = np.linspace(0, 1, EDGE), np.linspace(-1, 1, EDGE)
    ends = [Condition(np.stack([np.full(EDGE, end), t], axis=1), np.zeros(EDGE)) for end in (-1.0, 1.0)]
    return (*ends, Condition(np.stack([x, np.zeros(EDGE)], axis=1), start(x)))


def _check_positive(field: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"`{field}` must be a positive number, got {value}.")
