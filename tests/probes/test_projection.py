import numpy as np
import pytest
import sklearn.decomposition
from hypothesis import given, strategies as st

from afterfit.probes import projection


@given(st.integers(1, 11), st.integers(0, 1000))
def test_a_planted_circle_is_found(frequency, seed):
    random = np.random.default_rng(seed)
    angle = 2 * np.pi * frequency * np.arange(23) / 23
    plane = np.linalg.qr(random.normal(size=(16, 2)))[0]
    rows = np.stack([np.cos(angle), np.sin(angle)], axis=1) @ plane.T
    found = projection(rows + 1e-3 * random.normal(size=rows.shape) + 5, "circle")
    assert found.frequency == frequency
    np.testing.assert_allclose(np.linalg.norm(found.points, axis=1), 1, atol=0.02)
    # Neighbours on the circle differ by one turn's 23rd part.
    order = np.arange(23) * pow(frequency, -1, 23) % 23
    steps = np.diff(found.points[order], axis=0)
    np.testing.assert_allclose(np.linalg.norm(steps, axis=1), 2 * np.sin(np.pi / 23), atol=0.02)


@given(st.integers(3, 12), st.integers(1, 6), st.integers(0, 1000))
def test_components_are_those_of_another_library(rows, columns, seed):
    table = np.random.default_rng(seed).normal(size=(rows, columns))
    found = projection(table, "components").points
    other = sklearn.decomposition.PCA(min(2, rows, columns)).fit_transform(table)
    np.testing.assert_allclose(np.abs(found[:, : other.shape[1]]), np.abs(other), atol=1e-8)


def test_t_sne_keeps_clusters_apart():
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(3), 10)
    points = projection(random.normal(size=(3, 8))[groups] * 9 + random.normal(size=(30, 8)), "t-SNE").points
    centres = np.stack([points[groups == group].mean(axis=0) for group in range(3)])
    nearest = np.argmin(np.linalg.norm(points[:, None] - centres, axis=2), axis=1)
    np.testing.assert_array_equal(nearest, groups)


def test_one_column_has_a_plane_too():
    for method in ("circle", "components"):
        assert projection(np.arange(5.0)[:, None], method).points.shape == (5, 2)


def test_what_has_no_picture_is_refused():
    with pytest.raises(ValueError, match="at least 3 rows"):
        projection(np.zeros((2, 4)), "circle")
    with pytest.raises(ValueError, match="finite"):
        projection(np.full((5, 4), np.nan), "circle")
    with pytest.raises(ValueError, match="one of circle, t-SNE, components"):
        projection(np.zeros((5, 4)), "ring")
