"""Minibatches without stored permutations: a shuffle that can be asked for any position.

An epoch visits every training example once, in an order that a Feistel network draws. The network
is a bijection of a power-of-four domain; positions that fall outside the training set walk on along
their cycle until they are inside (Black and Rogaway, 2002, "Ciphers with arbitrary finite domains").
A batch is thus a pure function of the seed and the step: nothing to store, nothing to sort, and the
number of training examples may be a traced number.
"""

import typing

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key, UInt32


ROUNDS = 8  # pairs of rounds mix domains as small as 16 elements; a test holds the quality


class Batch(typing.NamedTuple):
    """Positions among the training examples, and which entries of the fixed shape count."""

    positions: Int[Array, " capacity"]
    valid: Bool[Array, " capacity"]


def batch_at(
    key: Key[Array, ""], step: Int[Array, ""], capacity: int, size: Int[Array, ""], count: Int[Array, ""]
) -> Batch:
    """The batch of one step: epochs are shuffled anew, and a short last batch is kept.

    **Arguments:** `capacity` is the shape; `size <= capacity` examples are taken of `count`.
    """
    per_epoch = (count + size - 1) // size
    epoch, place = step // per_epoch, step % per_epoch
    slots = jnp.arange(capacity)
    order = place * size + slots
    valid = (slots < size) & (order < count)
    positions = shuffled(jax.random.fold_in(key, epoch), jnp.where(valid, order, 0), count)
    return Batch(positions, valid)


def shuffled(key: Key[Array, ""], order: Int[Array, " batch"], count: Int[Array, ""]) -> Int[Array, " batch"]:
    """Where a random permutation of `count` elements sends each element of `order`."""
    round_keys = jax.random.bits(key, (ROUNDS,), jnp.uint32)
    count = count.astype(jnp.uint32)
    half = (33 - jax.lax.clz(jnp.maximum(count - 1, 1))) // 2  # half the bits of the domain, rounded up
    mask = (jnp.uint32(1) << half) - jnp.uint32(1)

    def encipher(value: UInt32[Array, " batch"]) -> UInt32[Array, " batch"]:
        left, right = value >> half, value & mask
        for index in range(ROUNDS):
            left, right = right, left ^ (_mix(right + round_keys[index]) & mask)
        return (left << half) | right

    def walk(value: UInt32[Array, " batch"]) -> UInt32[Array, " batch"]:
        return jnp.where(value >= count, encipher(value), value)

    first = encipher(order.astype(jnp.uint32))
    return jax.lax.while_loop(lambda value: jnp.any(value >= count), walk, first).astype(jnp.int32)


def _mix(word: UInt32[Array, " batch"]) -> UInt32[Array, " batch"]:
    # The finaliser of MurmurHash3: every input bit reaches every output bit.
    word = (word ^ (word >> 16)) * jnp.uint32(0x85EBCA6B)
    word = (word ^ (word >> 13)) * jnp.uint32(0xC2B2AE35)
    return word ^ (word >> 16)
