"""Gradient descent of a linear model in closed form, against the plain loop."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from afterfit.statistics import kernel_descent, kernel_regression


def problem(points=6, places=4, outputs=2, features=9, seed=0):
    """Kernels of random features, and residuals to start from."""
    random = np.random.default_rng(seed)
    here, there = random.normal(size=(points, features)), random.normal(size=(places, features))
    return here @ here.T, there @ here.T, random.normal(size=(points, outputs))


def loop(kernel, residual, across, rate, steps):
    """The recursion, step by step."""
    r, f = residual.copy(), np.zeros((len(across), residual.shape[1]))
    found = {}
    for step in range(max(steps) + 1):
        found[step] = r.copy(), f.copy()
        pull = 2 * rate / residual.size * r
        r, f = r - kernel @ pull, f - across @ pull
    return [np.stack([found[step][part] for step in steps]) for part in (0, 1)]


def descent(kernel, residual, steps, *, rate, across):
    """Both results, the second of which there is because places are given."""
    remains, moved = kernel_descent(kernel, residual, steps, rate=rate, across=across)
    assert moved is not None
    return remains, moved


def stable(kernel, residual, share):
    """The rate at this share of the largest stable one."""
    return share * residual.size / np.linalg.eigvalsh(kernel).max()


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.999])
def test_it_is_the_plain_loop(share):
    """At shares above a half the fastest mode overshoots: its base is negative and its sign alternates."""
    kernel, across, residual = problem()
    steps, rate = np.array([0, 1, 2, 3, 10, 101, 500]), stable(kernel, residual, share)
    remains, moved = descent(kernel, residual, steps, rate=rate, across=across)
    # 500 steps of rounding at 1e-16 each.
    for ours, theirs in zip((remains, moved), loop(kernel, residual, across, rate, steps), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


@given(st.integers(1, 7), st.integers(1, 3), st.integers(1, 12), st.floats(0.001, 0.99), st.integers(0, 60))
def test_one_step_more_is_one_step_of_the_recursion(points, outputs, features, share, step):
    """Whatever the rank of the kernel, the shapes and the rate."""
    kernel, across, residual = problem(points, 3, outputs, features, seed=points + 10 * features)
    rate = stable(kernel, residual, share)
    remains, moved = descent(kernel, residual, np.array([step, step + 1]), rate=rate, across=across)
    pull = 2 * rate / residual.size * remains[0]
    np.testing.assert_allclose(remains[1], remains[0] - kernel @ pull, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(moved[1], moved[0] - across @ pull, rtol=1e-9, atol=1e-11)


def test_steps_may_come_in_any_order_and_without_other_places():
    kernel, across, residual = problem()
    rate = stable(kernel, residual, 0.5)
    forward, _ = descent(kernel, residual, np.array([3, 7, 50]), rate=rate, across=across)
    backward, nothing = kernel_descent(kernel, residual, np.array([50, 7, 3]), rate=rate)
    assert nothing is None
    np.testing.assert_array_equal(backward, forward[::-1])


@pytest.mark.parametrize("eigenvalue", [0.0, 1e-13, 1e-11, 1e-6])
def test_where_the_kernel_is_flat_each_step_adds_the_same(eigenvalue):
    """A million steps along a mode that decays by a trillionth each, or not at all, keep all their digits."""
    turned = np.linalg.qr(np.random.default_rng(1).normal(size=(2, 2)))[0]
    kernel = turned @ np.diag([1.0, eigenvalue]) @ turned.T
    residual, across = turned[:, 1:], turned[:, 1:].T.copy()  # all of it lies in the slow mode
    steps = np.array([0, 1, 1000, 10**6])
    remains, moved = descent(kernel, residual, steps, rate=1.0, across=across)
    # Two points, one output and rate 1: each step takes the eigenvalue itself off.
    expected = np.array([sum_of_powers(eigenvalue, int(step)) for step in steps])
    # A small eigenvalue of a matrix of order one is found to about 1e-16, a million times over.
    np.testing.assert_allclose(moved[:, 0, 0], -expected, rtol=1e-9)
    np.testing.assert_allclose(turned[:, 1] @ remains[:, :, 0].T, 1 - eigenvalue * expected, rtol=1e-9)


def sum_of_powers(pace, times):
    """`sum_{s < times} (1 - pace)^s` by doubling, in which no difference of near numbers is taken."""
    total, power = 0.0, 1.0
    for bit in bin(times)[2:]:
        total, power = total * (1 + power), power * power
        if bit == "1":
            total, power = total * (1 - pace) + 1, power * (1 - pace)
    return total


def test_a_mode_that_is_fitted_in_one_step():
    """Base 0: the residual is there at step 0 and gone at step 1, and no warning is given."""
    kernel, residual = np.eye(2), np.array([[1.0], [2.0]])
    remains, moved = descent(kernel, residual, np.array([0, 1, 5]), rate=1.0, across=np.eye(2))
    np.testing.assert_array_equal(remains[:, :, 0], [[1, 2], [0, 0], [0, 0]])
    np.testing.assert_array_equal(moved[:, :, 0], [[0, 0], [-1, -2], [-1, -2]])


@pytest.mark.parametrize("share", [1.0, 1.5])
def test_a_rate_at_which_the_descent_diverges(share):
    kernel, _, residual = problem()
    rate = stable(kernel, residual, share) * (1 + 1e-12)
    allowed = stable(kernel, residual, 1.0)
    with pytest.raises(ValueError, match=f"`rate` must lie below {allowed:.4g}.* got {rate}"):
        kernel_descent(kernel, residual, np.array([1]), rate=rate)
    r = residual  # and it does diverge, or does not converge: the bound is no looser than the truth
    for _ in range(200):
        r = r - 2 * rate / residual.size * kernel @ r
    vector = np.linalg.eigh(kernel)[1][:, -1]
    assert np.linalg.norm(vector @ r) >= np.linalg.norm(vector @ residual) * (1 - 1e-9)


def test_the_regression_is_where_the_descent_ends():
    kernel, across, residual = problem(points=5, features=40)
    rate = stable(kernel, residual, 0.9)
    # The slowest mode keeps (1 - 1.8 lambda_min / lambda_max)^t: below 1e-12 long before 10^4 steps.
    remains, moved = descent(kernel, residual, np.array([10_000]), rate=rate, across=across)
    np.testing.assert_allclose(remains[0], 0, atol=1e-10)
    np.testing.assert_allclose(moved[0], kernel_regression(kernel, -residual, across), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 2.5])
def test_the_regression_solves_the_normal_equations(ridge):
    kernel, across, targets = problem(points=5, features=40)
    expected = across @ np.linalg.solve(kernel + ridge * np.eye(5), targets)
    np.testing.assert_allclose(
        kernel_regression(kernel, targets, across, ridge=ridge), expected, rtol=1e-10, atol=1e-12
    )


def test_a_singular_kernel_needs_a_ridge_that_is_suggested():
    kernel, across, targets = problem(points=6, features=4)
    suggested = 1e-6 * np.linalg.eigvalsh(kernel).mean()
    with pytest.raises(ValueError, match=f"6 points is singular: its rank is 4.*e.g. {suggested:.1e}"):
        kernel_regression(kernel, targets, across)
    expected = across @ np.linalg.solve(kernel + suggested * np.eye(6), targets)
    # The condition is 10^6 and more: ten of sixteen digits are left, and the answer is of order one.
    np.testing.assert_allclose(
        kernel_regression(kernel, targets, across, ridge=float(suggested)), expected, rtol=1e-6, atol=1e-8
    )


def test_a_negative_ridge():
    kernel, across, targets = problem()
    with pytest.raises(ValueError, match="`ridge` must not be negative, got -0.1"):
        kernel_regression(kernel, targets, across, ridge=-0.1)
