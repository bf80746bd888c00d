"""Networks on images: MNIST, averaged to 14 x 14 pixels in miniature (only 10,000 may be at hand).

A batch is at most half of the training set, so the smallest ones have smaller batches than the paper's.
"""

import dataclasses
import typing

from ... import models, tasks, training
from .._study import Scale
from ._recipe import adamw


WIDTH = {"smoke": 8, "laptop": 100, "paper": 200}
LARGE_NORM = {"smoke": 10.0, "laptop": 10.0, "paper": 9.0}
"""Over the standard one; 8 in Figure 3d of the paper."""


def images(scale: Scale, **changes: typing.Any) -> tasks.MNIST:
    """Images with their labels; 2,000 test images a measurement, as in the authors' landscapes."""
    return tasks.MNIST(**typing.cast(typing.Any, {"side": 28 if scale == "paper" else 14} | changes))


def network(scale: Scale, task: tasks.AbstractTask, **changes: typing.Any) -> training.Experiment:
    """Section 4.1: a ReLU network 784-200-200-10, rate 1e-3, batches of 100; width 100 in miniature."""
    default = dict(model=models.MLP(hidden=(WIDTH[scale],) * 2), optimiser=adamw(), batch=100)
    return training.Experiment(task, **typing.cast(typing.Any, default | changes))


def grokked(
    scale: Scale, *, decay: float, train: int = 1000, alpha: float = 8.0, level: float = 0.86
) -> training.Experiment:
    """Free training from a large norm (Figures 3d, 3e, 10b): batches of 200, 1e5 steps, always of width 200.

    In miniature 5e4 steps, and `LARGE_NORM` instead of the 8 or 9 of the paper: small images need a larger
    norm to be fitted without being understood. A run ends once its test accuracy has stayed at `level`.
    """
    width = WIDTH["smoke" if scale == "smoke" else "paper"]
    return network(
        scale,
        images(scale, train=train),
        model=models.MLP(hidden=(width, width)),
        optimiser=adamw(decay=decay),
        batch=200,
        steps={"smoke": 20, "laptop": 50_000, "paper": 100_000}[scale],
        parametrisation=training.Parametrisation(init_scale=alpha),
        stop=training.Sustained("test_accuracy", level, records=3),
    )


def constrained(scale: Scale, objective: tasks.AbstractObjective | None = None, **changes: typing.Any):
    """What is trained on spheres (Figures 3a, 7, 11): 1e4 steps, in miniature 2,000 or as given."""
    task = images(scale) if objective is None else images(scale, objective=objective)
    default = dict(steps={"smoke": 20, "laptop": 2000, "paper": 10_000}[scale])
    return dataclasses.replace(network(scale, task), **typing.cast(typing.Any, default | changes))
