"""What a task hands to training: arrays, and how an answer is scored.

Axes of this module
    pool      every example of the problem, in the task's own order
    rows      positions into the pool: training rows first, test rows next, then padding
    batch     a handful of examples taken together
"""

import abc
import dataclasses
import typing
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree


HostOrDevice = typing.Any
"""Tasks make NumPy arrays; the compiled program sees arrays of its own in their place."""


class Sizes(typing.NamedTuple):
    """What a model must know of a task before it can be built."""

    inputs: PyTree  # one example: `jax.ShapeDtypeStruct` leaves
    outputs: int  # how many numbers the model answers with
    symbols: int | None = None  # how many distinct input tokens there are, if inputs are tokens


class Data(eqx.Module):
    """The arrays of one task under one split.

    `rows[:train_count]` are the training examples and the next `test_count` entries the test
    examples; what follows is padding, so that fractions differ in numbers and not in shapes.
    """

    inputs: PyTree  # leaves "pool ..."
    targets: PyTree  # leaves "pool ..."
    rows: Int[HostOrDevice, " rows"]
    train_count: Int[HostOrDevice, ""]
    test_count: Int[HostOrDevice, ""]
    outputs: int = eqx.field(static=True)
    symbols: int | None = eqx.field(static=True, default=None)
    most_train: int | None = eqx.field(static=True, default=None)  # bound on train_count; default: all rows
    # Rows of the pool to score apart, by name; the same names for every run of a task class.
    groups: dict[str, Bool[HostOrDevice, " pool"]] = eqx.field(default_factory=dict)
    # What made the targets, by name, as a teacher's weights: for probes; training never looks.
    truth: dict[str, HostOrDevice] = eqx.field(default_factory=dict)

    @property
    def sizes(self) -> Sizes:
        """The shapes a model is built from."""
        one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), self.inputs)
        return Sizes(one, self.outputs, self.symbols)

    @property
    def train_capacity(self) -> int:
        """The largest number of training examples that the shapes allow."""
        return self.rows.shape[0] if self.most_train is None else self.most_train


class Scores(typing.NamedTuple):
    """Per-example scores."""

    loss: Float[Array, " batch"]
    correct: Bool[Array, " batch"] | Float[Array, " batch"]


Predict = Callable[[PyTree], Array]
"""From a batch of inputs (leaves "batch ...") to outputs "batch outputs"."""


class AbstractObjective(abc.ABC):
    """How answers are scored. It is the only part of a task that enters the compiled program.

    Implementations are frozen dataclasses; their `float` fields are data, everything else is
    structure.
    """

    @abc.abstractmethod
    def score(self, predict: Predict, inputs: PyTree, targets: PyTree) -> Scores:
        """Loss and correctness of each example of a batch.

        `predict` is differentiable in its inputs, so a loss may contain derivatives of the network.
        """

    def wanted(self, targets: PyTree) -> Array:
        """What outputs are compared with, "batch ...", of targets: for probes. By default all of them."""
        return targets


class AbstractTask(abc.ABC):
    """A finite problem: train and test arrays, a loss, what counts as correct.

    Implementations are frozen dataclasses of plain values. `data` runs on the host, in NumPy, once
    for each run.
    """

    shared: typing.ClassVar[tuple[str, ...]] = ()
    """Names of fields of `Data` that all runs of a pack hold in common (passed once, not per lane)."""

    @property
    def title(self) -> str:
        """What is learned, in a few words for reports."""
        return type(self).__name__

    @property
    def digest(self) -> str | None:
        """Of the files that the data are read from, where the fields do not settle what these hold.

        It is part of the identity of a run: other files, other results.
        """
        return None

    @property
    @abc.abstractmethod
    def objective(self) -> AbstractObjective:
        """How answers are scored."""

    @abc.abstractmethod
    def data(self, seed: int) -> Data:
        """The arrays under the split that `seed` draws."""


@dataclasses.dataclass(frozen=True)
class CrossEntropy(AbstractObjective):
    """Softmax cross-entropy (nats) against class indices; correct where the arg max is the class."""

    def score(self, predict: Predict, inputs: PyTree, targets: Int[Array, " batch"]) -> Scores:
        logits = predict(inputs)
        log_probability = jax.nn.log_softmax(logits)
        # A masked sum instead of a gather: the gradient of a gather is a scatter, slow on CPUs.
        chosen = jax.nn.one_hot(targets, logits.shape[-1], dtype=bool)
        loss = -jnp.sum(jnp.where(chosen, log_probability, 0), axis=-1)
        return Scores(loss, jnp.argmax(logits, axis=-1) == targets)


@dataclasses.dataclass(frozen=True)
class MeanSquaredError(AbstractObjective):
    """`factor` times the squared error, averaged over outputs.

    Targets are class indices, one an example (compared with one-hot vectors; correct where the arg max
    is the class), or vectors (correct where the error, root-mean-square over outputs, is below `tolerance`).
    """

    tolerance: float = 0.1
    factor: float = 1.0

    def score(self, predict: Predict, inputs: PyTree, targets: Array) -> Scores:
        outputs = predict(inputs)
        if targets.ndim == 1 and jnp.issubdtype(targets.dtype, jnp.integer):
            wanted = jax.nn.one_hot(targets, outputs.shape[-1], dtype=outputs.dtype)
            correct = jnp.argmax(outputs, axis=-1) == targets
            loss = jnp.mean((outputs - wanted) ** 2, axis=-1)
        else:
            loss = jnp.mean((outputs - targets.reshape(outputs.shape)) ** 2, axis=-1)
            correct = loss < self.tolerance**2
        return Scores(self.factor * loss, correct)
