"""How much the training loss can rise in a small box around the parameters (Keskar et al. 2017).

Axes of this module
    parameter   all parameters in one row
    place       coordinates of the box: those of a random subspace, or all parameters
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from ..training import Moment


def keskar_sharpness(
    moment: Moment, *, radius: float = 1e-3, dimension: int | None = 10, draws: int = 5
) -> float:
    """The largest rise of the training loss in a box around the parameters w, in percent of 1 + the loss.

    `phi = 100 (max_{y in C} L(w + A y) - L(w)) / (1 + L(w))`, where `A+` has random rows of length 1, A is
    its pseudo-inverse, and the box C is `|y_i| <= radius (|(A+ w)_i| + 1)`; in the full space A is the
    identity. L is the mean loss of the whole training set. The maximum is sought by L-BFGS-B.

    **Arguments:**

    - `moment`: in float64 (`run.moment(..., precision="float64")`): in float32 the rise in so small
        a box is lost in rounding.
    - `radius`: epsilon. 1e-3 and 5e-4 in the paper.
    - `dimension`: of the subspace; `None` for the full space.
    - `draws`: subspaces to average over. They are the same for all networks of one size.

    **Returns:** phi, at least 0; low is flat. It is no probe of a compiled pack: SciPy runs the search.

    Raises `ValueError` for other precisions, for traced moments, and for settings out of range.

    @inproceedings{keskar2017large,
        author={Keskar, Nitish Shirish and Mudigere, Dheevatsa and Nocedal, Jorge and Smelyanskiy, Mikhail
            and Tang, Ping Tak Peter},
        title={On Large-Batch Training for Deep Learning: Generalization Gap and Sharp Minima},
        booktitle={International Conference on Learning Representations},
        year={2017},
    }
    """
    _check(moment, radius, dimension, draws)
    with jax.enable_x64(True):
        weights = np.asarray(ravel_pytree(moment.parameters)[0])

        def evaluate(at: Float[np.ndarray, " parameter"]) -> tuple[float, Float[np.ndarray, " parameter"]]:
            loss, gradient = _loss_and_gradient(moment, jnp.asarray(at))
            return float(loss), np.asarray(gradient)

        loss = evaluate(weights)[0]
        if dimension is None:
            rise = _greatest_rise(evaluate, weights, loss, None, radius, np.random.default_rng(0))
        else:
            rises = []
            for draw in range(draws):
                generator = np.random.default_rng([draw, 1])
                rows = generator.uniform(-1, 1, (min(dimension, weights.size), weights.size))
                rows /= np.linalg.norm(rows, axis=1, keepdims=True)
                rises.append(_greatest_rise(evaluate, weights, loss, rows, radius, generator))
            rise = float(np.mean(rises))
    return 100 * rise / (1 + loss)


@eqx.filter_jit
def _loss_and_gradient(
    moment: Moment, flat: Float[Array, " parameter"]
) -> tuple[Float[Array, ""], Float[Array, " parameter"]]:
    _, unravel = ravel_pytree(moment.parameters)
    loss, gradient = moment.loss_and_gradient("train", unravel(flat))
    return loss, ravel_pytree(gradient)[0]


Evaluate = Callable[[Float[np.ndarray, " parameter"]], tuple[float, Float[np.ndarray, " parameter"]]]
"""From weights to the loss and its gradient."""


def _greatest_rise(
    evaluate: Evaluate,
    weights: Float[np.ndarray, " parameter"],
    loss: float,
    rows: Float[np.ndarray, "place parameter"] | None,
    radius: float,
    generator: np.random.Generator,
) -> float:
    """`max L(w + A y) - L(w)` over the box; `rows` are A+ (`None`: the identity)."""
    import scipy.optimize

    inverse = None if rows is None else rows.T @ np.linalg.inv(rows @ rows.T)  # A, as A+ has full row rank
    box = radius * (np.abs(weights if rows is None else rows @ weights) + 1)
    # In units in which the box has a diagonal of 2. The first step of L-BFGS-B has length 1: in units of the
    # sides it hardly leaves the middle of 1e5 of them, and 200 steps found a ninth of what 10 find here.
    unit = box * np.sqrt(box.size)
    edge = 1 / np.sqrt(box.size)

    def rise(at: Float[np.ndarray, " place"]) -> tuple[float, Float[np.ndarray, " place"]]:
        moved = unit * at
        value, gradient = evaluate(weights + (moved if inverse is None else inverse @ moved))
        return value - loss, unit * (gradient if inverse is None else inverse.T @ gradient)

    start = np.zeros(box.size)
    promised = edge * float(np.abs(rise(start)[1]).sum())
    if promised == 0:  # a stationary point, where the search would end as it begins
        start = generator.uniform(-edge, edge, box.size)
        promised = edge * float(np.abs(rise(start)[1]).sum())
    if promised == 0:
        return 0.0

    def descend(at: Float[np.ndarray, " place"]) -> tuple[float, Float[np.ndarray, " place"]]:
        # L-BFGS-B stops at absolute sizes of the slope: not scaled, these are so small that it takes no step.
        value, slope = rise(at)
        return -value / promised, -slope / promised

    found = scipy.optimize.minimize(
        descend,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(-edge, edge)] * box.size,
        options={"maxiter": 100, "ftol": 1e-7, "gtol": 1e-7},
    )
    return max(0.0, -float(found.fun) * promised)


def _check(moment: Moment, radius: float, dimension: int | None, draws: int) -> None:
    if isinstance(moment.step, Tracer):
        raise ValueError(
            "`keskar_sharpness` runs on the host and cannot be a probe of an experiment: keep `snapshots`, "
            'and measure `run.moment(..., precision="float64")` afterwards.'
        )
    found = {str(leaf.dtype) for leaf in jax.tree.leaves(moment.parameters)}
    if found != {"float64"}:
        raise ValueError(
            f"`keskar_sharpness` needs a moment in float64, got {', '.join(sorted(found))}: "
            'try `run.moment(..., precision="float64")`, or `moment.cast("float64")`.'
        )
    if not radius > 0:
        raise ValueError(f"`radius` must be above 0, got {radius}. Try 1e-3.")
    for name, value in (("dimension", dimension), ("draws", draws)):
        if value is not None and value < 1:
            raise ValueError(f"`{name}` must be at least 1, got {value}.")
