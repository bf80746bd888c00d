"""A one-layer transformer on modular addition, with a centred factor at its logits (Figures 6b and 12).

After Nanda et al. (2023): no norms, learned positions, ReLU, cross-entropy, AdamW with betas (0.9, 0.98) and
a warm-up of 10 steps. The paper has p = 113, 40% of the table, width 128 with 4 heads and 200,000 steps; rate
and decay are those of the authors' code, 6e-6 / alpha^2 and 1. In miniature p = 31, half of the table, width
64 with 4 heads, and the rate is 5e-4 / alpha^2. (At width 32 most networks answer all right and keep a test
loss of 0.1 to 0.3.)

What changes with alpha besides alpha. AdamW divides gradients by their size, so a rate of eta / alpha^2 makes
real steps smaller as alpha grows, which gradient descent would not do; and its decay of each step is rate
times decay, which falls as alpha grows. `held` says what is kept as it is at one alpha instead.
"""

import typing

import numpy as np

from ... import models, tasks, training
from ...statistics import crossing_time
from .._study import Scale
from .._trends import Delays


if typing.TYPE_CHECKING:
    import xarray

MODULUS = {"smoke": 7, "laptop": 31, "paper": 113}
FRACTION = {"smoke": 0.6, "laptop": 0.5, "paper": 0.4}
SIZE = {
    "smoke": dict(width=16, heads=2),
    "laptop": dict(width=64, heads=4),
    "paper": dict(width=128, heads=4),
}
RATE = {"smoke": 1e-3, "laptop": 5e-4, "paper": 6e-6}
SEEDS = {"smoke": 2, "laptop": 3, "paper": 3}
LEVEL = 0.1
"""Nats: a set is learned where its loss is below."""

Held = typing.Literal["nothing", "rate times decay", "rate"]


def transformer(scale: Scale, *, steps: int, **changes: typing.Any) -> training.Experiment:
    """The network at alpha = 1; a run ends soon after it has learned the test set."""
    default: dict[str, typing.Any] = dict(
        model=models.nanda_transformer(**SIZE[scale]),
        optimiser=training.AdamW(learning_rate=RATE[scale], weight_decay=1.0, b1=0.9, b2=0.98, warmup=10),
        parametrisation=training.Parametrisation(output_scale=1.0, centred=True),
        steps=20 if scale == "smoke" else steps,
        stop=training.Sustained("test_loss", LEVEL, records=3, below=True),
    )
    task = tasks.BinaryOperation("x+y", modulus=MODULUS[scale], fraction=FRACTION[scale])
    return training.Experiment(task, **typing.cast(typing.Any, default | changes))


def setting(
    scale: Scale, alpha: float, decay: float, held: Held = "nothing", middle: float = 0.5
) -> dict[str, float]:
    """Fields of the recipe at an alpha; what is held is as at the `middle` one, whose decay is given."""
    return {
        "parametrisation.output_scale": alpha,
        "optimiser.learning_rate": RATE[scale] / (middle if held == "rate" else alpha) ** 2,
        "optimiser.weight_decay": decay * (alpha / middle) ** 2 if held == "rate times decay" else decay,
    }


def loss_delays(data: "xarray.Dataset", place: str) -> Delays:
    """Steps until each loss is first below 0.1 nats."""
    columns = []
    for split in ("train", "test"):
        found = crossing_time(data[f"{split}_loss"], LEVEL, below=True).transpose("seed", place)
        columns.append(np.where(found["time_censored"].values, np.inf, found["time"].values.astype(float)))
    return Delays(*columns)
