"""Planted courses of synergy and redundancy."""

import numpy as np

from afterfit.studies.clauw2024._networks import AVERAGE, ORDINAL


def piecewise(steps, *levels):
    """A curve of levels: (from step, value) each, the first from the start on."""
    starts, values = np.array(levels, float).T
    return values[np.maximum(np.searchsorted(starts, steps, side="right") - 1, 0)]


def course(
    steps,
    *,
    synergy=((0, 5.0),),
    redundancy=((0, 1.0),),
    size=((0, 200.0),),
    loss=((0, 1.0),),
    fitted=30.0,
    generalised=(500.0, 1000.0, 2000.0),
    ties=(AVERAGE, ORDINAL),
):
    """What a run records: levels of each measure, and steps of 5%, 50% and 98% of the test set."""
    begins, half, ends = generalised
    accuracy = piecewise(
        steps, (0, 0.0), (begins, 0.06), (half, 0.6), (0.8 * ends + 0.2 * half, 0.91), (ends, 0.99)
    )
    found = {
        "train_accuracy": np.where(steps >= fitted, 1.0, 0.1),
        "test_accuracy": accuracy,
        "test_loss": piecewise(steps, *loss),
    }
    for one in ties:
        found |= {
            f"{one}/synergy": piecewise(steps, *synergy),
            f"{one}/redundancy": piecewise(steps, *redundancy),
            f"{one}/synergy_size": piecewise(steps, *size),
        }
    return found
