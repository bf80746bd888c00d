"""What is timed: trainings, in the laboratory and in eager PyTorch, and the least work of a step."""

import dataclasses
import typing
from collections.abc import Callable

import numpy as np

import afterfit as af


TEACHER_STUDENT = af.Experiment(
    af.tasks.TeacherStudent(),
    af.models.MLP(hidden=(100, 100), activation="tanh"),
    af.AdamW(3e-4, 0.1, warmup=0),
    steps=10_000,
)
"""Liu et al. 2023, section 3: the smallest step of all, so what lies beside training weighs most."""


@dataclasses.dataclass(frozen=True)
class Case:
    """One training, in the laboratory and in PyTorch.

    **Fields:** name; the experiment; how many runs train together; floating point operations of the
    matrix products of one update (row lookups, shared prefixes and answer position taken into account);
    the PyTorch versions by name; how many times faster than each the laboratory should be.
    """

    name: str
    experiment: af.Experiment
    runs: int
    flops: float
    torch: dict[str, Callable[[], Callable[[], None]]]
    targets: dict[str, float]


def training_flops(*products: tuple[int, int, int], of_data: tuple[int, int, int] | None = None) -> float:
    """Of an update: each product (rows, in, out) once forward and twice backward.

    A product with the data itself (`of_data`) has no derivative by its input.
    """
    size = lambda product: 2 * product[0] * product[1] * product[2]
    return 3 * sum(map(size, products)) + (2 * size(of_data) if of_data else 0)


def _examples(task: af.tasks.AbstractTask) -> tuple[typing.Any, typing.Any]:
    import torch

    data = task.data(0)
    rows = data.rows[: int(data.train_count)]
    inputs, targets = (
        torch.tensor(np.asarray(data.inputs)[rows]),
        torch.tensor(np.asarray(data.targets)[rows]),
    )
    if inputs.dtype == torch.int32:
        return inputs.long(), targets.long()
    return inputs, targets


def _teacher_student() -> Case:
    from torch import nn

    from . import _torch

    inputs, targets = _examples(TEACHER_STUDENT.task)

    def version(tuned: bool) -> Callable[[], Callable[[], None]]:
        model = lambda: _torch.mlp((5, 100, 100, 5), nn.Tanh())
        adam = {"lr": 3e-4, "weight_decay": 0.1}
        return lambda: _torch.training(
            model(), nn.functional.mse_loss, inputs, targets, batch=None, tuned=tuned, **adam
        )

    experiment = dataclasses.replace(TEACHER_STUDENT, steps=10**7)
    flops = training_flops((100, 100, 100), (100, 100, 5), of_data=(100, 5, 100))
    versions = {"released": version(False), "tuned": version(True)}
    return Case("teacher-student 5-100-100-5", experiment, 64, flops, versions, {"released": 15})


def _modular_mlp() -> Case:
    import torch
    from torch import nn

    from . import _torch

    task = af.tasks.BinaryOperation("x+y", modulus=97, fraction=0.4)
    inputs, targets = _examples(task)
    one_hot = nn.functional.one_hot(inputs, 97).flatten(1).to(torch.float32)
    adam = {"lr": 1e-3, "weight_decay": 1.0}

    def released() -> Callable[[], None]:
        model = _torch.mlp((194, 250, 97), nn.ReLU(), output_bias=False)
        return _torch.training(
            model, nn.functional.cross_entropy, one_hot, targets, batch=None, tuned=False, **adam
        )

    def tuned() -> Callable[[], None]:
        model = _torch.RowLookupMLP(97, 250)
        return _torch.training(
            model, nn.functional.cross_entropy, inputs, targets, batch=None, tuned=True, **adam
        )

    experiment = af.Experiment(task, af.models.MLP(hidden=(250,), output_bias=False), steps=10**7)
    flops = training_flops((len(inputs), 250, 97))
    return Case(
        "modular MLP 194-250-97",
        experiment,
        8,
        flops,
        {"released": released, "tuned": tuned},
        {"released": 4},
    )


def _transformer(name: str, experiment: af.Experiment, runs: int, flops: float, targets: dict) -> Case:
    from torch import nn

    from . import _torch

    task = typing.cast(af.tasks.BinaryOperation, experiment.task)
    model = typing.cast(af.models.Transformer, experiment.model)
    inputs, answers = _examples(task)

    def version(tuned: bool) -> Callable[[], Callable[[], None]]:
        make = lambda: _torch.Transformer(
            task.modulus,
            layers=model.layers,
            width=model.width,
            heads=model.heads,
            norms=model.layer_norm,
            tuned=tuned,
        )
        high = not tuned and not model.layer_norm
        loss = _torch.high_precision_cross_entropy if high else nn.functional.cross_entropy
        adam: dict[str, typing.Any] = {"lr": 1e-3, "weight_decay": 1.0, "betas": (0.9, 0.98)}
        return lambda: _torch.training(
            make(), loss, inputs, answers, batch=experiment.batch, tuned=tuned, **adam
        )

    return Case(name, experiment, runs, flops, {"released": version(False), "tuned": version(True)}, targets)


def _power() -> Case:
    experiment = af.Experiment(
        af.tasks.BinaryOperation("x/y", modulus=97, fraction=0.5),
        af.models.Transformer(),
        batch=512,
        steps=10**7,
    )
    batch, symbols, width, wide = 512, 97, 128, 512
    block = lambda rows: [(rows, width, width), (rows, width, wide), (rows, wide, width)]
    flops = training_flops(
        *block(2 * batch),  # the first block at `b` and `=`: attention's output and the MLP
        *block(2 * symbols),  # the same at `a op`, once for each symbol
        (2 * symbols + 2, width, 3 * width),  # its queries, keys and values, for each token there can be
        (2 * batch + 2 * symbols, width, 2 * width),  # keys and values of the second
        (batch, width, width),  # its queries at `=`
        *block(batch),
        (batch, width, symbols + 2),
    )
    return _transformer("Power et al., batch 512", experiment, 8, flops, {"released": 4, "tuned": 2})


def _nanda() -> Case:
    experiment = af.Experiment(
        af.tasks.BinaryOperation("x+y", modulus=113, fraction=0.3),
        af.models.nanda_transformer(),
        steps=10**7,
    )
    rows, width, wide = 3831, 128, 512
    flops = training_flops(
        (2 * 113, width, 2 * width),  # keys and values; the only query is that of `=`
        (rows, width, width),
        (rows, width, wide),
        (rows, wide, width),
        (rows, width, 114),
    )
    return _transformer("Nanda et al., full batch", experiment, 2, flops, {"released": 4})


def _graph_convolution() -> Case:
    import torch
    from torch import nn

    from . import _torch

    task, batch, atoms, types = af.tasks.GeneratedMolecules(molecules=400), 32, 29, 4
    experiment = af.Experiment(
        task, af.models.GraphConvolution(), af.AdamW(1e-3, 0.0, warmup=0), batch=batch, steps=10**7
    )
    data = task.data(0)
    rows = data.rows[: int(data.train_count)]
    features, bonds = (torch.tensor(np.asarray(data.inputs[name])[rows]) for name in ("atoms", "bonds"))
    targets = torch.tensor(np.asarray(data.targets)[rows])
    adam = {"lr": 1e-3, "weight_decay": 0.0}

    def version(tuned: bool) -> Callable[[], Callable[[], None]]:
        graphs = (_torch.DenseGraphs if tuned else _torch.EdgeLists)(features, bonds)
        model = lambda: _torch.GraphConvolution(features.shape[-1])
        return lambda: _torch.training(
            model(), nn.functional.mse_loss, graphs, targets, batch=batch, tuned=tuned, **adam
        )

    places, width = batch * atoms, features.shape[-1]
    flops = 2 * places * types * atoms * width  # sums of the data over neighbours: no derivative
    flops += training_flops(of_data=(places, (types + 1) * width, 32))
    flops += training_flops((places, 32, (types + 1) * 16), of_data=(places, types * atoms, 16))
    flops += training_flops((batch, 16, 32), (batch, 32, 1))
    versions = {"released": version(False), "tuned": version(True)}
    return Case("graph convolution, batch 32", experiment, 8, flops, versions, {})


@dataclasses.dataclass(frozen=True)
class RandomTexts(af.tasks.AbstractTask):
    """Texts of tokens drawn at random, none of them padding, with labels drawn at random."""

    length: int
    symbols: int = 1001
    objective: af.tasks.AbstractObjective = dataclasses.field(
        default=af.tasks.BinaryCrossEntropy(), metadata={"room": "afterfit.tasks"}
    )

    def data(self, seed: int) -> af.tasks.Data:
        """1,000 texts, three quarters of them for training."""
        random = np.random.default_rng(seed)
        return af.tasks.Data(
            inputs=random.integers(1, self.symbols, (1000, self.length), dtype=np.int32),
            targets=random.integers(0, 2, 1000, dtype=np.int32),
            rows=np.arange(1000, dtype=np.int32),
            train_count=np.asarray(750, np.int32),
            test_count=np.asarray(250, np.int32),
            outputs=1,
            symbols=self.symbols,
        )


def _lstm(length: int, architecture: af.models.LSTM, runs: int) -> Case:
    from torch import nn

    from . import _torch

    task, batch = RandomTexts(length), 50
    sizes = (architecture.embedding, architecture.hidden, architecture.layers)
    optimiser = af.training.Clipped(af.AdamW(1e-3, 0.0, warmup=0), norm=5.0)
    experiment = af.Experiment(task, architecture, optimiser, batch=batch, steps=10**7)
    inputs, targets = _examples(task)

    def version(tuned: bool) -> Callable[[], Callable[[], None]]:
        loss = nn.functional.binary_cross_entropy_with_logits
        adam = {"lr": 1e-3, "weight_decay": 0.0, "clip": 5.0}
        return lambda: _torch.training(
            _torch.LSTM(task.symbols, *sizes), loss, inputs, targets.float(), batch=batch, tuned=tuned, **adam
        )

    embedding, hidden, layers = sizes
    flops = training_flops(
        (task.symbols, embedding, 4 * hidden),  # the first layer's inputs, once for each symbol
        *[(batch * length, hidden, 4 * hidden)] * (2 * layers - 1),
        (batch, hidden, 1),
    )
    name = f"LSTM, {layers} x {hidden} units, length {length}"
    return Case(name, experiment, runs, flops, {"released": version(False), "tuned": version(True)}, {})


CASES: dict[str, Callable[[], Case]] = {
    "teacher": _teacher_student,
    "mlp": _modular_mlp,
    "power": _power,
    "nanda": _nanda,
    "graph": _graph_convolution,
    "lstm": lambda: _lstm(120, af.models.LSTM(embedding=32, hidden=64, layers=1), runs=8),
    "lstm-long": lambda: _lstm(500, af.models.LSTM(embedding=64, hidden=128), runs=2),
}
