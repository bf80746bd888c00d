"""A network beside its linearised twin."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from ..training import Moment


def twin(moment: Moment) -> dict[str, Float[Array, ""]]:
    """Losses and accuracies of the linearised twin, and how far the network is from it.

    The twin is the network's first-order expansion around its initial weights, trained beside it on the same
    data. `difference` is the root-mean-square difference of their outputs over the test set, over the
    root-mean-square output of the twin: 0 at step 0, small while training is lazy; about 1 and more where the
    network has left its linearisation; NaN where the twin has diverged so far that nothing is finite.

    **Raises:** `ValueError` for a run without a twin.
    """
    if moment.twin is None:
        raise ValueError("the probe `twin` needs a run that has one: Experiment(..., twin=True).")
    its = moment.twin

    def difference(inputs: PyTree, targets: PyTree) -> Float[Array, " batch"]:
        del targets
        return jnp.mean((moment.predict(inputs) - moment.linear_predict(inputs, its)) ** 2, axis=-1)

    def size(inputs: PyTree, targets: PyTree) -> Float[Array, " batch"]:
        del targets
        return jnp.mean(moment.linear_predict(inputs, its) ** 2, axis=-1)

    train, test = (moment.linear_scores(split, its) for split in ("train", "test"))
    apart, scale = (moment.mean(one, "test") for one in (difference, size))
    return {
        "train_loss": train.loss,
        "train_accuracy": train.correct,
        "test_loss": test.loss,
        "test_accuracy": test.correct,
        # At the start both are one function, and what differs is rounding. Asked for equality otherwise: a
        # twin that is no longer finite must not look like one that is close.
        "difference": jnp.where(
            (moment.step == 0) | (apart == 0), 0, jnp.sqrt(apart / jnp.where(apart == 0, 1, scale))
        ),
    }


def relative_change(moment: Moment) -> Float[Array, ""]:
    """How far the parameters have moved, over the norm of the initial ones: small while training is lazy.

    `|w - w0| / |w0|` (Chizat et al. 2019, "On lazy training in differentiable programming").
    """
    moved = jax.tree.map(jnp.subtract, moment.parameters, moment.initial)
    return optax.tree.norm(moved) / optax.tree.norm(moment.initial)
