"""The decoder-only transformer that reads `a op b =` and answers at the last position.

Axes of this module
    symbol    elements of the task, each a token of its own
    prefix    positions whose tokens follow from `a` alone: `a` and the operator
    rest      the positions after them: `b` and `=`
    position  prefix, then rest
    width     the residual stream; heads own consecutive slices of it
"""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from ..tasks import Sizes
from ._activation import ACTIVATIONS
from ._base import AbstractArchitecture, Frozen, named_key
from ._block import Attention, Block, Dropout, Feedforward, LayerNorm
from ._choice import check_choice, check_widths, MOST_LAYERS
from ._initial import INITIALISERS
from ._linear import along, Linear, make_linear
from ._named import named


_BRANCHES = {"residual": ("attention", "mlp"), "mlp": ("mlp",)}


class TransformerModel(eqx.Module):
    """A decoder-only transformer called on two tokens `(a, b)`.

    Parameters, weights as [in, out]: `.embedding`; `.positions` if learned; for each block
    `.blocks[i].attention.query`, `.key`, `.value`, `.output`; `.blocks[i].attention_norm.gain`, `.bias`;
    `.blocks[i].mlp.hidden.weight`, `.bias`; `.blocks[i].mlp.output.weight`, `.bias`;
    `.blocks[i].mlp_norm.gain`, `.bias`; `.unembedding`.
    Tokens are the task's symbols, then the operator (if it is read), then `=`.
    Activations, each [position, ...]: "embedding", the stream before the first block; for each block
    "blocks[i].attention", the branch's output; "blocks[i].mlp.hidden", after the activation function; and
    "blocks[i]", the stream after the block.
    """

    embedding: Float[Array, "vocabulary width"]
    positions: Float[Array, "position width"] | None  # None: sinusoids, which are not trained
    blocks: tuple[Block, ...]
    unembedding: Float[Array, "width outputs"]
    dropout: Frozen | None
    dropout_on: str = eqx.field(static=True)
    operator_token: bool = eqx.field(static=True)

    def __call__(
        self, inputs: Int[Array, "2"], *, key: Key[Array, ""] | None = None
    ) -> Float[Array, " outputs"]:
        """Logits for one example. Plain reference: every position in full, under an explicit mask.

        With a key, and a dropout rate, entries of the branches' outputs are dropped.
        """
        vocabulary = self.embedding.shape[0]
        a, b = inputs
        extra = jnp.arange(self._symbols, vocabulary, dtype=inputs.dtype)  # the operator if read, then `=`
        tokens = jnp.stack([a, *extra[:-1], b, extra[-1]])
        x = named(self.embedding[tokens] + self._position_table(), "embedding")
        causal = _causal(len(tokens))
        for index, block in enumerate(self.blocks):
            name = f"blocks[{index}]"
            keys, values = block.memory(x)
            attended = block.attention(x @ block.attention.query, keys, values, causal)
            attended = named(attended, f"{name}.attention")
            x = named(block.advance(x, attended, self._dropout(index, key), name), name)
        return x[-1] @ self.unembedding

    def batched(
        self, inputs: Int[Array, "batch 2"], key: Key[Array, ""] | None = None
    ) -> Float[Array, "batch outputs"]:
        """Logits for many examples: the same function with less work.

        The prefix takes one value for each symbol, so it is computed once per symbol and its keys and
        values are looked up; so is what the first block makes of `b` before attention. The last block
        works at `=` alone. Dropout gives every example its own masks, so there the plain form serves.
        """
        if key is not None and self.dropout is not None:
            keys = jax.random.split(key, len(inputs))
            return jax.vmap(lambda one, its_key: self(one, key=its_key))(inputs, keys)
        memory = self._prefix_memory(inputs[:, 0])
        x, queries, keys, values = self._rest(inputs[:, 1])
        for index, (block, (prefix_keys, prefix_values)) in enumerate(zip(self.blocks, memory)):
            if index > 0:
                keys, values = block.memory(x)
            if index == len(self.blocks) - 1:
                x, queries = x[:, -1:], queries[:, -1:]
            if index > 0:
                queries = x @ block.attention.query
            keys = jnp.concatenate([prefix_keys, keys], axis=1)
            values = jnp.concatenate([prefix_values, values], axis=1)
            seen = _causal(keys.shape[1])[-x.shape[1] :]
            x = block.advance(x, block.attention(queries, keys, values, seen))
        return x[:, -1] @ self.unembedding

    @property
    def _symbols(self) -> int:
        return self.embedding.shape[0] - (2 if self.operator_token else 1)

    def _position_table(self) -> Float[Array, "position width"]:
        if self.positions is not None:
            return self.positions
        length = 4 if self.operator_token else 3
        return jnp.asarray(_sinusoids(length, self.embedding.shape[1]), self.embedding.dtype)

    def _dropout(self, index: int, key: Key[Array, ""] | None) -> Dropout | None:
        if key is None or self.dropout is None:
            return None
        return Dropout(self.dropout.value, named_key(key, f"blocks[{index}]"), _BRANCHES[self.dropout_on])

    def _prefix_memory(self, a: Int[Array, " batch"]) -> list[tuple[Array, Array]]:
        """Keys and values "batch prefix width" of the prefix, in each block."""
        tokens = self.embedding[: self._symbols, None]
        if self.operator_token:
            tokens = jnp.concatenate([tokens, along(self.embedding[self._symbols], tokens)], axis=1)
        x = tokens + jnp.broadcast_to(self._position_table()[: tokens.shape[1]], tokens.shape)
        causal = _causal(x.shape[1])
        tables = []
        for index, block in enumerate(self.blocks):
            keys, values = block.memory(x)
            tables += [keys, values]
            if index < len(self.blocks) - 1:
                x = block.advance(x, block.attention(x @ block.attention.query, keys, values, causal))
        table = jnp.stack(tables, axis=1)  # symbol, block and kind, prefix, width
        rows = table.reshape(self._symbols, -1)[a].reshape(-1, *table.shape[1:])
        return [(rows[:, index], rows[:, index + 1]) for index in range(0, table.shape[1], 2)]

    def _rest(self, b: Int[Array, " batch"]) -> list[Float[Array, "batch rest width"]]:
        """The rest before the first block, and its queries, keys and values in that block."""
        places = self._position_table()
        first = self.blocks[0].attention
        x = jnp.concatenate([self.embedding[: self._symbols], self.embedding[-1:]])  # each `b`, then `=`
        x += jnp.concatenate([jnp.broadcast_to(places[-2], x[:-1].shape), places[-1:]])
        table = jnp.concatenate([x, x @ first.query, x @ first.key, x @ first.value], axis=-1)
        rows = table[b]
        return jnp.split(jnp.stack([rows, along(table[-1], rows)], axis=1), 4, axis=-1)


def _causal(length: int) -> Bool[Array, "here there"]:
    return jnp.tril(jnp.ones((length, length), bool))


def _sinusoids(length: int, width: int) -> Float[np.ndarray, "length width"]:
    """Fixed positions: entry `i` of position `t` is the sine (even `i`) or cosine (odd `i`) of
    `t / 10000 ** (2 * (i // 2) / width)`, as in the code released by Power et al. (2022)."""
    entries = np.arange(width)
    angles = np.arange(length)[:, None] / 10000.0 ** (2 * (entries // 2) / width)
    return np.where(entries % 2 == 0, np.sin(angles), np.cos(angles))


@dataclasses.dataclass(frozen=True)
class Transformer(AbstractArchitecture):
    """A decoder-only transformer on tasks of two tokens. Defaults: Power et al. (2022), appendix A.1.2.

    The model appends the operator and equals tokens itself. Logits span the whole vocabulary, as in
    the paper, so that the class of an element is its token.

    **Arguments**

    - `layers`, `width`, `heads`, `mlp_width`: shapes; the MLP is `4 * width` wide by default.
    - `layer_norm`: normalise after each residual sum (post-LN), or nowhere.
    - `positions`: "sinusoidal" (fixed) or "learned".
    - `operator_token`: read `a op b =` (vocabulary symbols + 2), or else `a b =` (symbols + 1).
    - `mlp_bias`: whether the MLP has biases; attention and unembedding never have.
    - `activation`: an elementwise function of `jax.nn` by name, or "square".
    - `dropout`: rate in [0, 1) while training, or `None`.
    - `dropout_on`: "residual" (outputs of both branches, as the paper says) or "mlp" (that branch
      alone, as its released code does).
    - `init`: "uniform" (PyTorch's defaults: embedding and learned positions N(0, 1), the rest uniform
      in +-1/sqrt(fan_in)) or "normal" (Nanda et al. 2023: every matrix N(0, 1/width), unembedding
      N(0, 1/outputs), biases zero).
    - `zero_readout`: start the unembedding at zero, hence the network at the zero function.

    Raises `ValueError` for unknown names, impossible shapes and rates outside [0, 1).
    """

    layers: int = 2
    width: int = 128
    heads: int = 4
    mlp_width: int | None = None
    layer_norm: bool = True
    positions: str = "sinusoidal"
    operator_token: bool = True
    mlp_bias: bool = False
    activation: str = "relu"
    dropout: float | None = None
    dropout_on: str = "residual"
    init: str = "uniform"
    zero_readout: bool = False

    def __post_init__(self) -> None:
        check_widths("layers", (self.layers,), most=MOST_LAYERS)
        for field in ("width", "heads"):
            check_widths(field, (getattr(self, field),))
        if self.mlp_width is not None:
            check_widths("mlp_width", (self.mlp_width,))
        if self.width % self.heads:
            raise ValueError(_advice(self.width, self.heads))
        check_choice("positions", self.positions, ("sinusoidal", "learned"))
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("dropout_on", self.dropout_on, _BRANCHES)
        check_choice("init", self.init, ("uniform", "normal"))
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise ValueError(
                f"dropout must lie in [0, 1), got {self.dropout}: try 0.1, or None for no dropout."
            )

    def build(self, sizes: Sizes, *, key: Key[Array, ""]) -> TransformerModel:
        """A model for tasks whose inputs are two tokens.

        Raises `ValueError` for other inputs.
        """
        if sizes.symbols is None or getattr(sizes.inputs, "shape", None) != (2,):
            raise ValueError(
                f"a Transformer reads two tokens (shape (2,), with `symbols`), got {sizes}: try an MLP."
            )
        vocabulary = sizes.symbols + (2 if self.operator_token else 1)
        length = 4 if self.operator_token else 3
        outputs = max(sizes.outputs, vocabulary)
        draw = INITIALISERS[self.init]
        # Embeddings are looked up, so PyTorch counts one input for each row.
        per_row = 1 if self.init == "uniform" else self.width
        normal = INITIALISERS["normal"]
        last = INITIALISERS["zeros"] if self.zero_readout else draw
        return TransformerModel(
            embedding=normal(named_key(key, "embedding"), (vocabulary, self.width), per_row),
            positions=normal(named_key(key, "positions"), (length, self.width), per_row)
            if self.positions == "learned"
            else None,
            blocks=tuple(self._block(named_key(key, f"blocks[{index}]")) for index in range(self.layers)),
            unembedding=last(
                named_key(key, "unembedding"),
                (self.width, outputs),
                self.width if self.init == "uniform" else outputs,
            ),
            dropout=None if self.dropout is None else Frozen(jnp.asarray(self.dropout, float)),
            dropout_on=self.dropout_on,
            operator_token=self.operator_token,
        )

    def _block(self, key: Key[Array, ""]) -> Block:
        width, wide = self.width, self.mlp_width or 4 * self.width
        draw = INITIALISERS[self.init]
        attention = {
            name: draw(named_key(key, f"attention.{name}"), (width, width), width)
            for name in ("query", "key", "value", "output")
        }
        hidden = make_linear(self.init, width, wide, bias=self.mlp_bias, key=named_key(key, "mlp.hidden"))
        output = make_linear(self.init, wide, width, bias=self.mlp_bias, key=named_key(key, "mlp.output"))
        if self.init == "normal":  # Nanda's matrices have one variance, 1/width, whatever their fan-in
            output = Linear(output.weight * math.sqrt(wide / width), output.bias)
        norms = [LayerNorm(jnp.ones(width), jnp.zeros(width)) if self.layer_norm else None for _ in range(2)]
        return Block(
            Attention(**attention, heads=self.heads), Feedforward(hidden, output, self.activation), *norms
        )


def nanda_transformer(**changes: object) -> Transformer:
    """The transformer of Nanda et al. (2023), which Omnigrok and Kumar et al. (2023) train too.

    One block without norms, learned positions, input `a b =`, biases in the MLP alone; `changes` are
    further fields of `Transformer`.
    """
    nanda = Transformer(
        layers=1, layer_norm=False, positions="learned", operator_token=False, mlp_bias=True, init="normal"
    )
    return dataclasses.replace(nanda, **changes)


def _advice(width: int, heads: int) -> str:
    small = [count for count in range(1, math.isqrt(width) + 1) if width % count == 0]
    allowed = sorted({*small, *(width // count for count in small)})
    near = [count for count in allowed if count < heads][-1:] + [count for count in allowed if count > heads][
        :1
    ]
    lower = width // heads * heads
    widths = [value for value in (lower, lower + heads) if value > 0]
    return (
        f"width must be divisible by heads, got width={width} and heads={heads}: "
        f"try heads={' or '.join(map(str, near))}, or width={' or '.join(map(str, widths))}."
    )
