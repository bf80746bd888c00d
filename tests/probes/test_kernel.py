"""The neural tangent kernel against dense Jacobians and closed forms."""

import functools

import equinox as eqx
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import afterfit as af
from afterfit.models import CommitteeMachine, GraphConvolution, LSTM, MLP, nanda_transformer
from afterfit.probes import kernel_rows, neural_tangent_kernel
from afterfit.tasks import BinaryOperation, GeneratedMolecules, GeneratedReviews, Polynomial
from afterfit.training import Parametrisation


MODELS = {
    "mlp": (BinaryOperation("x+y", modulus=5), MLP(hidden=(6,), activation="tanh")),
    "transformer": (BinaryOperation("x+y", modulus=5), nanda_transformer(width=4, heads=2)),
    "lstm": (GeneratedReviews(reviews=24, words=20, length=5), LSTM(embedding=3, hidden=4, layers=1)),
    "graph": (GeneratedMolecules(molecules=16), GraphConvolution()),
    "committee": (Polynomial(inputs=6, train=10, test=20), CommitteeMachine(width=12, nonlinearity=0.3)),
}
COUNT = 7


@functools.cache
def made(task, model, parametrisation=Parametrisation(), key=5):
    """A run in float64 with weights other than its first ones."""
    run = af.sweep(af.Experiment(task, model, parametrisation=parametrisation, precision="float64")).runs[0]
    with jax.enable_x64(True):
        built = run.experiment.model.build(task.data(0).sizes, key=jax.random.key(key))
        kept = {
            jax.tree_util.keystr(path): np.asarray(leaf)
            for path, leaf in jax.tree_util.tree_leaves_with_path(built)
            if eqx.is_inexact_array(leaf)
        }
    return run.moment(kept, 0)


def first(moment, count, start=0):
    return jax.tree.map(lambda leaf: leaf[start : start + count], moment.examples("train").inputs)


@eqx.filter_jit
def _dense(moment, inputs, parameters):
    flat, unravel = ravel_pytree(parameters)
    return jax.jacrev(lambda at: moment.predict(inputs, unravel(at)))(flat)


def dense(moment, inputs, parameters=None):
    """The Jacobian "batch output parameter" of the whole batch at once, from `moment.predict`."""
    with jax.enable_x64(True):
        return np.asarray(_dense(moment, inputs, moment.parameters if parameters is None else parameters))


def kernel(moment, *inputs, **options):
    with jax.enable_x64(True):
        return np.asarray(neural_tangent_kernel(moment, *inputs, **options))


def same(found, expected):
    # Rounding of float64 over some thousand terms; entries near zero are differences of larger ones.
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("name", "centred"),
    [("mlp", False), ("transformer", True), ("lstm", False), ("graph", True), ("committee", True)],
)
def test_it_is_that_of_the_dense_jacobian(name, centred):
    """Tokens, texts with padding, molecules with padding; in blocks that do not divide the batch."""
    moment = made(*MODELS[name], Parametrisation(output_scale=3.0, centred=centred))
    both = first(moment, COUNT + 4)
    jacobian = dense(moment, both)
    assert np.abs(jacobian).max() > 0
    expected = np.einsum("aop,bop->ab", jacobian, jacobian)
    left, right = first(moment, COUNT), first(moment, 4, start=COUNT)
    same(kernel(moment, left, block=3), expected[:COUNT, :COUNT])
    same(kernel(moment, left, right, block=1), expected[:COUNT, COUNT:])


@pytest.fixture(scope="module")
def network():
    return made(*MODELS["mlp"])


@pytest.mark.parametrize("block", [1, 3, 100])
def test_outputs_together_and_apart_in_any_block(network, block):
    left, right = first(network, COUNT), first(network, 5, start=COUNT)
    mine, other = dense(network, left), dense(network, right)
    same(kernel(network, left, block=block, full=True), np.einsum("aop,bqp->aobq", mine, mine))
    same(kernel(network, right, left, block=block, output=2), other[:, 2] @ mine[:, 2].T)


def test_without_a_block_the_summed_kernel_and_all_pairs_of_two_sides(network):
    left, right = first(network, COUNT), first(network, 5, start=COUNT)
    mine, other = dense(network, left), dense(network, right)
    same(kernel(network, left), np.einsum("aop,bop->ab", mine, mine))
    same(kernel(network, left, right, full=True), np.einsum("aop,bqp->aobq", mine, other))


@pytest.mark.parametrize("block", [None, 50, 120])
def test_more_examples_than_are_differentiated_at_a_time(block):
    moment = made(Polynomial(inputs=3, train=180, test=100), CommitteeMachine(width=5))
    left, right = first(moment, 150), first(moment, 30, start=150)
    mine, other = dense(moment, left)[:, 0], dense(moment, right)[:, 0]
    same(kernel(moment, left, block=block), mine @ mine.T)
    if block == 120:
        same(kernel(moment, left, right, block=block), mine @ other.T)
        same(kernel(moment, right, left, block=block), other @ mine.T)


def test_its_precision_is_that_of_the_run(network):
    left = first(network, COUNT)
    found = neural_tangent_kernel(network.cast("float32"), left)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, kernel(network, left), rtol=1e-4)


def test_the_kernel_at_the_start(network):
    left = first(network, COUNT)
    jacobian = dense(network, left, network.initial)
    same(kernel(network, left, parameters=network.initial), np.einsum("aop,bop->ab", jacobian, jacobian))
    assert np.abs(kernel(network, left) - kernel(network, left, parameters=network.initial)).max() > 0.1


def test_rows_of_it_are_the_whole(network):
    left, right = first(network, COUNT), first(network, 5, start=COUNT)
    with jax.enable_x64(True):
        parts = list(kernel_rows(network, left, right, rows=3, block=2))
    assert [part for part, _ in parts] == [slice(0, 3), slice(3, 6), slice(6, 7)]
    same(np.concatenate([np.asarray(rows) for _, rows in parts]), kernel(network, left, right))


def test_moments_of_one_structure_share_a_compiled_kernel(network, monkeypatch):
    left = first(network, COUNT)
    before = kernel(network, left)
    # Were it traced anew, this would fail.
    monkeypatch.setattr("afterfit.probes._kernel._own_product", None)
    after = kernel(made(*MODELS["mlp"], key=6), left)
    assert np.abs(before - after).max() > 0.1


@hypothesis.settings(max_examples=15)
@hypothesis.given(
    order=st.permutations(range(COUNT)),
    rows=st.lists(st.integers(0, 24), min_size=COUNT, max_size=COUNT),
)
def test_it_is_symmetric_positive_and_follows_its_examples(network, order, rows):
    with jax.enable_x64(True):
        left = jnp.asarray([(row // 5, row % 5) for row in rows], jnp.int32)  # repeated examples too
        found = kernel(network, left)
        permuted = kernel(network, left[jnp.asarray(order)])
    np.testing.assert_array_equal(found, found.T)
    values = np.linalg.eigvalsh(found)
    assert values[0] > -1e-12 * values[-1]
    np.testing.assert_allclose(permuted, found[np.ix_(order, order)], rtol=1e-12)


# --- committee machines: closed forms ---------------------------------------------------------------


@pytest.mark.parametrize("reduced", [False, True])
def test_a_committee_machine_has_the_closed_form(reduced):
    """`(alpha^2 / N) s [1 + epsilon wbar.(x + x') + epsilon^2 x^T M x']`, `s = x.x'`."""
    alpha, epsilon, width = 3.0, 0.3, 12
    task, model = Polynomial(inputs=6, train=10, test=20), CommitteeMachine(width, epsilon, reduced=reduced)
    moment = made(task, model, Parametrisation(output_scale=alpha))
    plain = made(task, CommitteeMachine(width, epsilon), Parametrisation(output_scale=alpha))
    weights = np.asarray(plain.parameters.hidden)
    x = np.asarray(first(moment, 10), float)
    mean, second = weights.mean(axis=0), weights.T @ weights / width
    bracket = 1 + epsilon * ((x @ mean)[:, None] + (x @ mean)[None, :]) + epsilon**2 * x @ second @ x.T
    same(kernel(moment, first(moment, 10)), alpha**2 / width * (x @ x.T) * bracket)


def test_a_wide_machine_with_trained_readout_has_its_closed_form():
    """Kumar et al. 2023, Eq. 23, with the `alpha^2 / N` that it leaves out."""
    alpha, epsilon, width = 2.0, 1.5, 200_000
    task = Polynomial(inputs=4, train=5, test=5)
    moment = made(
        task, CommitteeMachine(width, epsilon, readout="normal"), Parametrisation(output_scale=alpha)
    )
    x = np.asarray(first(moment, 5), float)
    s, squares = x @ x.T, (x**2).sum(axis=1)
    expected = 2 * s + 1.5 * epsilon**2 * s**2 + epsilon**2 / 4 * np.outer(squares, squares)
    found = kernel(moment, first(moment, 5)) * width / alpha**2
    # The mean over units of a product of moments has a relative error of a few over the root of their number.
    np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())


def test_quadratic_functions_have_the_eigenvalue_of_the_theory():
    """`2 epsilon^2 / D^2` for those without a trace (Kumar et al. 2023, Appendix A), of a wide machine."""
    inputs, epsilon, width, points = 12, 0.3, 100_000, 1500
    task = Polynomial(inputs=inputs, train=points, test=10)
    moment = made(task, CommitteeMachine(width, epsilon, reduced=True))
    matrix = kernel(moment, first(moment, points)) * width / points
    values = np.linalg.eigvalsh(matrix)[::-1]
    modes = inputs * (inputs + 1) // 2
    bulk = values[inputs + 1 : inputs + modes]  # after the linear functions and the norm
    # All of them move together with the mean of |x|^4, which in this draw is not quite 1 + 2/D.
    drawn = (np.asarray(first(moment, points), float) ** 2).sum(axis=1)
    bulk = bulk / (drawn**2).mean() * (1 + 2 / inputs)
    np.testing.assert_allclose(bulk.mean(), 2 * epsilon**2 / inputs**2, rtol=0.03)
    np.testing.assert_allclose(values[:inputs].mean(), 1 / inputs, rtol=0.03)
    assert values[inputs + modes] < 1e-3 * bulk.min()  # the kernel has no other modes


# --- bad input --------------------------------------------------------------------------------------


def test_a_kernel_too_large_for_the_memory_is_refused_with_its_size():
    moment = made(*MODELS["committee"])
    many = np.broadcast_to(np.zeros(6, np.float32), (10**6, 6))
    with pytest.raises(ValueError, match=r"1,000,000 x 1,000,000 examples takes 8000\.0 GB.*kernel_rows"):
        kernel(moment, many)


def test_all_pairs_of_outputs_count_in_its_size(network):
    many = np.broadcast_to(np.zeros(2, np.int32), (10**6, 2))
    with pytest.raises(ValueError, match=r"and 5 outputs takes 200000\.0 GB.*part of the examples"):
        kernel(network, many, full=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": 5}, "`output` must be from 0 to 4, got 5"),
        ({"output": -1}, "`output` must be from 0 to 4, got -1"),
        ({"block": 0}, "`block` must be at least 1"),
    ],
)
def test_options_out_of_range_are_named(network, options, message):
    with pytest.raises(ValueError, match=message):
        kernel(network, first(network, COUNT), **options)


def test_no_examples_and_no_rows_are_refused(network):
    with pytest.raises(ValueError, match="examples on both sides, got 7 and 0"):
        kernel(network, first(network, COUNT), first(network, 0))
    with pytest.raises(ValueError, match="`rows` must be at least 1, got 0"):
        next(kernel_rows(network, first(network, COUNT), first(network, COUNT), rows=0))
