"""Graph convolutions whose matrices depend on the bond.

Axes of this module
    atoms      places for atoms, some of them empty
    types      of bonds: single, double, triple, aromatic
    in, out    widths of a convolution
"""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, Num

from ..tasks import Sizes
from ._base import AbstractArchitecture, named_key
from ._choice import check_widths
from ._initial import INITIALISERS
from ._linear import along, Linear, make_linear
from ._named import named


BOND_TYPES = 4
"""Bonds are whole numbers from 0 (none) to 4."""


class EdgeConvolution(eqx.Module):
    """`out_i = sum over bonds ij of h_j Theta(ij) + h_i root + bias`: the NNConv of PyTorch Geometric.

    `Theta` is a network of its own, from the one-hot type of a bond through `hidden` (ReLU) to `entries`, the
    numbers of a matrix [in, out].
    """

    hidden: Linear
    entries: Linear
    root: Float[Array, "in out"]
    bias: Float[Array, " out"]

    def __call__(
        self, h: Float[Array, "atoms in"], bonds: Int[Array, "atoms atoms"]
    ) -> Float[Array, "atoms out"]:
        """One molecule. Plain reference: a matrix for each pair of atoms."""
        theta = self._matrices(jax.nn.one_hot(bonds - 1, BOND_TYPES, dtype=h.dtype))
        messages = jnp.einsum("jc,ijcd->ijd", h, theta)
        received = jnp.sum(jnp.where((bonds > 0)[..., None], messages, 0), axis=1)
        return self._finished(h, received)

    def batched(
        self, h: Float[Array, "batch atoms in"], bonds: Int[Array, "batch atoms atoms"]
    ) -> Float[Array, "batch atoms out"]:
        """Many molecules. There are four matrices, and messages are sums over the types of bonds."""
        theta = self._matrices(jnp.eye(BOND_TYPES, dtype=h.dtype))
        batch, atoms, fan_in = h.shape
        fan_out = theta.shape[-1]
        # The sum over neighbours and the product with Theta may come in either order: on the side where the
        # vectors are shorter, the sum is cheaper. In the first convolution it then has no derivative at all.
        if fan_in <= fan_out:
            adjacency = jax.nn.one_hot(bonds - 1, BOND_TYPES, dtype=h.dtype, axis=2)
            sums = adjacency.reshape(batch, atoms * BOND_TYPES, atoms) @ h
            received = sums.reshape(batch, atoms, -1) @ theta.reshape(-1, fan_out)
        else:
            adjacency = jax.nn.one_hot(bonds - 1, BOND_TYPES, dtype=h.dtype)
            sent = h @ jnp.swapaxes(theta, 0, 1).reshape(fan_in, -1)
            received = adjacency.reshape(batch, atoms, -1) @ sent.reshape(batch, -1, fan_out)
        return self._finished(h, received)

    def _matrices(self, types: Float[Array, "*bonds types"]) -> Float[Array, "*bonds in out"]:
        entries = self.entries(jax.nn.relu(self.hidden(types)))
        return entries.reshape(*types.shape[:-1], *self.root.shape)

    def _finished(
        self, h: Float[Array, "*batch atoms in"], received: Float[Array, "*batch atoms out"]
    ) -> Float[Array, "*batch atoms out"]:
        return received + h @ self.root + along(self.bias, received)


class GraphConvolutionModel(eqx.Module):
    """Convolutions, each followed by ReLU; the sum over atoms; `hidden`, ReLU and `readout`.

    Parameters: `.convolutions[i].hidden` and `.convolutions[i].entries` (`.weight` [in, out], `.bias`),
    `.convolutions[i].root`, `.convolutions[i].bias`, `.hidden` and `.readout` (`.weight`, `.bias`).
    Activations: "convolutions[i]" [atoms, out], after ReLU, also at places that hold no atom; "pooled", the
    sum over atoms; "hidden", after ReLU.
    A place whose features are all zero holds no atom.
    """

    convolutions: tuple[EdgeConvolution, ...]
    hidden: Linear
    readout: Linear

    def __call__(
        self, inputs: dict[str, Num[Array, "atoms _"]], *, key: Key[Array, ""] | None = None
    ) -> Float[Array, " outputs"]:
        """Outputs for one molecule. Plain reference: the edge network sees every pair of atoms."""
        del key
        h = inputs["atoms"].astype(self.readout.weight.dtype)
        exists = jnp.any(h != 0, axis=-1, keepdims=True)
        for index, convolution in enumerate(self.convolutions):
            h = named(jax.nn.relu(convolution(h, inputs["bonds"])), f"convolutions[{index}]")
        pooled = named(jnp.sum(jnp.where(exists, h, 0), axis=-2), "pooled")
        return self.readout(named(jax.nn.relu(self.hidden(pooled)), "hidden"))

    def batched(
        self, inputs: dict[str, Num[Array, "batch atoms _"]], key: Key[Array, ""] | None = None
    ) -> Float[Array, "batch outputs"]:
        """Outputs for many molecules; the edge network runs once for each type of bond."""
        del key
        h = inputs["atoms"].astype(self.readout.weight.dtype)
        exists = jnp.any(h != 0, axis=-1, keepdims=True)
        for convolution in self.convolutions:
            h = jax.nn.relu(convolution.batched(h, inputs["bonds"]))
        pooled = jnp.sum(jnp.where(exists, h, 0), axis=-2)
        return self.readout(jax.nn.relu(self.hidden(pooled)))


@dataclasses.dataclass(frozen=True)
class GraphConvolution(AbstractArchitecture):
    """A graph convolutional network on molecules: the one of Liu et al. 2023 ("Omnigrok"), appendix A.

    Defaults are those of their code, which has one linear layer more than the paper says. A convolution is
    that of Gilmer et al. 2017 ("Neural Message Passing for Quantum Chemistry"), as PyTorch Geometric has it.
    All parameters start uniform in +-1/sqrt(fan_in), the biases of convolutions at zero.

    **Arguments**

    - `widths`: of the convolutions.
    - `edge_width`: hidden width of the network that makes a matrix of a bond.
    - `readout`: width of the hidden layer between the sum over atoms and the outputs.

    Raises `ValueError` for widths below 1 and for no convolution at all.
    """

    widths: tuple[int, ...] = (32, 16)
    edge_width: int = 32
    readout: int = 32

    def __post_init__(self) -> None:
        if not self.widths:
            raise ValueError("widths must name a convolution at least, got (): try (32, 16).")
        check_widths("widths", self.widths)
        check_widths("edge_width", (self.edge_width,))
        check_widths("readout", (self.readout,))

    def build(self, sizes: Sizes, *, key: Key[Array, ""]) -> GraphConvolutionModel:
        """A model whose inputs are `{"atoms": "atoms features", "bonds": "atoms atoms"}`.

        Raises `ValueError` for other inputs.
        """
        if not isinstance(sizes.inputs, dict) or sizes.inputs.keys() != {"atoms", "bonds"}:
            raise ValueError(
                f"a graph convolution reads atoms and bonds, got inputs {sizes.inputs}: try the task QM9 or "
                "GeneratedMolecules."
            )
        widths = (sizes.inputs["atoms"].shape[-1], *self.widths)
        convolutions = tuple(
            self._convolution(*pair, key=named_key(key, f"convolutions[{index}]"))
            for index, pair in enumerate(zip(widths, widths[1:]))
        )
        hidden, readout = (
            make_linear("uniform", *pair, bias=True, key=named_key(key, name))
            for name, pair in (
                ("hidden", (widths[-1], self.readout)),
                ("readout", (self.readout, sizes.outputs)),
            )
        )
        return GraphConvolutionModel(convolutions, hidden, readout)

    def _convolution(self, fan_in: int, fan_out: int, *, key: Key[Array, ""]) -> EdgeConvolution:
        hidden, entries = (
            make_linear("uniform", *pair, bias=True, key=named_key(key, name))
            for name, pair in (
                ("hidden", (BOND_TYPES, self.edge_width)),
                ("entries", (self.edge_width, fan_in * fan_out)),
            )
        )
        root = INITIALISERS["uniform"](named_key(key, "root"), (fan_in, fan_out), fan_in)
        return EdgeConvolution(hidden, entries, root, jnp.zeros(fan_out))
