"""Graph networks on molecules."""

import typing

from ... import models, tasks, training
from .._study import Scale
from ._recipe import adamw


def molecular(scale: Scale, task: tasks.AbstractTask, **changes: typing.Any) -> training.Experiment:
    """Section 4.3 and the authors' code: two convolutions of 32 and 16, two linear layers; batches of 32.

    Half as wide in miniature. The loss is the plain mean squared error; the authors' numbers are divided by
    the batch size once more.
    """
    widths = {"smoke": (4, 4), "laptop": (16, 8), "paper": (32, 16)}[scale]
    model = models.GraphConvolution(widths=widths, edge_width=widths[0], readout=widths[0])
    return training.Experiment(
        task, **typing.cast(typing.Any, dict(model=model, optimiser=adamw(), batch=32) | changes)
    )
