"""Alignment, drift and rank of the kernel, and regression with it, against plain NumPy."""

import functools
import math

import equinox as eqx
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import afterfit as af
from afterfit.ensemble import silent
from afterfit.models import CommitteeMachine, MLP
from afterfit.probes import (
    effective_rank,
    kernel_alignment,
    KernelAlignment,
    KernelRegression,
    neural_tangent_kernel,
)
from afterfit.statistics import kernel_regression
from afterfit.tasks import BinaryOperation, MeanSquaredError, Polynomial
from afterfit.training import At, GradientDescent, Parametrisation


REGRESSION = (Polynomial(inputs=6, train=10, test=9), CommitteeMachine(width=12, nonlinearity=0.8))
CLASSES = (BinaryOperation("x+y", modulus=5, objective=MeanSquaredError()), MLP((6,), activation="tanh"))
UNCENTRED = Parametrisation(output_scale=2.0, centred=False)


@functools.cache
def made(task, model, parametrisation=Parametrisation(), key=5):
    """A run in float64; with a key its weights are others than the first ones."""
    run = af.sweep(af.Experiment(task, model, parametrisation=parametrisation, precision="float64")).runs[0]
    with jax.enable_x64(True):
        built = run.experiment.model.build(task.data(0).sizes, key=jax.random.key(key))
        kept = {
            jax.tree_util.keystr(path): np.asarray(leaf)
            for path, leaf in jax.tree_util.tree_leaves_with_path(built)
            if eqx.is_inexact_array(leaf)
        }
    moment = run.moment(kept, 0)
    return moment if key else eqx.tree_at(lambda one: one.parameters, moment, moment.initial)


@eqx.filter_jit
def _called(probe, moment):
    return probe(moment)


def measured(probe, moment):
    with jax.enable_x64(True):
        return {name: float(value) for name, value in _called(probe, moment).items()}


def kernel(moment, *inputs, **options):
    with jax.enable_x64(True):
        return np.asarray(neural_tangent_kernel(moment, *inputs, **options))


def examples(moment, split, count):
    """Those that count among the first so many: inputs for JAX, targets in columns for NumPy."""
    found = moment.examples(split)
    valid = np.flatnonzero(np.asarray(found.valid)[:count])
    targets = np.asarray(found.targets)[valid]
    columns = np.eye(5)[targets] if targets.dtype.kind == "i" else targets.reshape(len(valid), -1)
    return jax.tree.map(lambda leaf: leaf[valid], found.inputs), columns.astype(float)


def cosine(one, other):
    return (one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum())


def by_definition(kernel, y):
    h = np.eye(len(y)) - 1 / len(y)
    return {
        "uncentred": cosine(kernel, y @ y.T),
        "column_centred": cosine(kernel - kernel.mean(axis=0), (y - y.mean(axis=0)) @ (y - y.mean(axis=0)).T),
        "centred": cosine(h @ kernel @ h, h @ y @ y.T @ h),
    }


# --- alignment --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "model", "split", "points"),
    [(*REGRESSION, "test", 200), (*REGRESSION, "train", 6), (*CLASSES, "train", 200)],
)
def test_alignments_drift_and_rank_follow_their_definitions(task, model, split, points):
    moment = made(task, model, UNCENTRED)
    inputs, y = examples(moment, split, points)
    places = len(moment.examples(split).valid)
    assert len(y) == 6 if points == 6 else 6 < len(y) < places  # of all places some are empty
    now, start = kernel(moment, inputs), kernel(moment, inputs, parameters=moment.initial)
    values = np.linalg.eigvalsh(now)
    share = values[values > 0] / values[values > 0].sum()
    expected = by_definition(now, y) | {
        "drift": 1 - cosine(now, start),
        "effective_rank": np.exp(-(share * np.log(share)).sum()),
        "largest": values[-1],
    }
    found = measured(KernelAlignment(points=points, split=split), moment)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, err_msg=name)
    assert found["drift"] > 1e-3


def test_the_spectrum_is_that_of_numpy():
    moment = made(*REGRESSION, UNCENTRED)
    inputs, y = examples(moment, "train", 6)
    values = np.linalg.eigvalsh(kernel(moment, inputs))[::-1]
    with jax.enable_x64(True):
        called = _called(KernelAlignment(points=6, split="train", spectrum=4), moment)
        found = np.asarray(called["spectrum"])
    np.testing.assert_allclose(found, values[:4], rtol=1e-9)
    assert len(y) == 6 and found[0] > found[3] > 0


def test_there_is_no_drift_at_the_start():
    found = measured(KernelAlignment(), made(*REGRESSION, key=0))
    assert abs(found["drift"]) < 1e-14  # rounding of a ratio that is 1


def test_a_kernel_of_the_targets_alone_is_aligned():
    y = jnp.asarray(np.random.default_rng(0).normal(size=(9, 2)), jnp.float32)
    found = kernel_alignment(y @ y.T, y)
    np.testing.assert_allclose([found["uncentred"], found["centred"]], 1, rtol=1e-6)
    opposite = kernel_alignment(-y @ y.T, y)
    np.testing.assert_allclose([opposite["uncentred"], opposite["centred"]], -1, rtol=1e-6)


def test_without_targets_or_variance_there_is_no_alignment():
    found = kernel_alignment(jnp.eye(4), jnp.ones((4, 1)))
    np.testing.assert_allclose(found["uncentred"], 0.5, rtol=1e-6)
    assert np.isnan(found["centred"]) and np.isnan(found["column_centred"])
    assert np.isnan(kernel_alignment(jnp.eye(4), jnp.zeros((4, 1)))["uncentred"])


@hypothesis.settings(max_examples=20)
@hypothesis.given(st.integers(2, 8), st.integers(0, 2**32 - 1))
def test_places_that_do_not_count_change_nothing(count, seed):
    random = np.random.default_rng(seed)
    half, y = random.normal(size=(count, 5)), random.normal(size=(count, 2))
    matrix = half @ half.T
    more = 8 - count
    with jax.enable_x64(True):
        found = kernel_alignment(
            jnp.asarray(np.pad(matrix, (0, more))), jnp.asarray(np.pad(y, ((0, more), (0, 0)))), count
        )
        for name, value in by_definition(matrix, y).items():
            np.testing.assert_allclose(float(found[name]), value, rtol=1e-8, atol=1e-12, err_msg=name)


@pytest.mark.parametrize(
    ("eigenvalues", "rank"),
    [
        ([2.0, 2.0, 2.0, 2.0], 4),
        ([5.0, 0.0, 0.0], 1),
        ([0.5, 0.25, 0.25], math.exp(1.5 * math.log(2))),
        ([1.0, 1.0, -1e-9, 0.0], 2),  # what rounding leaves of zero
    ],
)
def test_effective_rank_has_closed_forms(eigenvalues, rank):
    np.testing.assert_allclose(effective_rank(jnp.asarray(eigenvalues)), rank, rtol=1e-6)


def test_a_wide_machine_begins_with_the_alignment_of_the_theory():
    """`A0 = epsilon^2 (D + 8) / (3 D^2) / sqrt(1/D + 3 epsilon^4 (1 + 2/D) / D^2)`, from Gaussian moments."""
    inputs, epsilon, points = 5, 1.0, 600
    task = Polynomial(inputs=inputs, train=10, test=points)
    model = CommitteeMachine(width=100_000, nonlinearity=epsilon, reduced=True)
    found = measured(KernelAlignment(points=points), made(task, model, key=0))
    size = math.sqrt(1 / inputs + 3 * epsilon**4 * (1 + 2 / inputs) / inputs**2)
    expected = epsilon**2 * (inputs + 8) / (3 * inputs**2) / size
    np.testing.assert_allclose(found["uncentred"], expected, rtol=0.1)  # of 600 points


# --- regression -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "model", "points", "ridge"),
    [(*REGRESSION, 8, 0.0), (*REGRESSION, 200, 0.1), (*CLASSES, 200, 0.0)],
)
def test_regression_is_that_of_numpy(task, model, ridge, points):
    moment = made(task, model, UNCENTRED)
    inputs, y = examples(moment, "train", points)
    places, answers = examples(moment, "test", points)
    with jax.enable_x64(True):
        start, there = (np.asarray(moment.predict(one, moment.initial)) for one in (inputs, places))
    own, across = kernel(moment, inputs), kernel(moment, places, inputs)
    added = ridge * np.trace(own) / len(y)
    expected = there + kernel_regression(own, y - start, across, ridge=added)
    found = measured(KernelRegression(points=points, ridge=ridge), moment)
    np.testing.assert_allclose(found["test_loss"], ((expected - answers) ** 2).mean(), rtol=1e-6)
    distance = ((y - start) * np.linalg.solve(own + added * np.eye(len(y)), y - start)).sum()
    np.testing.assert_allclose(found["difficulty"], distance, rtol=1e-6)
    if answers.shape[1] > 1:
        right = (expected.argmax(axis=1) == answers.argmax(axis=1)).mean()
        np.testing.assert_allclose(found["test_accuracy"], right, rtol=1e-12)


def test_a_singular_kernel_leaves_the_regression_finite():
    # Five functions, 20 points.
    moment = made(Polynomial(inputs=2, train=20, test=20), CommitteeMachine(width=30))
    assert all(np.isfinite(value) for value in measured(KernelRegression(), moment).values())


def test_a_lazy_network_travels_as_far_as_the_kernel_says():
    """Kumar et al. 2023, Eqs. 8 and 9: `|w - w0|^2 -> y^T K^-1 y` for a large output scale."""
    width = 30

    def moved(moment):
        return jnp.sum((moment.parameters.hidden - moment.initial.hidden) ** 2)

    experiment = af.Experiment(
        Polynomial(inputs=20, train=10, test=10),
        CommitteeMachine(width=width, nonlinearity=0.1),
        GradientDescent(learning_rate=2.0 * width),
        parametrisation=Parametrisation(output_scale=1000.0, scaled_rate=True),
        steps=3000,
        record=At((0, 3000)),
        probes=(moved, KernelRegression(points=10)),
        precision="float64",
    )
    data = af.sweep(experiment).run(display=silent)
    assert float(data["train_loss"][-1]) < 1e-9 * float(data["train_loss"][0])
    difficulty = float(data["kernel_regression/difficulty"][0])
    assert difficulty > 0
    np.testing.assert_allclose(float(data["moved"][-1]), difficulty, rtol=0.01)


# --- as probes --------------------------------------------------------------------------------------


def test_they_are_probes_of_a_pack_and_of_a_snapshot(tmp_path):
    probes = (KernelAlignment(points=12), KernelRegression(points=8, ridge=0.01))
    experiment = af.Experiment(
        *REGRESSION,
        GradientDescent(learning_rate=1.0),
        parametrisation=Parametrisation(output_scale=1.0, scaled_rate=True),
        steps=20,
        record=At((0, 20)),
        snapshots=At((0, 20)),
        probes=probes,
        precision="float64",
    )
    plan = af.sweep(experiment, {"parametrisation.output_scale": [0.5, 2.0], "seed": [0, 1]})
    data = plan.run(tmp_path, display=silent)
    kept = af.store.Store(tmp_path).load([run.id for run in plan.runs])
    lanes = data.stack(lane=("parametrisation.output_scale", "seed"))
    assert np.all(np.abs(lanes["kernel_alignment/drift"].sel(step=0)) < 1e-14)
    assert np.all(lanes["kernel_alignment/drift"].sel(step=20) > 1e-9)
    for index, (run, one) in enumerate(zip(plan.runs, kept, strict=True)):
        for step in (0, 20):
            moment = run.moment(one.snapshots[step], step)
            for name, probe in zip(("kernel_alignment", "kernel_regression"), probes, strict=True):
                for part, value in measured(probe, moment).items():
                    recorded = float(lanes[f"{name}/{part}"].isel(lane=index).sel(step=step))
                    # The drift is 1 less a number near 1, so its rounding is absolute.
                    message = f"{name}/{part} at {step}"
                    np.testing.assert_allclose(recorded, value, rtol=1e-9, atol=1e-13, err_msg=message)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: KernelAlignment(points=0), "`points` must be at least 1, got 0"),
        (lambda: KernelAlignment(points=9, spectrum=10), "from 0 to the 9 points, which have as many"),
        (lambda: KernelRegression(points=0), "`points` must be at least 1, got 0"),
        (lambda: KernelRegression(ridge=-0.5), "`ridge` must not be negative, got -0.5"),
    ],
)
def test_settings_out_of_range_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
