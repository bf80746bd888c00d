"""Students of a teacher, and the shares of their answers that are near enough."""

import jax
import numpy as np
import pytest

from afterfit.ensemble import sweep
from afterfit.studies.kumar2023 import _student
from afterfit.training import AdamW, At, Program


@pytest.fixture(scope="module")
def data():
    base = _student.student(alpha=0.5, steps=60, record=At((0, 60)))
    return base, sweep(base, {"seed": [3]}).run().isel(seed=0)


def test_shares_are_those_of_errors_taken_by_hand(data):
    """At step 0, from the parameters: layer by layer, in NumPy."""
    base, found = data
    (run,) = sweep(base, {"seed": [3]}).runs
    task = base.task.data(3)
    outputs, targets = _outputs(run), np.asarray(task.targets)[: len(task.rows)]
    for split, rows in (("train", task.rows[:100]), ("test", task.rows[100:200])):
        error = outputs[rows] - targets[rows]
        squared = (error**2).mean(axis=1)
        assert float(found[f"{split}_loss"].sel(step=0)) == pytest.approx(squared.mean(), rel=1e-4)
        for threshold in (*_student.THRESHOLDS,):
            share = float(found[f"within/{split}_below_{threshold:g}"].sel(step=0))
            assert share == pytest.approx((squared < threshold).mean(), abs=1e-6)
    # The objective's own tolerance is one of the thresholds.
    for split in ("train", "test"):
        np.testing.assert_allclose(
            found[f"within/{split}_below_0.001"], found[f"{split}_accuracy"], atol=1e-6
        )


def _outputs(run):
    """Answers at step 0 to the whole pool, in NumPy."""
    task = run.experiment.task.data(run.seeds.split)
    program = Program(run.experiment, task.sizes)
    state = jax.jit(program.start)(program.recipe(run.experiment, run.seeds), task)
    x = np.asarray(task.inputs)
    for layer in state.parameters.layers:
        x = np.tanh(x @ np.asarray(layer.weight) + np.asarray(layer.bias))
    readout = state.parameters.readout
    return 0.5 * (x @ np.asarray(readout.weight) + np.asarray(readout.bias))


def test_exact_asks_for_every_output():
    wide = _student.student(
        steps=1, record=At((0,)), probes=(_student.Within(exact=0.4, thresholds=(0.16,)),)
    )
    found = sweep(wide, {"seed": [0]}).run().isel(seed=0, step=0)
    # An answer of which no output is off by 0.4 has a mean square below 0.16, and not the other way round.
    assert 0 < float(found["within/test_exact"]) < float(found["within/test_below_0.16"]) <= 1


def test_the_recipe_is_that_of_the_appendix():
    base = _student.student(steps=10)
    assert base.optimiser == AdamW(learning_rate=3e-4, weight_decay=0.05, b1=0.9, b2=0.999, warmup=0)
    assert base.parametrisation.init_scale == 2 and not base.parametrisation.centred
    assert not base.parametrisation.scaled_rate
