"""Scores of the examples that a task marks."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..tasks import Scores
from ..training import Moment


BLOCK = 512
"""Examples at a time: all at once would take gigabytes in a wide pack."""


def group_scores(moment: Moment) -> dict[str, Float[Array, ""]]:
    """Mean loss and accuracy of each marked group of examples, and of the others beside it.

    Tables of equations mark "mirrored", the test equations whose mirror image `y o x` was trained on, and
    "outlier", the training equations with a falsified answer (scored against that answer). Where order
    does not matter, mirrored equations are solved by seeing that; "not_mirrored" ones tell more.

    **Returns:** for each group `NAME_loss` (in the unit of the task's objective, nats by default) and
    `NAME_accuracy`, in [0, 1]; and, as `not_NAME_loss` and `not_NAME_accuracy`, those of the other
    examples of the split that the group is part of.

    **Degenerate inputs:** NaN for a group without examples, also beside it, and where there are no others.

    **Raises:** `ValueError` for a task that marks no groups.
    """
    data = moment.data
    if not data.groups:
        raise ValueError(
            "group_scores needs a task that marks groups of its examples, got one that marks none: "
            "try BinaryOperation, or give `Data` its `groups`."
        )
    scores = _scores(moment)
    place = jnp.arange(data.rows.shape[0])
    train = place < data.train_count
    test = ~train & (place < data.train_count + data.test_count)
    found = {}
    for name, marked in data.groups.items():
        inside = marked[data.rows]
        beside = (train & jnp.any(inside & train)) | (test & jnp.any(inside & test))
        for label, chosen in ((name, beside & inside), (f"not_{name}", beside & ~inside)):
            found[f"{label}_loss"] = _mean(scores.loss, chosen)
            found[f"{label}_accuracy"] = _mean(scores.correct, chosen)
    return found


def _scores(moment: Moment) -> Scores:
    """Scores of the examples in the order of `data.rows`."""
    data = moment.data
    count = data.rows.shape[0]
    blocks = -(-count // BLOCK)
    padded = jnp.pad(data.rows, (0, blocks * BLOCK - count)).reshape(blocks, BLOCK)

    def score(rows: Array) -> Scores:
        inputs, targets = jax.tree.map(lambda leaf: leaf[rows], (data.inputs, data.targets))
        return moment.objective.score(moment.predict, inputs, targets)

    return jax.tree.map(lambda leaf: leaf.reshape(-1)[:count], jax.lax.map(score, padded))


def _mean(values: Array, chosen: Array) -> Float[Array, ""]:
    # `where`, not a product: an infinite loss elsewhere must not turn the sum into NaN.
    return jnp.sum(jnp.where(chosen, values, 0)) / jnp.sum(chosen)
