"""A run at one recorded step, as probes see it."""

import dataclasses
import difflib
import re
import typing
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from ..models import named_activations
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

    def activations(self, path: str, inputs: PyTree) -> Float[Array, "batch ..."]:
        """Activations of a layer for inputs with leaves "batch ...", at the moment's parameters.

        **Arguments:** `path`: a name that the model gives (`activation_shapes` lists them), and perhaps
        indices into the axes after the batch: "blocks[0].mlp.hidden[-1]" is that layer at the last position.
        The output scale does not enter, and products are in full precision whatever that of the training.

        **Raises:** `ValueError` for an unknown path, with the paths that there are, and for a model that
        names no activations.
        """
        name, place = _located(path, self.activation_shapes(inputs), type(self.model).__name__)
        one = lambda example: named_activations(self.model, example)[name][place]
        with jax.default_matmul_precision("highest"):  # the default of accelerators keeps ten bits
            return jax.lax.map(one, inputs, batch_size=ACTIVATION_BATCH)

    def activation_shapes(self, inputs: PyTree) -> dict[str, tuple[int, ...]]:
        """The names of all activations, with their shapes for one example."""
        example = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), inputs)
        shapes = jax.eval_shape(lambda one: named_activations(self.model, one), example)
        return {name: leaf.shape for name, leaf in shapes.items()}

    def linear_predict(self, inputs: PyTree, parameters: PyTree) -> Float[Array, "batch outputs"]:
        """The trained function's first-order expansion around the initial parameters, at others."""
        return linearised(self.maker, self.initial)(parameters)(inputs)

    def linear_scores(self, split: Split, parameters: PyTree) -> Totals:
        """Mean loss and accuracy of a split under the linearised function."""
        predict = linearised(self.maker, self.initial)(parameters)
        return mean_scores(predict, self.objective, self.data, split)

    def scores(self, split: Split, parameters: PyTree | None = None, block: int | None = None) -> Totals:
        """Mean loss and accuracy of a split.

        **Arguments:** `block`: examples at a time, by default what suits a network alone. A split may count
        far fewer examples than its shapes have room for: small blocks save work on many networks.
        """
        chosen = self.parameters if parameters is None else parameters
        return mean_scores(self.maker(chosen), self.objective, self.data, split, block)

    def gradient(self, split: Split = "train", parameters: PyTree | None = None) -> PyTree:
        """Gradient of the mean loss of a split, shaped as `parameters`."""
        return self.loss_and_gradient(split, parameters)[1]

    def loss_and_gradient(
        self, split: Split = "train", parameters: PyTree | None = None, block: int | None = None
    ) -> tuple[Float[Array, ""], PyTree]:
        """Mean loss of a split and its gradient; `block` as of `scores`."""
        chosen = self.parameters if parameters is None else parameters
        return full_gradient(self.maker, chosen, self.objective, self.data, split, block)

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


ACTIVATION_BATCH = 128
"""Examples at a time: what else a plain form makes may be much larger than the activations wanted. A graph
convolution makes 4 MB of one molecule."""


def _located(path: str, shapes: dict[str, tuple[int, ...]], model: str) -> tuple[str, tuple[int, ...]]:
    """The name in a path of activations, and where in its array."""
    if not shapes:
        raise ValueError(
            f"{model} names no activations, so there is no {path!r}. Name one in its `__call__`, "
            "outside loops and `jax.jit`: x = afterfit.models.named(x, 'hidden')."
        )
    name, indices = path, ""
    while name not in shapes and (found := re.fullmatch(r"(.+)\[(-?\d+)\]", name)):
        name, indices = found[1], f"{found[2]} {indices}"
    place = tuple(map(int, indices.split()))
    if name not in shapes:
        listed = ", ".join(f"{one} {list(shape)}" for one, shape in shapes.items())
        close = difflib.get_close_matches(path, shapes, n=1)
        hint = f": did you mean {close[0]!r}?" if close else "."
        raise ValueError(f"{model} has no activations {path!r}{hint} There are, with their axes: {listed}.")
    shape = shapes[name]
    if len(place) > len(shape) or any(not -size <= at < size for at, size in zip(place, shape)):
        raise ValueError(f"{path!r} lies outside of {name!r}, which has the axes {list(shape)}.")
    return name, place


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
