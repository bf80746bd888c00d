"""Modular addition by a quadratic network, without weight decay (Figures 2 and 16).

Appendix 8.3: two layers without biases, the activation squared, width 100, mean squared error, gradient
descent with rate 100, 90% of the table, p = 23. Weights are drawn from N(0, 1) and the output is divided by
2 p N, as in the authors' code; it is not centred. In miniature p = 13, whose numbers are those that the text
gives with Figure 16, and the rate is 300: the runs are those of rate 100 in a third of the steps. (At 1,000
some networks of small alpha diverge.)

`alpha` multiplies the output, and the rate is divided by alpha^2. In the authors' code alpha multiplies the
output twice, so that what they call 0.5 to 2 is 0.25 to 4 here.
"""

import typing

import numpy as np
from jaxtyping import Float

from ... import models, probes, tasks, training
from ...ensemble import Sweep, sweep
from .._study import Scale


if typing.TYPE_CHECKING:
    import xarray

ALPHA = "parametrisation.output_scale"
MODULUS = {"smoke": 5, "laptop": 13, "paper": 23}
WIDTH = {"smoke": 16, "laptop": 100, "paper": 100}
RATE = {"smoke": 20.0, "laptop": 300.0, "paper": 100.0}
SEEDS = {"smoke": 2, "laptop": 5, "paper": 5}
FRACTION = 0.9


def modular(scale: Scale, *, alpha: float = 1.0, steps: int, **changes: typing.Any) -> training.Experiment:
    """The network on addition mod p."""
    unit = output_scale(scale, 1.0)
    default: dict[str, typing.Any] = dict(
        model=models.MLP(
            hidden=(WIDTH[scale],), activation="square", bias=False, output_bias=False, init="unit"
        ),
        # It is divided by the square of the whole factor of the output.
        optimiser=training.GradientDescent(learning_rate=RATE[scale] * unit**2),
        parametrisation=training.Parametrisation(
            output_scale=output_scale(scale, alpha), centred=False, scaled_rate=True
        ),
        steps=20 if scale == "smoke" else steps,
    )
    task = tasks.BinaryOperation(
        "x+y", modulus=MODULUS[scale], fraction=FRACTION, objective=tasks.MeanSquaredError()
    )
    return training.Experiment(task, **typing.cast(typing.Any, default | changes))


def output_scale(scale: Scale, alpha: float) -> float:
    """What multiplies the output: alpha / (2 p N)."""
    return alpha / (2 * MODULUS[scale] * WIDTH[scale])


def alphas(data: "xarray.Dataset", scale: Scale) -> Float[np.ndarray, " place"]:
    """The values of alpha of a sweep over the output's factor."""
    return np.round(data[ALPHA].values / output_scale(scale, 1.0), 6)


def grokked(scale: Scale) -> Sweep:
    """Training at alpha = 1 with a linearised twin: the runs of Figures 2a, 2b and 16."""
    steps = 50_000 if scale == "paper" else 10_000
    base = modular(scale, steps=steps, twin=True, probes=(probes.twin,))
    return sweep(base, {"seed": range(SEEDS[scale])})
