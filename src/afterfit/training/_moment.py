"""A run at one recorded step, as probes see it."""

import dataclasses
import typing
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from ..tasks import AbstractObjective, Data, Predict, Scores
from ._evaluation import full_gradient, linearised, mean_scores, rows_at, Split, Totals


class Examples(typing.NamedTuple):
    """All examples of a split, padded to the task's capacity."""

    inputs: PyTree  # leaves "capacity ..."
    targets: PyTree  # leaves "capacity ..."
    valid: Bool[Array, " capacity"]


class Moment(eqx.Module):
    """A run at one recorded step, as probes see it: model, task, step."""

    parameters: PyTree  # the model, with `None` in place of all that is not trained
    initial: PyTree  # the same at step 0
    frozen: PyTree
    twin: PyTree | None  # parameters of the linearised twin, if the run has one
    output_scale: Array | None  # of the trained function, if it has one
    data: Data
    step: Int[Array, ""]
    key: Key[Array, ""]  # for probes that need chance; training never uses it
    static: PyTree
    centred: bool = eqx.field(static=True)  # whether the trained function is 0 at step 0
    objective: typing.Any
    maker: Callable  # from parameters to predictions; a pytree where runs are to share compiled programs

    @property
    def model(self) -> PyTree:
        """The model, called on one example."""
        return self.with_parameters(self.parameters)

    def with_parameters(self, parameters: PyTree) -> PyTree:
        """The model with other parameters."""
        return eqx.combine(parameters, self.frozen, self.static)

    def predict(self, inputs: PyTree, parameters: PyTree | None = None) -> Float[Array, "batch outputs"]:
        """The trained function (output scale included) of inputs with leaves "batch ..."."""
        return self.maker(self.parameters if parameters is None else parameters)(inputs)

    def answer(self, example: PyTree, parameters: PyTree | None = None) -> Float[Array, " outputs"]:
        """The trained function of one example, but for the constant that centring subtracts.

        For derivatives example by example: it never takes a detour over a batch.
        """
        outputs = self.with_parameters(self.parameters if parameters is None else parameters)(example)
        return outputs if self.output_scale is None else self.output_scale * outputs

    def linear_predict(self, inputs: PyTree, parameters: PyTree) -> Float[Array, "batch outputs"]:
        """The trained function's first-order expansion around the initial parameters, at others."""
        return linearised(self.maker, self.initial)(parameters)(inputs)

    def linear_scores(self, split: Split, parameters: PyTree) -> Totals:
        """Mean loss and accuracy of a split under the linearised function."""
        predict = linearised(self.maker, self.initial)(parameters)
        return mean_scores(predict, self.objective, self.data, split)

    def scores(self, split: Split, parameters: PyTree | None = None) -> Totals:
        """Mean loss and accuracy of a split."""
        chosen = self.parameters if parameters is None else parameters
        return mean_scores(self.maker(chosen), self.objective, self.data, split)

    def gradient(self, split: Split = "train", parameters: PyTree | None = None) -> PyTree:
        """Gradient of the mean loss of a split, shaped as `parameters`."""
        return self.loss_and_gradient(split, parameters)[1]

    def loss_and_gradient(
        self, split: Split = "train", parameters: PyTree | None = None
    ) -> tuple[Float[Array, ""], PyTree]:
        """Mean loss of a split and its gradient."""
        chosen = self.parameters if parameters is None else parameters
        return full_gradient(self.maker, chosen, self.objective, self.data, split)

    def hessian_product(self, direction: PyTree, split: Split = "train") -> PyTree:
        """The Hessian of the mean loss of a split times a direction, both shaped as `parameters`.

        Forward over reverse (Pearlmutter 1994), in blocks as the gradient: it costs about three gradients.
        """
        return jax.jvp(lambda at: self.gradient(split, at), (self.parameters,), (direction,))[1]

    def mean(self, measure: "Measure", split: Split = "train") -> Float[Array, ""]:
        """Mean over a split of a measure of its examples, taken in blocks as the loss is."""
        predict = self.maker(self.parameters)
        return mean_scores(predict, _Measured(measure), self.data, split).loss

    def cast(self, precision: typing.Literal["float32", "float64"]) -> "Moment":
        """The same moment with all its real arrays in another precision.

        What is computed of it in float64 must be computed inside `with jax.enable_x64(True)`.
        """
        with jax.enable_x64(precision == "float64"):
            return jax.tree.map(
                lambda leaf: leaf.astype(precision) if eqx.is_inexact_array(leaf) else leaf, self
            )

    def examples(self, split: Split) -> Examples:
        """All examples of a split; only those marked valid count."""
        train = split == "train"
        capacity = self.data.train_capacity if train else self.data.rows.shape[0]
        count = self.data.train_count if train else self.data.test_count
        positions = jnp.arange(capacity)
        valid = positions < count
        rows = rows_at(self.data, split, jnp.where(valid, positions, 0))
        inputs, targets = jax.tree.map(lambda leaf: leaf[rows], (self.data.inputs, self.data.targets))
        return Examples(inputs, targets, valid)


Measure = Callable[[PyTree, PyTree], Float[Array, " batch"]]
"""From inputs and targets (leaves "batch ...") to a number for each example."""


@dataclasses.dataclass(frozen=True)
class _Measured(AbstractObjective):
    """Lets a measure of examples go the way of the loss."""

    measure: Measure

    def score(self, predict: Predict, inputs: PyTree, targets: PyTree) -> Scores:
        del predict
        values = self.measure(inputs, targets)
        return Scores(values, values)
