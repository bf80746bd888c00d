"""Two classes of given vectors, and the shares of the sphere that linear models of them have exactly."""

import dataclasses
import math
import typing

import equinox as eqx
import jax
import numpy as np
import scipy.stats

import afterfit as af
from afterfit.tasks import AbstractObjective, AbstractTask, BinaryCrossEntropy, Data
from afterfit.training import At, Moment


@dataclasses.dataclass(frozen=True)
class Signs(AbstractTask):
    """Vectors that must all get a positive answer; those after the first `train` test."""

    vectors: tuple[tuple[float, ...], ...]
    train: int
    capacity: int | None = None  # room for so many vectors

    @property
    def objective(self) -> AbstractObjective:
        return BinaryCrossEntropy()

    def data(self, seed: int) -> Data:
        del seed
        inputs = np.asarray(self.vectors, np.float32)
        padding = 0 if self.capacity is None else self.capacity - len(inputs)
        return Data(
            # What pads is misclassified by every network that fits.
            inputs=np.concatenate([inputs, -inputs[:1].repeat(padding, axis=0)]),
            targets=np.ones(len(inputs) + padding, np.int32),
            rows=np.arange(len(inputs) + padding, dtype=np.int32),
            train_count=np.asarray(self.train, np.int32),
            test_count=np.asarray(len(inputs) - self.train, np.int32),
            outputs=1,
        )


def at_rest(
    task: AbstractTask, *probes: typing.Any, hidden: tuple[int, ...] = (), alpha: float = 1.0
) -> af.Experiment:
    """An experiment that measures a network at step 0."""
    model = af.models.MLP(hidden=hidden, activation="tanh", output_bias=bool(hidden))
    parametrisation = af.Parametrisation(init_scale=alpha)
    return af.Experiment(
        task, model, parametrisation=parametrisation, steps=1, record=At((0,)), probes=probes
    )


def moment_of(experiment: af.Experiment) -> Moment:
    """Its first moment."""
    run = af.sweep(experiment).runs[0]
    model = experiment.model.build(experiment.task.data(0).sizes, key=jax.random.key(0))
    leaves = jax.tree_util.tree_leaves_with_path(model)
    parameters = {
        jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves if eqx.is_inexact_array(leaf)
    }
    return run.moment(parameters, 0)


def vectors(count: int, dimension: int, seed: int) -> tuple[tuple[float, ...], ...]:
    """Gaussian vectors."""
    drawn = np.random.default_rng(seed).normal(size=(count, dimension))
    return tuple(tuple(map(float, row)) for row in drawn)


def orthant(some: tuple[tuple[float, ...], ...]) -> float:
    """The share of directions that have a positive product with two or three vectors.

    Two: (pi - angle) / (2 pi). Three: 1/8 + (the sum of arcsines of the correlations) / (4 pi).
    """
    rows = np.asarray(some) / np.linalg.norm(some, axis=1, keepdims=True)
    sines = np.arcsin((rows @ rows.T)[np.triu_indices(len(rows), 1)])
    return {2: 1 / 4 + sines.sum() / (2 * math.pi), 3: 1 / 8 + sines.sum() / (4 * math.pi)}[len(rows)]


def assert_estimates(values, truth, spread):
    """That independent estimates have the truth in the 99.9% Student interval of their mean.

    `spread`: the largest standard deviation of a replica with which the test still says something.
    """
    values = np.asarray(values, float)
    deviation = values.std(ddof=1)
    assert deviation < spread, deviation
    half = scipy.stats.t.ppf(0.9995, len(values) - 1) * deviation / np.sqrt(len(values))
    assert abs(values.mean() - truth) < half, (values.mean(), truth, half)
