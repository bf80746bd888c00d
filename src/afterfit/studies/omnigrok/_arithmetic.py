"""Modular addition with the transformer of Nanda et al. (2023): p = 113 in the paper, less in miniature."""

import typing

from ... import models, tasks, training
from .._study import Scale
from ._recipe import adamw


MODULUS = {"smoke": 7, "laptop": 53, "paper": 113}
FRACTION = {"smoke": 0.6, "laptop": 0.5, "paper": 0.3}


def arithmetic(
    scale: Scale, *, decay: float = 1.0, steps: int, modulus: int | None = None, **changes: typing.Any
) -> training.Experiment:
    """Full batch, AdamW with rate 1e-3 and betas (0.9, 0.98); float32, where the authors have float64."""
    task = tasks.BinaryOperation("x+y", modulus=modulus or MODULUS[scale], fraction=FRACTION[scale])
    size = dict(width=16, heads=4) if scale == "smoke" else dict(width=128, heads=4)
    default = dict(
        model=models.nanda_transformer(**size),
        optimiser=adamw(decay=decay, b2=0.98),
        batch=None,
        steps=20 if scale == "smoke" else steps,
    )
    return training.Experiment(task, **typing.cast(typing.Any, default | changes))
