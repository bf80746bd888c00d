"""Sums of scores and gradients over any number of training examples, in blocks of a fixed shape.

How many examples count is a number, not a shape: a full batch is a loop over blocks with a dynamic
trip count, so that runs with different fractions of training data share one program and each costs
what its own training set costs.
"""

import typing
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from ..tasks import AbstractObjective, Data, Predict
from ._sampling import Batch


BLOCK = 512  # examples; Power et al.'s batch, and large enough for matrix products to run at speed
SMALL = 64  # examples that are not worth a loop

Split = typing.Literal["train", "test"]
"""The two parts of a task's examples."""

Maker = Callable[..., Predict]
"""From parameters, and the number of a block where chance must differ between blocks, to a prediction."""


def linearised(maker: Maker, initial: PyTree) -> Maker:
    """The first-order expansion `f(w0) + J(w0) (w - w0)` of predictions in the parameters, around `initial`.

    The Jacobian is never formed: forward derivatives, which reverse ones can be taken of.
    """

    def make(parameters: PyTree, block: int | Array = 0) -> Predict:
        moved = jax.tree.map(jnp.subtract, parameters, initial)

        def predict(inputs: PyTree) -> Array:
            start, change = jax.jvp(lambda at: maker(at, block)(inputs), (initial,), (moved,))
            return start + change

        return predict

    return make


class Totals(typing.NamedTuple):
    """Sums over examples."""

    loss: Float[Array, ""]
    correct: Float[Array, ""]


def rows_at(data: Data, split: Split, positions: Int[Array, " batch"]) -> Int[Array, " batch"]:
    """Rows of the pool that hold the examples at these positions of a split."""
    return data.rows[positions if split == "train" else data.train_count + positions]


def block_totals(
    predict: Predict,
    objective: AbstractObjective,
    data: Data,
    rows: Int[Array, " batch"],
    valid: Bool[Array, " batch"],
) -> Totals:
    """Sums of loss and correctness over the valid rows."""
    inputs, targets = jax.tree.map(lambda leaf: leaf[rows], (data.inputs, data.targets))
    scores = objective.score(predict, inputs, targets)
    # `where`, not a product: an infinite loss in a padded row must not turn the sum into NaN.
    return Totals(*(jnp.sum(jnp.where(valid, score, 0)) for score in scores))


def mean_scores(
    predict: Predict, objective: AbstractObjective, data: Data, split: Split, block: int | None = None
) -> Totals:
    """Mean loss and accuracy of a split, `block` examples at a time."""
    count, capacity = _extent(data, split)
    size = block_size(capacity) if block is None else block

    def add(index: Int[Array, ""], totals: Totals) -> Totals:
        rows, valid = _block_rows(data, split, index, count, size)
        return Totals(*map(jnp.add, totals, block_totals(predict, objective, data, rows, valid)))

    zero = jnp.zeros(())
    totals = _sum_over_blocks(add, Totals(zero, zero), count, capacity, size)
    return Totals(*(total / count for total in totals))


def full_gradient(
    maker: Maker,
    parameters: PyTree,
    objective: AbstractObjective,
    data: Data,
    split: Split,
    block: int | None = None,
) -> tuple[Float[Array, ""], PyTree]:
    """Mean loss of a split and its gradient, `block` examples at a time."""
    count, capacity = _extent(data, split)
    size = block_size(capacity) if block is None else block

    def loss(candidate: PyTree, index: Int[Array, ""]) -> Float[Array, ""]:
        rows, valid = _block_rows(data, split, index, count, size)
        return block_totals(maker(candidate, index), objective, data, rows, valid).loss / count

    return _sum_of_gradients(loss, parameters, count, capacity, size)


def block_size(capacity: int) -> int:
    """Examples of a block where at most `capacity` count.

    A split is at most half of a small problem as a rule, and the other half need not be computed.
    """
    if capacity > BLOCK:
        return BLOCK
    return capacity if capacity <= SMALL else (capacity + 1) // 2


def batch_gradient(
    maker: Maker, parameters: PyTree, objective: AbstractObjective, data: Data, batch: Batch, block: int
) -> tuple[Float[Array, ""], PyTree]:
    """Mean loss of a minibatch and its gradient, in blocks of so many examples."""
    count, capacity = jnp.sum(batch.valid), len(batch.valid)
    padded = -capacity % block
    rows = jnp.pad(rows_at(data, "train", batch.positions), (0, padded))
    valid = jnp.pad(batch.valid, (0, padded))

    def loss(candidate: PyTree, index: Int[Array, ""]) -> Float[Array, ""]:
        mine, counts = (jax.lax.dynamic_slice_in_dim(all_, index * block, block) for all_ in (rows, valid))
        return block_totals(maker(candidate, index), objective, data, mine, counts).loss / count

    return _sum_of_gradients(loss, parameters, count, capacity, block)


def _extent(data: Data, split: Split) -> tuple[Int[Array, ""], int]:
    if split == "train":
        return data.train_count, data.train_capacity
    return data.test_count, data.rows.shape[0]


def _block_rows(data: Data, split: Split, index: Int[Array, ""], count: Int[Array, ""], block: int):
    positions = index * block + jnp.arange(block)
    valid = positions < count
    return rows_at(data, split, jnp.where(valid, positions, 0)), valid


def _sum_of_gradients(
    loss: Callable, parameters: PyTree, count: Int[Array, ""], capacity: int, block: int
) -> tuple[Float[Array, ""], PyTree]:
    def add(index: Int[Array, ""], sums: tuple) -> tuple:
        return jax.tree.map(jnp.add, sums, jax.value_and_grad(loss)(parameters, index))

    zeros = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, parameters))
    return _sum_over_blocks(add, zeros, count, capacity, block)


def _sum_over_blocks(
    add: Callable, start: PyTree, count: Int[Array, ""], capacity: int, block: int
) -> PyTree:
    """The sum over the first `count` of `capacity` examples, `block` at a time."""
    if capacity <= block:  # a loop of one round costs its bookkeeping and nothing else
        return add(jnp.zeros((), jnp.int32), start)
    return jax.lax.fori_loop(0, (count + block - 1) // block, add, start)
