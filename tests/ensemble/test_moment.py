"""A run revived from a stored snapshot is the run as it was recorded."""

import equinox as eqx
import jax
import numpy as np
import pytest

import afterfit as af
from afterfit.ensemble import silent
from afterfit.models import MLP
from afterfit.tasks import BinaryOperation, MeanSquaredError
from afterfit.training import Every, Parametrisation


@pytest.fixture(scope="module")
def revived(tmp_path_factory):
    """Runs of two fractions of a centred model, with their records."""
    folder = tmp_path_factory.mktemp("store")
    experiment = af.Experiment(
        BinaryOperation("x+y", modulus=5, objective=MeanSquaredError()),
        MLP(hidden=(6,)),
        parametrisation=Parametrisation(output_scale=3.0),
        steps=6,
        record=Every(3),
        snapshots=Every(3),
    )
    plan = af.sweep(experiment, {"task.fraction": [0.4, 0.6]})
    plan.run(folder, display=silent)
    kept = af.store.Store(folder).load([run.id for run in plan.runs])
    return list(zip(plan.runs, kept, strict=True))


@pytest.mark.parametrize("which", [0, 1])
def test_its_scores_are_those_recorded(revived, which):
    run, kept = revived[which]
    for index, step in enumerate(kept.steps):
        moment = run.moment(kept.snapshots[int(step)], int(step))
        for split in ("train", "test"):
            recorded = kept.values[f"{split}_loss"][index]
            np.testing.assert_allclose(moment.scores(split).loss, recorded, rtol=1e-5, atol=1e-7)


def test_in_float64_it_starts_from_the_same_weights(revived):
    run, kept = revived[0]
    single, double = (run.moment(kept.snapshots[6], 6, precision) for precision in (None, "float64"))
    for ours, theirs in zip(*(jax.tree.leaves(moment.initial) for moment in (single, double)), strict=True):
        assert theirs.dtype == np.float64
        np.testing.assert_array_equal(ours, np.asarray(theirs))
    with jax.enable_x64(True):
        loss = double.scores("train").loss
        assert loss.dtype == np.float64
    np.testing.assert_allclose(np.asarray(loss), single.scores("train").loss, rtol=1e-5)


def test_runs_of_one_structure_share_a_compiled_probe(revived):
    traces = []

    @eqx.filter_jit
    def probe(moment):
        traces.append(moment)
        return moment.scores("train").loss

    for run, kept in revived:
        np.testing.assert_allclose(
            probe(run.moment(kept.snapshots[6], 6)), kept.values["train_loss"][-1], rtol=1e-5
        )
    assert len(traces) == 1


def test_a_moment_computes_in_the_precision_that_was_asked_for():
    """Coarse products of the training are no part of a measurement in float64."""
    fine, coarse = (
        af.sweep(af.Experiment(BinaryOperation("x+y", modulus=5), MLP(hidden=(6,)), precision=one)).runs[0]
        for one in ("float32", "bf16")
    )
    kept = _parameters(fine)

    def loss(run, precision):
        with jax.enable_x64(precision == "float64"):
            return float(run.moment(kept, 0, precision).scores("train").loss)

    assert loss(fine, "float64") == pytest.approx(loss(coarse, "float64"), rel=1e-12)
    assert abs(loss(fine, None) - loss(coarse, None)) > 1e-6  # 8 bits of products of order one


def _parameters(run):
    """What a network starts from, by path."""
    data = run.experiment.task.data(0)
    model = run.experiment.model.build(data.sizes, key=jax.random.key(0))
    return {
        jax.tree_util.keystr(path): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(eqx.filter(model, eqx.is_inexact_array))
    }
