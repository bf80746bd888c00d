"""Optimisers made from optimisers: clipped gradients, a falling rate, two parts that move apart."""

import dataclasses
import typing

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from ._optimisers import AbstractOptimiser, Adam


@dataclasses.dataclass(frozen=True)
class Clipped(AbstractOptimiser):
    """An optimiser whose gradients are shortened first where their norm is above a bound.

    The norm is that of all gradients together, and what the optimiser sees is
    `min(1, norm / (gradient's norm + 1e-6))` times the gradient, as in PyTorch's `clip_grad_norm_`.

    **Arguments**

    - `optimiser`: what moves the parameters.
    - `norm`: the bound; 5 in the LSTM of Liu et al. 2023 ("Omnigrok").

    Raises `ValueError` unless the bound is positive.
    """

    optimiser: AbstractOptimiser = Adam()
    norm: float = 5.0

    def __post_init__(self):
        _check_optimiser("optimiser", self.optimiser)
        _check_positive("norm", self.norm)

    def direction(self) -> optax.GradientTransformation:
        return optax.chain(_clipped(self.norm), self.optimiser.direction())

    def rate(self, step: Int[Array, ""]) -> Float[Array, ""]:
        return self.optimiser.rate(step)


@dataclasses.dataclass(frozen=True)
class StepDecay(AbstractOptimiser):
    """An optimiser whose rate is multiplied by `factor` after each `every` steps.

    The defaults are those of the toy addition of Liu et al. 2023 ("Omnigrok"), in their code.

    **Arguments**

    - `optimiser`: what moves the parameters.
    - `factor`: above 0.
    - `every`: steps, a whole number of at least 1.

    Raises `ValueError` for other values.
    """

    optimiser: AbstractOptimiser = Adam()
    factor: float = 0.2
    every: int = 5000

    def __post_init__(self):
        _check_optimiser("optimiser", self.optimiser)
        _check_positive("factor", self.factor)
        if self.every < 1:
            raise ValueError(f"`every` must be a whole number of at least 1, got {self.every}.")

    def direction(self) -> optax.GradientTransformation:
        return self.optimiser.direction()

    def rate(self, step: Int[Array, ""]) -> Float[Array, ""]:
        return self.optimiser.rate(step) * self.factor ** (step // self.every)


@dataclasses.dataclass(frozen=True)
class Separate(AbstractOptimiser):
    """Two optimisers: one for the parameters under a path, one for the rest, each with its own rate.

    Rates are part of the direction here: noise on updates is not multiplied by them.

    **Arguments**

    - `part`: where the path of a parameter begins, written as in Python: ".embedding", ".layers[0]".
    - `optimiser`: what moves the parameters under this path.
    - `rest`: what moves all others.

    Raises `ValueError` if `part` is no path, and when a run starts, if its model has no such parameter.
    """

    part: str
    optimiser: AbstractOptimiser
    rest: AbstractOptimiser

    def __post_init__(self):
        for field in ("optimiser", "rest"):
            _check_optimiser(field, getattr(self, field))
        if not self.part.startswith((".", "[")):
            raise ValueError(
                f"`part` must be a path such as '.embedding', got {self.part!r}. Begin it with a dot."
            )

    def direction(self) -> optax.GradientTransformation:
        both = [_with_rate(one) for one in (self.optimiser, self.rest)]

        def init(params: PyTree) -> list[PyTree]:
            mine, others = _parted(params, self.part)
            if not jax.tree.leaves(mine):
                tops = dict.fromkeys(path[:1] for path, _ in jax.tree_util.tree_leaves_with_path(params))
                known = ", ".join(map(jax.tree_util.keystr, tops))
                raise ValueError(
                    f"`part` must name a parameter of the model, got {self.part!r}. Try {known}."
                )
            return [one.init(piece) for one, piece in zip(both, (mine, others), strict=True)]

        def update(updates: PyTree, state: PyTree, params: PyTree | None = None, **extra: typing.Any):
            # Extra arguments are trees like the parameters: a part is pulled to its own initial values.
            parts = [_parted(tree, self.part) for tree in (updates, params, *extra.values())]
            moved = []
            for one, its_state, (its_updates, its_params, *its_extra) in zip(
                both, state, zip(*parts, strict=True), strict=True
            ):
                named = dict(zip(extra, its_extra, strict=True))
                moved.append(one.update(its_updates, its_state, its_params, **named))
            (mine, my_state), (others, other_state) = moved
            return eqx.combine(mine, others), [my_state, other_state]

        return optax.GradientTransformationExtraArgs(init, update)

    def rate(self, step: Int[Array, ""]) -> Float[Array, ""]:
        del step
        return jnp.ones(())


def _clipped(norm: float) -> optax.GradientTransformation:
    def update(updates: PyTree, state: PyTree, params: PyTree | None = None):
        del params
        # optax's own has no 1e-6 and would part from PyTorch in the sixth digit of small bounds.
        scale = jnp.minimum(1, norm / (optax.tree.norm(updates) + 1e-6))
        return jax.tree.map(lambda u: u * scale.astype(u.dtype), updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def _with_rate(optimiser: AbstractOptimiser) -> optax.GradientTransformationExtraArgs:
    """An optimiser's direction, times its rate."""
    schedule = optax.scale_by_schedule(lambda count: optimiser.rate(jnp.asarray(count)))
    return optax.with_extra_args_support(optax.chain(optimiser.direction(), schedule))


def _parted(tree: PyTree, part: str) -> tuple[PyTree, PyTree]:
    """A tree's leaves under a path, and the others, each with `None` in the other's places."""

    def is_under(path: tuple, leaf: typing.Any) -> bool:
        del leaf
        name = jax.tree_util.keystr(path)
        # Whole words: ".embed" does not begin the path ".embedding", nor ".layers[1" that of ".layers[10]".
        return name.startswith(part) and name[len(part) :][:1] in ("", ".", "[")

    return eqx.partition(tree, jax.tree_util.tree_map_with_path(is_under, tree))


def _check_optimiser(field: str, optimiser: typing.Any) -> None:
    if not isinstance(optimiser, AbstractOptimiser):
        found = type(optimiser).__name__
        raise ValueError(f"`{field}` must be a subclass of AbstractOptimiser, got {found}. Try Adam().")


def _check_positive(field: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"`{field}` must be above 0, got {value}.")
