"""The machine that the figures share: it groks where it is said to, and its recipe is a file."""

import dataclasses

import numpy as np
import pytest

import afterfit as af
from afterfit import models, probes, tasks
from afterfit.ensemble import read_recipe, silent, write_recipe
from afterfit.studies.kumar2023._losses import grokked, loss_times, remainder, rise, TOTAL
from afterfit.studies.kumar2023._recipe import ALPHA, EPSILON, machine, TRAIN


@pytest.mark.slow
def test_the_robust_configuration_groks():
    """The test loss rises by 10 to 30%, falls four times later than the training loss, and to a twentieth.

    So it was found in other draws of the same setting, by a program of another make.
    """
    experiment = dataclasses.replace(machine("laptop"), record=af.LogSpaced(20))
    data = af.sweep(experiment).run(display=silent)
    assert data[TOTAL].values[0] == pytest.approx(0.75, rel=1e-6)  # of all seeds
    times = loss_times(data, test=TOTAL)
    assert not times["ratio_censored"].item()
    assert 1.1 <= rise(data, TOTAL).item() <= 1.3
    assert times["ratio"].item() >= 4
    assert remainder(data, TOTAL).item() <= 0.05
    assert grokked(data, test=TOTAL).item()
    # At a global minimum of the centred loss the trace has grown by 1 / (alpha epsilon), 1 of it its own.
    assert data["committee_loss/trace"].values[-1] == pytest.approx(11, rel=0.15)
    assert data["committee_loss/alignment"].values[-1] > 10 * data["committee_loss/alignment"].values[0]


def test_its_rate_is_a_multiple_of_the_width_over_the_square_of_the_scale():
    experiment = machine("laptop", width=30, rate=1.5, alpha=4.0)
    assert experiment.optimiser == af.GradientDescent(learning_rate=45.0)
    assert experiment.parametrisation == af.Parametrisation(output_scale=4.0, scaled_rate=True)
    assert experiment.precision == "float64" and experiment.batch is None


def test_at_smoke_scale_all_is_tiny_but_a_task_of_ones_own():
    small = machine("smoke")
    assert small.steps == 20 and small.task == tasks.Polynomial(inputs=6, train=12)
    assert small.model == models.CommitteeMachine(width=8, nonlinearity=0.1, reduced=True)
    own = tasks.Polynomial(inputs=9, train=33)
    assert machine("smoke", task=own).task == own


def test_changes_of_the_model_and_of_the_experiment():
    changed = machine("laptop", model={"reduced": False, "readout": "normal"}, twin=True, steps=7)
    assert changed.model == models.CommitteeMachine(width=200, nonlinearity=0.1, readout="normal")
    assert changed.twin and changed.steps == 7


def test_its_axes_are_fields():
    axes = {ALPHA: [0.5, 2.0], EPSILON: [0.1, 0.2], TRAIN: [8, 12]}
    plan = af.sweep(machine("smoke"), axes)
    assert len(plan.runs) == 8 and len({run.id for run in plan.runs}) == 8
    last = plan.runs[-1].experiment
    assert last.parametrisation.output_scale == 2.0
    assert last.task == tasks.Polynomial(inputs=6, train=12)
    assert last.model == models.CommitteeMachine(width=8, nonlinearity=0.2, reduced=True)


RECIPES = {
    "machine": machine(
        "smoke", rate=0.5, twin=True, probes=(probes.committee_loss, probes.relative_change, probes.twin)
    ),
    "the authors' keys": machine(
        "smoke",
        centred=False,
        task=tasks.Polynomial(inputs=5, train=6, test=7, beta="normal", keys=(0, 1, 2)),
        model={
            "width": 2,
            "key": 0,
            "aligned": 0.25,
            "direction": (1.0, 0.0, -1.0, 0.5, 2.0),
            "reduced": False,
        },
        stop=af.Sustained("train_loss", level=1e-9, records=2, below=True),
    ),
    "Hermite": machine(
        "smoke",
        task=tasks.Polynomial(inputs=5, train=6, test=7, degree=3, directions=2, pool=40, most_train=20),
        model={"degree": 3, "readout": "normal", "reduced": False},
        probes=(probes.relative_change,),
    ),
    "eigenvector": machine(
        "smoke",
        rate=0.5,
        task=tasks.KernelEigenvector(inputs=5, train=6, test=7, index=13, unit_variance=True),
        probes=(probes.relative_change,),
    ),
    "network": machine("smoke", model=None, probes=()),
}
RECIPES["network"] = dataclasses.replace(
    RECIPES["network"],
    model=models.MLP(hidden=(7,), activation="square", init="unit", bias=False, output_bias=False),
    batch=4,
)


@pytest.mark.parametrize("name", list(RECIPES))
def test_a_recipe_is_a_file_and_the_file_is_the_recipe(tmp_path, name):
    plan = af.sweep(RECIPES[name], {"seed": [0, 1], ALPHA: [0.5, 1.0]})
    path = tmp_path / "recipe.toml"
    write_recipe(plan, path)
    again = read_recipe(path)
    assert [run.experiment for run in again.runs] == [run.experiment for run in plan.runs]
    assert [run.id for run in again.runs] == [run.id for run in plan.runs]


@pytest.mark.parametrize("name", ["machine", "eigenvector"])
def test_recipes_from_files_run(tmp_path, name):
    path = tmp_path / "recipe.toml"
    write_recipe(af.sweep(RECIPES[name]), path)
    data = read_recipe(path).run(display=silent)
    losses = data["train_loss"].values
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
