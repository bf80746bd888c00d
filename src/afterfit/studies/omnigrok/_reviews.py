"""Recurrent networks on reviews: two layers of 256 in the paper's code, a small one in miniature."""

import typing

from ... import models, tasks, training
from .._study import Scale


LENGTH = {"smoke": 12, "laptop": 80, "paper": 500}


def model(scale: Scale) -> models.AbstractArchitecture:
    """Section 4.2 says 128 units, the authors' code has 256; one layer of 32 in miniature (our choice)."""
    if scale == "paper":
        return models.LSTM(embedding=64, hidden=256, layers=2)
    size = {"smoke": 8, "laptop": 32}[scale]
    return models.LSTM(embedding=size, hidden=size, layers=1)


def recurrent(
    scale: Scale, task: tasks.AbstractTask, *, rate: float, decay: float = 0.0, **changes: typing.Any
) -> training.Experiment:
    """Batches of 50, gradients clipped at a norm of 5; the state starts at zero for every review.

    The authors' code carries it over from batch to batch, and reads padding, which is skipped here.
    """
    adamw = training.AdamW(learning_rate=rate, weight_decay=decay, b1=0.9, b2=0.999, warmup=0)
    default = dict(model=model(scale), optimiser=training.Clipped(adamw, norm=5.0), batch=50)
    return training.Experiment(task, **typing.cast(typing.Any, default | changes))
