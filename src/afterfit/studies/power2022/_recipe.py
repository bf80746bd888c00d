"""The paper's recipe (appendix A.1), and its miniature for two cores."""

import typing

from ... import models, tasks, training
from .._study import Scale


MODULUS = {"smoke": 7, "laptop": 31, "paper": 97}
WIDTH = {"smoke": 16, "laptop": 64, "paper": 128}
STEPS = {"smoke": 40, "laptop": 6_000, "paper": 100_000}
SOLVED = training.Sustained("test_accuracy", level=0.999, records=5)
"""Training beyond this point changes no best accuracy and no time to generalise."""


def residues(scale: Scale, operation: str, fraction: float, **changes: typing.Any) -> training.Experiment:
    """An operation modulo p: 97 in the paper, 31 (or as given) in miniature."""
    task = tasks.BinaryOperation(operation, modulus=changes.pop("modulus", MODULUS[scale]), fraction=fraction)
    return _experiment(scale, task, **changes)


def permutations(scale: Scale, operation: str, fraction: float, **changes: typing.Any) -> training.Experiment:
    """An operation in S5; in miniature (or as given) in a smaller group."""
    degree = changes.pop("degree", {"smoke": 3, "laptop": 4, "paper": 5}[scale])
    return _experiment(
        scale, tasks.PermutationOperation(operation, degree=degree, fraction=fraction), **changes
    )


def _experiment(scale: Scale, task: tasks.AbstractTask, **changes: typing.Any) -> training.Experiment:
    # Appendix A.1.2: two layers, width 128, four heads; AdamW, rate 1e-3, decay 1, betas (0.9, 0.98),
    # linear warm-up over 10 updates, batch 512 or half of the training set, 1e5 updates.
    default = dict(
        model=models.Transformer(layers=2, width=WIDTH[scale], heads=4),
        optimiser=training.AdamW(learning_rate=1e-3, weight_decay=1.0, b1=0.9, b2=0.98, warmup=10),
        batch=512,
        steps=STEPS[scale],
        stop=SOLVED,
    )
    return training.Experiment(task, **typing.cast(typing.Any, default | changes))
