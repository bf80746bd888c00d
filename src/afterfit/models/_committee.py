"""Committee machines: the two-layer networks in which Kumar et al. 2023 show lazy and rich learning.

Axes of this module
    unit    hidden units, or coordinates of the space that they span
    input   inputs of one example
"""

import dataclasses
import typing

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..tasks import hermite, Sizes
from ._base import AbstractArchitecture, Frozen, named_key
from ._choice import check_choice, check_widths
from ._initial import widened
from ._named import named


class CommitteeModel(eqx.Module):
    """`f(x) = (1/N) sum_i v_i phi(w_i . x)`, `phi(h) = h + (epsilon/2) g(h)`, with g the square or He_k.

    Parameters: `.hidden` [unit, input], and `.readout.value` [unit] or `.readout`, which training leaves
    alone or not. In its reduced form rows of `.hidden` are coordinates of all units' weights in a basis of
    the space that they never leave, and the readout is the vector of ones in that basis.
    Activations: "hidden" [unit], after phi. The reduced form has no single units, and names none.
    """

    hidden: Float[Array, "unit input"]
    readout: Frozen | Float[Array, " unit"]
    nonlinearity: Float[Array, ""] | float
    width: int = eqx.field(static=True)
    degree: int | None = eqx.field(static=True)
    reduced: bool = eqx.field(static=True)

    def __call__(self, inputs: Float[Array, " input"]) -> Float[Array, "1"]:
        """The output for one example. Plain reference: unit by unit, where there are units."""
        if self.reduced:
            return self.batched(inputs[None])[0]
        h = inputs.astype(self.hidden.dtype) @ self.hidden.T
        units = named(h + self.nonlinearity / 2 * self._bent(h), "hidden")
        return (units @ self.signs / self.width)[None]

    def batched(
        self, inputs: Float[Array, "batch input"], key: Key[Array, ""] | None = None
    ) -> Float[Array, "batch 1"]:
        """Outputs for many examples."""
        del key
        h = inputs.astype(self.hidden.dtype) @ self.hidden.T
        bent = self._bent(h)
        # In the reduced form squares are summed over an orthonormal basis: each counts once.
        weights = jnp.ones_like(self.signs) if self.reduced else self.signs
        return ((h @ self.signs + self.nonlinearity / 2 * (bent @ weights)) / self.width)[:, None]

    def _bent(self, h: Float[Array, "*batch unit"]) -> Float[Array, "*batch unit"]:
        return h**2 if self.degree is None else hermite(self.degree, h)

    @property
    def signs(self) -> Float[Array, " unit"]:
        """The readout weights."""
        return self.readout.value if isinstance(self.readout, Frozen) else self.readout


@dataclasses.dataclass(frozen=True)
class CommitteeMachine(AbstractArchitecture):
    """A committee machine with the mean over hidden units as its output (Kumar et al. 2023, Eq. 3).

    **Arguments**

    - `width`: N, hidden units.
    - `nonlinearity`: epsilon; data, so all its values share one program. Small: features are learned late.
    - `degree`: k of He_k in place of the square (their appendix on Hermite targets).
    - `readout`: "ones" (not trained, as in their main text) or "normal" (drawn from N(0, 1) and trained).
    - `reduced`: the same training at a cost that does not grow with the width. Gradients of all units lie in
      the span of their initial weights and of the vector of ones, of dimension `inputs + 1`: only coordinates
      in it are kept. Exact for rules that treat all directions alike (gradient descent, momentum, weight
      decay), and not for Adam. Squares and readouts of one only.
    - `key`: draws the weights from this JAX key as the authors did, whatever the seed.
    - `aligned`, `direction`: units 1 and 2 begin at `aligned` times plus and minus `direction`, and `1 -
      aligned` times their draw (their Figure 10), scaled by `sqrt(width / 2)` so that both carry the output.

    Raises `ValueError` for unknown names, a width or degree below 1, and for forms that exclude each other.

    @inproceedings{kumar2024grokking,
        author={Kumar, Tanishq and Bordelon, Blake and Gershman, Samuel J. and Pehlevan, Cengiz},
        title={Grokking as the Transition from Lazy to Rich Training Dynamics},
        booktitle={International Conference on Learning Representations},
        year={2024},
    }
    """

    width: int = 200
    nonlinearity: float = 0.1
    degree: int | None = None
    readout: str = "ones"
    reduced: bool = False
    key: int | None = None
    aligned: float = 0.0
    direction: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_widths("width", (self.width,))
        check_choice("readout", self.readout, ("ones", "normal"))
        if self.degree is not None and self.degree < 1:
            raise ValueError(f"`degree` must be at least 1, got {self.degree}. Leave it out for the square.")
        if self.reduced and (self.readout != "ones" or self.degree is not None):
            raise ValueError(
                "`reduced` needs the square and readouts of one: leave `degree` and `readout` out."
            )
        if self.direction and self.width < 2:
            raise ValueError(f"`direction` needs two units, got a width of {self.width}.")

    def build(self, sizes: Sizes, *, key: Key[Array, ""]) -> CommitteeModel:
        """A model of one output.

        Raises `ValueError` for inputs other than one vector of real numbers, for several outputs, and for a
        `direction` of another length.
        """
        shape = getattr(sizes.inputs, "shape", None)
        if shape is None or len(shape) != 1 or sizes.symbols is not None or sizes.outputs != 1:
            raise ValueError("a committee machine reads one real vector and has one output: try an MLP.")
        hidden = self._drawn((self.width, shape[0]), key)
        if len(self.direction):
            hidden = self._turned(hidden)
        ones = jnp.ones(self.width, hidden.dtype)
        readout: typing.Any = Frozen(ones)
        if self.readout == "normal":
            draw = self._draw(named_key(key, "readout"), (self.width,))
            readout = draw
        elif self.reduced:
            basis = jnp.linalg.qr(jnp.concatenate([ones[:, None], hidden], axis=1))[0]
            hidden, readout = basis.T @ hidden, Frozen(basis.T @ ones)
        return CommitteeModel(hidden, readout, self.nonlinearity, self.width, self.degree, self.reduced)

    def _drawn(self, shape: tuple[int, int], key: Key[Array, ""]) -> Float[Array, "unit input"]:
        if self.key is None:
            return self._draw(named_key(key, "hidden"), shape)
        with jax.threefry_partitionable(False):  # how keys became numbers when the authors drew
            return self._draw(jax.random.key(self.key), shape)

    def _draw(self, key: Key[Array, ""], shape: tuple[int, ...]) -> Float[Array, "..."]:
        return widened(jax.random.normal(key, shape, jnp.float32))

    def _turned(self, hidden: Float[Array, "unit input"]) -> Float[Array, "unit input"]:
        direction = jnp.asarray(self.direction)
        if direction.size != hidden.shape[1]:
            raise ValueError(
                f"`direction` must have {hidden.shape[1]} numbers, one an input, got {direction.size}."
            )
        both = (jnp.stack([direction, -direction]) * (self.width / 2) ** 0.5).astype(hidden.dtype)
        return hidden.at[:2].set(self.aligned * both + (1 - self.aligned) * hidden[:2])
