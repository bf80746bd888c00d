"""Groups of neurons, unions of groups, and the probe of synergy and redundancy."""

import dataclasses
import itertools

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.cluster

import afterfit as af
from afterfit.ensemble import silent
from afterfit.ensemble._pack import packs
from afterfit.probes import ByHand, gaussian_copula, information, multiplets, OInformation, Spectral, Ward
from afterfit.probes._information import entropy_bias
from afterfit.probes._unions import (
    all_unions,
    bias_of_blocks,
    bias_of_variables,
    of_blocks,
    of_variables,
)
from afterfit.training import At, RecipeError


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


def features(samples=300, neurons=40, parts=5, seed=0):
    """Rectified mixtures of a few parts, as a trained layer has."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(samples, parts)) @ rng.normal(size=(parts, neurons))
    return np.maximum(mixed + 0.5 * rng.normal(size=(samples, neurons)), 0)


def same_partition(first, second):
    return len(set(zip(first, second, strict=True))) == len(set(first)) == len(set(second))


def entropy(correlation, kept):
    """In nats, without the constants that cancel."""
    kept = np.flatnonzero(kept)
    return 0.5 * np.linalg.slogdet(correlation[np.ix_(kept, kept)])[1] if kept.size else 0.0


def of_parts(correlation, parts):
    """O-information of some blocks of variables, by Eq. 1 of Clauw et al. 2024."""
    whole = np.any(parts, axis=0)
    total = (len(parts) - 2) * entropy(correlation, whole)
    for part in parts:
        total += entropy(correlation, part) - entropy(correlation, whole & ~part)
    return total


# --- groups -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("groups", [2, 7])
def test_partitions_are_those_of_scikit_learn(seed, groups, float64):
    values = features(seed=seed)
    copula = gaussian_copula(jnp.asarray(values))
    given = jnp.asarray(values), jnp.ones(len(values), bool), copula
    ward = sklearn.cluster.AgglomerativeClustering(groups).fit_predict(values.T)
    assert same_partition(np.asarray(Ward(groups).labels(*given)).tolist(), ward.tolist())
    spectral = sklearn.cluster.SpectralClustering(
        groups, affinity="precomputed", assign_labels="cluster_qr", random_state=0
    ).fit_predict(np.abs(copula.correlation))
    assert same_partition(np.asarray(Spectral(groups).labels(*given)).tolist(), spectral.tolist())


def test_labels_begin_at_the_first_neuron_and_leave_out_invalid_samples(float64):
    values = features()
    valid = np.arange(300) < 250
    labels = np.asarray(
        Ward(4).labels(jnp.asarray(values), jnp.asarray(valid), gaussian_copula(jnp.asarray(values)))
    )
    assert labels[0] == 0 and [int(np.flatnonzero(labels == one)[0]) for one in range(4)] == sorted(
        int(np.flatnonzero(labels == one)[0]) for one in range(4)
    )
    ward = sklearn.cluster.AgglomerativeClustering(4).fit_predict(values[:250].T)
    assert same_partition(labels.tolist(), ward.tolist())


# --- unions -----------------------------------------------------------------------------------------


@hypothesis.given(st.lists(st.integers(0, 4), min_size=12, max_size=45), st.integers(0, 99))
@hypothesis.settings(max_examples=8)
def test_unions_are_the_definition_whatever_the_sizes_of_groups(labels, seed):
    """Groups may be empty, single, or wider than a panel."""
    labels = np.array([*labels, *[0] * (45 - len(labels))])
    with jax.enable_x64(True):
        copula = gaussian_copula(jnp.asarray(features(400, 45, seed=seed)))
        found = _unions(copula.correlation, jnp.asarray(labels), copula.alive)
        neurons, blocks = np.asarray(of_variables(found)), np.asarray(of_blocks(found))
        sizes = np.asarray(found.sizes)
    correlation = np.asarray(copula.correlation)
    for code in range(1, 32):
        chosen = [group for group in range(5) if code >> group & 1]
        inside = np.isin(labels, chosen)
        singles = [np.arange(45) == one for one in np.flatnonzero(inside)]
        assert sizes[code] == inside.sum()
        if singles:
            assert neurons[code] == pytest.approx(of_parts(correlation, singles), abs=1e-8)
        assert blocks[code] == pytest.approx(
            of_parts(correlation, [labels == one for one in chosen]), abs=1e-8
        )


_unions = jax.jit(lambda *arrays: all_unions(*arrays, 5))


@pytest.mark.parametrize("neurons", [30, 200])
def test_float32_copies_do_not_break_the_sweep(neurons):
    values = features(500, neurons)
    copies = np.concatenate([values, values[:, :5]], axis=1).astype(np.float32)
    copula = gaussian_copula(jnp.asarray(copies))
    unions = all_unions(copula.correlation, jnp.arange(neurons + 5) % 4, copula.alive, 4)
    found = np.asarray(of_variables(unions))
    assert np.isfinite(found).all() and found.max() > 5


def test_all_multiplets_of_some_variables(float64):
    values = features(200, 5)
    found = multiplets(values, unit="nats")
    correlation = np.asarray(gaussian_copula(jnp.asarray(values)).correlation)
    assert len(found.members) == 16  # of three or more of five
    for members, value in zip(found.members, np.asarray(found.o_information), strict=True):
        singles = [np.arange(5) == one for one in np.flatnonzero(members)]
        assert value == pytest.approx(of_parts(correlation, singles), abs=1e-10)
    assert len(multiplets(values, fewest=2).members) == 26
    with pytest.raises(ValueError, match="13 variables have too many sets.*at most 12"):
        multiplets(features(50, 13))
    with pytest.raises(ValueError, match="`fewest` must be from 1 to the 2 variables, got 3"):
        multiplets(features(50, 2))
    with pytest.raises(ValueError, match="to the 5 variables, got 6"):
        multiplets(values, fewest=6)


def test_multiplets_agree_with_hoi():
    hoi = pytest.importorskip("hoi", reason="hoi's parts lag behind JAX on this Python")
    values = np.random.default_rng(8).normal(size=(300, 4)) @ np.triu(np.ones((4, 4)))
    with jax.numpy_rank_promotion("allow"):
        wanted = hoi.metrics.Oinfo(values, verbose=False).fit(
            minsize=3, maxsize=4, method="gc", biascorrect=False
        )
    found = np.asarray(multiplets(values).o_information)
    np.testing.assert_allclose(np.sort(found), np.sort(np.asarray(wanted).ravel()), atol=1e-4)


# --- the probe --------------------------------------------------------------------------------------


def experiment(*probes, hidden=8, steps=3, **changes):
    return af.Experiment(
        task=af.tasks.BinaryOperation("x+y", modulus=7, fraction=0.6),
        model=af.models.MLP(hidden=(hidden,), output_bias=False),
        optimiser=af.AdamW(learning_rate=0.03, warmup=0),
        steps=steps,
        record=At((0, steps)),
        probes=probes,
        **changes,
    )


@pytest.fixture(scope="module")
def recorded():
    """Two runs with all readings, and the activations they were taken of."""
    kinds = {
        "neurons": OInformation("layers[0]", Ward(4), unit="nats", name="neurons"),
        "blocks": OInformation("layers[0]", Ward(4), reading="blocks", unit="nats", name="blocks"),
        "means": OInformation("layers[0]", Ward(4), reading="means", unit="nats", name="means"),
        "corrected": OInformation("layers[0]", Ward(4), unit="nats", bias_corrected=True, name="corrected"),
        "greedy": OInformation("layers[0]", Ward(4), unit="nats", search="greedy", name="greedy"),
        "annealing": OInformation("layers[0]", Ward(4), unit="nats", search="annealing", name="annealing"),
        "greedy_blocks": OInformation(
            "layers[0]", Ward(4), reading="blocks", unit="nats", search="annealing", name="greedy_blocks"
        ),
        "followed": OInformation("layers[0]", Ward(4), unit="nats", follow=True, name="followed"),
    }
    plan = af.sweep(experiment(*kinds.values(), activations), {"seed": [0, 1]})
    return plan.run(display=silent)


def activations(moment):
    """All that a probe of the layer sees, for the tests."""
    examples = moment.examples("train")
    seen = moment.activations("layers[0]", examples.inputs)
    return {"values": seen, "valid": examples.valid}


def _candidates(recorded, seed, name, step=-1):
    """O-information of each union of two groups or more, by the definition in float64."""
    run = recorded.isel(seed=seed, step=step)
    valid = run["activations/valid"].values.astype(bool)
    values = run["activations/values"].values[valid].astype(float)
    labels = run[f"{name}/labels"].values.astype(int)
    if name == "means":
        values = np.stack([values[:, labels == one].mean(axis=1) for one in range(4)], axis=1)
        labels = np.arange(4)
    with jax.enable_x64(True):
        correlation = np.asarray(gaussian_copula(jnp.asarray(values)).correlation)
    found = {}
    for count in (2, 3, 4) if name in ("neurons", "annealing", "greedy", "followed") else (3, 4):
        for chosen in itertools.combinations(range(4), count):
            if "blocks" in name:
                parts = [labels == one for one in chosen]
            else:
                parts = [np.arange(len(labels)) == one for one in np.flatnonzero(np.isin(labels, chosen))]
            found[chosen] = of_parts(correlation, parts)
    return found, labels


@pytest.mark.parametrize("name", ["neurons", "blocks", "means", "annealing", "greedy_blocks", "followed"])
@pytest.mark.parametrize("seed", [0, 1])
def test_synergy_and_redundancy_are_the_extremes_of_all_unions(recorded, name, seed):
    found, labels = _candidates(recorded, seed, name)
    run = recorded.isel(seed=seed, step=-1)
    least = min(found, key=found.__getitem__)
    assert run[f"{name}/synergy"] == pytest.approx(-found[least], abs=2e-3)
    assert run[f"{name}/redundancy"] == pytest.approx(max(found.values()), abs=2e-3)
    if name != "means":
        neurons = run[f"{name}/synergy_neurons"].values.astype(bool)
        assert neurons.tolist() == np.isin(labels, least).tolist()
        assert run[f"{name}/synergy_size"] == neurons.sum()


def test_greedy_search_finds_a_union_and_its_value(recorded):
    found, labels = _candidates(recorded, 0, "greedy")
    run = recorded.isel(seed=0, step=-1)
    neurons = run["greedy/synergy_neurons"].values.astype(bool)
    chosen = tuple(sorted(set(labels[neurons].tolist())))
    assert run["greedy/synergy"] == pytest.approx(-found[chosen], abs=2e-3)
    assert run["greedy/synergy"] <= -min(found.values()) + 2e-3


def test_totals_are_those_of_the_whole_layer(recorded):
    run = recorded.isel(seed=0, step=0)
    valid = run["activations/valid"].values.astype(bool)
    whole = information(run["activations/values"].values[valid], unit="nats")
    assert run["neurons/whole"] == pytest.approx(float(whole.o_information), abs=1e-3)
    assert run["neurons/total_correlation"] == pytest.approx(float(whole.total_correlation), abs=1e-3)
    assert run["neurons/dual_total_correlation"] == pytest.approx(
        float(whole.dual_total_correlation), abs=1e-3
    )
    corrected = information(run["activations/values"].values[valid], unit="nats", bias_corrected=True)
    assert run["corrected/whole"] == pytest.approx(float(corrected.o_information), abs=1e-3)
    assert abs(float(whole.o_information - corrected.o_information)) > 1e-3


@pytest.mark.parametrize("name", ["neurons", "blocks"])
def test_the_bias_of_unions_is_that_of_their_entropies(name, float64):
    """Eq. 1 with the bias of each entropy in place of it; dead neurons have none."""
    values = features(60, 9)
    values[:, 4] = 0
    labels = np.array([0, 0, 1, 1, 1, 2, 2, 2, 2])
    copula = gaussian_copula(jnp.asarray(values))
    found = all_unions(copula.correlation, jnp.asarray(labels), copula.alive, 3)
    bias = np.asarray(entropy_bias(60, 9, float))
    ours = (bias_of_variables if name == "neurons" else bias_of_blocks)(found, jnp.asarray(bias))
    alive = np.arange(9) != 4
    for code in range(1, 8):
        inside = alive & ((code >> labels) & 1 == 1)
        parts = [alive & (labels == one) for one in range(3) if code >> one & 1]
        if name == "neurons":
            parts = [np.arange(9) == one for one in np.flatnonzero(inside)]
        wanted = (len(parts) - 2) * bias[inside.sum()]
        wanted += sum(bias[part.sum()] - bias[(inside & ~part).sum()] for part in parts)
        assert float(ours[code]) == pytest.approx(wanted, abs=1e-12)


def few_examples(**how):
    """Twelve neurons, 10 training examples of a table of 25."""
    return dataclasses.replace(
        experiment(OInformation("layers[0]", Ward(2 if not how else 4), **how), hidden=12),
        task=af.tasks.BinaryOperation("x+y", modulus=5, fraction=0.4),
    )


def test_more_neurons_than_training_examples_are_refused_before_training(tmp_path):
    with pytest.raises(
        ValueError, match="10 training examples of 12 neurons: correlations need more samples"
    ):
        af.sweep(few_examples()).run(tmp_path, display=silent)
    # Runs of all fractions share a program; one with too few examples is named, and none is trained.
    plan = af.sweep(few_examples(), {"task.fraction": [0.8, 0.48]})
    with pytest.raises(ValueError, match="12 training examples of 12 neurons"):
        plan.run(tmp_path, display=silent)
    with pytest.raises(ValueError, match="10 training examples"):
        af.sweep(af.fork(few_examples(), 2)).run(tmp_path, display=silent)
    assert not af.store.Store(tmp_path).runs()
    held_out = few_examples(split="test")
    assert np.isfinite(af.sweep(held_out).run(display=silent)["o_information/synergy"]).all()


def test_means_of_groups_need_more_examples_than_groups():
    found = af.sweep(few_examples(reading="means")).run(display=silent).isel(step=-1)
    assert np.isfinite(found["o_information/synergy"])
    assert all(np.isnan(found[f"o_information/{name}"]) for name in ("whole", "total_correlation"))
    with pytest.raises(ValueError, match="4 training examples of 4 groups of neurons"):
        af.sweep(few_examples(reading="means", points=4)).run(display=silent)


def test_groups_are_new_at_each_record_or_those_of_the_start(recorded):
    followed, fresh = recorded["followed/labels"].values, recorded["neurons/labels"].values
    assert (followed[:, 0] == followed[:, -1]).all() and (followed[:, 0] == fresh[:, 0]).all()
    assert (followed[:, -1] != fresh[:, -1]).any()


def test_groups_by_hand_are_data(recorded):
    """Runs with different groups are one pack, and follow the groups that another run had."""
    labels = recorded["neurons/labels"].isel(step=-1).values
    sets = {
        str(seed): {
            "probes": [OInformation("layers[0]", ByHand(4, tuple(map(float, labels[seed]))), unit="nats")]
        }
        for seed in (0, 1)
    }
    plan = af.sweep(experiment(), {"groups": sets, "seed": [0, 1]})
    assert len(packs(plan.runs)) == 1
    data = plan.run(display=silent)
    for seed in (0, 1):
        own = data.isel(step=-1).sel(groups=str(seed), seed=seed)
        known = recorded["neurons/synergy"].isel(seed=seed, step=-1)
        assert own["o_information/synergy"] == pytest.approx(float(known), abs=1e-3)


def test_a_run_of_another_split_and_points():
    some = OInformation("layers[0]", Ward(2), points=15, split="test")
    data = af.sweep(experiment(some, hidden=4)).run(display=silent)
    assert np.isfinite(data["o_information/synergy"]).all()


def test_dead_neurons_and_a_dead_layer():
    model = af.models.MLP(hidden=(6,), init="zeros", output_bias=False)
    dead = dataclasses.replace(experiment(OInformation("layers[0]", Ward(2))), model=model)
    data = af.sweep(dead).run(display=silent)
    assert (data["o_information/dead"] == 6).all()
    assert (data["o_information/synergy"] == 0).all() and (data["o_information/synergy_size"] == 0).all()


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        (lambda: OInformation("layers[3]", Ward(4)), r"layers\[0\]"),
        (lambda: OInformation("layers[0]", Ward(9)), "8 neurons, fewer than 9 groups"),
        (lambda: OInformation("layers[0]", Ward(4), points=6), "6 training examples of 8 neurons"),
        (lambda: OInformation("layers[0]", Ward(13)), "8 neurons, fewer than 13 groups"),
        (lambda: OInformation("layers[0]", ByHand(13, (0.0,) * 8)), "8 neurons, fewer than 13 groups"),
        (lambda: OInformation("layers[0]", Ward(1)), "`groups` must be a whole number of at least 2"),
        (lambda: OInformation("layers[0]", Ward(4), points=1), "`points` must be at least 2"),
        (lambda: OInformation("layers[0]", ByHand(2, (0.0, 1.0))), "2 neurons, the layer has 8"),
        (lambda: OInformation("layers[0]", ByHand(2, (0.0, 2.0))), "whole numbers from 0 to 1, got 2"),
    ],
)
def test_bad_input(probe, message):
    with pytest.raises((ValueError, RecipeError), match=message):
        af.sweep(experiment(probe())).run(display=silent)


def test_many_groups_of_a_wide_layer_have_too_many_unions():
    wide = experiment(OInformation("layers[0]", Ward(13)), hidden=16)
    with pytest.raises(ValueError, match="13 groups have too many unions"):
        af.sweep(wide).run(display=silent)


def test_groups_by_hand_must_be_named():
    table = {"kind": "OInformation", "layer": "layers[0]", "groups": {"kind": "ByHand", "groups": 4}}
    with pytest.raises(RecipeError, match="members: ByHand needs this field"):
        af.training.changed(experiment(), {"probes": [table]})


def test_activations_that_are_not_numbers_give_none():
    broken = experiment(OInformation("layers[0]", Ward(4)), steps=1)
    run = af.sweep(broken).runs[0]
    parameters = {
        ".layers[0].weight": np.full((14, 8), np.nan),
        ".layers[0].bias": np.zeros(8),
        ".readout.weight": np.zeros((8, 7)),
    }
    found = OInformation("layers[0]", Ward(4))(run.moment(parameters, 1))
    assert np.isnan(found["synergy"]) and np.isnan(found["whole"])
