"""Fourier measures against NumPy's transform, explicit projections and a network that adds perfectly."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float, Int, Key

import afterfit as af
from afterfit.ensemble import Run, silent
from afterfit.models import AbstractArchitecture, MLP, Transformer
from afterfit.probes import ExcludedLoss, fourier_power, RestrictedLoss
from afterfit.tasks import BinaryOperation, Data, Sizes
from afterfit.training import from_plain, Moment, Seeds, to_plain


class LookupModel(eqx.Module):
    """A network that is nothing but its table of logits."""

    logits: Float[Array, "left right outputs"]

    def __call__(self, inputs: Int[Array, "2"]) -> Float[Array, " outputs"]:
        return self.logits[inputs[0], inputs[1]]


@dataclasses.dataclass(frozen=True)
class Lookup(AbstractArchitecture):
    extra: int = 2  # answers beyond the residues, as the tokens of an operator and of `=`

    def build(self, sizes: Sizes, *, key: Key[Array, ""]) -> LookupModel:
        del key
        assert sizes.symbols is not None
        return LookupModel(jnp.zeros((sizes.symbols, sizes.symbols, sizes.outputs + self.extra)))


def moment_with(model: AbstractArchitecture, task: BinaryOperation, **parameters: np.ndarray) -> Moment:
    """A moment whose parameters of these names are the given ones."""
    run = Run(af.Experiment(task, model), Seeds.of(0))
    return run.moment(own_parameters(run) | {f".{name}": value for name, value in parameters.items()}, 0)


def own_parameters(run: Run) -> dict[str, np.ndarray]:
    sizes = run.experiment.task.data(0).sizes
    model = run.experiment.model.build(sizes, key=jax.random.key(0))
    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(model, eqx.is_inexact_array))
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def power_by_numpy(rows: np.ndarray) -> np.ndarray:
    spectrum = np.abs(np.fft.fft(rows.astype(float), axis=0)) ** 2
    n = len(rows)
    power = np.array([spectrum[sorted({k, n - k})].sum() for k in range(1, n // 2 + 1)])
    return power / power.sum()


@pytest.mark.parametrize("modulus", [13, 10])
def test_power_of_a_transformers_tables_is_that_of_numpys_transform(modulus):
    rng = np.random.default_rng(0)
    embedding = rng.normal(size=(modulus + 2, 8)).astype(np.float32)
    unembedding = rng.normal(size=(8, modulus + 2)).astype(np.float32)
    task = BinaryOperation("x+y", modulus=modulus)
    model = Transformer(width=8, heads=2, layers=1)
    found = fourier_power(moment_with(model, task, embedding=embedding, unembedding=unembedding))
    expected = power_by_numpy(embedding[:modulus])
    np.testing.assert_allclose(found["embedding"], expected, rtol=1e-4)
    np.testing.assert_allclose(found["embedding_top5"], np.sort(expected)[-5:].sum(), rtol=1e-4)
    np.testing.assert_allclose(found["output"], power_by_numpy(unembedding.T[:modulus]), rtol=1e-4)


def test_planted_frequencies_have_their_shares():
    # Amplitudes 2 and 1 at frequencies 3 and 5, and a large constant that must not count.
    s = np.arange(13)
    rows = np.stack([2 * np.cos(2 * np.pi * 3 * s / 13), np.sin(2 * np.pi * 5 * s / 13), 0 * s + 50], 1)
    model, task = Transformer(width=4, heads=1, layers=1), BinaryOperation("x+y", modulus=13)
    unembedding = np.zeros((4, 15), np.float32)
    unembedding[:3, :13] = rows.T
    share = np.asarray(fourier_power(moment_with(model, task, unembedding=unembedding))["output"])
    np.testing.assert_allclose(share, [0, 0, 0.8, 0, 0.2, 0], atol=1e-6)


def test_an_mlps_tables_are_its_first_and_last_weights():
    rng = np.random.default_rng(1)
    first = rng.normal(size=(14, 5)).astype(np.float32)
    last = rng.normal(size=(5, 7)).astype(np.float32)
    moment = moment_with(
        MLP(hidden=(5,)),
        BinaryOperation("x+y", modulus=7),
        **{"layers[0].weight": first, "readout.weight": last},
    )
    found = fourier_power(moment)
    both_places = np.concatenate([first[:7], first[7:]], axis=1)
    np.testing.assert_allclose(found["embedding"], power_by_numpy(both_places), rtol=1e-4)
    np.testing.assert_allclose(found["output"], power_by_numpy(last.T), rtol=1e-4)
    np.testing.assert_allclose(found["output_top5"], 1, rtol=1e-6)  # there are only three


def test_a_readout_of_zeros_has_no_shares():
    model = Transformer(width=4, heads=1, layers=1, zero_readout=True)
    found = fourier_power(moment_with(model, BinaryOperation("x+y", modulus=7)))
    assert np.isnan(found["output"]).all()
    assert np.isfinite(found["embedding"]).all()


# --- restricted and excluded loss -----------------------------------------------------------------

MODULUS = 11
ADDITION = BinaryOperation("x+y", modulus=MODULUS, fraction=0.4)


def cosines(frequencies: tuple[int, ...], amplitude: float = 6.0) -> np.ndarray:
    """Logits of a network that adds: sums of cos(w(a + b - c)), and nothing for the other tokens."""
    s = np.arange(MODULUS)
    difference = s[:, None, None] + s[None, :, None] - s[None, None, :]
    logits = amplitude * sum(np.cos(2 * np.pi * k * difference / MODULUS) for k in frequencies)
    return np.concatenate([logits, np.zeros((MODULUS, MODULUS, 2))], axis=2).astype(np.float32)


def table_loss(logits: np.ndarray, rows: np.ndarray) -> float:
    flat = logits[..., :MODULUS].reshape(MODULUS**2, MODULUS).astype(float)
    logs = flat - np.log(np.exp(flat).sum(axis=1, keepdims=True))
    sums = np.add.outer(np.arange(MODULUS), np.arange(MODULUS)).reshape(-1) % MODULUS
    return -logs[np.arange(MODULUS**2), sums][rows].mean()


def training_rows(data: Data) -> np.ndarray:
    return data.rows[: int(data.train_count)]


def test_a_perfect_adder_keeps_its_loss_on_its_frequencies_and_knows_nothing_without_them():
    logits = cosines((1, 4))
    moment = moment_with(Lookup(), ADDITION, logits=logits)
    np.testing.assert_allclose(
        RestrictedLoss(count=2)(moment), table_loss(logits, np.arange(MODULUS**2)), rtol=1e-4
    )
    np.testing.assert_allclose(ExcludedLoss(count=2)(moment), np.log(MODULUS), rtol=1e-5)
    named = RestrictedLoss(frequencies=(4, 1))(moment)
    np.testing.assert_allclose(named, RestrictedLoss(count=2)(moment), rtol=1e-6)
    # With the wrong frequency kept nothing is left, and with it removed nothing is lost.
    np.testing.assert_allclose(RestrictedLoss(frequencies=(2,))(moment), np.log(MODULUS), rtol=1e-5)
    train = training_rows(ADDITION.data(0))
    np.testing.assert_allclose(ExcludedLoss(frequencies=(2,))(moment), table_loss(logits, train), rtol=1e-4)
    # One of two removed leaves the other.
    np.testing.assert_allclose(
        ExcludedLoss(frequencies=(4,))(moment), table_loss(cosines((1,)), train), rtol=1e-4
    )


@pytest.mark.parametrize("modulus", [11, 8])
def test_components_are_projections_on_cosines_and_sines_of_sums(modulus):
    rng = np.random.default_rng(2)
    task = BinaryOperation("x+y", modulus=modulus, fraction=0.4)
    logits = rng.normal(size=(modulus, modulus, modulus + 2)).astype(np.float32)
    moment = moment_with(Lookup(), task, logits=logits)
    keys = (1, modulus // 2)
    flat = logits[..., :modulus].reshape(modulus**2, modulus).astype(float)
    sums = np.add.outer(np.arange(modulus), np.arange(modulus)).reshape(-1)
    kept = np.zeros_like(flat)
    for k in keys:  # as in the code released with the paper: unit vectors over all pairs
        for wave in (np.cos, np.sin):
            direction = wave(2 * np.pi * k * sums / modulus)
            if np.linalg.norm(direction) > 1e-6:  # the sine of the highest frequency of an even n is 0
                direction = direction / np.linalg.norm(direction)
                kept += np.outer(direction, direction @ flat)

    def loss(table: np.ndarray, rows: np.ndarray) -> float:
        logs = table - np.log(np.exp(table).sum(axis=1, keepdims=True))
        return -logs[np.arange(len(table)), sums % modulus][rows].mean()

    restricted = loss(kept + flat.mean(axis=0), np.arange(modulus**2))
    excluded = loss(flat - kept, training_rows(task.data(0)))
    np.testing.assert_allclose(RestrictedLoss(frequencies=keys)(moment), restricted, rtol=1e-5)
    np.testing.assert_allclose(ExcludedLoss(frequencies=keys)(moment), excluded, rtol=1e-5)


def test_the_strongest_frequencies_are_chosen_anew_at_each_moment():
    strong, weak = cosines((3,)), cosines((5,), amplitude=1.0)
    moment = moment_with(Lookup(), ADDITION, logits=strong + weak)
    one = RestrictedLoss(count=1)(moment)
    np.testing.assert_allclose(one, RestrictedLoss(frequencies=(3,))(moment), rtol=1e-6)


# --- inside programs ------------------------------------------------------------------------------


def test_they_run_in_a_pack_and_round_trip_as_recipes():
    probes = (fourier_power, RestrictedLoss(count=2), ExcludedLoss(frequencies=(1, 3)))
    task = BinaryOperation("x+y", modulus=7, fraction=0.6)
    experiment = af.Experiment(
        task, MLP(hidden=(8,)), steps=4, probes=probes, snapshots=af.At((4,)), record=af.At((0, 4))
    )
    assert from_plain(to_plain(experiment)) == experiment
    data = af.sweep(experiment, {"seed": [0, 1]}).run(display=silent)
    assert data["fourier_power/output"].shape == (2, 2, 3)
    for name in ("restricted_loss", "excluded_loss", "fourier_power/embedding_top5"):
        assert data[name].shape == (2, 2) and np.isfinite(data[name]).all()


# --- complaints -----------------------------------------------------------------------------------


def test_impossible_frequencies_are_refused():
    with pytest.raises(ValueError, match="`count` must be at least 1"):
        RestrictedLoss(count=0)
    with pytest.raises(ValueError, match="at least 1, got"):
        ExcludedLoss(frequencies=(0, 3))
    moment = moment_with(Lookup(), ADDITION)
    with pytest.raises(ValueError, match="at most 5, got"):
        ExcludedLoss(frequencies=(6,))(moment)


def test_models_and_tasks_without_tables_are_refused():
    moment = moment_with(Lookup(), ADDITION)
    with pytest.raises(ValueError, match="try a Transformer or an MLP"):
        fourier_power(moment)
    bare = dataclasses.replace(moment, data=dataclasses.replace(moment.data, symbols=None))
    with pytest.raises(ValueError, match="inputs are symbols"):
        fourier_power(bare)
    with pytest.raises(ValueError, match="full table of pairs"):
        RestrictedLoss()(bare)
