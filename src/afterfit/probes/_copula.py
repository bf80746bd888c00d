"""The Gaussian copula of many variables: what is left of their joint distribution once each is made normal.

A variable is replaced by the normal quantiles of its ranks, so that no monotone change of it matters; what
remains is a correlation matrix.

Axes of this module
    sample     examples
    variable   for instance the neurons of a layer
"""

import typing

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


Ties = typing.Literal["average", "ordinal"]
"""The ranks of equal values: their mean; or their order in the sample, as `hoi` has it."""

TIES: tuple[Ties, ...] = typing.get_args(Ties)


RIDGE = 8
"""Rounding errors by which correlations are drawn to zero, so that copies of a variable can be told apart."""


class Copula(typing.NamedTuple):
    """Normal scores and their correlations.

    **Fields:**

    - `scores`: mean 0 and variance 1 over the valid samples; 0 for the others, and for dead variables.
    - `correlation`: a dead variable is uncorrelated with all others, so it adds nothing to any measure.
    - `alive`: whether a variable varies at all.
    """

    scores: Float[Array, "sample variable"]
    correlation: Float[Array, "variable variable"]
    alive: Bool[Array, " variable"]


def gaussian_copula(
    values: Float[Array, "sample variable"],
    valid: Bool[Array, " sample"] | None = None,
    *,
    ties: Ties = "average",
) -> Copula:
    """The Gaussian copula of some variables: `Phi^-1(rank / (samples + 1))`, standardised.

    **Arguments:**

    - `values`: e.g. activations.
    - `valid`: which samples count, by default all.
    - `ties`: "average" gives equal values the mean of their ranks. "ordinal" breaks ties by the order of the
      samples, which is the same in all variables: the zeros of rectified units then look correlated, and a
      layer of nearly silent ones redundant (our check of Clauw et al. 2024). It is there to show that.

    **Degenerate inputs:** NaN for a variable whose valid samples are not all finite. A constant variable is
    dead.
    """
    valid = jnp.ones(values.shape[0], bool) if valid is None else valid
    kept = jnp.where(valid[:, None], values, jnp.inf)  # last in every order
    ranks = _ranks(kept, ties)
    count = jnp.sum(valid).astype(values.dtype)
    normal = jax.scipy.special.ndtri(jnp.clip(ranks / (count + 1), 0, 1))
    normal = jnp.where(valid[:, None], normal, 0)
    centred = jnp.where(valid[:, None], normal - jnp.sum(normal, axis=0, keepdims=True) / count, 0)
    length = jnp.sqrt(jnp.sum(centred**2, axis=0))
    least = jnp.min(kept, axis=0)
    most = jnp.max(jnp.where(valid[:, None], values, -jnp.inf), axis=0)
    broken = jnp.any(valid[:, None] & ~jnp.isfinite(values), axis=0)
    alive = (most > least) | broken
    unit = jnp.where(alive[None], centred / jnp.where(length > 0, length, 1)[None], 0)
    unit = jnp.where(broken[None], jnp.nan, unit)
    with jax.default_matmul_precision("highest"):
        products = unit.T @ unit
    identity = jnp.eye(values.shape[1], dtype=bool)
    # By their own lengths as they were computed: copies must not come out as more than equal.
    own = jnp.sqrt(jnp.where(jnp.diagonal(products) > 0, jnp.diagonal(products), 1))
    softened = products / (own[:, None] * own[None]) / (1 + RIDGE * jnp.finfo(values.dtype).eps)
    return Copula(unit * jnp.sqrt(count), jnp.where(identity & ~jnp.isnan(products), 1, softened), alive)


def _ranks(values: Float[Array, "sample variable"], ties: Ties) -> Float[Array, "sample variable"]:
    """From 1 to the number of samples, in each variable."""
    if ties == "ordinal":
        order = jnp.argsort(values, axis=0, stable=True)
        return (jnp.argsort(order, axis=0, stable=True) + 1).astype(values.dtype)

    def of_one(column: Float[Array, " sample"]) -> Float[Array, " sample"]:
        ascending = jnp.sort(column)
        below = jnp.searchsorted(ascending, column, side="left")
        up_to = jnp.searchsorted(ascending, column, side="right")
        return (below + up_to + 1).astype(values.dtype) / 2

    return jax.vmap(of_one, in_axes=1, out_axes=1)(values)
