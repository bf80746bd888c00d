"""The exact test loss of a committee machine that learns a sum of squares, and what it is made of.

Axes of this module
    unit       hidden units, or coordinates of the space that they span
    input      inputs of one example
    direction  directions of the target
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..models import CommitteeModel
from ..training import Moment


def committee_loss(moment: Moment) -> dict[str, Float[Array, ""]]:
    """The mean squared error over all inputs, as `total` and as the three terms that sum to it.

    With `wbar = sum_i v_i w_i / N`, `M = sum_i v_i w_i w_i^T / N` (those at step 0 taken off where the
    function is centred), output scale alpha, and targets `1/2 x^T S x`, `S = 2 factor sum_q beta_q beta_q^T`:

    - `power`: `1/4 (Tr(S - alpha epsilon M) / D)^2`, too much or too little of the norm of x;
    - `misalignment`: `|alpha epsilon M - S|_F^2 / (2 D^2)`;
    - `linear`: `alpha^2 |wbar|^2 / D`, what a linear function of noise in the data costs.

    Also recorded: `trace`, of M over that at step 0 (NaN where this is 0), both not centred; and `alignment`,
    `D Tr(S M) / (Tr(S) Tr(M))`, 1 for weights without preference and D where all of them lie along beta.

    **Raises:** `ValueError` for another model or target.

    Kumar et al. 2023, Eq. 6; their `|beta|^2` is `Tr(S)`, and the centred form is ours.
    """
    model = moment.model
    truth = moment.data.truth
    if not isinstance(model, CommitteeModel) or model.degree is not None or "factor" not in truth:
        raise ValueError(
            "`committee_loss` needs a committee machine with squares that learns squares: "
            "CommitteeMachine() on Polynomial()."
        )
    scale = jnp.ones(()) if moment.output_scale is None else moment.output_scale
    mean, second = _moments(model)
    start_mean, start_second = _moments(moment.with_parameters(moment.initial))
    off = 1.0 if moment.centred else 0.0
    beta = truth["beta"].astype(second.dtype)
    target = 2 * truth["factor"].astype(second.dtype) * beta.T @ beta
    inputs = second.shape[0]
    excess = scale * model.nonlinearity * (second - off * start_second) - target
    terms = {
        "power": (jnp.trace(excess) / inputs) ** 2 / 4,
        "misalignment": jnp.sum(excess**2) / (2 * inputs**2),
        "linear": scale**2 * jnp.sum((mean - off * start_mean) ** 2) / inputs,
    }
    trace = jnp.trace(second)
    return {
        **terms,
        "total": sum(terms.values(), jnp.zeros(())),
        "trace": trace / jnp.trace(start_second),
        "alignment": inputs * jnp.sum(target * second) / (jnp.trace(target) * trace),
    }


def _moments(model: CommitteeModel) -> tuple[Float[Array, " input"], Float[Array, "input input"]]:
    """wbar and M of all units."""
    hidden, signs = model.hidden, model.signs
    weighted = hidden if model.reduced else signs[:, None] * hidden
    return signs @ hidden / model.width, weighted.T @ hidden / model.width
