"""Curvature against dense matrices and loops over examples."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import afterfit as af
from afterfit.ensemble import silent
from afterfit.models import MLP
from afterfit.probes import FisherTrace, HessianTrace, TopEigenvalue
from afterfit.probes._curvature import largest_eigenvalue
from afterfit.tasks import BinaryOperation, CrossEntropy, MeanSquaredError
from afterfit.training import Every


def revived(objective):
    """A tiny network in float64, away from its start."""
    task = BinaryOperation("x+y", modulus=5, fraction=0.7, objective=objective)
    run = af.sweep(af.Experiment(task, MLP(hidden=(4,), activation="tanh"), steps=1)).runs[0]
    start = run.moment(_parameters(run), 0, "float64")
    with jax.enable_x64(True):
        at = start.parameters
        for _ in range(30):
            at = jax.tree.map(lambda p, g: p - 0.5 * g, at, _gradient(start, at))
        return eqx.tree_at(lambda moment: moment.parameters, start, at)


@eqx.filter_jit
def _gradient(moment, at):
    return moment.gradient("train", at)


@eqx.filter_jit
def _measure(probe, moment):
    return probe(moment)


def measured(probe, moment):
    """As plain numbers: float64 arrays are of no use outside x64 mode."""
    return jax.tree.map(float, _measure(probe, moment))


def _parameters(run):
    sizes = run.experiment.task.data(0).sizes
    model = run.experiment.model.build(sizes, key=jax.random.key(5))
    return {
        jax.tree_util.keystr(path): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(model)
        if eqx.is_inexact_array(leaf)
    }


@pytest.fixture(scope="module")
def moment():
    return revived(CrossEntropy())


def dense(moment):
    """Hessian and Gauss-Newton matrix of the mean training loss, from the plain definition."""
    examples = moment.examples("train")
    flat, unravel = ravel_pytree(moment.parameters)
    inputs, targets = (leaf[examples.valid] for leaf in (examples.inputs, examples.targets))

    def loss(at):
        outputs = jax.vmap(moment.with_parameters(unravel(at)))(inputs)
        return jnp.mean(moment.objective.score(lambda _: outputs, inputs, targets).loss)

    return np.asarray(jax.hessian(loss)(flat)), inputs, targets, flat, unravel


def test_hessian_product_is_the_dense_one(moment):
    with jax.enable_x64(True):
        hessian, *_, flat, unravel = dense(moment)
        direction = np.random.default_rng(0).normal(size=flat.size)
        ours = ravel_pytree(moment.hessian_product(unravel(jnp.asarray(direction))))[0]
    np.testing.assert_allclose(ours, hessian @ direction, rtol=1e-9, atol=1e-12)


def test_top_eigenvalue_is_the_dense_one(moment):
    with jax.enable_x64(True):
        expected = np.linalg.eigvalsh(dense(moment)[0])[-1]
        np.testing.assert_allclose(measured(TopEigenvalue(iterations=40), moment), expected, rtol=1e-5)
        few = measured(TopEigenvalue(iterations=3), moment)
    assert few < expected


@pytest.mark.parametrize(
    "eigenvalues",
    [
        np.array([-5.0, -2.0, -1.0, -0.5]),  # the largest in size is not the largest
        np.array([3.0, 3.0, 3.0, 3.0]),  # exhausted after one iteration
        np.zeros(4),
        np.array([1e-6, 1.0, 1 + 1e-4, 1 + 2e-4]),
    ],
)
def test_lanczos_is_exact_after_as_many_iterations_as_parameters(eigenvalues):
    generator = np.random.default_rng(1)
    rotation = np.linalg.qr(generator.normal(size=(4, 4)))[0]
    matrix = rotation @ np.diag(eigenvalues) @ rotation.T
    with jax.enable_x64(True):
        found = largest_eigenvalue(
            lambda v: jnp.asarray(matrix) @ v, jnp.asarray(generator.normal(size=4)), 4
        )
    np.testing.assert_allclose(found, eigenvalues.max(), rtol=1e-9, atol=1e-12)


def test_hessian_trace_is_the_dense_one_within_its_error(moment):
    with jax.enable_x64(True):
        expected = np.trace(dense(moment)[0])
        found = measured(HessianTrace(draws=400), moment)
    assert 0 < found["error"] < 0.1 * abs(expected)
    assert abs(found["mean"] - expected) < 3 * found["error"]


def squared_gradient_norms(moment):
    """`E_x E_{y ~ p} |grad log p(y|x)|^2`, example by example and answer by answer."""
    _, inputs, _, flat, unravel = dense(moment)
    total = 0.0
    for one in inputs:

        def log_probability(at, answer, one=one):
            return jax.nn.log_softmax(moment.with_parameters(unravel(at))(one))[answer]

        probabilities = jax.nn.softmax(moment.with_parameters(moment.parameters)(one))
        for answer, probability in enumerate(probabilities):
            gradient = jax.grad(log_probability)(flat, answer)
            total += float(probability * gradient @ gradient)
    return total / len(inputs)


def test_fisher_trace_is_the_loop_over_examples_within_its_error(moment):
    with jax.enable_x64(True):
        expected = squared_gradient_norms(moment)
        found = measured(FisherTrace(draws=400), moment)
    assert 0 < found["error"] < 0.1 * expected
    assert abs(found["mean"] - expected) < 3 * found["error"]


def test_fisher_trace_of_squared_error_is_the_squared_jacobian():
    moment = revived(MeanSquaredError())
    with jax.enable_x64(True):
        _, inputs, _, flat, unravel = dense(moment)
        outputs = lambda at: jax.vmap(moment.with_parameters(unravel(at)))(inputs)
        jacobian = jax.jacobian(outputs)(flat)
        expected = 2 / 5 * float(jnp.sum(jacobian**2)) / len(inputs)  # mean over 5 outputs of squares
        found = measured(FisherTrace(draws=400), moment)
    assert abs(found["mean"] - expected) < 3 * found["error"] < 0.3 * expected


def test_they_are_probes_of_a_pack_and_of_a_snapshot(tmp_path):
    probes = (TopEigenvalue(iterations=5), HessianTrace(draws=3), FisherTrace(draws=3))
    experiment = af.Experiment(
        BinaryOperation("x+y", modulus=5),
        MLP(hidden=(8,)),
        batch=8,
        steps=4,
        record=Every(4),
        snapshots=Every(4),
        probes=probes,
    )
    plan = af.sweep(experiment, {"seed": [0, 1]})
    data = plan.run(tmp_path, display=silent)
    assert {"top_eigenvalue", "hessian_trace/mean", "fisher_trace/error"} <= set(data)
    records = af.store.Store(tmp_path).load([run.id for run in plan.runs])
    traces = []

    @eqx.filter_jit
    def measure(moment):
        traces.append(moment)
        return [probe(moment) for probe in probes]

    for seed, (run, kept) in enumerate(zip(plan.runs, records, strict=True)):
        eigenvalue, hessian, fisher = measure(run.moment(kept.snapshots[4], 4))
        last = data.isel(seed=seed, step=-1)
        np.testing.assert_allclose(eigenvalue, last["top_eigenvalue"], rtol=1e-4)
        np.testing.assert_allclose(hessian["mean"], last["hessian_trace/mean"], rtol=1e-4)
        np.testing.assert_allclose(fisher["mean"], last["fisher_trace/mean"], rtol=1e-4)
    assert len(traces) == 1  # one program for the moments of all runs


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TopEigenvalue(iterations=0), "iterations"),
        (lambda: HessianTrace(draws=1), "draws"),
        (lambda: FisherTrace(draws=1), "draws"),
    ],
)
def test_settings_out_of_range_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
