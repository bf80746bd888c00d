"""Entropies, O-information and its parts, against other libraries and definitions written out in float64."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from afterfit.probes import (
    gaussian_copula,
    information,
    local_o_information,
    o_information_gradients,
)
from afterfit.probes._information import check_names, entropy_bias


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def normal(samples=400, variables=5, seed=0, mixed=0.0):
    """Samples of normal variables that share a common part."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(samples, variables)) + mixed * rng.normal(size=(samples, 1))


def synergistic(samples=3763, noise=0.1):
    a, b, other = np.random.default_rng(1).normal(size=(3, samples))
    return np.stack([a, b, a + b + noise * other], axis=1)


def redundant(samples=3763):
    one, *noise = np.random.default_rng(2).normal(size=(4, samples))
    return np.stack([one + 0.1 * other for other in noise], axis=1)


def scores(values):
    """Normal scores and their correlation, by SciPy."""
    z = scipy.stats.norm.ppf(scipy.stats.rankdata(values, axis=0) / (len(values) + 1))
    return z, np.corrcoef(z.T)


def entropy(correlation):
    """Of standard normal variables, in nats."""
    count = len(correlation)
    return 0.5 * np.linalg.slogdet(correlation)[1] + 0.5 * count * np.log(2 * np.pi * np.e) if count else 0.0


def without(correlation, index):
    return np.delete(np.delete(correlation, index, 0), index, 1)


def defined(correlation):
    """O-information as Eq. 1 of Clauw et al. 2024 writes it, in nats."""
    count = len(correlation)
    terms = [entropy(np.eye(1)) - entropy(without(correlation, j)) for j in range(count)]
    return (count - 2) * entropy(correlation) + sum(terms)


# --- against others ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values", [normal(500, 6), synergistic(noise=0.3), redundant()], ids=["independent", "sum", "copies"]
)
def test_it_agrees_with_hoi(values):
    hoi = pytest.importorskip("hoi", reason="hoi's parts lag behind JAX on this Python")
    found = information(values)
    # It works in float32, which costs it up to 1e-4 bits where variables nearly determine each other.
    with jax.enable_x64(False), jax.numpy_rank_promotion("allow"):
        whole = dict(minsize=values.shape[1], maxsize=values.shape[1], method="gc", biascorrect=False)
        total, dual = (
            float(measure(values, verbose=False).fit(**whole).squeeze())
            for measure in (hoi.metrics.TC, hoi.metrics.DTC)
        )
    assert found.total_correlation == pytest.approx(total, abs=1e-4)
    assert found.dual_total_correlation == pytest.approx(dual, abs=1e-4)
    assert found.o_information == pytest.approx(total - dual, abs=1e-4)
    assert found.s_information == pytest.approx(total + dual, abs=1e-4)


def test_signs():
    assert information(synergistic()).o_information == pytest.approx(-2.73, abs=0.05)
    assert information(redundant()).o_information == pytest.approx(2.62, abs=0.05)


def test_an_exclusive_or_is_out_of_its_sight():
    first, second = np.random.default_rng(3).normal(size=(2, 3000))
    values = np.stack([first, second, np.sign(first * second)], axis=1)
    assert abs(information(values).o_information) < 0.01


@pytest.mark.parametrize("mixed", [0.0, 1.0])
def test_it_is_the_definition(mixed):
    values = normal(mixed=mixed)
    correlation = scores(values)[1]
    found = information(values, unit="nats")
    assert float(found.o_information) == pytest.approx(defined(correlation), abs=1e-10)
    total = 5 * entropy(np.eye(1)) - entropy(correlation)
    assert found.total_correlation == pytest.approx(total, abs=1e-10)
    assert found.s_information == pytest.approx(2 * total - defined(correlation), abs=1e-10)
    assert information(values).o_information == pytest.approx(
        float(found.o_information) / np.log(2), abs=1e-10
    )


def test_gradients_are_what_is_lost_without_each_variable():
    values = np.concatenate([synergistic(600), redundant(600)], axis=1)
    correlation = scores(values)[1]
    wanted = [defined(correlation) - defined(without(correlation, j)) for j in range(6)]
    np.testing.assert_allclose(o_information_gradients(values, unit="nats"), wanted, atol=1e-9)


def test_local_values_are_differences_of_surprises():
    values = np.concatenate([synergistic(300), normal(300, 1)], axis=1)
    z, correlation = scores(values)
    z = (z - z.mean(axis=0)) / z.std(axis=0)

    def surprise(kept):
        return -scipy.stats.multivariate_normal(cov=correlation[np.ix_(kept, kept)]).logpdf(z[:, kept])

    everything = list(range(4))
    wanted = 2 * surprise(everything)
    for j in everything:
        wanted = wanted + surprise([j]) - surprise([k for k in everything if k != j])
    found = local_o_information(values, unit="nats")
    np.testing.assert_allclose(found, wanted, atol=1e-9)
    assert found.mean() == pytest.approx(float(information(values, unit="nats").o_information), abs=1e-10)


def test_the_bias_is_that_of_normal_entropies():
    """Of many small samples of independent variables the corrected mean is zero."""
    samples, variables = 30, 4
    raw, corrected = [], []
    for seed in range(300):
        values = normal(samples, variables, seed)
        raw.append(information(values, unit="nats").total_correlation)
        corrected.append(information(values, unit="nats", bias_corrected=True).total_correlation)
    assert np.mean(raw) > 0.1
    assert abs(np.mean(corrected)) < 3 * np.std(corrected) / np.sqrt(300) + 0.005
    # E log det of a sample covariance (Wishart), written out.
    ours = entropy_bias(samples, variables, float)
    degrees = samples - 1
    expected = [0.0]
    for k in range(1, variables + 1):
        terms = scipy.special.digamma((degrees + 1 - np.arange(1, k + 1)) / 2)
        expected.append(0.5 * (terms.sum() + k * np.log(2 / degrees)))
    np.testing.assert_allclose(ours, expected, atol=1e-12)


# --- properties -------------------------------------------------------------------------------------

tables = st.tuples(st.integers(0, 1000), st.integers(2, 6))


@hypothesis.given(tables, st.randoms(use_true_random=False))
@hypothesis.settings(max_examples=15)
def test_order_of_variables_and_monotone_changes_do_not_matter(table, random):
    seed, count = table
    values = normal(60, count, seed, mixed=0.7)
    order = random.sample(range(count), count)
    changed = values.copy()
    changed[:, 0] = np.exp(changed[:, 0])
    changed[:, 1] = changed[:, 1] ** 3
    wanted = np.asarray(information(values)[:4])
    np.testing.assert_allclose(information(values[:, order])[:4], wanted, atol=1e-9)
    np.testing.assert_allclose(information(changed)[:4], wanted, atol=1e-9)
    assert wanted[0] >= -1e-9 and wanted[1] >= -1e-9


@hypothesis.given(st.integers(0, 1000))
@hypothesis.settings(max_examples=10)
def test_independent_variables_share_nothing_beyond_the_bias(seed):
    found = information(normal(2000, 4, seed), unit="nats", bias_corrected=True)
    assert abs(found.total_correlation) < 0.01 and abs(found.o_information) < 0.005


@hypothesis.given(st.integers(0, 1000))
@hypothesis.settings(max_examples=5)
def test_two_variables_have_no_o_information(seed):
    assert information(normal(50, 2, seed, mixed=1.0)).o_information == pytest.approx(0, abs=1e-12)


@hypothesis.given(st.floats(0.3, 3.0), st.integers(0, 100))
@hypothesis.settings(max_examples=10)
def test_normal_sums_are_synergistic_and_copies_redundant(noise, seed):
    """In closed form: O(a, b, a + b + noise) < 0 < O(three copies with noise), and samples agree."""
    rng = np.random.default_rng(seed)
    a, b, c, d, e = rng.normal(size=(5, 20_000))
    for values, sign in (
        (np.stack([a, b, a + b + noise * c], axis=1), -1),
        (np.stack([a + noise * c, a + noise * d, a + noise * e], axis=1), 1),
    ):
        variance = 1 + noise**2
        if sign < 0:
            known = np.eye(3)
            known[2, :2] = known[:2, 2] = 1 / np.sqrt(2 + noise**2)
        else:
            known = np.full((3, 3), 1 / variance)
            np.fill_diagonal(known, 1.0)
        exact = defined(known)
        assert sign * exact > 0
        assert float(information(values, unit="nats").o_information) == pytest.approx(exact, abs=0.05)


# --- ties, dead variables, bad input ----------------------------------------------------------------


@pytest.mark.parametrize("zeros", [0.5, 0.9, 0.99])
def test_ordinal_ranks_make_rectified_units_look_redundant(zeros):
    """The zeros of all columns get one order; mean ranks see that the columns are independent."""
    values = np.random.default_rng(4).normal(size=(3763, 10))
    values = np.maximum(values - scipy.stats.norm.ppf(zeros), 0)
    fair = information(values, bias_corrected=True).o_information
    feigned = information(values, ties="ordinal").o_information
    assert abs(fair) < 1e-3
    assert feigned > {0.5: 0.02, 0.9: 1.5, 0.99: 8}[zeros]


def test_ranks_are_those_of_scipy():
    values = np.random.default_rng(5).integers(0, 4, size=(50, 3)).astype(float)
    found = gaussian_copula(jnp.asarray(values))
    z, correlation = scores(values)
    np.testing.assert_allclose(found.correlation, correlation, atol=1e-12)
    np.testing.assert_allclose(found.scores, (z - z.mean(axis=0)) / z.std(axis=0), atol=1e-12)
    ordinal = gaussian_copula(jnp.asarray(values), ties="ordinal")
    ranks = np.argsort(np.argsort(values, axis=0, kind="stable"), axis=0) + 1
    np.testing.assert_allclose(
        ordinal.correlation, np.corrcoef(scipy.stats.norm.ppf(ranks / 51).T), atol=1e-12
    )


def test_samples_that_do_not_count_change_nothing():
    values = np.random.default_rng(6).integers(0, 9, size=(40, 3)).astype(float)
    valid = np.random.default_rng(7).random(40) < 0.6
    part, whole = (
        gaussian_copula(jnp.asarray(values[valid])),
        gaussian_copula(jnp.asarray(values), jnp.asarray(valid)),
    )
    np.testing.assert_allclose(whole.correlation, part.correlation, atol=1e-12)
    np.testing.assert_allclose(whole.scores[valid], part.scores, atol=1e-12)
    assert not whole.scores[~valid].any()


@pytest.mark.parametrize("ties", ["average", "ordinal"])
def test_dead_variables_count_for_nothing(ties):
    values = normal(80, 4, mixed=1.0)
    dead = np.concatenate([values, np.zeros((80, 2)), np.full((80, 1), 3.5)], axis=1)
    found, wanted = information(dead, ties=ties), information(values, ties=ties)
    assert found.dead == 3 and wanted.dead == 0
    np.testing.assert_allclose(found[:4], wanted[:4], atol=1e-12)
    np.testing.assert_allclose(
        information(dead, ties=ties, bias_corrected=True)[:4],
        information(values, ties=ties, bias_corrected=True)[:4],
        atol=1e-12,
    )
    for corrected in (False, True):
        nothing = information(np.ones((9, 3)), ties=ties, bias_corrected=corrected)
        assert nothing.dead == 3 and np.allclose(nothing[:4], 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (normal(4, 5), "4 samples of 5 variables.*more samples"),
        (np.zeros(4), "axes"),
        (np.where(np.eye(9, 3) > 0, np.nan, 1.0), "not finite in 3 of 3 variables, the first 0"),
    ],
)
def test_bad_values(values, message):
    for function in (information, o_information_gradients, local_o_information):
        with pytest.raises(ValueError, match=message):
            function(values)


def test_ranks_are_taken_in_the_precision_of_the_values():
    """Rounded to float32 most of these values are ties."""
    values = np.random.default_rng(0).normal(size=(200, 3)) @ np.triu(np.ones((3, 3)))
    whole = (values * 1e6).astype(np.int64)
    for far in (values + 1e9, whole + 2**40):
        assert len(np.unique(far.astype(np.float32)[:, 0])) < 50
        for ties in ("average", "ordinal"):
            with jax.enable_x64(False):
                found = information(far, ties=ties).o_information
            assert found == pytest.approx(float(information(values, ties=ties).o_information), abs=1e-3)


@pytest.mark.parametrize("values", [np.ones((9, 3), complex), np.full((9, 3), "a"), np.full((9, 3), None)])
def test_values_that_are_no_real_numbers(values):
    with pytest.raises(ValueError, match="`values` must be real numbers, got"):
        information(values)


def test_unknown_names():
    with pytest.raises(ValueError, match="`ties` must be one of average, ordinal, got 'first'"):
        check_names("first", "nats")
    with pytest.raises(ValueError, match="`unit` must be one of nats, bits, got 'bans'"):
        check_names("average", "bans")


def test_float32_is_enough():
    values = np.concatenate([synergistic(), redundant(), normal(3763, 4)], axis=1)
    exact = information(values).o_information
    with jax.enable_x64(False):
        assert information(values.astype(np.float32)).o_information == pytest.approx(float(exact), abs=1e-3)
