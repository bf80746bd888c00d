"""A run at one recorded step, as probes see it."""

import typing
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from ..tasks import Data
from ._evaluation import full_gradient, mean_scores, rows_at, Split, Totals


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
    data: Data
    step: Int[Array, ""]
    key: Key[Array, ""]  # for probes that need chance; training never uses it
    static: PyTree
    objective: typing.Any
    maker: Callable = eqx.field(static=True)

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

    def scores(self, split: Split, parameters: PyTree | None = None) -> Totals:
        """Mean loss and accuracy of a split."""
        chosen = self.parameters if parameters is None else parameters
        return mean_scores(self.maker(chosen), self.objective, self.data, split)

    def gradient(self, split: Split = "train", parameters: PyTree | None = None) -> PyTree:
        """Gradient of the mean loss of a split, shaped as `parameters`."""
        chosen = self.parameters if parameters is None else parameters
        return full_gradient(self.maker, chosen, self.objective, self.data, split)[1]

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
