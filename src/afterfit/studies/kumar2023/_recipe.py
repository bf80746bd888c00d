"""Networks and tasks that figures of the paper share.

Where a figure does not fix them, the numbers are our choice (the paper states few), at which networks are
lazy first and rich later in every draw: D = 40, N = 200, P = 200, epsilon = 0.1, eta = 2 N, targets of fixed
variance. Weights are drawn from N(0, 1), and loss and function are those of the paper: mean squared error of
the centred function, gradient descent with `eta / alpha^2`, no weight decay.
"""

import typing

from ... import models, probes, tasks, training
from .._study import Scale


ALPHA = "parametrisation.output_scale"
EPSILON = "model.nonlinearity"
TRAIN = "task.train"


def machine(
    scale: Scale,
    *,
    inputs: int = 40,
    train: int = 200,
    width: int = 200,
    nonlinearity: float = 0.1,
    alpha: float = 1.0,
    rate: float = 2.0,
    steps: int = 20_000,
    centred: bool = True,
    task: tasks.AbstractTask | None = None,
    model: dict[str, typing.Any] | None = None,
    **changes: typing.Any,
) -> training.Experiment:
    """A committee machine on one direction of its inputs, in float64.

    **Arguments:** `rate`: eta over N, before it is divided by alpha^2; `task`: another one; `model`: changes
    of the model. At smoke scale all is tiny, but a task of one's own keeps its size.
    """
    if scale == "smoke":
        inputs, train, width, steps = min(inputs, 6), min(train, 12), min(width, 8), 20
        rate = min(rate, 0.5)  # few inputs are less stable
    if task is None:
        task = tasks.Polynomial(inputs=inputs, train=train)
    machine = dict(width=width, nonlinearity=nonlinearity, reduced=True) | (model or {})
    default: dict[str, typing.Any] = dict(
        model=models.CommitteeMachine(**typing.cast(typing.Any, machine)),
        optimiser=training.GradientDescent(learning_rate=rate * width),
        parametrisation=training.Parametrisation(output_scale=alpha, centred=centred, scaled_rate=True),
        steps=steps,
        precision="float64",
        probes=(probes.committee_loss, probes.relative_change),
    )
    return training.Experiment(task, **typing.cast(typing.Any, default | changes))
