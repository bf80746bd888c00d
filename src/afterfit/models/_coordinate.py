"""Networks that are functions of a place: with random Fourier features, or with sines for activations."""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..tasks import Sizes
from ._activation import ACTIVATIONS
from ._base import AbstractArchitecture, Frozen, named_key
from ._choice import check_choice, check_widths
from ._initial import INITIALISERS, widened
from ._linear import Linear, make_linear
from ._mlp import MLP, MLPModel
from ._named import named


class CoordinateModel(eqx.Module):
    """Random Fourier features of a place, then a multilayer perceptron.

    Parameters: those of `.network`. The directions of the features are not trained. Activations: "features",
    then those of the perceptron.
    """

    directions: Frozen  # [axis, feature], in half turns for each unit of length
    network: MLPModel

    def __call__(self, place: Float[Array, " axis"]) -> Float[Array, " outputs"]:
        """Outputs at one place."""
        return self.network(named(self._features(place), "features"))

    def batched(
        self, places: Float[Array, "batch axis"], key: Key[Array, ""] | None = None
    ) -> Float[Array, "batch outputs"]:
        """Outputs at many places."""
        return self.network.batched(self._features(places), key)

    def _features(self, places: Float[Array, "*batch axis"]) -> Float[Array, "*batch feature"]:
        turned = math.pi * (places.astype(self.directions.value.dtype) @ self.directions.value)
        return jnp.concatenate([jnp.cos(turned), jnp.sin(turned)], axis=-1)


@dataclasses.dataclass(frozen=True)
class CoordinateNetwork(AbstractArchitecture):
    """A perceptron on `cos(pi B x)` and `sin(pi B x)` of a place x, with B drawn from `N(0, bandwidth^2)`.

    Without such features networks of places learn low frequencies alone (Tancik et al. 2020, "Fourier
    features let networks learn high frequency functions in low dimensional domains").

    **Arguments:**

    - `hidden`, `activation`, `init`: as in `MLP`.
    - `features`: how many directions; each gives a cosine and a sine.
    - `bandwidth`: of the directions.

    Raises `ValueError` for unknown names, widths below 1 and a bandwidth that is not positive.
    """

    hidden: tuple[int, ...] = (64, 64)
    features: int = 16
    bandwidth: float = 1.0
    activation: str = "relu"
    init: str = "uniform"

    def __post_init__(self) -> None:
        check_widths("hidden", self.hidden)
        check_widths("features", (self.features,))
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("init", self.init, INITIALISERS)
        _check_positive("bandwidth", self.bandwidth)

    def build(self, sizes: Sizes, *, key: Key[Array, ""]) -> CoordinateModel:
        """A model of one place."""
        drawn = jax.random.normal(named_key(key, "directions"), (_axes(sizes), self.features), jnp.float32)
        seen = sizes._replace(inputs=jax.ShapeDtypeStruct((2 * self.features,), jnp.float32))
        network = MLP(self.hidden, self.activation, init=self.init).build(seen, key=key)
        return CoordinateModel(Frozen(self.bandwidth * widened(drawn)), network)


class SirenModel(eqx.Module):
    """A perceptron whose hidden layers are `sin(frequency (x W + b))`.

    Parameters: `.layers[i].weight` [in, out], `.layers[i].bias`, `.readout.weight`, `.readout.bias`.
    Activations: "layers[i]".
    """

    layers: tuple[Linear, ...]
    readout: Linear
    frequency: Frozen

    def __call__(self, place: Float[Array, "*batch axis"]) -> Float[Array, "*batch outputs"]:
        """Outputs at one place, or at several: the last axis is that of coordinates."""
        x = place.astype(self.readout.weight.dtype)
        for index, layer in enumerate(self.layers):
            x = named(jnp.sin(self.frequency.value * layer(x)), f"layers[{index}]")
        return self.readout(x)

    def batched(
        self, places: Float[Array, "batch axis"], key: Key[Array, ""] | None = None
    ) -> Float[Array, "batch outputs"]:
        """Outputs at many places."""
        del key
        return self(places)


@dataclasses.dataclass(frozen=True)
class Siren(AbstractArchitecture):
    """A perceptron with sines for activations (Sitzmann et al. 2020, "Implicit neural representations with
    periodic activation functions").

    Weights are uniform: in +-1 / axes in the first layer, in +-sqrt(6 / fan_in) / frequency in the others, so
    that activations keep their spread. Biases are uniform in +-1/sqrt(fan_in).

    **Arguments:**

    - `hidden`: widths; at least one.
    - `frequency`: of the sines (their omega_0).

    Raises `ValueError` for no hidden layer, widths below 1, and a frequency that is not positive.
    """

    hidden: tuple[int, ...] = (64, 64)
    frequency: float = 30.0

    def __post_init__(self) -> None:
        check_widths("hidden", self.hidden)
        if not self.hidden:
            raise ValueError("`hidden` must name at least one layer of sines, got ().")
        _check_positive("frequency", self.frequency)

    def build(self, sizes: Sizes, *, key: Key[Array, ""]) -> SirenModel:
        """A model of one place."""
        widths = (_axes(sizes), *self.hidden, sizes.outputs)
        layers = []
        for index, (fan_in, fan_out) in enumerate(zip(widths, widths[1:])):
            name = f"layers[{index}]" if index < len(self.hidden) else "readout"
            drawn = make_linear("uniform", fan_in, fan_out, bias=True, key=named_key(key, name))
            # Drawn in +-1/sqrt(fan_in): brought to the bounds of this network.
            ratio = fan_in**-0.5 if index == 0 else math.sqrt(6) / self.frequency
            layers.append(Linear(drawn.weight * ratio, drawn.bias))
        return SirenModel(tuple(layers[:-1]), layers[-1], Frozen(jnp.asarray(self.frequency)))


def _axes(sizes: Sizes) -> int:
    """How many coordinates a place has."""
    shape = sizes.inputs.shape if isinstance(sizes.inputs, jax.ShapeDtypeStruct) else None
    if shape is None or len(shape) != 1 or sizes.symbols is not None:
        raise ValueError(
            f"a coordinate network reads places, one vector of real numbers each, got {sizes.inputs}: "
            "try a task such as af.tasks.CosineImage()."
        )
    return shape[0]


def _check_positive(field: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"`{field}` must be a positive number, got {value}.")
