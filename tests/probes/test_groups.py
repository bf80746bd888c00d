"""Scores of marked groups against a plain loop over their examples."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import afterfit as af
from afterfit.ensemble import silent
from afterfit.models import MLP
from afterfit.probes import group_scores
from afterfit.tasks import BinaryOperation
from afterfit.training import Program, Seeds


def moment_of(task, seed=0):
    experiment = af.Experiment(task, MLP(hidden=(16,)))
    arrays = (task.data(seed), Program.recipe(experiment, Seeds.of(seed)))
    data, recipe = jax.tree.map(jnp.asarray, arrays)
    program = Program(experiment, data.sizes)
    return program.moment(recipe, data, program.start(recipe, data))


def plain(moment, task, chosen):
    """Mean loss and accuracy of some rows of the pool."""
    data = task.data(0)
    logits = np.asarray(jax.vmap(moment.model)(jnp.asarray(data.inputs[chosen])), float)
    targets = data.targets[chosen]
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(chosen)), targets]
    return losses.mean(), np.mean(logits.argmax(axis=1) == targets)


# 29 * 29 equations are more than a block of 512, and no multiple of it.
@pytest.mark.parametrize("operation", ["x+y", "x/y"])
def test_groups_and_the_others_of_their_split(operation):
    task = BinaryOperation(operation, modulus=29, fraction=0.4, outliers=20)
    moment, data = moment_of(task), task.data(0)
    found = group_scores(moment)
    train = set(data.rows[: int(data.train_count)].tolist())
    test = set(data.rows[int(data.train_count) :][: int(data.test_count)].tolist())
    for name, split in (("outlier", train), ("mirrored", test)):
        marked = set(np.flatnonzero(data.groups[name]).tolist())
        assert marked and marked < split
        for label, rows in ((name, marked), (f"not_{name}", split - marked)):
            loss, accuracy = plain(moment, task, sorted(rows))
            np.testing.assert_allclose(found[f"{label}_loss"], loss, rtol=1e-5)
            np.testing.assert_allclose(found[f"{label}_accuracy"], accuracy, rtol=1e-6)


def test_an_empty_group_has_no_scores_and_no_others():
    found = group_scores(moment_of(BinaryOperation("x+y", modulus=7)))
    assert np.isnan([found["outlier_loss"], found["outlier_accuracy"], found["not_outlier_loss"]]).all()
    assert np.isfinite([found["mirrored_loss"], found["not_mirrored_loss"]]).all()


def test_runs_with_and_without_outliers_share_a_pack():
    experiment = af.Experiment(
        BinaryOperation("x+y", modulus=7), MLP(hidden=(8,)), steps=3, probes=(group_scores,)
    )
    data = af.sweep(experiment, {"task.outliers": [0, 5]}).run(display=silent)
    outlier = data["group_scores/outlier_loss"]
    assert outlier.sel({"task.outliers": 0}).isnull().all()
    assert outlier.sel({"task.outliers": 5}).notnull().all()


def test_a_task_without_groups_is_refused():
    moment = moment_of(BinaryOperation("x+y", modulus=7))
    bare = dataclasses.replace(moment, data=dataclasses.replace(moment.data, groups={}))
    with pytest.raises(ValueError, match="marks none"):
        group_scores(bare)
