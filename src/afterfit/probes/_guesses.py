"""Guess and check: how many random networks fit the training set, and how many of these generalise.

Axes of this module
    network     random networks that are looked at together
    parameter   all parameters in one row
    bin         of test accuracy
"""

import dataclasses
import typing

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, Key

from ..models import named_key
from ..training import Moment
from ._sphere import uniform_point


BINS = 20
"""Of test accuracy, from 0 to 1; the last one has 1 in it."""

CHUNK_BYTES = 1 << 21
"""Of the parameters that exist at a time: they stay in a core's cache. For a 5-64-1 network 2 MB, half of it
and twice of it are equally fast; an eighth costs a tenth."""

MOST_NETWORKS = 4096
"""In a chunk: very small networks are not worth more."""

EXAMPLES = 8
"""Training examples that are checked at a time: most networks fail one of the first few."""

FITTING = 16
"""Networks at most whose test accuracy is computed together. Few fit: a chunk seldom has more."""

ROUNDING = 1e-5
"""Of accuracies: a tenth of a test set may come out as a little less than 0.1."""


@dataclasses.dataclass(frozen=True)
class RandomNetworks:
    """Random networks of the moment's norm: how many fit the training set, how many of those are good.

    Parameters are drawn uniformly from the sphere whose radius is the norm of the moment's parameters, so
    that at step 0 `parametrisation.init_scale` sets it. A network fits if it answers every training example
    correctly; only then is it tested. A million of small networks take seconds:

        af.Experiment(..., steps=1, record=af.At((0,)), probes=(af.probes.RandomNetworks(),))

    **Fields:**

    - `samples`: how many networks are drawn. Memory does not depend on it.
    - `good`: the least test accuracy of a good network.
    - `name`: of the measure.

    **Returns:**

    - `samples`, `fits`, `good`: counts. `afterfit.statistics.exact_interval(fits, samples)` is an interval of
      the share that fits, `exact_interval(good, fits)` of the share of these that is good.
    - `test_accuracy`: mean among those that fit.
    - `histogram`: how many of them have a test accuracy in each of 20 equal bins.

    Network i of a moment depends on its key and i alone; keys of moments come from the seed of noise and the
    step.

    **Degenerate inputs:** `test_accuracy` is NaN where no network fits. An answer that counts only partly as
    correct does not fit.

    **Raises:** `ValueError` for fewer than 1 sample and for a `good` that is no accuracy.

    @inproceedings{chiang2023loss,
        author={Chiang, Ping-yeh and Ni, Renkun and Miller, David Yu and Bansal, Arpit and Geiping, Jonas
            and Goldblum, Micah and Goldstein, Tom},
        title={Loss Landscapes are All You Need: Neural Network Generalization Can Be Explained Without the
            Implicit Bias of Gradient Descent},
        booktitle={ICLR},
        year={2023},
    }
    """

    samples: int = 1_000_000
    good: float = 0.9
    name: str = "random_networks"

    def __post_init__(self):
        if not 1 <= self.samples < 1 << 31:
            raise ValueError(f"`samples` must be at least 1 and below 2^31, got {self.samples}.")
        if not 0 <= self.good <= 1:
            raise ValueError(f"`good` must be an accuracy from 0 to 1, got {self.good}. Try 0.9.")

    def __call__(self, moment: Moment) -> dict[str, Array]:
        flat, _ = ravel_pytree(moment.parameters)
        chunk = min(self.samples, MOST_NETWORKS, max(1, CHUNK_BYTES // flat.nbytes))
        key = _key(moment)

        def add(index: Int[Array, ""], found: _Found) -> _Found:
            numbers = index * chunk + jnp.arange(chunk)
            points = jax.vmap(lambda number: _point(key, number, flat))(numbers)
            fits = _fitting(moment, points) & (numbers < self.samples)
            return _tested(moment, points, fits, self.good, found)

        rounds = -(-self.samples // chunk)
        found = jax.lax.fori_loop(0, rounds, add, _nothing(flat.dtype))
        return {
            "samples": jnp.asarray(self.samples),
            "fits": found.fits,
            "good": found.good,
            "test_accuracy": jnp.where(found.fits > 0, found.accuracy, jnp.nan),
            "histogram": found.histogram,
        }


def drawn(moment: Moment, number: Int[Array, ""] | int) -> Float[Array, " parameter"]:
    """The parameters of the network of this number, in one row."""
    return _point(_key(moment), number, ravel_pytree(moment.parameters)[0])


# --- its pieces -------------------------------------------------------------------------------------


class _Found(typing.NamedTuple):
    """What is known of the networks seen so far."""

    fits: Int[Array, ""]
    good: Int[Array, ""]
    accuracy: Float[Array, ""]  # mean among those that fit: a sum of a million would lose digits
    histogram: Int[Array, " bin"]


def _nothing(dtype: typing.Any) -> _Found:
    none = jnp.zeros((), jnp.int32)
    return _Found(none, none, jnp.zeros((), dtype), jnp.zeros(BINS, jnp.int32))


def _key(moment: Moment) -> Key[Array, ""]:
    return named_key(moment.key, "random_networks")


def _point(
    key: Key[Array, ""], number: Int[Array, ""] | int, like: Float[Array, " parameter"]
) -> Float[Array, " parameter"]:
    # A key for each network costs no more than one for a chunk, and the chunk's size moves no number.
    return uniform_point(jax.random.fold_in(key, number), like)


def _fitting(moment: Moment, points: Float[Array, "network parameter"]) -> Bool[Array, " network"]:
    """Which networks answer every training example correctly.

    Under `vmap` all networks share the inputs: their first layers are one matrix product.
    """
    _, unravel = ravel_pytree(moment.parameters)
    data, count = moment.data, moment.data.train_count

    def check(state: tuple) -> tuple:
        index, fits = state
        positions = index * EXAMPLES + jnp.arange(EXAMPLES)
        valid = positions < count
        rows = data.rows[jnp.where(valid, positions, 0)]
        inputs, targets = jax.tree.map(lambda leaf: leaf[rows], (data.inputs, data.targets))

        def correct(point: Float[Array, " parameter"]) -> Bool[Array, ""]:
            scores = moment.objective.score(moment.maker(unravel(point)), inputs, targets)
            return jnp.all((scores.correct >= 1) | ~valid)

        return index + 1, fits & jax.vmap(correct)(points)

    def undecided(state: tuple) -> Bool[Array, ""]:
        index, fits = state
        return (index * EXAMPLES < count) & jnp.any(fits)

    start = (jnp.zeros((), jnp.int32), jnp.ones(len(points), bool))
    return jax.lax.while_loop(undecided, check, start)[1]


def _tested(
    moment: Moment,
    points: Float[Array, "network parameter"],
    fits: Bool[Array, " network"],
    good: Float[Array, ""] | float,
    found: _Found,
) -> _Found:
    """What was known, and the test accuracies of the fitting networks of a chunk.

    Those that fit come first, and blocks of them are tested until there are no more.
    """
    _, unravel = ravel_pytree(moment.parameters)
    count, size = jnp.sum(fits, dtype=jnp.int32), min(FITTING, len(points))
    order = jnp.pad(jnp.argsort(~fits), (0, -len(points) % size))

    def add(state: tuple) -> tuple:
        index, found = state
        chosen = jax.lax.dynamic_slice_in_dim(order, index * size, size)
        counts = index * size + jnp.arange(size) < count
        accuracies = jax.vmap(lambda point: moment.scores("test", unravel(point)).correct)(points[chosen])
        return index + 1, _added(found, accuracies, counts, good)

    state = (jnp.zeros((), jnp.int32), found)
    return jax.lax.while_loop(lambda state: state[0] * size < count, add, state)[1]


def _added(
    found: _Found, accuracies: Float[Array, " network"], counts: Bool[Array, " network"], good: Array | float
) -> _Found:
    new = jnp.sum(counts, dtype=jnp.int32)
    fits = found.fits + new
    excess = jnp.sum(jnp.where(counts, accuracies - found.accuracy, 0))
    places = jnp.clip(jnp.floor(BINS * (accuracies + ROUNDING)).astype(jnp.int32), 0, BINS - 1)
    inside = (places[:, None] == jnp.arange(BINS)[None]) & counts[:, None]
    return _Found(
        fits,
        found.good + jnp.sum(counts & (accuracies >= good - ROUNDING), dtype=jnp.int32),
        found.accuracy + excess / jnp.maximum(fits, 1),
        found.histogram + jnp.sum(inside, axis=0, dtype=jnp.int32),
    )
