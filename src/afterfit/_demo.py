"""The default experiment: modular addition, where weight decay moves the moment of insight."""

from . import models, tasks, training
from .ensemble import Sweep, sweep


def demo(scale: str = "laptop") -> Sweep:
    """Addition mod 97 from 40% of its table, three weight decays, three seeds.

    The network is that of Clauw et al. (2024), section 3: one hidden layer of 250 ReLU units, full
    batch, learning rate 0.03. `scale="smoke"` stops after a few steps.
    """
    experiment = training.Experiment(
        task=tasks.BinaryOperation("x+y", modulus=97, fraction=0.4),
        model=models.MLP(hidden=(250,), output_bias=False),
        optimiser=training.AdamW(learning_rate=0.03, weight_decay=2.0, warmup=0),
        steps=3000,
        stop=training.Sustained("test_accuracy", level=0.999, records=5),
    )
    if scale == "smoke":
        return sweep(
            training.changed(experiment, {"task.modulus": 11, "model.hidden": (32,), "steps": 200}),
            {"optimiser.weight_decay": [0.1, 2.0], "seed": [0, 1]},
        )
    return sweep(experiment, {"optimiser.weight_decay": [0.2, 0.6, 2.0], "seed": [0, 1, 2]})
