"""The recurrent network that reads tokens one after another and answers after the last.

Axes of this module
    symbol    tokens of the task; 0 is padding
    time      places of a text
    hidden    units of a layer
    gates     input, forget, candidate and output gate of each unit, in this order, as in PyTorch
"""

import dataclasses
import typing

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from ..tasks import Sizes
from ._base import AbstractArchitecture, named_key
from ._choice import check_widths, MOST_LAYERS
from ._initial import normal, uniform
from ._linear import along, Linear, make_linear
from ._named import named


PADDING = 0

_State = tuple[Array, Array]
"""What a layer puts out, and its cell."""


class LSTMLayer(eqx.Module):
    """The parameters of one layer, weights as [in, out]; PyTorch has two biases, and so have we."""

    input_weight: Float[Array, "in gates"]
    state_weight: Float[Array, "hidden gates"]
    input_bias: Float[Array, " gates"]
    state_bias: Float[Array, " gates"]

    def products(self, x: Float[Array, "*batch in"]) -> Float[Array, "*batch gates"]:
        """What the gates receive from the inputs and from both biases."""
        products = x @ self.input_weight
        return products + along(self.input_bias + self.state_bias, products)

    def advance(
        self, x: Float[Array, " in"], hidden: Float[Array, " hidden"], cell: Float[Array, " hidden"]
    ) -> tuple[Float[Array, " hidden"], Float[Array, " hidden"]]:
        """The state `(hidden, cell)` after one more input."""
        return _advance(_gates(self.products(x) + hidden @ self.state_weight), cell)


class LSTMModel(eqx.Module):
    """Stacked LSTM layers on tokens; the readout sees the last layer after the last token.

    Parameters: `.embedding`; for each layer `.layers[i].input_weight` [in, gates], `.state_weight`,
    `.input_bias`, `.state_bias`; `.readout.weight`, `.readout.bias`. Activations: "layers[i]", what a layer
    puts out after the last token. Padding (token 0) leaves the state as it is, wherever it stands; the state
    before the first token is zero. The answer to a token outside the vocabulary is NaN.
    """

    embedding: Float[Array, "symbol embedding"]
    layers: tuple[LSTMLayer, ...]
    readout: Linear

    def __call__(self, inputs: Int[Array, " time"]) -> Float[Array, " outputs"]:
        """Outputs for one example. Plain reference: token by token, layer by layer."""
        zeros = [jnp.zeros(layer.state_weight.shape[0], self.embedding.dtype) for layer in self.layers]

        def read(states: PyTree, token: Int[Array, ""]) -> tuple[PyTree, None]:
            x, after = _rows(self.embedding, token), []
            for layer, state in zip(self.layers, states, strict=True):
                after.append(layer.advance(x, *state))
                x = after[-1][0]
            return jax.tree.map(lambda new, old: jnp.where(token == PADDING, old, new), after, states), None

        states, _ = jax.lax.scan(read, [(zero, zero) for zero in zeros], inputs)
        last = [named(hidden, f"layers[{index}]") for index, (hidden, _) in enumerate(states)]
        return self.readout(last[-1])

    def batched(
        self, inputs: Int[Array, "batch time"], key: Key[Array, ""] | None = None
    ) -> Float[Array, "batch outputs"]:
        """Outputs for many examples: the same function with less work.

        A layer's input products are made for all times at once; those of the first layer once for each
        symbol, if that is fewer. Only the products with the state wait for one another.
        """
        del key
        tokens = inputs.T
        real = tokens != PADDING
        first, *others = self.layers
        if self.embedding.shape[0] < tokens.size:
            products = _rows(first.products(self.embedding), tokens)
        else:
            products = first.products(_rows(self.embedding, tokens))
        hidden = _hidden_states(products, real, first.state_weight)
        for layer in others:
            hidden = _hidden_states(layer.products(hidden), real, layer.state_weight)
        return self.readout(hidden[-1])


def _rows(table: Float[Array, "symbol width"], tokens: Int[Array, "..."]) -> Float[Array, "... width"]:
    # JAX would take the last row for a token beyond it, and train on a text that nobody wrote.
    return table.at[tokens].get(mode="fill", fill_value=jnp.nan)


def _gates(products: Float[Array, "*batch gates"]) -> tuple[Float[Array, "*batch hidden"], ...]:
    # One sigmoid for all, the candidate's for nothing: with one for each gate XLA may compute every gate
    # twice, once for the cell and once for the output, and a step of 64 units takes twice as long on CPUs.
    add, keep, _, out = jnp.split(jax.nn.sigmoid(products), 4, axis=-1)
    return add, keep, jnp.tanh(jnp.split(products, 4, axis=-1)[2]), out


def _advance(gates: tuple[Array, ...], cell: Float[Array, "*batch hidden"]) -> _State:
    add, keep, candidate, out = gates
    cell = keep * cell + add * candidate
    return out * jnp.tanh(cell), cell


@jax.custom_jvp
def _hidden_states(
    products: Float[Array, "time batch gates"],
    real: Bool[Array, "time batch"],
    weight: Float[Array, "hidden gates"],
) -> Float[Array, "time batch hidden"]:
    """What a layer puts out after each time, from its input products and its state weight."""
    return _forward(products, real, weight)[0]


class _Slopes(typing.NamedTuple):
    """How a state moves with what it was made from; zero and one where padding leaves it alone."""

    to_gates: Float[Array, "*time batch gates"]  # of the cell with three gates, of the output with its own
    through_cell: Float[Array, "*time batch hidden"]
    to_hidden: Float[Array, "*time batch hidden"]  # of the output with the cell


def _forward(
    products: Float[Array, "time batch gates"],
    real: Bool[Array, "time batch"],
    weight: Float[Array, "hidden gates"],
    slopes: bool = False,
) -> tuple[Float[Array, "time batch hidden"], _Slopes | None]:
    zero = jnp.zeros((products.shape[1], weight.shape[0]), products.dtype)

    def step(state: _State, now: tuple[Array, Array]) -> tuple[_State, tuple[Array, _Slopes | None]]:
        (hidden, cell), (product, is_real) = state, now
        counts = jnp.broadcast_to(is_real[:, None], cell.shape)
        gates = _gates(product + hidden @ weight)
        new_hidden, new_cell = _advance(gates, cell)
        new_hidden = jnp.where(counts, new_hidden, hidden)
        known = _slopes(gates, cell, new_cell, counts) if slopes else None
        return (new_hidden, jnp.where(counts, new_cell, cell)), (new_hidden, known)

    return jax.lax.scan(step, (zero, zero), (products, real))[1]


def _slopes(
    gates: tuple[Array, ...], before: Array, cell: Array, counts: Bool[Array, "batch hidden"]
) -> _Slopes:
    add, keep, candidate, out = gates
    squashed = jnp.tanh(cell)
    to_gates = (
        candidate * add * (1 - add),
        before * keep * (1 - keep),
        add * (1 - candidate**2),
        squashed * out * (1 - out),
    )
    return _Slopes(
        jnp.concatenate([jnp.where(counts, slope, 0) for slope in to_gates], axis=-1),
        jnp.where(counts, keep, 1),
        jnp.where(counts, out * (1 - squashed**2), 0),
    )


@_hidden_states.defjvp
def _tangent(primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Array, Array]:
    """The derivative, itself a recurrence: linear, with slopes that are known before it begins.

    What JAX derives from the loop adds up the weight's gradient time by time. Here it is one matrix
    product after the loop, the transpose of `before @ d_weight`. Seven numbers for each unit and time
    are kept.
    """
    (products, real, weight), (d_products, _, d_weight) = primals, tangents
    hidden, slopes = _forward(products, real, weight, slopes=True)
    # Rows, since the transpose of a product over two axes is slower on CPUs.
    before = jnp.pad(hidden[:-1], ((1, 0), (0, 0), (0, 0))).reshape(-1, weight.shape[0])
    pushes = d_products + (before @ d_weight).reshape(d_products.shape)

    def step(state: _State, now: tuple) -> tuple[_State, Array]:
        (d_hidden, d_cell), (push, slope, is_real) = state, now
        add, keep, candidate, out = jnp.split((push + d_hidden @ weight) * slope.to_gates, 4, axis=-1)
        d_cell = slope.through_cell * d_cell + add + keep + candidate
        stays = jnp.where(jnp.broadcast_to(is_real[:, None], d_hidden.shape), 0, d_hidden)
        d_hidden = out + slope.to_hidden * d_cell + stays
        return (d_hidden, d_cell), d_hidden

    zero = jnp.zeros_like(hidden[0])
    return hidden, jax.lax.scan(step, (zero, zero), (pushes, slopes, real))[1]


@dataclasses.dataclass(frozen=True)
class LSTM(AbstractArchitecture):
    """A recurrent network on texts of tokens, of which 0 is padding.

    Defaults: the code of Liu et al. 2023 ("Omnigrok"), section 4 (their text says 128 hidden units).
    Their network reads padding like any other token; here it is skipped.
    Initial values are PyTorch's: the embedding N(0, 1), everything else uniform in +-1/sqrt(hidden).

    **Arguments**

    - `embedding`: numbers for each symbol.
    - `hidden`: units of each layer.
    - `layers`: how many layers.

    Raises `ValueError` for widths below 1.
    """

    embedding: int = 64
    hidden: int = 256
    layers: int = 2

    def __post_init__(self) -> None:
        for field in ("embedding", "hidden"):
            check_widths(field, (getattr(self, field),))
        check_widths("layers", (self.layers,), most=MOST_LAYERS)

    def build(self, sizes: Sizes, *, key: Key[Array, ""]) -> LSTMModel:
        """A model for tasks whose inputs are texts: one array of tokens.

        Raises `ValueError` for other inputs.
        """
        inputs = sizes.inputs
        is_text = isinstance(inputs, jax.ShapeDtypeStruct) and len(inputs.shape) == 1 and inputs.shape[0] > 0
        if sizes.symbols is None or not is_text or not jnp.issubdtype(inputs.dtype, jnp.integer):
            raise ValueError(
                f"an LSTM reads texts (whole numbers of shape (time,), with `symbols`), got {sizes}. "
                "Try an MLP."
            )
        if sizes.symbols < 2:
            raise ValueError(
                f"`symbols` must be at least 2 for an LSTM, got {sizes.symbols}: 0 is padding, "
                "words begin at 1."
            )
        return LSTMModel(
            embedding=normal(named_key(key, "embedding"), (sizes.symbols, self.embedding), 1),
            layers=tuple(
                self._layer(self.embedding if index == 0 else self.hidden, named_key(key, f"layers[{index}]"))
                for index in range(self.layers)
            ),
            readout=make_linear(
                "uniform", self.hidden, sizes.outputs, bias=True, key=named_key(key, "readout")
            ),
        )

    def _layer(self, inputs: int, key: Key[Array, ""]) -> LSTMLayer:
        gates = 4 * self.hidden
        shapes = {
            "input_weight": (inputs, gates),
            "state_weight": (self.hidden, gates),
            "input_bias": (gates,),
            "state_bias": (gates,),
        }
        # PyTorch takes the width of the state for all four, the input weight included.
        return LSTMLayer(
            **{name: uniform(named_key(key, name), shape, self.hidden) for name, shape in shapes.items()}
        )
