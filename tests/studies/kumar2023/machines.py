"""Planted records of committee machines: a test loss in three terms that climbs and falls."""

import typing

import numpy as np

from ..planted import step_up


def course(
    steps: np.ndarray,
    *,
    first: float = 1.0,
    low: float | None = None,
    high: float = 1.3,
    peak: float = 50,
    fall: float = 2000,
    end: float = 0.02,
    fitted: float = 200,
    share: float = 1.0,
    turned: float = 1500,
    apart: float = 0.0,
    gap: float = 0.0,
    **more: typing.Any,
) -> dict[str, typing.Any]:
    """Loss `first`, a dip to `low` at step 10, `high` from step `peak` on, and `end` from `fall` on.

    The linear term takes `share` of the climb. The training loss is at a hundredth from `fitted` on, the
    alignment at 30 from `turned` on. Measured losses are `apart` from the exact one, and the terms miss it by
    `gap`, both as shares.
    """
    dip = first if low is None else low
    total = np.select([steps >= fall, steps >= peak, steps >= 10], [end, high, dip], first).astype(float)
    linear = np.select([steps >= fall, steps >= peak], [0.2 * end, 0.05 + share * (high - dip)], 0.05)
    rest = total * (1 + gap) - linear
    return {
        "committee_loss/total": total,
        "committee_loss/linear": linear,
        "committee_loss/power": 0.3 * rest,
        "committee_loss/misalignment": 0.7 * rest,
        "committee_loss/alignment": step_up(steps, turned, 1.0, 30.0),
        "committee_loss/trace": step_up(steps, turned, 1.0, 11.0),
        "test_loss": total * (1 + apart),
        "train_loss": step_up(steps, fitted, 1.0, 0.01),
    } | more
