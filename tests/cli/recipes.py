"""Good recipes of all kinds, and what lies beside them."""

import typing


OWN = """
import dataclasses
import afterfit as af
from afterfit.models import AbstractArchitecture

@dataclasses.dataclass(frozen=True)
class Wrapped(AbstractArchitecture):
    model: AbstractArchitecture = af.models.MLP()
    gain: float = 1.0
    times: int = 1

    def __post_init__(self):
        if self.times < 1:
            raise ValueError(f"`times` must be at least 1, got {self.times}.")

    def build(self, sizes, *, key):
        return self.model.build(sizes, key=key)

def half(moment):
    return 0.5
"""
"""A user's own parts, in `own_things.py` beside the recipes."""

PARENT = """
steps = 40
[task]
kind = "BinaryOperation"
modulus = 5
[model]
kind = "MLP"
hidden = [8]
"""
"""A recipe that a fork names, `parent.toml` beside it."""

Plain = dict[str, typing.Any]

RECIPES: dict[str, Plain] = {
    "mlp": {
        "steps": 20,
        "seed": 1,
        "batch": 4,
        "twin": True,
        "precision": "float32",
        "task": {"kind": "BinaryOperation", "operation": "x+y", "modulus": 5, "fraction": 0.5, "outliers": 1},
        "model": {"kind": "MLP", "hidden": [8, 6], "activation": "relu", "bias": True, "init": "normal"},
        "optimiser": {"kind": "AdamW", "learning_rate": 0.01, "weight_decay": 0.1, "b1": 0.9, "b2": 0.98},
        "record": {"kind": "Every", "interval": 5},
        "snapshots": {"kind": "At", "chosen": [0, 10]},
        "stop": {"measure": "test_accuracy", "level": 0.9, "records": 2, "below": False},
        "noise": {"gradient": 0.1, "update": 0.1, "weight": 0.1},
        "parametrisation": {"init_scale": 2.0, "output_scale": 3.0, "centred": True},
    },
    "transformer": {
        "steps": 30,
        "task": {"kind": "PermutationOperation", "operation": "x.y", "degree": 3, "symbols": 8},
        "model": {
            "kind": "Transformer",
            "layers": 1,
            "width": 8,
            "heads": 2,
            "mlp_width": 16,
            "dropout": 0.1,
            "dropout_on": "mlp",
            "positions": "learned",
        },
        "optimiser": {
            "kind": "Separate",
            "part": ".embedding",
            "optimiser": {"kind": "Clipped", "norm": 1.0, "optimiser": {"kind": "SGD", "momentum": 0.5}},
            "rest": {
                "kind": "StepDecay",
                "factor": 0.5,
                "every": 10,
                "optimiser": {"kind": "Adam", "eps": 1e-9},
            },
        },
        "record": {"kind": "LogSpaced", "per_decade": 4},
        "probes": ["gradient_norm", {"kind": "TopEigenvalue", "iterations": 3}],
        "axes": {
            "optimiser.rest.factor": [0.1, 0.5],
            "model.width": [4, 8],
            "task.operation": ["x.y", "x.y.x"],
        },
    },
    "table": {
        "steps": 25,
        "task": {
            "kind": "TableTask",
            "table": [[0, 1, 2], [1, 2, 0], [2, 0, -1]],
            "fraction": 0.6,
            "outputs": 4,
        },
        "model": {"kind": "MLP", "hidden": [8]},
        "optimiser": {"kind": "GradientDescent", "learning_rate": 0.1, "weight_decay": 0.01},
        "constraint": {
            "kind": "InTurn",
            "constraints": [
                {"kind": "KeepUnits", "layer": "layers[0]", "mask": [1.0, 0.0] * 4, "biases": False},
                {"kind": "ConstantNorm", "norm": 2.0, "per_layer": True},
            ],
        },
        "axes": {
            "seed": [1, 2, 3],
            "seeds.init": [4, 5],
            "pull": {
                "gently": {"optimiser.weight_decay": 0.1, "optimiser.learning_rate": 0.01},
                "hard": {"optimiser.weight_decay": 1.0},
            },
        },
    },
    "committee": {
        "steps": 15,
        "task": {
            "kind": "Polynomial",
            "inputs": 6,
            "train": 8,
            "test": 9,
            "factor": 0.5,
            "beta": "normal",
            "keys": [1, 2, 3],
        },
        "model": {"kind": "CommitteeMachine", "width": 4, "nonlinearity": 0.2, "aligned": 0.1},
        "optimiser": "GradientDescent",
        "probes": [{"kind": "KernelAlignment", "points": 4, "spectrum": 2}],
        "axes": {"task.factor": [0.1, 0.2, 0.3], "model.nonlinearity": [0.1, 0.3]},
    },
    "teacher": {
        "steps": 12,
        "task": {
            "kind": "TeacherStudent",
            "inputs": 3,
            "hidden": [5, 4],
            "outputs": 2,
            "activation": "tanh",
            "train": 6,
            "test": 6,
            "pool": 12,
        },
        "model": {"kind": "Padded", "ratio": 2, "model": {"kind": "MLP", "hidden": [4]}},
        "axes": {"task.train": [4, 6], "parametrisation.init_scale": [0.5, 1.0]},
    },
    "field": {
        "steps": 10,
        "task": {
            "kind": "PhysicsInformed",
            "points": 8,
            "placement": "random",
            "boundary": 2.0,
            "equation": {"kind": "Poisson", "frequencies": [1, 2], "amplitudes": [1.0, 0.5]},
        },
        "model": {"kind": "CoordinateNetwork", "hidden": [4], "features": 3, "bandwidth": 1.5},
    },
    "addition": {
        "steps": 10,
        "task": {"kind": "Addition", "digits": 4, "modulus": 4, "train": 6, "outputs": 5},
        "model": {"kind": "AdditionDecoder", "hidden": [6], "messiness": 0.5, "dimension": 3},
    },
    "reviews": {
        "steps": 10,
        "task": {"kind": "GeneratedReviews", "reviews": 8, "words": 12, "length": 6},
        "model": {"kind": "LSTM", "embedding": 3, "hidden": 4, "layers": 1},
    },
    "image": {
        "steps": 10,
        "task": {"kind": "CosineImage", "train": 20, "size": 6, "waves": 2, "frequency": 2},
        "model": {"kind": "Siren", "hidden": [4], "frequency": 20.0},
        "probes": [
            {"kind": "RandomNetworks", "samples": 50, "good": 0.5},
            {
                "kind": "OInformation",
                "layer": "layers[0]",
                "groups": {"kind": "Ward", "groups": 3},
                "points": 9,
            },
            {"kind": "HessianTrace", "draws": 3},
            {"kind": "LocalVolume", "directions": 3, "epsilon": 0.01},
            {"kind": "TemperedVolume", "beta": 100.0},
            {"kind": "RestrictedLoss", "count": 2},
        ],
    },
    "scene": {
        "steps": 10,
        "task": {"kind": "Flatland", "views": 2, "asked": 2, "rays": 4, "samples": 5, "discs": 2},
        "model": {
            "kind": "RadianceField",
            "field": {"kind": "CoordinateNetwork", "hidden": [4], "features": 2},
        },
    },
    "eigenvector": {
        "steps": 10,
        "task": {"kind": "KernelEigenvector", "inputs": 5, "train": 8, "test": 8, "index": 3},
        "model": {"kind": "MLP", "hidden": [4], "zero_readout": False},
    },
    "molecules": {
        "steps": 10,
        "task": {"kind": "GeneratedMolecules", "molecules": 6, "standardised": True},
        "model": {"kind": "GraphConvolution", "widths": [3], "edge_width": 3, "readout": 4},
    },
    "fork": {
        "steps": 30,
        "task": {"kind": "BinaryOperation", "modulus": 5},
        "model": {"kind": "MLP", "hidden": [8]},
        "optimiser": {"kind": "AdamW", "weight_decay": 0.0},
        "fork": {
            "step": 10,
            "reset_optimiser": True,
            "noise": 0.1,
            "parent": {
                "steps": 20,
                "task": {"kind": "BinaryOperation", "modulus": 5},
                "model": {"kind": "MLP", "hidden": [8]},
            },
        },
    },
    "fork of a file": {"steps": 50, "fork": {"parent": "parent.toml", "step": 20, "noise": 0.5}},
    "own": {
        "steps": 10,
        "task": {"kind": "BinaryOperation", "modulus": 5},
        "model": {
            "kind": "own_things.py:Wrapped",
            "gain": 2.0,
            "times": 2,
            "model": {"kind": "MLP", "hidden": [4]},
        },
        "probes": ["own_things.py:half"],
        "axes": {"model.gain": [1.0, 2.0], "model.times": [1, 2]},
    },
}
