"""Polynomials of Gaussian inputs: moments of the targets, the authors' draws, eigenvectors, and mistakes."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

import afterfit as af
from afterfit.ensemble import silent
from afterfit.ensemble._pack import packs
from afterfit.models import CommitteeMachine
from afterfit.probes import committee_loss
from afterfit.tasks import hermite, KernelEigenvector, Polynomial


def test_the_same_seed_gives_the_same_data_and_another_one_other_data():
    task = Polynomial(inputs=5, train=7, test=9, beta="normal")
    one, again, other = task.data(3), task.data(3), task.data(4)
    for field in ("inputs", "targets"):
        np.testing.assert_array_equal(getattr(one, field), getattr(again, field))
        assert (getattr(one, field) != getattr(other, field)).all()
    assert (one.truth["beta"] != other.truth["beta"]).all()
    assert one.inputs.shape == (16, 5) and one.targets.shape == (16,)
    assert (int(one.train_count), int(one.test_count), one.outputs) == (7, 9, 1)


@pytest.mark.parametrize(
    ("fields", "mean", "square"),
    [
        # y = h^2 / 2 with h ~ N(0, 1): E h^4 = 3, so E y^2 = 3/4 (the start of a centred function).
        ({}, 1 / 2, 3 / 4),
        # A sum of two such: the mean is 1, the variance twice 1/2.
        ({"directions": 2}, 1.0, 2.0),
        ({"factor": 2.0}, 2.0, 12.0),
        # Orthonormal polynomials: mean 0, and the square of the factor for each direction.
        ({"degree": 1, "factor": 1.0}, 0.0, 1.0),
        ({"degree": 2, "factor": 1.0}, 0.0, 1.0),
        ({"degree": 3, "factor": 1.0}, 0.0, 1.0),
        ({"degree": 3, "factor": 2.0, "directions": 3}, 0.0, 12.0),
    ],
)
def test_moments_of_the_targets(fields, mean, square):
    """Within four standard errors of means over 400 000 examples, with the spread that these show."""
    targets = Polynomial(inputs=4, train=1, test=400_000, **fields).data(0).targets.astype(float)
    for found, expected in ((targets, mean), (targets**2, square)):
        error = found.std() / found.size**0.5
        assert error < 0.05 * square
        assert abs(found.mean() - expected) < 4 * error


@pytest.mark.parametrize("beta", ["fixed", "normal"])
@pytest.mark.parametrize("degree", [None, 3])
def test_targets_are_their_formula(beta, degree):
    data = Polynomial(inputs=5, train=20, test=20, directions=2, degree=degree, factor=0.7, beta=beta).data(1)
    expected = np.zeros(40)
    for direction in data.truth["beta"].astype(float):
        h = data.inputs.astype(float) @ direction
        expected += 0.7 * (h**2 if degree is None else (h**3 - 3 * h) / math.sqrt(6))
    np.testing.assert_allclose(data.targets, expected, rtol=1e-6, atol=1e-6)  # float32
    if beta == "fixed":
        np.testing.assert_allclose(data.truth["beta"] @ data.truth["beta"].T, 5 * np.eye(2), rtol=1e-6)


@given(st.integers(1, 9), st.floats(-5, 5))
def test_hermite_polynomials_are_those_of_numpy(degree, z):
    expected = np.polynomial.hermite_e.hermeval(z, [0] * degree + [1])
    # Sums of terms up to z^k in size.
    assert hermite(degree, z) == pytest.approx(expected, rel=1e-9, abs=1e-9 * (1 + abs(z)) ** degree)


def test_hermite_polynomials_are_orthogonal():
    """By quadrature, exact for the products: E He_j He_k = k! if j = k, else 0."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    weights = weights / weights.sum()
    for j in range(1, 7):
        for k in range(1, 7):
            expected = math.factorial(k) if j == k else 0
            assert (weights * hermite(j, nodes) * hermite(k, nodes)).sum() == pytest.approx(
                expected, abs=1e-8
            )


def test_inputs_have_variance_one_over_their_number():
    x = Polynomial(inputs=20, train=1, test=5000).data(0).inputs.astype(float)
    assert abs(x.mean()) < 4 / (20 * x.size) ** 0.5
    assert abs(20 * x.var() - 1) < 4 * (2 / x.size) ** 0.5


AUTHORS = af.Experiment(
    Polynomial(inputs=40, train=120, test=1000, beta="normal", keys=(0, 1, 2)),
    CommitteeMachine(width=2, nonlinearity=0.25, key=0),
    af.GradientDescent(1.0),
    parametrisation=af.Parametrisation(output_scale=1.0, centred=False),
    steps=1049,
    record=af.At((0, 22, 103, 224, 484, 1049)),
    probes=(committee_loss,),
    precision="float64",
)


def test_keys_draw_what_the_authors_drew():
    """Their Figure 4, against values that another program of ours found from the same keys.

    They were written down with three or four digits, so each holds to about half a unit of its last.
    """
    data = af.sweep(AUTHORS).run(display=silent)
    beta = AUTHORS.task.data(0).truth["beta"].astype(float)
    assert (beta**2).sum() / 40 == pytest.approx(1.314, abs=6e-4)
    written = {
        "train_loss": [1.545, 0.995, 0.668, 0.534, 0.388, 0.297],
        "committee_loss/total": [1.597, 1.429, 1.556, 1.667, 1.854, 2.157],
        "committee_loss/power": [0.288, 0.307, 0.250, 0.172, 0.073, 0.022],
        "committee_loss/misalignment": [0.875, 0.873, 0.870, 0.903, 1.02, 1.13],
        "committee_loss/linear": [0.434, 0.250, 0.437, 0.592, 0.762, 1.003],
    }
    for measure, values in written.items():
        np.testing.assert_allclose(data[measure].values, values, atol=6e-4, rtol=3e-3, err_msg=measure)


def test_keys_draw_the_same_whatever_the_seed():
    task = AUTHORS.task
    for field in ("inputs", "targets"):
        np.testing.assert_array_equal(getattr(task.data(0), field), getattr(task.data(7), field))


def test_tasks_of_one_pool_share_a_program_and_their_examples():
    sizes = [3, 6, 9]
    task = Polynomial(inputs=4, train=3, test=5, pool=30, most_train=9)
    base = af.Experiment(task, CommitteeMachine(width=3), steps=1)
    axes = {"task.train": sizes, "task.factor": [0.5, 1.0], "seed": [0, 1]}
    assert len(packs(af.sweep(base, axes).runs)) == 1
    apart = dataclasses.replace(base, task=Polynomial(inputs=4, train=3, test=5))
    assert len(packs(af.sweep(apart, {"task.train": sizes}).runs)) == 3
    found = [dataclasses.replace(task, train=size).data(0) for size in sizes]
    for size, data in zip(sizes, found, strict=True):
        np.testing.assert_array_equal(data.inputs, found[0].inputs)
        assert (int(data.train_count), int(data.test_count), data.train_capacity) == (size, 5, 9)


def test_room_for_more_examples_changes_no_result():
    """Losses over the same examples, with spare rows in the pool and in the training capacity or without.

    A larger pool draws the same first examples, so training and test sets are those of the tight task.
    """
    tight = Polynomial(inputs=4, train=6, test=5)
    base = af.Experiment(
        tight, CommitteeMachine(width=3), af.GradientDescent(1.0), steps=20, precision="float64"
    )
    roomy = dataclasses.replace(base, task=dataclasses.replace(tight, pool=40, most_train=30))
    np.testing.assert_array_equal(tight.data(0).inputs, roomy.task.data(0).inputs[:11])
    one, other = (af.sweep(experiment).run(display=silent) for experiment in (base, roomy))
    for measure in ("train_loss", "test_loss"):
        np.testing.assert_allclose(one[measure].values, other[measure].values, rtol=1e-12)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"inputs": 0}, "`inputs` must be .*at least 1.*got 0"),
        ({"train": 0}, "`train` must be .*at least 1.*got 0"),
        ({"test": -1}, "`test` must be .*at least 1.*got -1"),
        ({"directions": 0}, "`directions` must be .*at least 1.*got 0"),
        ({"degree": 0}, "`degree` must be .*at least 1.*got 0"),
        ({"inputs": 3, "directions": 4}, "`directions` must be at most the 3 inputs, got 4"),
        ({"train": 6, "test": 5, "pool": 10}, r"`pool` must be .*at least 11 \(train \+ test\).*got 10"),
        ({"train": 6, "most_train": 5}, r"`most_train` must be .*at least 6 \(train\).*got 5"),
        ({"beta": "nromal"}, "`beta` must be fixed or normal, got 'nromal'"),
        ({"keys": (0, 1, 2)}, "`keys` draw one normal beta"),
        ({"keys": (0, 1, 2), "beta": "normal", "pool": 2000}, "`keys` draw one normal beta"),
        ({"keys": (0, 1, 2), "beta": "normal", "directions": 2}, "`keys` draw one normal beta"),
    ],
)
def test_mistakes_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        Polynomial(**fields)


EIGEN = KernelEigenvector(inputs=6, train=12, test=9, nonlinearity=0.4)


def kernel(data):
    """The matrix of the task, entry by entry."""
    x = data.inputs.astype(float)
    found = np.empty((len(x), len(x)))
    for i, one in enumerate(x):
        for j, other in enumerate(x):
            s = float(one @ other)
            found[i, j] = s + 0.4**2 * s**2
    return found - found.mean()


def test_labels_are_an_eigenvector_in_the_order_of_falling_eigenvalues():
    """`K v = lambda v` and the same lambda as NumPy's, within float32 labels (about 1e-7 each)."""
    matrix = kernel(EIGEN.data(0))
    values = np.linalg.eigvalsh(matrix)[::-1]
    for index in (1, 2, 7, 21):
        vector = dataclasses.replace(EIGEN, index=index).data(0).targets.astype(float)
        np.testing.assert_allclose(matrix @ vector, values[index - 1] * vector, atol=2e-6)
        assert np.linalg.norm(vector) == pytest.approx(1, rel=1e-6) and vector.sum() >= -1e-6


def test_labels_of_unit_variance():
    plain, scaled = (dataclasses.replace(EIGEN, unit_variance=unit).data(0).targets for unit in (False, True))
    np.testing.assert_allclose(scaled, plain * 21**0.5, rtol=1e-6)
    assert (scaled.astype(float) ** 2).mean() == pytest.approx(1, rel=1e-6)


def test_all_eigenvectors_have_the_same_examples_and_share_a_program():
    base = af.Experiment(EIGEN, CommitteeMachine(width=2), steps=1)
    plan = af.sweep(base, {"task.index": [1, 21], "task.unit_variance": [False, True]})
    assert len(packs(plan.runs)) == 1
    first, last = (dataclasses.replace(EIGEN, index=index).data(0) for index in (1, 21))
    np.testing.assert_array_equal(first.inputs, last.inputs)
    assert abs(float(first.targets @ last.targets)) < 1e-6


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"index": 22}, "`index` must be at most 21: 21 examples have as many eigenvectors, got 22"),
        ({"index": 0}, "`index` must be .*at least 1.*got 0"),
        ({"train": 0}, "`train` must be .*at least 1.*got 0"),
    ],
)
def test_mistakes_about_eigenvectors(fields, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(EIGEN, **fields)
