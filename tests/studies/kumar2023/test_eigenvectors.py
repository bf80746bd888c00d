"""Networks and twins on eigenvectors: what they end at, and neighbours that grow."""

import numpy as np
import pytest
import xarray

from afterfit.studies.kumar2023 import _eigenvectors


def test_ends_of_a_network_and_its_twin():
    steps = np.arange(10)
    data = xarray.Dataset(
        {
            "test_loss": (("seed", "step"), [np.where(steps < 5, 2.0, 0.5), np.full(10, 2.0)]),
            "twin/test_loss": (("seed", "step"), [np.where(steps < 5, 2.0, 1.0), np.full(10, 2.0)]),
            "outcome": ("seed", ["done", "diverged"]),
        },
        coords={"step": steps},
    )
    assert _eigenvectors.remains(data).values == pytest.approx([0.25, np.nan], nan_ok=True)
    assert _eigenvectors.over_twin(data).values == pytest.approx([0.5, np.nan], nan_ok=True)


def test_pairs_count_what_is_known():
    assert _eigenvectors.pairs(np.array([[1.0, 2.0, 1.5], [1.0, np.nan, 3.0]])) == (0.5, 2)
    share, count = _eigenvectors.pairs(np.full((2, 3), np.nan))
    assert np.isnan(share) and count == 0


def test_the_experiment_has_a_twin_and_labels_of_the_kernel():
    found = _eigenvectors.eigenvector("laptop", inputs=20, train=30, unit_variance=True, width=2, steps=7)
    assert found.twin and found.steps == 7
    data = found.task.data(0)
    assert np.mean(np.asarray(data.targets, float) ** 2) == pytest.approx(1, rel=1e-5)
    assert _eigenvectors.eigenvector("smoke", inputs=20, train=30).task.data(0).inputs.shape == (16, 6)
