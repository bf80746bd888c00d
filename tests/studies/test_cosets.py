"""Coset facts against sympy and definitions, the silhouette against scikit-learn, the test on random rows."""

import itertools

import numpy as np
import pytest
import sklearn.metrics
from sympy.combinatorics import Permutation, PermutationGroup

from afterfit.studies.power2022._cosets import (
    clustering,
    conjugates,
    cosets,
    element,
    generated,
    partitions,
    product_table,
    silhouette,
)


def images(degree: int) -> list[tuple[int, ...]]:
    return list(itertools.permutations(range(degree)))


def test_elements_are_named_by_their_cycles():
    assert images(5)[element(5, [(0, 3), (1, 4)])] == (3, 4, 2, 0, 1)
    assert images(4)[element(4, [(0, 1, 2, 3)])] == (1, 2, 3, 0)
    assert element(5, []) == 0


def test_the_subgroup_of_the_caption_is_dihedral_of_order_10_with_6_conjugates():
    table = product_table(5)
    subgroup = generated(table, [element(5, [(0, 3), (1, 4)]), element(5, [(1, 2), (3, 4)])])
    known = PermutationGroup([Permutation([[0, 3], [1, 4]], size=5), Permutation([[1, 2], [3, 4]], size=5)])
    assert {images(5)[one] for one in subgroup} == {tuple(one.array_form) for one in known.elements}
    assert len(subgroup) == 10 and not known.is_abelian
    assert all(Permutation(list(images(5)[one])).is_even for one in subgroup)  # it lies in A5
    found = conjugates(table, subgroup)
    assert len(found) == 6 and subgroup in found and {len(one) for one in found} == {10}
    for one in found:
        assert generated(table, one) == one


def test_s5_has_12_partitions_of_12_cosets_of_10():
    found = partitions(5)
    assert len(found) == 12
    for labels in found.values():
        assert np.bincount(labels).tolist() == [10] * 12


def test_s4_is_split_by_its_klein_group_and_its_dihedral_groups():
    sizes = [np.bincount(labels).tolist() for labels in partitions(4).values()]
    # The Klein group is normal, so its left and right cosets are one partition.
    assert sorted(sizes) == sorted([[4] * 6] + [[8] * 3] * 6)


def test_cosets_are_those_of_the_definition():
    table, points = product_table(4), images(4)
    subgroup = generated(table, [element(4, [(0, 1, 2, 3)]), element(4, [(0, 2)])])

    def times(first: int, then: int) -> int:
        return points.index(tuple(points[then][i] for i in points[first]))

    for side in ("left", "right"):
        labels = cosets(table, subgroup, side)
        for x in range(24):
            mine = {times(x, h) if side == "left" else times(h, x) for h in subgroup}
            assert mine == set(np.flatnonzero(labels == labels[x]).tolist())


@pytest.mark.parametrize("clusters", [2, 5, 20])
def test_silhouette_is_that_of_scikit_learn(clusters):
    rng = np.random.default_rng(clusters)
    rows = rng.normal(size=(40, 6))
    labels = np.append(rng.integers(0, clusters, 39), clusters)  # the last one is alone
    rows += labels[:, None] * 0.3
    distances = np.sqrt(((rows[:, None] - rows) ** 2).sum(axis=-1))
    expected = sklearn.metrics.silhouette_score(rows, labels)
    np.testing.assert_allclose(silhouette(distances, labels), expected, rtol=1e-10)


def test_silhouette_of_degenerate_rows():
    assert np.isnan(silhouette(np.ones((3, 3)), np.zeros(3, int)))
    assert silhouette(np.zeros((4, 4)), np.array([0, 0, 1, 1])) == 0


def test_planted_cosets_are_found():
    rng = np.random.default_rng(0)
    candidates = partitions(5)
    for name in list(candidates)[::5]:
        centres = rng.normal(size=(12, 16))
        rows = centres[candidates[name]] + rng.normal(size=(120, 16))
        found = clustering(rows, candidates, draws=100)
        assert found.best == name and found.p_value == 1 / 101
        assert found.chance.shape == (100,)


def test_random_rows_have_even_p_values():
    rng = np.random.default_rng(1)
    candidates = partitions(4)
    values = np.array([clustering(rng.normal(size=(24, 8)), candidates, 30).p_value for _ in range(80)])
    # 80 draws from an even distribution: the standard error of the mean is 0.03, of a share near 0.1 too.
    assert abs(values.mean() - 0.5) < 0.1
    assert abs(np.mean(values <= 0.1) - 0.1) < 0.1
