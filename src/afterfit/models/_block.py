"""The parts of a transformer, for sequences "... position width" with any axes in front."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from ._activation import ACTIVATIONS
from ._base import named_key
from ._linear import along, Linear
from ._named import named


Stream = Float[Array, "*batch position width"]


class LayerNorm(eqx.Module):
    """`gain * (x - mean) / sqrt(variance + 1e-5) + bias` over the last axis (PyTorch's form)."""

    gain: Float[Array, " width"]
    bias: Float[Array, " width"]

    def __call__(self, x: Stream) -> Stream:
        """The stream, normalised at each position."""
        centred = x - jnp.mean(x, axis=-1, keepdims=True)
        variance = jnp.mean(centred**2, axis=-1, keepdims=True)
        return centred * jax.lax.rsqrt(variance + 1e-5) * along(self.gain, x) + along(self.bias, x)


class Attention(eqx.Module):
    """Multi-head attention without biases. Head `h` owns the `h`-th slice of the columns of `query`,
    `key`, `value` and of the rows of `output`."""

    query: Float[Array, "width width"]
    key: Float[Array, "width width"]
    value: Float[Array, "width width"]
    output: Float[Array, "width width"]
    heads: int = eqx.field(static=True)

    def __call__(
        self,
        queries: Float[Array, "*batch here width"],
        keys: Float[Array, "*batch there width"],
        values: Float[Array, "*batch there width"],
        mask: Bool[Array, "here there"],
    ) -> Float[Array, "*batch here width"]:
        """What each position `here` reads from the positions `there` that the mask lets it see."""
        with jax.named_scope("attention"):
            q, k, v = (self._by_head(x) for x in (queries, keys, values))
            scores = q @ jnp.swapaxes(k, -1, -2) / math.sqrt(q.shape[-1])
            pattern = jax.nn.softmax(jnp.where(jnp.broadcast_to(mask, scores.shape), scores, -jnp.inf))
            read = jnp.swapaxes(pattern @ v, -2, -3).reshape(queries.shape)
        return read @ self.output

    def _by_head(self, x: Stream) -> Float[Array, "*batch head position head_width"]:
        return jnp.swapaxes(x.reshape(*x.shape[:-1], self.heads, -1), -2, -3)


class Feedforward(eqx.Module):
    """`output(activation(hidden(x)))` at each position."""

    hidden: Linear
    output: Linear
    activation: str = eqx.field(static=True)

    def __call__(self, x: Stream, name: str | None = None) -> Stream:
        """The branch's output; with a name of its own, the branch names its hidden layer."""
        hidden = ACTIVATIONS[self.activation](self.hidden(x))
        return self.output(hidden if name is None else named(hidden, f"{name}.hidden"))


class Block(eqx.Module):
    """Attention, then MLP, each added to the stream; with norms, each sum is normalised (post-LN)."""

    attention: Attention
    mlp: Feedforward
    attention_norm: LayerNorm | None
    mlp_norm: LayerNorm | None

    def memory(self, x: Stream) -> tuple[Stream, Stream]:
        """Keys and values: all that other positions see of these."""
        return x @ self.attention.key, x @ self.attention.value

    def advance(
        self, x: Stream, attended: Stream, drop: "Dropout | None" = None, name: str | None = None
    ) -> Stream:
        """The stream after the block at positions whose attention returned `attended`.

        With a name of its own, the block names the MLP's hidden layer.
        """
        if drop is not None:
            attended = drop(attended, "attention")
        x = _normalised(x + attended, self.attention_norm)
        change = self.mlp(x, None if name is None else f"{name}.mlp")
        if drop is not None:
            change = drop(change, "mlp")
        return _normalised(x + change, self.mlp_norm)


class Dropout(eqx.Module):
    """Inverted dropout of named branches: kept entries are divided by the chance of being kept."""

    rate: Float[Array, ""]
    key: Key[Array, ""]
    branches: tuple[str, ...] = eqx.field(static=True)

    def __call__(self, x: Stream, branch: str) -> Stream:
        """`x` with a random share of entries zeroed, if dropout acts on this branch."""
        if branch not in self.branches:
            return x
        kept = jax.random.bernoulli(named_key(self.key, branch), 1 - self.rate, x.shape)
        return jnp.where(kept, x / (1 - self.rate), 0)


def _normalised(x: Stream, norm: LayerNorm | None) -> Stream:
    return x if norm is None else norm(x)
