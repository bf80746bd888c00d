"""Information that many variables share, from their Gaussian copula.

Everything is a function of the correlation matrix R of normal scores. With P its inverse, in nats:

    total correlation        TC = -1/2 log det R
    dual total correlation   DTC = 1/2 log det R + 1/2 sum_j log P_jj
    O-information            TC - DTC: positive where redundancy dominates, negative where synergy does
    S-information            TC + DTC

Marginal entropies and the constants of the normal distribution cancel. A Gaussian copula sees only what
monotone relations show: the synergy of an exclusive or is 0 here.

Axes of this module
    sample     examples
    variable   for instance the neurons of a layer
"""

import math
import typing

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from ._copula import gaussian_copula, TIES, Ties


Unit = typing.Literal["nats", "bits"]

UNITS: dict[Unit, float] = {"nats": 1.0, "bits": 1 / math.log(2)}
"""How many units a nat is."""


class Information(typing.NamedTuple):
    """What some variables share; `dead` of them are constant and count for nothing."""

    total_correlation: Float[Array, ""]
    dual_total_correlation: Float[Array, ""]
    o_information: Float[Array, ""]
    s_information: Float[Array, ""]
    dead: Float[Array, ""]


def information(
    values: ArrayLike,
    *,
    ties: Ties = "average",
    bias_corrected: bool = False,
    unit: Unit = "bits",
) -> Information:
    """Total and dual total correlation, O- and S-information of some variables.

    **Arguments:**

    - `values`: "sample variable", e.g. activations.
    - `ties`: see `gaussian_copula`.
    - `bias_corrected`: subtracts the bias that the entropy of a normal distribution has on few samples.
    - `unit`: "bits" or "nats".

    Ranks are taken in the precision of `values`, whatever that of the arithmetic.

    **Raises:** `ValueError` for fewer samples than variables, for NaN, for values that are no real numbers,
    and for unknown names.

    Rosas, Mediano, Gastpar, Jensen 2019, "Quantifying high-order interdependencies via multivariate
    extensions of the mutual information"; Clauw et al. 2024, Eq. 1.
    """
    checked = check_values(values, ties, unit)
    copula = gaussian_copula(checked, ties=ties)
    count = checked.shape[1]
    log_det, log_diagonal = log_moments(copula.correlation)
    total, dual = -0.5 * log_det, 0.5 * (log_det + log_diagonal)
    if bias_corrected:
        bias = entropy_bias(checked.shape[0], count, checked.dtype)
        biases = bias_of_totals(bias, jnp.sum(copula.alive))
        total, dual = total - biases[0], dual - biases[1]
    scale = UNITS[unit]
    return Information(
        scale * total, scale * dual, scale * (total - dual), scale * (total + dual), jnp.sum(~copula.alive)
    )


def o_information_gradients(
    values: ArrayLike, *, ties: Ties = "average", unit: Unit = "bits"
) -> Float[Array, " variable"]:
    """What each variable adds to the O-information of all: `O(all) - O(all but it)`.

    Negative for a variable that takes part in synergy. **Raises:** as `information`.

    Scagliarini, Nuzzi, Antonacci, Faes, Rosas, Marinazzo, Stramaglia 2023, "Gradients of O-information".
    """
    correlation = gaussian_copula(check_values(values, ties, unit), ties=ties).correlation
    factor = jnp.linalg.cholesky(correlation)
    inverse = inverse_of(factor)
    diagonal = jnp.diagonal(inverse)
    # Without variable i the inverse loses the part that goes through it, and the determinant a factor P_ii.
    rest = diagonal[None] - inverse**2 / diagonal[:, None]
    alone = jnp.eye(len(diagonal), dtype=bool)
    log_rest = jnp.sum(jnp.log(jnp.where(alone, 1, rest)), axis=1)
    change = jnp.log(diagonal) - 0.5 * (jnp.sum(jnp.log(diagonal)) - log_rest)
    return UNITS[unit] * change


def local_o_information(
    values: ArrayLike, *, ties: Ties = "average", unit: Unit = "bits"
) -> Float[Array, " sample"]:
    """O-information sample by sample: surprise in place of entropy; its mean is the O-information.

    **Raises:** as `information`.

    Scagliarini, Marinazzo, Guo, Stramaglia, Rosas 2022, "Quantifying high-order interdependencies on
    individual patterns via the local O-information".
    """
    copula = gaussian_copula(check_values(values, ties, unit), ties=ties)
    inverse = inverse_of(jnp.linalg.cholesky(copula.correlation))
    log_det, log_diagonal = log_moments(copula.correlation)
    with jax.default_matmul_precision("highest"):
        pulled = copula.scores @ inverse
    whole = jnp.sum(pulled * copula.scores, axis=1)
    alone = jnp.sum(copula.scores**2, axis=1)
    given_others = jnp.sum(pulled**2 / jnp.diagonal(inverse)[None], axis=1)
    mean = -log_det - 0.5 * log_diagonal
    return UNITS[unit] * (mean + 0.5 * (alone + given_others) - whole)


def log_moments(correlation: Float[Array, "variable variable"]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """`log det R` and `sum_j log (R^-1)_jj`."""
    factor = jnp.linalg.cholesky(correlation)
    diagonal = jnp.sum(_triangular_inverse(factor) ** 2, axis=0)
    return 2 * jnp.sum(jnp.log(jnp.diagonal(factor))), jnp.sum(jnp.log(diagonal))


def entropy_bias(samples: int | Int[Array, ""], most: int, dtype: typing.Any) -> Float[Array, " count"]:
    """The bias, in nats, of the entropy of 0, 1, ... `most` normal variables estimated from so many samples.

    Misra, Singh, Demchuk 2005, "Estimation of the entropy of a multivariate normal distribution".
    """
    count = jnp.asarray(samples, dtype)
    index = jnp.arange(1, most + 1, dtype=dtype)
    each = (math.log(2) - jnp.log(count - 1)) / 2
    terms = each * index + 0.5 * jnp.cumsum(jax.scipy.special.digamma((count - index) / 2))
    return jnp.concatenate([jnp.zeros(1, dtype), terms])


def bias_of_totals(
    bias: Float[Array, " count"], living: Int[Array, "*union"]
) -> tuple[Float[Array, "*union"], Float[Array, "*union"]]:
    """The biases of total and dual total correlation of so many variables, from those of entropies."""
    count = living.astype(bias.dtype)
    whole, without = bias[living], bias[jnp.maximum(living - 1, 0)]
    return count * bias[1] - whole, jnp.where(living > 0, whole - count * (whole - without), 0)


def check_values(values: ArrayLike, ties: str, unit: str) -> Float[Array, "sample variable"]:
    """The values as floating-point numbers of JAX, if information can be measured on them.

    Where these would not hold the values, their ranks stand for them: float32 makes ties of neighbours that
    are far from zero.

    **Raises:** `ValueError` as `information`.
    """
    check_names(ties, unit)
    given = np.asarray(values)
    if not (jnp.issubdtype(given.dtype, jnp.floating) or given.dtype.kind in "biu"):
        raise ValueError(f"`values` must be real numbers, got {given.dtype}.")
    if given.ndim != 2:
        raise ValueError(f"`values` must have the axes (samples, variables), got shape {given.shape}.")
    check_counts(*given.shape)
    broken = np.flatnonzero(~np.isfinite(given).all(axis=0))
    if broken.size:
        raise ValueError(
            f"`values` is not finite in {broken.size} of {given.shape[1]} variables, the first {broken[0]}: "
            "has the run diverged?"
        )
    fits = jax.dtypes.canonicalize_dtype(given.dtype) == given.dtype
    if fits and jnp.issubdtype(given.dtype, jnp.floating):
        return jnp.asarray(given)
    distinct = [np.unique(column, return_inverse=True)[1] for column in given.T]
    return jnp.asarray(np.stack(distinct, axis=1), float)


def check_counts(samples: int, variables: int, nouns: tuple[str, str] = ("samples", "variables")) -> None:
    """**Raises:** `ValueError` unless there are more samples than variables, and one variable at least."""
    if variables < 1 or samples <= variables:
        raise ValueError(
            f"{samples} {nouns[0]} of {variables} {nouns[1]}: correlations need more samples than variables. "
            "Take more examples, or fewer variables."
        )


def check_names(ties: str, unit: str) -> None:
    """**Raises:** `ValueError` for an unknown rule of ties or unit."""
    for field, value, allowed in (("ties", ties, TIES), ("unit", unit, UNITS)):
        if value not in allowed:
            raise ValueError(f"`{field}` must be one of {', '.join(allowed)}, got {value!r}.")


def _triangular_inverse(factor: Float[Array, "n n"]) -> Float[Array, "n n"]:
    identity = jnp.eye(factor.shape[0], dtype=factor.dtype)
    return jax.scipy.linalg.solve_triangular(factor, identity, lower=True)


def inverse_of(factor: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """The inverse of a matrix, from its Cholesky factor."""
    half = _triangular_inverse(factor)
    with jax.default_matmul_precision("highest"):
        return half.T @ half
