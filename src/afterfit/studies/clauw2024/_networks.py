"""The networks of Clauw et al. 2024: addition modulo 97 with one hidden layer of 250 units.

What the text leaves open is as in the code that the authors released: cross-entropy, AdamW with b2 = 0.98 and
decoupled decay of biases too, PyTorch's initial values, no output bias, one split (seed 420) for all models,
4,000 full-batch steps. The text's weight decay of 0.01 in section 4 is 0.1 in its captions and in the code.
"""

import math

from ...ensemble import Sweep, sweep
from ...models import MLP
from ...probes import OInformation, Ward
from ...tasks import BinaryOperation
from ...training import AbstractConstraint, AdamW, ConstantNorm, Experiment, LogSpaced, Parametrisation
from .._study import Scale


SPLIT = 420
INITS = {"smoke": (0, 100), "laptop": (0, 100, 200, 300, 400), "paper": (0, 100, 200, 300, 400)}
STEPS = {"smoke": 60, "laptop": 4000, "paper": 6000}
MODULUS = {"smoke": 13, "laptop": 97, "paper": 97}
WIDTH = {"smoke": 24, "laptop": 250, "paper": 250}
FRACTION = 0.4

DECAY, INIT = "optimiser.weight_decay", "seeds.init"
AVERAGE, ORDINAL = "average", "ordinal"
TIES = (AVERAGE, ORDINAL)
"""Names of both measures: equal activations get their mean rank, or are ordered as the samples are, as the
library `hoi` has it. Rectified units have many zeros; the authors' code leaves their order to NumPy."""

LABELS = {AVERAGE: "ties: mean ranks", ORDINAL: "ties: order of samples"}
"""How charts call them."""

LIMITS = (
    "a Gaussian copula sees monotone dependence only. Every neuron of a union of Ward's groups is a "
    "variable; random groups of the same sizes reach 6.4 to 6.8 bits where these reach 7.4 at the peak "
    "(decay 2), and 1.7 to 2.2 where they reach 4.1 late"
)
"""What a reader of any figure of O-information should know (our measurements)."""

HIDDEN = "layers[0]"


def measures(scale: Scale, ties: tuple[str, ...] = TIES) -> tuple[OInformation, ...]:
    """O-information of the hidden layer on the training inputs, one probe for each rule of ties."""
    groups = Ward(4 if scale == "smoke" else 10)
    points = int(FRACTION * MODULUS[scale] ** 2)
    return tuple(
        OInformation(HIDDEN, groups, ties="ordinal" if one == ORDINAL else "average", points=points, name=one)
        for one in ties
    )


def network(
    scale: Scale,
    *,
    decay: float = 0.0,
    probes: tuple[OInformation, ...] | None = None,
    parametrisation: Parametrisation = Parametrisation(),
    constraint: AbstractConstraint | None = None,
    zero_readout: bool = False,
) -> Experiment:
    """One network of the paper."""
    return Experiment(
        task=BinaryOperation("x+y", modulus=MODULUS[scale], fraction=FRACTION),
        model=MLP(hidden=(WIDTH[scale],), output_bias=False, zero_readout=zero_readout),
        optimiser=AdamW(learning_rate=0.03, weight_decay=decay, b1=0.9, b2=0.98, warmup=0),
        steps=STEPS[scale],
        parametrisation=parametrisation,
        constraint=constraint,
        record=LogSpaced(8 if scale == "smoke" else 20),
        probes=measures(scale) if probes is None else probes,
    )


def decays(scale: Scale, values: tuple[float, ...]) -> Sweep:
    """Weight decays times initial values."""
    return sweep(network(scale), {DECAY: values, INIT: INITS[scale]}, seed=SPLIT)


def scaled(scale: Scale, alphas: tuple[float, ...]) -> Sweep:
    """Initial scales alpha times initial values, without decay and at constant norm.

    Both matrices are scaled, the last one starts at zero as the text has it, and the norm is that expected
    before it was set to zero. Biases are left alone, as in the authors' code: scaled ones make a start of
    high synergy.
    """
    axis = {
        f"{alpha:g}": {"parametrisation.init_scale": alpha, "constraint.norm": norm(scale, alpha)}
        for alpha in alphas
    }
    return sweep(at_constant_norm(scale, 1.0), {"alpha": axis, INIT: INITS[scale]}, seed=SPLIT)


def at_constant_norm(scale: Scale, alpha: float) -> Experiment:
    """One network from an initial scale alpha."""
    return network(
        scale,
        parametrisation=Parametrisation(init_scale=alpha, matrices_only=True),
        constraint=ConstantNorm(norm(scale, alpha), matrices_only=True),
        zero_readout=True,
    )


def norm(scale: Scale, alpha: float) -> float:
    """Of both matrices, uniform in +-1/sqrt(fan_in), times alpha."""
    return alpha * math.sqrt((WIDTH[scale] + MODULUS[scale]) / 3)
