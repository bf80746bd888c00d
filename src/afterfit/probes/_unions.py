"""O-information of every union of groups of variables at once, or of the best unions found by a search.

All unions of ten groups of 250 neurons are 1,013 inversions of matrices of 125 rows on average. But a union
with one more group differs from the union without by a sweep of that group's rows (Goodnight 1979, "A
tutorial on the SWEEP operator"), so unions are visited as a tree: a sixteenth of the arithmetic here, and all
of it matrix products of one shape, whatever the sizes of the groups.

Axes of this module
    variable   for instance the neurons of a layer, ordered by group
    group      groups of them, the largest first: it is swept once, the smallest in every other union
    union      sets of groups as binary numbers: bit g says whether group g is in
"""

import functools
import typing
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Key

from ._copula import gaussian_copula, Ties
from ._information import bias_of_totals, check_values, inverse_of, log_moments, Unit, UNITS


PANEL = 16
"""Variables that are swept at a time."""

MOST_GROUPS = 12
"""More have too many unions (2^12 = 4,096) to look at all of them."""


class Unions(typing.NamedTuple):
    """`log det R_S` and `sum_{j in S} log (R_S^-1)_jj` of every union S, and its number of living variables.

    The empty union comes first, with zeros.
    """

    log_det: Float[Array, " union"]
    log_diagonal: Float[Array, " union"]
    sizes: Int[Array, " union"]


def all_unions(
    correlation: Float[Array, "variable variable"],
    labels: Int[Array, " variable"],
    alive: Bool[Array, " variable"],
    groups: int,
) -> Unions:
    """The log-moments of all unions of up to `MOST_GROUPS` groups; bits follow the labels."""
    own = jnp.arange(groups, dtype=jnp.int32)
    sizes = jnp.sum(labels[None] == own[:, None], axis=1, dtype=jnp.int32)
    by_size = jnp.argsort(-sizes, stable=True).astype(jnp.int32)
    place = jnp.zeros(groups, jnp.int32).at[by_size].set(own)
    order = jnp.argsort(place[labels], stable=True)
    sorted_sizes = sizes[by_size]
    starts = jnp.cumsum(sorted_sizes, dtype=jnp.int32) - sorted_sizes
    place_of = jnp.pad(place[labels][order], (0, PANEL), constant_values=groups)
    matrix = jnp.pad(correlation[order][:, order], ((0, PANEL), (0, PANEL)))
    plan = jnp.asarray(_tree(groups))

    def visit(index: Array, carry: tuple) -> tuple:
        stack, log_dets, found = carry
        depth, group, union = plan[index]
        start, size = starts[group], sorted_sizes[group]

        def sweep_panel(state: tuple) -> tuple:
            done, matrix, log_det = state
            matrix, more = _swept(matrix, start + done, jnp.minimum(size - done, PANEL))
            return done + PANEL, matrix, log_det + more

        above = jax.lax.dynamic_index_in_dim(stack, depth - 1, keepdims=False)
        begun = jnp.zeros((), jnp.int32), above, log_dets[depth - 1]
        _, matrix, log_det = jax.lax.while_loop(lambda state: state[0] < size, sweep_panel, begun)
        inside = (place_of < groups) & ((union >> jnp.minimum(place_of, groups)) & 1 == 1)
        log_diagonal = jnp.sum(jnp.where(inside, jnp.log(jnp.where(inside, -jnp.diagonal(matrix), 1)), 0))
        stack = jax.lax.dynamic_update_index_in_dim(stack, matrix, depth, 0)
        return stack, log_dets.at[depth].set(log_det), found.at[union].set(jnp.stack([log_det, log_diagonal]))

    stack = jnp.zeros((groups + 1, *matrix.shape), matrix.dtype).at[0].set(matrix)
    nothing = jnp.zeros(groups + 1, matrix.dtype), jnp.zeros((2**groups, 2), matrix.dtype)
    _, _, found = jax.lax.fori_loop(0, len(plan), visit, (stack, *nothing))
    # Back from the order by size to that of the labels.
    members = jnp.asarray(union_members(groups))
    renamed = jnp.sum(jnp.where(members, 1 << place[None], 0), axis=1)
    living = jnp.sum((labels[None] == own[:, None]) & alive[None], axis=1, dtype=jnp.int32)
    return Unions(*found[renamed].T, jnp.sum(jnp.where(members, living[None], 0), axis=1))


def _swept(matrix: Float[Array, "n n"], start: Array, count: Array) -> tuple[Float[Array, "n n"], Array]:
    """The matrix with `count` rows from `start` on swept, and the log-determinant of their pivots.

    With pivots A, and B beside them in their rows: A becomes -A^-1, B becomes A^-1 B, and the rest loses
    B' A^-1 B. After the sweep of a set S of rows, R_SS holds -R_S^-1.
    """
    width = matrix.shape[0]
    live = jnp.arange(PANEL) < count
    zero = jnp.zeros_like(start)
    rows = jax.lax.dynamic_slice(matrix, (start, zero), (PANEL, width))
    pivots = jax.lax.dynamic_slice(rows, (zero, start), (PANEL, PANEL))
    identity = jnp.eye(PANEL, dtype=matrix.dtype)
    factor = jnp.linalg.cholesky(jnp.where(live[:, None] & live[None], pivots, identity))
    inverse = inverse_of(factor)
    beside = jnp.where(live[:, None], rows, 0)
    with jax.default_matmul_precision("highest"):
        scaled = inverse @ beside
        matrix = matrix - beside.T @ scaled
    column = jnp.arange(width) - start
    own = jax.lax.dynamic_update_slice(jnp.zeros_like(rows), -inverse, (zero, start))
    scaled = jnp.where(((column >= 0) & (column < count))[None], own, scaled)
    kept = jax.lax.dynamic_slice(matrix, (start, zero), (PANEL, width))
    scaled = jnp.where(live[:, None], scaled, kept)
    matrix = jax.lax.dynamic_update_slice(matrix, scaled, (start, zero))
    matrix = jax.lax.dynamic_update_slice(matrix, scaled.T, (zero, start))
    return matrix, 2 * jnp.sum(jnp.where(live, jnp.log(jnp.diagonal(factor)), 0))


def _tree(groups: int) -> Int[np.ndarray, "node 3"]:
    """Unions in an order in which each follows the one it extends: depth, group added last, union."""
    found: list[tuple[int, int, int]] = []

    def extend(depth: int, first: int, union: int) -> None:
        for group in range(first, groups):
            found.append((depth, group, union | 1 << group))
            extend(depth + 1, group + 1, union | 1 << group)

    extend(1, 0, 0)
    return np.array(found, np.int32)


def union_members(groups: int) -> Bool[np.ndarray, "union group"]:
    """Which groups each union has."""
    return (np.arange(2**groups)[:, None] >> np.arange(groups)[None]) & 1 == 1


# --- O-information of unions ------------------------------------------------------------------------


def of_variables(unions: Unions) -> Float[Array, " union"]:
    """O-information in nats where every variable of a union counts for itself."""
    return -unions.log_det - 0.5 * unions.log_diagonal


def of_blocks(unions: Unions) -> Float[Array, " union"]:
    """O-information in nats where every group of a union is one variable of many dimensions."""
    groups = int(np.log2(len(unions.sizes)))
    members = union_members(groups)
    count = members.sum(axis=1)
    codes = np.arange(len(members))
    without = codes[:, None] & ~(1 << np.arange(groups))[None]
    alone = (1 << np.arange(groups))[None]
    change = unions.log_det[alone] - unions.log_det[without]
    log_det = jnp.asarray(count - 2, unions.log_det.dtype) * unions.log_det
    return 0.5 * (log_det + jnp.sum(jnp.where(members, change, 0), axis=1))


def bias_of_variables(unions: Unions, bias: Float[Array, " count"]) -> Float[Array, " union"]:
    """The bias of `of_variables`, from that of entropies of 0, 1, ... variables."""
    total, dual = bias_of_totals(bias, unions.sizes)
    return total - dual


def bias_of_blocks(unions: Unions, bias: Float[Array, " count"]) -> Float[Array, " union"]:
    """The bias of `of_blocks`: the same formula as of its log-determinants, twice."""
    return of_blocks(unions._replace(log_det=2 * bias[unions.sizes]))


class Multiplets(typing.NamedTuple):
    """O-information of every set of some variables."""

    members: Bool[np.ndarray, "multiplet variable"]
    o_information: Float[Array, " multiplet"]


def multiplets(
    values: ArrayLike, *, fewest: int = 3, ties: Ties = "average", unit: Unit = "bits"
) -> Multiplets:
    """O-information of all sets of at least `fewest` of up to 12 variables, in one computation.

    **Arguments:** `values`: "sample variable"; `ties`, `unit`: as of `information`.

    **Raises:** `ValueError` as `information`, for more variables, and for fewer than `fewest`.
    """
    checked = check_values(values, ties, unit)
    count = checked.shape[1]
    if not 1 <= fewest <= count:
        raise ValueError(
            f"`fewest` must be from 1 to the {count} variables, got {fewest}: there is no such set of them. "
            "Sets of two have no O-information, so that 3 variables are the fewest of interest."
        )
    if count > MOST_GROUPS:
        raise ValueError(
            f"{count} variables have too many sets to look at all: at most {MOST_GROUPS}. Take some of them, "
            "or their groups (OInformation)."
        )
    members = union_members(count)
    chosen = members.sum(axis=1) >= fewest
    return Multiplets(members[chosen], UNITS[unit] * _of_all_sets(checked, ties)[chosen])


@functools.partial(jax.jit, static_argnums=1)
def _of_all_sets(values: Float[Array, "sample variable"], ties: Ties) -> Float[Array, " union"]:
    copula = gaussian_copula(values, ties=ties)
    count = values.shape[1]
    return of_variables(all_unions(copula.correlation, jnp.arange(count), copula.alive, count))


# --- searches ---------------------------------------------------------------------------------------

Value = Callable[[Bool[Array, " group"]], Float[Array, ""]]
"""A measure of the union of some groups."""


def union_moments(
    correlation: Float[Array, "variable variable"], inside: Bool[Array, " variable"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The log-moments of one set of variables, the plain way."""
    identity = jnp.eye(len(inside), dtype=correlation.dtype)
    return log_moments(jnp.where(inside[:, None] & inside[None], correlation, identity))


def eliminated(value: Value, groups: int, fewest: int) -> tuple[Bool[Array, " group"], Float[Array, ""]]:
    """The union of least value that taking groups away one by one meets, from all of them on.

    Each time the group goes without which the value is least.
    """

    def drop(_: Array, carry: tuple) -> tuple:
        current, best, least = carry

        def without(group: Array) -> Float[Array, ""]:
            return jnp.where(current[group], value(current.at[group].set(False)), jnp.inf)

        values = jax.lax.map(without, jnp.arange(groups))
        goes = jnp.argmin(values)
        current = current.at[goes].set(False)
        better = values[goes] < least
        return current, jnp.where(better, current, best), jnp.where(better, values[goes], least)

    whole = jnp.ones(groups, bool)
    return jax.lax.fori_loop(0, groups - fewest, drop, (whole, whole, value(whole)))[1:]


def annealed(
    value: Value, groups: int, fewest: int, key: Key[Array, ""], steps: int
) -> tuple[Bool[Array, " group"], Float[Array, ""]]:
    """The union of least value that simulated annealing meets: one or two groups in or out at a time.

    The temperature falls geometrically from a tenth of the whole's value (0.1 nat at least) to a thousandth
    of that.
    """
    whole = jnp.ones(groups, bool)
    first = value(whole)
    hot = jnp.maximum(0.1 * jnp.abs(first), 0.1)

    def move(step: Array, carry: tuple) -> tuple:
        current, now, best, least = carry
        choose, accept = jax.random.split(jax.random.fold_in(key, step))
        # One group in or out; or two at once, so that one can take the place of another.
        first, second, several = jax.random.randint(choose, (3,), 0, jnp.array([groups, groups, 2]))
        other = current.at[first].set(~current[first])
        swapped = other.at[second].set(~other[second])
        other = jnp.where((several == 1) & (first != second), swapped, other)
        enough = jnp.sum(other) >= fewest
        then = jnp.where(enough, value(other), jnp.inf)
        temperature = hot * 0.001 ** (step / steps)
        taken = jax.random.uniform(accept) < jnp.exp((now - then) / temperature)
        current, now = jnp.where(taken, other, current), jnp.where(taken, then, now)
        better = now < least
        return current, now, jnp.where(better, current, best), jnp.where(better, now, least)

    return jax.lax.fori_loop(0, steps, move, (whole, first, whole, first))[2:]
