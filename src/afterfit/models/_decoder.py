"""A decoder of sums: elements have representations, which are added and decoded."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from ..tasks import Sizes
from ._activation import ACTIVATIONS
from ._base import AbstractArchitecture, Frozen, named_key
from ._choice import check_choice, check_widths
from ._initial import widened
from ._linear import Linear, make_linear
from ._named import named


class AdditionDecoderModel(eqx.Module):
    """The representations of all tokens of an example are added, and an MLP decodes the sum.

    Parameters: `.representation` [symbol, dimension] where it is learned, `.layers[i]` and `.readout`.
    Activations: "sum" of the representations, and "layers[i]", after the activation function.
    """

    representation: Float[Array, "symbol dimension"] | Frozen
    layers: tuple[Linear, ...]
    readout: Linear
    activation: str = eqx.field(static=True)

    def __call__(
        self, tokens: Int[Array, " tokens"], *, key: Key[Array, ""] | None = None
    ) -> Float[Array, " outputs"]:
        """Outputs for one example."""
        del key
        x = named(self._sum(tokens), "sum")
        for index, layer in enumerate(self.layers):
            x = named(ACTIVATIONS[self.activation](layer(x)), f"layers[{index}]")
        return self.readout(x)

    def batched(
        self, tokens: Int[Array, "batch tokens"], key: Key[Array, ""] | None = None
    ) -> Float[Array, "batch outputs"]:
        """Outputs for many examples."""
        del key
        x = self._sum(tokens)
        for layer in self.layers:
            x = ACTIVATIONS[self.activation](layer(x))
        return self.readout(x)

    def _sum(self, tokens: Int[Array, "*batch tokens"]) -> Float[Array, "*batch dimension"]:
        table = self.representation
        return (table.value if isinstance(table, Frozen) else table)[tokens].sum(axis=-2)


@dataclasses.dataclass(frozen=True)
class AdditionDecoder(AbstractArchitecture):
    """Representations that are added, and an MLP that decodes the sum.

    Liu et al. 2023 ("Omnigrok"), section 5 and appendix E. A representation starts between order and
    chaos: `R = messiness * R_random + (1 - messiness) * R_linear` (Eq. 4). In R_linear the first coordinate
    of the symbols is evenly spaced from -1 to 1, in R_random all coordinates are uniform in +-1.

    **Arguments:**

    - `hidden`: widths of the decoder's hidden layers.
    - `activation`: an elementwise function of `jax.nn` by name, or "square".
    - `dimension`: of a representation.
    - `messiness`: m, from 0 (linear) to 1 (random).
    - `off_line`: coordinates of R_linear other than the first are uniform in +- this (0.3 in the authors'
        code, so that their m = 0 is not quite linear).
    - `decoder_scale`: the decoder's initial parameters are multiplied by it; the representation is not.
    - `learned`: whether the representation is trained.

    Raises `ValueError` for unknown names and for widths below 1.
    """

    hidden: tuple[int, ...] = (200, 200)
    activation: str = "relu"
    dimension: int = 2
    messiness: float = 1.0
    off_line: float = 0.3
    decoder_scale: float = 1.0
    learned: bool = True

    def __post_init__(self) -> None:
        check_widths("hidden", self.hidden)
        check_widths("dimension", (self.dimension,))
        check_choice("activation", self.activation, ACTIVATIONS)

    def build(self, sizes: Sizes, *, key: Key[Array, ""]) -> AdditionDecoderModel:
        """A model of tokens.

        Raises `ValueError` for inputs that are no tokens.
        """
        if sizes.symbols is None:
            raise ValueError("an AdditionDecoder reads tokens: try a task with symbols, such as Addition.")
        widths = (self.dimension, *self.hidden, sizes.outputs)
        layers = [
            jax.tree.map(
                lambda leaf: self.decoder_scale * leaf,
                make_linear("uniform", *pair, bias=True, key=named_key(key, f"layers[{index}]")),
            )
            for index, pair in enumerate(zip(widths, widths[1:]))
        ]
        table = self._representation(sizes.symbols, key)
        return AdditionDecoderModel(
            table if self.learned else Frozen(table), tuple(layers[:-1]), layers[-1], self.activation
        )

    def _representation(self, symbols: int, key: Key[Array, ""]) -> Float[Array, "symbol dimension"]:
        shape = (symbols, self.dimension)
        chaos, aside = (
            widened(jax.random.uniform(named_key(key, name), shape, jnp.float32, -1, 1))
            for name in ("random representation", "off the line")
        )
        line = (self.off_line * aside).at[:, 0].set(jnp.linspace(-1, 1, symbols, dtype=aside.dtype))
        return self.messiness * chaos + (1 - self.messiness) * line
