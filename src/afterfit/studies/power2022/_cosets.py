"""Cosets in S4 and S5, and whether the rows of a matrix are clustered by them.

Axes of this module
    element   the elements of a group in lexicographic order of their images, as in the tasks
    row       one vector for each element
"""

import dataclasses
import itertools
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Int

from ...tasks import PermutationOperation


Subgroup = frozenset[int]
Labels = Int[np.ndarray, " element"]

# Products of two transpositions and the like, by the cycles that generate them.
GENERATORS: dict[int, dict[str, tuple[tuple[tuple[int, ...], ...], ...]]] = {
    4: {
        "Klein group": (((0, 1), (2, 3)), ((0, 2), (1, 3))),
        "dihedral group of order 8": (((0, 1, 2, 3),), ((0, 2),)),
    },
    # The subgroup of the caption of Figure 3.
    5: {"dihedral group of order 10": (((0, 3), (1, 4)), ((1, 2), (3, 4)))},
}


def product_table(degree: int) -> Int[np.ndarray, "element element"]:
    """Products in S_n, the left factor applied first."""
    return PermutationOperation("x.y", degree=degree).answers


def element(degree: int, cycles: Iterable[tuple[int, ...]]) -> int:
    """The number of the permutation with these (disjoint) cycles."""
    images = list(range(degree))
    for cycle in cycles:
        for point, image in zip(cycle, (*cycle[1:], cycle[0]), strict=True):
            images[point] = image
    return list(itertools.permutations(range(degree))).index(tuple(images))


def generated(table: Int[np.ndarray, "element element"], generators: Iterable[int]) -> Subgroup:
    """The subgroup that some elements generate; element 0 is the identity."""
    generators, found, new = list(generators), {0}, {0}
    while new:
        new = {int(table[one, generator]) for one in new for generator in generators} - found
        found |= new
    return frozenset(found)


def conjugates(table: Int[np.ndarray, "element element"], subgroup: Subgroup) -> list[Subgroup]:
    """All subgroups x H x^-1, in a fixed order."""
    members, inverse = sorted(subgroup), np.argmin(table, axis=1)  # x times its inverse is 0
    every = {frozenset(table[table[x, members], inverse[x]].tolist()) for x in range(len(table))}
    return sorted(every, key=sorted)


def cosets(table: Int[np.ndarray, "element element"], subgroup: Subgroup, side: str) -> Labels:
    """For each element x the number of its coset, xH on the left side or Hx on the right."""
    members = sorted(subgroup)
    products = table[:, members] if side == "left" else table[members, :].T
    return np.unique(products.min(axis=1), return_inverse=True)[1]


def partitions(degree: int) -> dict[str, Labels]:
    """The coset partitions of S4 or S5 by which rows may be clustered, without repeats.

    In S5 the left and the right cosets of the 6 conjugates of the subgroup of Figure 3; in S4 those of
    the Klein group, which is normal, and of the 3 dihedral subgroups of order 8.
    """
    table = product_table(degree)
    found: dict[str, Labels] = {}
    for name, generators in GENERATORS[degree].items():
        subgroup = generated(table, (element(degree, cycles) for cycles in generators))
        for number, conjugate in enumerate(conjugates(table, subgroup), 1):
            for side in ("left", "right"):
                labels = cosets(table, conjugate, side)
                if not any(np.array_equal(labels, known) for known in found.values()):
                    found[f"{side} cosets of {name} {number}"] = labels
    return found


def silhouette(distances: Float[np.ndarray, "row row"], labels: Int[np.ndarray, " row"]) -> float:
    """How well rows lie in their clusters: the mean of (b - a) / max(a, b) over rows.

    a is a row's mean distance to the others of its cluster, b to the nearest other cluster
    (Rousseeuw 1987). In [-1, 1]: 1 for tight clusters far apart, about 0 for random ones.

    **Degenerate inputs:** a row alone in its cluster, or at distance 0 from all, counts 0; NaN for fewer
    than two clusters.
    """
    member = np.unique(labels)[:, None] == labels  # "cluster row"
    sizes = member.sum(axis=1)
    if len(sizes) < 2:
        return np.nan
    sums = distances @ member.T
    own = np.where(member.T, sums, 0).sum(axis=1)
    company = np.where(member.T, sizes, 0).sum(axis=1) - 1
    a = own / np.maximum(company, 1)
    b = np.where(member.T, np.inf, sums / sizes).min(axis=1)
    widest = np.maximum(a, b)
    each = np.divide(b - a, widest, out=np.zeros(len(labels)), where=(company > 0) & (widest > 0))
    return float(each.mean())


@dataclasses.dataclass(frozen=True)
class Clustering:
    """How rows are clustered by the best of several partitions, against random relabellings.

    **Fields:**

    - `best`: the partition of the largest silhouette, `score`.
    - `chance`: the largest silhouette under each relabelling, `Float["draw"]`.
    - `p_value`: share of relabellings, the true labelling included, that reach `score`.
    """

    best: str
    score: float
    chance: Float[np.ndarray, " draw"]

    @property
    def p_value(self) -> float:
        """One-sided."""
        # The true labelling is one of the relabellings.
        return float((np.sum(self.chance >= self.score) + 1) / (len(self.chance) + 1))


def clustering(
    rows: Float[np.ndarray, "row width"], candidates: dict[str, Labels], draws: int = 1000
) -> Clustering:
    """Tests whether rows are clustered by one of several partitions, whichever fits best.

    Relabellings draw from a fixed generator, so the result is a function of the rows.
    """
    squared = np.sum((rows[:, None] - rows[None, :]) ** 2, axis=-1)
    distances = np.sqrt(squared, dtype=float)
    scores = {name: silhouette(distances, labels) for name, labels in candidates.items()}
    best = max(scores, key=lambda name: scores[name])
    generator = np.random.default_rng(0)
    chance = []
    for _ in range(draws):
        order = generator.permutation(len(rows))
        chance.append(max(silhouette(distances, labels[order]) for labels in candidates.values()))
    return Clustering(best, scores[best], np.asarray(chance))
