"""Groups of neurons: by agglomerative clustering, by spectral clustering, by hand.

They are formed inside the compiled program, so that activations never leave the device. Partitions are those
of scikit-learn (`AgglomerativeClustering` with its defaults, and `SpectralClustering` with an affinity of
absolute correlations and `assign_labels="cluster_qr"`), which the tests compare.

Axes of this module
    sample   examples
    neuron   units of a layer
    group    groups of them
"""

import abc
import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ._copula import Copula


@dataclasses.dataclass(frozen=True)
class AbstractGrouping(abc.ABC):
    """A rule that sorts the neurons of a layer into `groups` groups.

    **Raises:** `ValueError` for fewer than 2 groups.
    """

    groups: int = 10

    def __post_init__(self):
        if not isinstance(self.groups, int) or isinstance(self.groups, bool) or self.groups < 2:
            raise ValueError(f"`groups` must be a whole number of at least 2, got {self.groups!r}.")

    @abc.abstractmethod
    def labels(
        self, values: Float[Array, "sample neuron"], valid: Bool[Array, " sample"], copula: Copula
    ) -> Int[Array, " neuron"]:
        """The group of each neuron, from 0 on, by activations and their copula."""


@dataclasses.dataclass(frozen=True)
class Ward(AbstractGrouping):
    """Agglomerative clustering of raw activations: the two groups are joined whose variance grows least.

    Clauw et al. 2024, section 4 (scikit-learn's default, 10 clusters in their code).
    """

    def labels(
        self, values: Float[Array, "sample neuron"], valid: Bool[Array, " sample"], copula: Copula
    ) -> Int[Array, " neuron"]:
        del copula
        count = values.shape[1]
        kept = jnp.where(valid[:, None], values, 0)
        # What all neurons have in common cancels in distances, and would cost digits.
        kept = kept - jnp.mean(kept, axis=1, keepdims=True)
        with jax.default_matmul_precision("highest"):
            products = kept.T @ kept
        squares = jnp.diagonal(products)
        distance = jnp.maximum(squares[:, None] + squares[None] - 2 * products, 0)
        distance = jnp.where(jnp.eye(count, dtype=bool), jnp.inf, distance)
        start = distance, jnp.ones(count, values.dtype), jnp.arange(count)
        joined = jax.lax.fori_loop(0, count - self.groups, _join, start)[2]
        return _numbered(joined, self.groups)


def _join(_: Array, state: tuple) -> tuple:
    """Joins the nearest two groups; squared distances follow Lance and Williams 1967."""
    distance, sizes, member = state
    one = jnp.argmin(jnp.min(distance, axis=1))
    other = jnp.argmin(distance[one])
    first, second = jnp.minimum(one, other), jnp.maximum(one, other)
    mine, its = sizes[first], sizes[second]
    between = distance[first, second]
    new = (mine + sizes) * distance[first] + (its + sizes) * distance[second] - sizes * between
    new = new / (mine + its + sizes)
    place = jnp.arange(len(sizes))
    new = jnp.where((place == first) | (place == second), jnp.inf, new)
    for group, row in ((first, new), (second, jnp.full_like(new, jnp.inf))):
        distance = distance.at[group].set(row).at[:, group].set(row)
    sizes = sizes.at[first].set(mine + its)
    return distance, sizes, jnp.where(member == second, first, member)


@dataclasses.dataclass(frozen=True)
class Spectral(AbstractGrouping):
    """Spectral clustering of absolute correlations of normal scores.

    Normalised cut, with labels by a pivoted QR decomposition (Damle, Minden, Ying 2019): no chance in it.
    """

    def labels(
        self, values: Float[Array, "sample neuron"], valid: Bool[Array, " sample"], copula: Copula
    ) -> Int[Array, " neuron"]:
        del values, valid
        count = copula.correlation.shape[0]
        affinity = jnp.where(jnp.eye(count, dtype=bool), 0, jnp.abs(copula.correlation))
        degree = jnp.sum(affinity, axis=1)
        root = jnp.sqrt(jnp.where(degree > 0, degree, 1))
        normalised = affinity / (root[:, None] * root[None])
        vectors = jnp.linalg.eigh(normalised)[1][:, -self.groups :] / root[:, None]
        pivots = _pivots(vectors, self.groups)
        left, _, right = jnp.linalg.svd(vectors[pivots].T)
        with jax.default_matmul_precision("highest"):
            turned = vectors @ (left @ right)
        return _numbered(jnp.argmax(jnp.abs(turned), axis=1), self.groups)


def _pivots(vectors: Float[Array, "neuron group"], groups: int) -> Int[Array, " group"]:
    """The neurons that a QR decomposition with column pivoting of the transpose would take first."""

    def take(index: Array, carry: tuple) -> tuple:
        rest, chosen = carry
        pivot = jnp.argmax(jnp.sum(rest**2, axis=1))
        direction = rest[pivot] / jnp.linalg.norm(rest[pivot])
        rest = rest - (rest @ direction)[:, None] * direction[None]
        return rest, chosen.at[index].set(pivot.astype(jnp.int32))

    return jax.lax.fori_loop(0, groups, take, (vectors, jnp.zeros(groups, jnp.int32)))[1]


@dataclasses.dataclass(frozen=True)
class ByHand(AbstractGrouping):
    """Groups that you name: the label of each neuron, from 0 to `groups - 1`.

    Labels are data, so that runs with different groups share a compiled program: for instance those that
    another run had at one step, to follow them along training.
    """

    groups: int = dataclasses.field()  # no default here, as members have none
    members: tuple[float, ...]

    def __post_init__(self):
        super().__post_init__()
        wrong = [one for one in self.members if one != int(one) or not 0 <= one < self.groups]
        if wrong:
            raise ValueError(f"`members` must be whole numbers from 0 to {self.groups - 1}, got {wrong[0]}.")

    def labels(
        self, values: Float[Array, "sample neuron"], valid: Bool[Array, " sample"], copula: Copula
    ) -> Int[Array, " neuron"]:
        del valid, copula
        if len(self.members) != values.shape[1]:
            raise ValueError(
                f"`members` names the groups of {len(self.members)} neurons, the layer has {values.shape[1]}."
            )
        return jnp.asarray(self.members).astype(jnp.int32)


def _numbered(representative: Int[Array, " neuron"], groups: int) -> Int[Array, " neuron"]:
    """Labels from 0 on, in the order in which groups first appear."""
    same = representative[:, None] == representative[None]
    first = jnp.argmax(same, axis=1)
    begins = first == jnp.arange(len(first))
    number = jnp.cumsum(begins, dtype=jnp.int32) - 1
    return jnp.minimum(number[first], groups - 1)
