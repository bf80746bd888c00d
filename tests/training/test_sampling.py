"""The shuffle is a permutation, a fair one, and epochs visit each example once."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
from hypothesis import given, settings, strategies as st

from afterfit.training._sampling import batch_at, shuffled


order_of = jax.jit(lambda seed, order, count: shuffled(jax.random.key(seed), order, count))
batch_of = jax.jit(
    lambda seed, step, size, count: batch_at(jax.random.key(seed), step, 16, size, count),
)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 256))
def test_it_is_a_permutation(seed, count):
    # One shape for all counts, so that hypothesis does not compile anew: surplus entries repeat the first.
    order = np.where(np.arange(256) < count, np.arange(256), 0)
    sent = np.asarray(order_of(np.uint32(seed), order, jnp.int32(count)))[:count]
    assert sorted(sent.tolist()) == list(range(count))


def test_every_pair_of_positions_is_equally_likely():
    # Chi-square over all ordered pairs (where 0 and 1 go) of 6 elements, 30 cells, 6,000 draws.
    draws = jax.jit(jax.vmap(lambda seed: shuffled(jax.random.key(seed), jnp.arange(6), jnp.int32(6))))(
        jnp.arange(6000, dtype=jnp.uint32)
    )
    pairs = np.asarray(draws[:, 0] * 6 + draws[:, 1])
    counts = np.bincount(pairs, minlength=36)
    counts = counts[[a * 6 + b for a in range(6) for b in range(6) if a != b]]
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_neighbours_part():
    # In a large domain the images of neighbours are as far apart as those of strangers.
    sent = np.asarray(shuffled(jax.random.key(5), jnp.arange(4656), jnp.int32(4656)), float)
    correlation = scipy.stats.spearmanr(sent[:-1], sent[1:]).statistic
    assert abs(correlation) < 5 / np.sqrt(4656)


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), size=st.integers(1, 16), count=st.integers(1, 70))
def test_an_epoch_visits_each_example_once_and_keeps_its_short_last_batch(seed, size, count):
    per_epoch = -(-count // size)
    seen: list[int] = []
    for step in range(per_epoch, 2 * per_epoch):  # the second epoch
        batch = batch_of(np.uint32(seed), jnp.int32(step), jnp.int32(size), jnp.int32(count))
        seen += np.asarray(batch.positions)[np.asarray(batch.valid)].tolist()
    assert sorted(seen) == list(range(count))


def test_epochs_differ():
    first, second = (batch_of(np.uint32(0), jnp.int32(step), jnp.int32(16), jnp.int32(16)) for step in (0, 1))
    assert (np.asarray(first.positions) != np.asarray(second.positions)).any()
