"""Fully connected networks on real vectors or on tokens."""

import dataclasses
import functools
import math
import operator

import equinox as eqx
import jax
from jaxtyping import Array, Float, Int, Key, Num

from ..tasks import Sizes
from ._activation import ACTIVATIONS
from ._base import AbstractArchitecture, named_key
from ._choice import check_choice, check_widths
from ._initial import INITIALISERS
from ._linear import Linear, make_linear
from ._named import named


class MLPModel(eqx.Module):
    """A multilayer perceptron: `layers`, each followed by the activation, then `readout`.

    Parameters: `.layers[i].weight` [in, out], `.layers[i].bias`, `.readout.weight`, `.readout.bias`.
    Activations: "layers[i]", after the activation function.
    On tasks with `symbols` an input is `tokens` integers, and the first weight has one row for each
    symbol at each place: row `place * symbols + token`.
    """

    layers: tuple[Linear, ...]
    readout: Linear
    activation: str = eqx.field(static=True)
    symbols: int | None = eqx.field(static=True)

    def __call__(
        self, inputs: Num[Array, "..."], *, key: Key[Array, ""] | None = None
    ) -> Float[Array, " outputs"]:
        """Outputs for one example. Plain reference: tokens become concatenated one-hot vectors."""
        del key
        if self.symbols is not None:
            inputs = jax.nn.one_hot(inputs, self.symbols)
        x = inputs.reshape(-1).astype(self.readout.weight.dtype)
        for index, layer in enumerate(self.layers):
            x = named(ACTIVATIONS[self.activation](layer(x)), f"layers[{index}]")
        return self.readout(x)

    def batched(
        self, inputs: Num[Array, "batch ..."], key: Key[Array, ""] | None = None
    ) -> Float[Array, "batch outputs"]:
        """Outputs for many examples; the one-hot vectors never exist."""
        del key
        if not self.layers:
            return self._enter(self.readout, inputs)
        act = ACTIVATIONS[self.activation]
        x = act(self._enter(self.layers[0], inputs))
        for layer in self.layers[1:]:
            x = act(layer(x))
        return self.readout(x)

    def _enter(self, first: Linear, inputs: Num[Array, "batch ..."]) -> Float[Array, "batch width"]:
        if self.symbols is None:
            return first(inputs.reshape(inputs.shape[0], -1).astype(first.weight.dtype))
        return first.shift(_sum_of_rows(first.weight, inputs, self.symbols))


def _sum_of_rows(
    weight: Float[Array, "rows width"], tokens: Int[Array, "batch tokens"], symbols: int
) -> Float[Array, "batch width"]:
    # The gradient of a row lookup adds up rows by symbol. XLA's scatter does that on CPUs as well: a
    # one-hot product in its place made a whole gradient step of a 194-250-97 network 1.3 times as long.
    tables = weight.reshape(-1, symbols, weight.shape[-1])
    rows = [table[tokens[:, place]] for place, table in enumerate(tables)]
    return functools.reduce(operator.add, rows)


@dataclasses.dataclass(frozen=True)
class MLP(AbstractArchitecture):
    """A multilayer perceptron.

    **Arguments**

    - `hidden`: widths of the hidden layers; `()` is a linear model.
    - `activation`: an elementwise function of `jax.nn` by name, or "square".
    - `bias`, `output_bias`: whether hidden layers, and the readout, have biases.
    - `init`: "uniform" (PyTorch's default: weights and biases uniform in +-1/sqrt(fan_in)), "normal"
      (weights of standard deviation 1/sqrt(fan_in), biases zero), "unit" (standard deviation 1) or
      "zeros" (everything zero, which only a linear model can leave).
    - `zero_readout`: start the readout's weight and bias at zero.

    Raises `ValueError` for unknown names and for widths below 1.

    The network of Clauw, Stramaglia and Marinazzo (2024), 194-250-97, is
    `MLP(hidden=(250,), output_bias=False)` on a task of two tokens and 97 symbols.
    """

    hidden: tuple[int, ...] = (250,)
    activation: str = "relu"
    bias: bool = True
    output_bias: bool = True
    init: str = "uniform"
    zero_readout: bool = False

    def __post_init__(self) -> None:
        check_widths("hidden", self.hidden)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("init", self.init, INITIALISERS)

    def build(self, sizes: Sizes, *, key: Key[Array, ""]) -> MLPModel:
        """A model whose inputs are one array: real numbers of any shape, or tokens.

        Raises `ValueError` for inputs of several arrays.
        """
        if not isinstance(sizes.inputs, jax.ShapeDtypeStruct):
            raise ValueError(
                f"an MLP reads one array, got inputs {sizes.inputs}: try a model made for this task."
            )
        count = math.prod(sizes.inputs.shape) * (1 if sizes.symbols is None else sizes.symbols)
        widths = (count, *self.hidden)
        layers = tuple(
            make_linear(self.init, *pair, bias=self.bias, key=named_key(key, f"layers[{index}]"))
            for index, pair in enumerate(zip(widths, widths[1:]))
        )
        readout = make_linear(
            "zeros" if self.zero_readout else self.init,
            widths[-1],
            sizes.outputs,
            bias=self.output_bias,
            key=named_key(key, "readout"),
        )
        return MLPModel(layers, readout, self.activation, sizes.symbols)
