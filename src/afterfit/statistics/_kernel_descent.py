"""Training in the kernel regime, exactly: what gradient descent does where the kernel never moves.

Axes of this module
    point, place   training and test examples
    output         outputs
    step           steps that are asked for
"""

import numpy as np
from jaxtyping import Float, Shaped


def kernel_descent(
    kernel: Float[np.ndarray, "point point"],
    residual: Float[np.ndarray, "point output"],
    steps: Shaped[np.ndarray, " step"],
    *,
    rate: float,
    across: Float[np.ndarray, "place point"] | None = None,
) -> tuple[Float[np.ndarray, "step point output"], Float[np.ndarray, "step place output"] | None]:
    """Residuals `f - y` after so many steps of gradient descent on the mean squared error of a linear model.

    The recursion `r <- r - (2 rate / (n outputs)) K r`, `f' <- f' - (2 rate / (n outputs)) K' r` in the
    eigenvectors of K, so that any step costs the same: `(1 - c lambda)^t`.

    **Arguments:**

    - `kernel`: K, of one output and shared by all of them, in units of the squared function.
    - `residual`: at step 0.
    - `steps`: in any order.
    - `rate`: learning rate.
    - `across`: K', the kernel of other places with the training points.

    **Returns:** the residuals at the points, and the change of the function at the places (`None` without
    `across`).

    **Raises:** `ValueError` for a rate at which the descent is not stable, `rate >= n outputs / lambda_max`.

    Kumar et al. 2023, "Grokking as the transition from lazy to rich training dynamics", section 2.1.
    """
    values, vectors = np.linalg.eigh(np.asarray(kernel, float))
    pace = 2 * rate / residual.size * np.maximum(values, 0)
    if pace.max() >= 2:
        raise ValueError(
            f"`rate` must lie below {residual.size / values.max():.4g} (points times outputs over the "
            f"largest eigenvalue), got {rate}: the descent would diverge."
        )
    times = np.asarray(steps, float)[:, None]
    kept, lost = _decay(pace, times)  # of each eigenvector's part, at each step
    parts = vectors.T @ residual
    remains = np.einsum("pm,tm,mo->tpo", vectors, kept, parts)
    if across is None:
        return remains, None
    # The sum of (1 - pace)^s over s < t; where the pace is 0 each step adds the same.
    still = pace == 0
    summed = np.where(still, times, lost / np.where(still, 1, pace))
    moved = np.einsum("xm,tm,mo->txo", across @ vectors, summed, parts)
    return remains, -2 * rate / residual.size * moved


def kernel_regression(
    kernel: Float[np.ndarray, "point point"],
    targets: Float[np.ndarray, "point output"],
    across: Float[np.ndarray, "place point"],
    *,
    ridge: float = 0.0,
) -> Float[np.ndarray, "place output"]:
    """`K' (K + ridge I)^-1 y`: where the descent ends.

    **Raises:** `ValueError` for a singular kernel without a ridge, and for a negative ridge.
    """
    if ridge < 0:
        raise ValueError(f"`ridge` must not be negative, got {ridge}.")
    values, vectors = np.linalg.eigh(np.asarray(kernel, float))
    floor = len(values) * np.finfo(float).eps * values.max()
    rank = int((values + ridge > floor).sum())
    if rank < len(values):
        raise ValueError(
            f"the kernel of {len(values)} points is singular: its rank is {rank}. Give a `ridge`, e.g. "
            f"{1e-6 * values.mean():.1e} (a millionth of the mean eigenvalue), or fewer points."
        )
    return across @ (vectors @ ((vectors.T @ targets) / (values + ridge)[:, None]))


def _decay(
    pace: Float[np.ndarray, " mode"], times: Float[np.ndarray, "step 1"]
) -> tuple[Float[np.ndarray, "step mode"], Float[np.ndarray, "step mode"]]:
    """`(1 - pace)^times` and what is missing from it to 1, both with all their digits in slow modes."""
    slow = pace < 0.5
    power = times * np.log1p(-np.minimum(pace, 0.5))
    # Steps are whole: the base of a fast mode, which overshoots, may be negative.
    kept = np.where(slow, np.exp(power), (1 - pace) ** times)
    return kept, np.where(slow, -np.expm1(power), 1 - kept)
