"""What every model shares: how it is made, what of it is trained, and how it reads a batch."""

import abc
import inspect
import typing
import zlib
from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from ..tasks import Sizes


class AbstractArchitecture(abc.ABC):
    """A model before it exists: sizes and settings, as a frozen dataclass.

    `float` fields are data (they may differ between the lanes of a pack), everything else is
    structure.
    """

    @abc.abstractmethod
    def build(self, sizes: Sizes, *, key: Key[Array, ""]) -> eqx.Module:
        """A model called on one example: `model(inputs) -> Float[Array, "outputs"]`.

        A model whose call takes `key` gets one while it trains and `None` while it is measured.
        """


@typing.runtime_checkable
class Batched(typing.Protocol):
    """A model that has a cheaper form for many examples at once; it must equal the plain one."""

    def batched(self, inputs: PyTree, key: Key[Array, ""] | None = None) -> Array:
        """Outputs "batch outputs" for inputs with leaves "batch ..."."""
        ...


def by_path(tree: PyTree) -> dict[str, typing.Any]:
    """The leaves of a tree by their paths, e.g. `.blocks[0].attention.query`, in their order."""
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def from_paths(template: PyTree, leaves: Mapping[str, typing.Any]) -> PyTree:
    """The tree built as a template that has these leaves: `by_path` undone; others are passed over."""
    chosen = [leaves[path] for path in by_path(template)]
    return jax.tree.unflatten(jax.tree.structure(template), chosen)


class Frozen(eqx.Module):
    """An array of a model that training leaves alone."""

    value: Array


def split_trainable(model: PyTree) -> tuple[PyTree, PyTree]:
    """`(parameters, rest)` such that `eqx.combine(parameters, rest)` is the model.

    Parameters are the floating-point arrays outside any `Frozen`.
    """
    return eqx.partition(model, trainable(model))


def trainable(model: PyTree) -> PyTree:
    """Which leaves of a model are trained: its floating-point arrays outside any `Frozen`.

    Also for a model of shapes (`jax.ShapeDtypeStruct`) instead of arrays.
    """

    def is_trained(leaf: typing.Any) -> bool:
        shaped = isinstance(leaf, jax.ShapeDtypeStruct) and jnp.issubdtype(leaf.dtype, jnp.inexact)
        return shaped or eqx.is_inexact_array(leaf)

    return jax.tree.map(is_trained, model, is_leaf=lambda leaf: isinstance(leaf, Frozen))


def call_batch(model: PyTree, inputs: PyTree, key: Key[Array, ""] | None = None) -> Array:
    """Outputs "batch outputs" of a model for inputs with leaves "batch ..."."""
    if isinstance(model, Batched):
        return model.batched(inputs, key)
    if key is None or not takes_key(model):
        return jax.vmap(model)(inputs)
    count = jax.tree.leaves(inputs)[0].shape[0]
    return jax.vmap(lambda one, its_key: model(one, key=its_key))(inputs, jax.random.split(key, count))


def takes_key(model: PyTree) -> bool:
    """Whether a model's call accepts `key`."""
    return "key" in inspect.signature(type(model).__call__).parameters


def named_key(key: Key[Array, ""], name: str) -> Key[Array, ""]:
    """A key for the part called `name`, so that a new part never moves the others."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))
