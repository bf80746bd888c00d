"""The share of a sphere on which something rare happens, by sampling ever lower losses.

At inverse temperature beta points u of the sphere have the density `exp(-beta L(u)) / Z(beta)` against the
uniform one. Hamiltonian Monte Carlo along great circles samples it on a ladder of betas from 0 upwards; what
the samples of all levels say together is carried back to beta = 0.

Axes of this module
    level       inverse temperatures, 0 first
    chain       walkers, independent of each other but for their step size
    sample      what the chains of a level visit
    parameter   all parameters in one row
"""

import typing
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, PyTree

from ._sphere import along_circle, tangent, uniform_point


Potential = Callable[[Float[Array, " parameter"]], tuple[Float[Array, ""], Float[Array, " parameter"]]]
"""The loss at a point, and its gradient."""

WANTED = 0.8
"""Share of moves that should be accepted: between 0.6 and 0.9 the cost hardly depends on it (Betancourt,
Byrne and Girolami 2014)."""

JITTER = 0.2
"""Of the step size, move by move: one length might bring a chain back to where it was."""

BISECTIONS = 40


class Walk(typing.NamedTuple):
    """How the chains of a level move."""

    chains: int = 16
    burn_in: int = 50  # moves that adapt the step size and are forgotten
    moves: int = 100  # whose ends are the samples
    leaps: int = 8  # gradients of a move


class Visited(typing.NamedTuple):
    """What the chains saw."""

    losses: Float[Array, "level sample"]
    observed: PyTree  # leaves "level sample ..."
    acceptance: Float[Array, " level"]


def ladder(beta: Float[Array, ""] | float, levels: int, span: float = 1e4) -> Float[Array, " level"]:
    """0, then inverse temperatures from `beta / span` to `beta`, each the same factor above the last."""
    exponents = jnp.linspace(-1.0, 0.0, levels - 1)
    return jnp.concatenate([jnp.zeros(1), beta * span**exponents])


def sphere_log_fraction(
    loss: Callable[[Float[Array, " parameter"]], Float[Array, ""]],
    event: Callable[[Float[Array, " parameter"]], Bool[Array, ""]],
    radius: float,
    dimension: int,
    key: Key[Array, ""],
    *,
    betas: Float[Array, " level"],
    walk: Walk = Walk(),
) -> Float[Array, ""]:
    """The logarithm (nats) of the share of a sphere on which an event happens; -inf if it was never seen.

    **Arguments:** `loss`: differentiable, low where the event is; `radius`, `dimension`: of the sphere, in at
    least 2 coordinates; `betas`: 0 first.
    """
    like = jnp.full(dimension, radius / dimension**0.5)
    visited = climb(jax.value_and_grad(loss), event, like, betas, walk, key)
    weights = log_weights(visited.losses, betas)
    return jax.nn.logsumexp(jnp.where(visited.observed, weights, -jnp.inf))


def climb(
    potential: Potential,
    observe: Callable[[Float[Array, " parameter"]], PyTree],
    like: Float[Array, " parameter"],
    betas: Float[Array, " level"],
    walk: Walk,
    key: Key[Array, ""],
) -> Visited:
    """Samples of all levels on the sphere that `like` lies on; each level begins where the last one ended.

    **Arguments:** `observe`: what is to be known of a sample besides its loss.
    """
    radius = jnp.linalg.norm(like)
    watch = jax.vmap(lambda unit: observe(radius * unit))

    def at(unit: Float[Array, " parameter"]) -> _Place:
        loss, gradient = potential(radius * unit)
        return _Place(unit, loss, radius * tangent(unit, gradient))

    def level(state: tuple, numbered: tuple) -> tuple:
        beta, its_key = numbered

        def move(state: tuple, index: Array) -> tuple:
            places, step = state
            places, chance = _moved(at, places, beta, step, walk, jax.random.fold_in(its_key, index))
            # Ever smaller corrections (Robbins and Monro), so that the last few moves do not decide.
            longer = jnp.minimum(step * jnp.exp((chance - WANTED) / jnp.sqrt(1.0 + index)), longest)
            unseen = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
            burning = index < walk.burn_in
            observed = jax.lax.cond(burning, lambda _: unseen, watch, places.unit)
            return (places, jnp.where(burning, longer, step)), (places.loss, observed, chance)

        def flat(leaf: Array) -> Array:
            return leaf[walk.burn_in :].reshape(walk.moves * walk.chains, *leaf.shape[2:])

        indices = jnp.arange(walk.burn_in + walk.moves)
        state, (losses, observed, chances) = jax.lax.scan(move, state, indices)
        acceptance = jnp.mean(chances[walk.burn_in :])
        return state, Visited(flat(losses), jax.tree.map(flat, observed), acceptance)

    # A speed is about the root of the dimension: a radian a leap mixes a sphere without a loss in one move.
    longest = jnp.asarray(like.size**-0.5, like.dtype)
    keys = jax.random.split(key, len(betas) + 1)
    first = jax.random.split(keys[0], walk.chains)
    places = jax.vmap(lambda own: at(uniform_point(own, like) / radius))(first)
    shapes = jax.eval_shape(watch, places.unit)
    return jax.lax.scan(level, (places, longest), (betas, keys[1:]))[1]


def log_partitions(
    losses: Float[Array, "level sample"], betas: Float[Array, " level"]
) -> Float[Array, " level"]:
    """`log Z(beta) = log E exp(-beta L)` over the uniform distribution (nats), from samples of all levels.

    Steps between neighbouring levels by Bennett's acceptance ratio: of all estimates from the samples of both
    it has the least variance. A trapezoid over mean losses would add a bias from the width of the steps.

    Bennett 1976, "Efficient estimation of free energy differences from Monte Carlo data".
    """
    steps = jax.vmap(_log_ratio)(losses[:-1], losses[1:], jnp.diff(betas))
    return jnp.concatenate([jnp.zeros(1, steps.dtype), jnp.cumsum(steps)])


def log_weights(
    losses: Float[Array, "level sample"], betas: Float[Array, " level"]
) -> Float[Array, "level sample"]:
    """Logarithms of weights, summing to 1, that make all samples together stand for the uniform distribution.

    The samples of all levels are draws from the mixture of their densities, and a weight is the inverse of
    that. The last level alone would do, as `P(event) = Z E[exp(beta L) 1(event)]` there; but that weights a
    few of its samples, those of high loss, far above the others. Here the level at beta = 0 bounds all
    weights, and an event that is not rare is counted at a level where it is not.

    Shirts and Chodera 2008, "Statistically optimal analysis of samples from multiple equilibrium states".
    """
    densities = -betas[:, None, None] * losses[None] - log_partitions(losses, betas)[:, None, None]
    weights = -jax.nn.logsumexp(densities, axis=0)
    return weights - jax.nn.logsumexp(weights)


# --- its pieces -------------------------------------------------------------------------------------


class _Place(typing.NamedTuple):
    """Where a chain is."""

    unit: Float[Array, " parameter"]
    loss: Float[Array, ""]
    slope: Float[Array, " parameter"]  # of the loss on the unit sphere, a tangent


def _moved(
    at: Callable[[Array], _Place],
    places: _Place,
    beta: Float[Array, ""],
    step: Float[Array, ""],
    walk: Walk,
    key: Key[Array, ""],
) -> tuple[_Place, Float[Array, ""]]:
    """Places of all chains after a move of geodesic Hamiltonian Monte Carlo, and its mean acceptance.

    Half a kick of the velocity, a piece of a great circle, half a kick, so many times (Byrne and Girolami
    2013, "Geodesic Monte Carlo on embedded manifolds").
    """

    def moved(place: _Place, kick: Array, jitter: Array, threshold: Array) -> tuple[_Place, Array]:
        length = step * (1 + JITTER * (2 * jitter - 1))
        energy = lambda place, velocity: beta * place.loss + 0.5 * (velocity @ velocity)

        def leap(_: Array, state: tuple[_Place, Array]) -> tuple[_Place, Array]:
            here, velocity = state
            unit, velocity = along_circle(here.unit, velocity - 0.5 * length * beta * here.slope, length)
            there = at(unit / jnp.linalg.norm(unit))  # rounding would lead off the sphere
            return there, tangent(there.unit, velocity - 0.5 * length * beta * there.slope)

        start = place, tangent(place.unit, kick)
        proposed, final = jax.lax.fori_loop(0, walk.leaps, leap, start)
        gain = energy(*start) - energy(proposed, final)
        chance = jnp.where(jnp.isnan(gain), 0, jnp.exp(jnp.minimum(gain, 0)))
        accepted = threshold < chance
        return jax.tree.map(lambda new, old: jnp.where(accepted, new, old), proposed, place), chance

    keys, dtype = jax.random.split(key), step.dtype
    kicks = jax.random.normal(keys[0], places.unit.shape, dtype)
    places, chances = jax.vmap(moved)(places, kicks, *jax.random.uniform(keys[1], (2, walk.chains), dtype))
    return places, jnp.mean(chances)


def _log_ratio(
    lower: Float[Array, " sample"], upper: Float[Array, " sample"], step: Float[Array, ""]
) -> Float[Array, ""]:
    """`log Z(beta + step) / Z(beta)` from losses sampled at both."""

    def halved(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = 0.5 * (low + high)
        # Falls with the ratio, and is zero at Bennett's.
        excess = jnp.mean(jax.nn.sigmoid(-step * lower - middle)) - jnp.mean(
            jax.nn.sigmoid(step * upper + middle)
        )
        return jnp.where(excess > 0, middle, low), jnp.where(excess > 0, high, middle)

    losses = jnp.concatenate([lower, upper])
    low, high = jax.lax.fori_loop(0, BISECTIONS, halved, (-step * jnp.max(losses), -step * jnp.min(losses)))
    return 0.5 * (low + high)
