"""The shape of one row of a landscape: is it a U, is it an L, how wide is the zone in which it is low?

The criteria are our choice; Liu et al. 2023 ("Omnigrok", sections 2 and 3) speak of U and L by sight. A
loss is compared in decades and an error (a share of wrong answers) by differences.

Axes of this module
    alpha     norms, increasing; entries with a NaN among their values are left out
    size      sizes of the training set
"""

import dataclasses
import math
import typing

import numpy as np
from jaxtyping import Float, Num


Kind = typing.Literal["loss", "error"]

FLOOR = 1e-8
"""A loss below it counts as it: smaller ones tell of arithmetic and not of fitting."""

_ROUNDING = 1e-9
_RISE = {"loss": 0.5, "error": 0.10}  # decades; difference
_CLIFF = {"loss": 1.0, "error": 0.3}
_WIDTH = {"loss": math.log10(2), "error": 0.05}
_TOLERANCE = {"loss": 1e-5, "error": 0.02}


@dataclasses.dataclass(frozen=True)
class UShape:
    """Whether values fall and rise again; see `u_shape`.

    **Fields:**

    - `minimum`, `least`: alpha of the least value, and that value.
    - `left_rise`, `right_rise`: how far the values rise on either side, in decades of a loss, or as a
        difference of errors. 0 where there is no such side.
    - `interior`: the least value is at neither end.
    - `holds`: it is interior, and both rises are large enough.
    """

    minimum: float
    least: float
    left_rise: float
    right_rise: float
    interior: bool
    holds: bool


@dataclasses.dataclass(frozen=True)
class LShape:
    """Whether values fall to a floor and stay there; see `l_shape`.

    **Fields:**

    - `floor`: the least value.
    - `height`: how far the value at the smallest alpha lies above it, in decades of a loss, or as a
        difference of errors.
    - `knee`: the smallest alpha whose value counts as low.
    - `beyond`: the largest value at any larger alpha. NaN where there is none.
    - `low`: what counts as low.
    - `holds`: it starts high, and all values beyond the knee are low.
    """

    floor: float
    height: float
    knee: float
    beyond: float
    low: float
    holds: bool


def u_shape(
    alpha: Float[np.ndarray, " alpha"], values: Float[np.ndarray, " alpha"], *, kind: Kind = "loss"
) -> UShape:
    """Judges a U: the least value is interior, and the values rise on both sides of it.

    Each rise, from the least value to the largest one on that side, must be at least half a decade of a loss,
    or 0.10 of an error. Where several alphas share the least value, the first one counts.

    **Degenerate inputs:** NaN and no U without any finite value. Losses below 1e-8 count as 1e-8.

    Raises `ValueError` for alphas that do not increase, and for negative values.
    """
    alpha, values, height = _row(alpha, values, kind)
    if not len(alpha):
        return UShape(math.nan, math.nan, math.nan, math.nan, False, False)
    at = int(height.argmin())
    left, right = (
        float(side.max(initial=height[at]) - height[at]) for side in (height[:at], height[at + 1 :])
    )
    interior = 0 < at < len(alpha) - 1
    high = min(left, right) >= _RISE[kind] - _ROUNDING
    return UShape(float(alpha[at]), float(values[at]), left, right, interior, interior and high)


def l_shape(
    alpha: Float[np.ndarray, " alpha"],
    values: Float[np.ndarray, " alpha"],
    *,
    kind: Kind = "loss",
    tolerance: float | None = None,
) -> LShape:
    """Judges an L: high at the smallest alpha, and low everywhere beyond a knee.

    With the floor f, the least value: high is at least 10 f for a loss or f + 0.3 for an error; low is at
    most 5 f or `tolerance`, whichever is larger. The knee is the smallest alpha whose value is low, and an L
    has an alpha beyond it. Values at large alpha that are not low may be a failure of optimisation: give
    these runs more steps before you believe them.

    **Arguments:** `tolerance` is by default 1e-5 for a loss and 0.02 for an error.

    **Degenerate inputs:** NaN and no L without any finite value. Losses below 1e-8 count as 1e-8.

    Raises `ValueError` for alphas that do not increase, and for negative values.
    """
    alpha, values, height = _row(alpha, values, kind)
    if not len(alpha):
        return LShape(math.nan, math.nan, math.nan, math.nan, math.nan, False)
    floor = float(values.min())
    low = max(5 * floor, _TOLERANCE[kind] if tolerance is None else tolerance)
    knee = int((values <= low).argmax())
    beyond = values[knee + 1 :]
    above = float(height[0] - height.min())
    stays = bool(len(beyond) and beyond.max() <= low)
    return LShape(
        floor=floor,
        height=above,
        knee=float(alpha[knee]),
        beyond=float(beyond.max()) if len(beyond) else math.nan,
        low=low,
        holds=stays and above >= _CLIFF[kind] - _ROUNDING,
    )


def zone_width(
    alpha: Float[np.ndarray, " alpha"], values: Float[np.ndarray, " alpha"], *, kind: Kind = "loss"
) -> float:
    """How many decades of alpha are low: the width of the "Goldilocks zone" around the least value.

    Low is at most twice the least loss, or the least error + 0.05. The ends of the zone are interpolated
    linearly in log10 alpha, and in log10 of a loss. A zone that reaches an end of the row is cut off there:
    its width is a lower bound. NaN without any finite value.

    Raises `ValueError` for alphas that do not increase, and for negative values.
    """
    alpha, _, height = _row(alpha, values, kind)
    if not len(alpha):
        return math.nan
    at = int(height.argmin())
    position, excess = np.log10(alpha), height - (height[at] + _WIDTH[kind])
    return _end(position[at:], excess[at:]) - _end(position[at::-1], excess[at::-1])


def mismatch(
    alpha: Float[np.ndarray, " alpha"],
    train: Float[np.ndarray, " alpha"],
    test: Float[np.ndarray, " alpha"],
    *,
    low: float = 1.0,
    high: float = 10.0,
) -> float:
    """The integral of test - train over log10 alpha from `low` to `high`, by the trapezoidal rule.

    Large where a network fits what it was trained on and nothing else: Liu et al. 2023, Figures 3 and 11.

    Raises `ValueError` where finite values do not span the range.
    """
    check_alpha(alpha)
    known = np.isfinite(train) & np.isfinite(test)
    position, gap = np.log10(alpha[known]), (test - train)[known]
    ends = math.log10(low), math.log10(high)
    if (
        not len(position)
        or ends[0] < position[0] - _ROUNDING
        or ends[1] > position[-1] + _ROUNDING
        or low >= high
    ):
        reach = f"{alpha[known].min():g} to {alpha[known].max():g}" if len(position) else "nowhere"
        raise ValueError(f"`low` and `high` must lie in order within {reach}, got {low} and {high}.")
    inner = position[(position > ends[0]) & (position < ends[1])]
    places = np.array([ends[0], *inner, ends[1]])
    return float(np.trapezoid(np.interp(places, position, gap), places))


def critical_size(size: Num[np.ndarray, " size"], least: Float[np.ndarray, " size"], level: float) -> float:
    """The smallest training set with which some norm generalises: the tip of the "thumb".

    **Arguments:**

    - `size`: of the training set.
    - `least`: the least test error over alpha at each size, NaN where it is unknown.
    - `level`: the error at or below which a network counts as one that generalises.

    **Returns:** a size; infinite if none is enough.

    Liu et al. 2023, Figure 3 (b).
    """
    enough = np.asarray(size)[np.asarray(least) <= level]
    return float(enough.min()) if len(enough) else math.inf


def _row(
    alpha: Float[np.ndarray, " alpha"], values: Float[np.ndarray, " alpha"], kind: Kind
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The finite entries, and their heights in the unit in which this kind of value is compared."""
    if kind not in _RISE:
        raise ValueError(f"`kind` must be loss or error, got {kind!r}.")
    check_alpha(alpha)
    known = np.isfinite(values)
    alpha, values = alpha[known], values[known]
    if (values < 0).any():
        raise ValueError(f"`values` must not be negative, got {values.min()}.")
    if kind == "error":
        return alpha, values, values
    values = np.maximum(values, FLOOR)
    return alpha, values, np.log10(values)


def check_alpha(alpha: Float[np.ndarray, " alpha"]) -> None:
    """Raises `ValueError` unless the norms are positive and increase."""
    if not (np.all(alpha > 0) and np.all(np.diff(alpha) > 0)):
        raise ValueError(f"`alpha` must be positive and increase, got {alpha}. Try `np.sort`.")


def _end(position: Float[np.ndarray, " place"], excess: Float[np.ndarray, " place"]) -> float:
    """Where the excess first turns positive, on a way that starts where it is not."""
    above = excess > 0
    if not above.any():
        return float(position[-1])
    at = int(above.argmax())
    share = -excess[at - 1] / (excess[at] - excess[at - 1])
    return float(position[at - 1] + share * (position[at] - position[at - 1]))
