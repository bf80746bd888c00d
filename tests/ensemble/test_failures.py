"""What goes wrong in one run stays there: its message is stored, and the others are as if it had not been."""

import concurrent.futures
import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import afterfit as af
from afterfit.ensemble import _loop, attend, Layout, silent
from afterfit.models import MLP
from afterfit.store import Store
from afterfit.tasks import AbstractTask, BinaryOperation
from afterfit.training import Fork, RecipeError


TASK = BinaryOperation("x+y", modulus=5)
BASE = af.Experiment(TASK, MLP(hidden=(8,)), af.AdamW(), steps=40, record=af.Every(10))


@pytest.fixture(scope="module")
def alone():
    """Two runs that nothing stands in the way of."""
    return af.sweep(BASE, {"seed": [0, 1]}).run(display=silent)


@dataclasses.dataclass(frozen=True)
class Absent(AbstractTask):
    """A task that cannot be made, of some seeds."""

    sound_from: int = 1000

    @property
    def objective(self):
        """As the task that it would be."""
        return TASK.objective

    def data(self, seed):
        """Its arrays."""
        if seed < self.sound_from:
            raise LookupError(f"no data for seed {seed}")
        return TASK.data(seed)


def raising(moment):
    """A probe that cannot be compiled."""
    raise KeyError("while it is compiled")


def fits(outcomes: list[str], store, names: list[str], reason: str) -> None:
    """Raises unless the runs have these outcomes, and the failed ones their reason with a traceback."""
    entries = {entry.run: entry for entry in Store(store, readonly=True).runs()}
    assert [entries[name].outcome for name in names] == outcomes
    for name in names:
        if entries[name].outcome == "failed":
            message = entries[name].message
            assert message.startswith("Traceback") and reason in message.splitlines()[-1]
            assert __file__ in message


def in_this_process(plan, store):
    plan.run(store, display=silent)


def by_workers(plan, store):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        plan.run(store, executor=pool, display=silent)


@pytest.mark.parametrize("run", [in_this_process, by_workers])
@pytest.mark.parametrize(
    ("axes", "outcomes", "reason"),
    [
        ({"probes": [(raising,), ()]}, ["failed", "failed", "done", "done"], "while it is compiled"),
        ({"task": [Absent(), TASK]}, ["failed", "failed", "done", "done"], "no data for seed"),
        ({"task": [Absent(1), TASK]}, ["failed", "done", "done", "done"], "no data for seed 0"),
    ],
)
def test_code_of_a_users_that_raises(tmp_path, alone, run, axes, outcomes, reason):
    plan = af.sweep(BASE, {**axes, "seed": [0, 1]})
    with pytest.raises((KeyError, LookupError, RuntimeError), match=reason):
        run(plan, tmp_path / "s")
    fits(outcomes, tmp_path / "s", [one.id for one in plan.runs], reason)
    again = af.sweep(BASE, {"seed": [0, 1]}).run(tmp_path / "s", display=silent)
    assert again.identical(alone)
    assert not list((tmp_path / "s" / "running").glob("0*"))


def test_a_job_of_an_array_stores_what_its_runs_raised(tmp_path):
    plan = af.sweep(BASE, {"task": [Absent(), TASK], "seed": [0, 1]})
    found = attend(plan.runs, tmp_path / "s", 1, 1, display=silent)
    assert found.stored == 2 and found.failed.keys() == {run.id for run in plan.runs[:2]}
    fits(["failed", "failed", "done", "done"], tmp_path / "s", [run.id for run in plan.runs], "no data")


def test_a_fork_of_a_task_that_cannot_be_made(tmp_path):
    plan = af.sweep(af.fork(dataclasses.replace(BASE, task=Absent()), 20))
    with pytest.raises(LookupError, match="no data"):
        plan.run(tmp_path / "s", display=silent)
    fits(["failed"], tmp_path / "s", [run.id for run in plan.runs], "no data")


@pytest.mark.parametrize("run", [in_this_process, by_workers])
def test_forks_of_a_parent_that_raises_fail_and_all_others_are_trained(tmp_path, alone, run):
    bad = dataclasses.replace(BASE, probes=(raising,))
    plan = af.sweep(BASE, {"fork": [Fork(bad, 20), Fork(BASE, 20), None], "seed": [0, 1]})
    with pytest.raises((KeyError, RuntimeError), match="while it is compiled"):
        run(plan, tmp_path / "s")
    outcomes = ["failed", "failed", "done", "done", "done", "done"]
    fits(outcomes, tmp_path / "s", [one.id for one in plan.runs], "while it is compiled")
    assert af.sweep(BASE, {"seed": [0, 1]}).run(tmp_path / "s", display=silent).identical(alone)


# --- memory -------------------------------------------------------------------------------------


def test_a_model_that_no_memory_holds(tmp_path, alone):
    """A mistake in the recipe: nothing is stored of it, and the other packs are trained."""
    plan = af.sweep(BASE, {"model.hidden": [(3_000_000, 3_000_000), (8,)], "seed": [0, 1]})
    with pytest.raises(RecipeError, match="the optimiser's state of one run take .*: try smaller widths"):
        plan.run(tmp_path / "s", display=silent)
    entries = {entry.run: entry for entry in Store(tmp_path / "s").runs()}
    assert [run.id in entries for run in plan.runs] == [False, False, True, True]


@pytest.mark.parametrize("free", [10**6, 10**5])  # the state fits, but not with its data; nor the state
def test_a_pack_that_does_not_fit_into_what_is_free(tmp_path, alone, monkeypatch, free):
    """Another time there may be more: its runs are failed, and tried again when asked for."""
    monkeypatch.setattr(_loop, "tree_bytes", lambda tree: 10**6)
    monkeypatch.setattr(_loop, "free_memory", lambda device: free)
    with pytest.raises(MemoryError, match="a single run does not fit .*: try a smaller model or batch"):
        af.sweep(BASE, {"seed": [0, 1]}).run(tmp_path / "s", display=silent)
    (first, second) = Store(tmp_path / "s").runs()
    assert first.outcome == second.outcome == "failed"
    assert "try a smaller model" in first.message.splitlines()[-1]
    monkeypatch.undo()
    assert af.sweep(BASE, {"seed": [0, 1]}).run(tmp_path / "s", display=silent).identical(alone)


@pytest.mark.parametrize("kind", [jax.errors.JaxRuntimeError, MemoryError])
def test_a_single_lane_that_uses_the_memory_up(tmp_path, monkeypatch, kind):
    def full(engine, legs):
        raise kind("RESOURCE_EXHAUSTED: Out of memory allocating 42 bytes.")

    monkeypatch.setattr(_loop.Engine, "advance", full)
    layout = Layout(tuple(jax.devices()[:1]), 1, side_by_side=False)
    plan = af.sweep(BASE, {"seed": [0, 1]})
    with pytest.raises(MemoryError, match="try a smaller model"):
        plan.run(tmp_path / "s", layout=layout, display=silent)
    assert Store(tmp_path / "s").status().counts["failed"] == 2


# --- numbers that are none ----------------------------------------------------------------------


def undefined(moment):
    """Not a number, from step 20 on."""
    return jnp.where(moment.step >= 20, jnp.nan, 1.0)


def test_a_probe_may_be_undefined(alone):
    data = af.sweep(dataclasses.replace(BASE, probes=(undefined,)), {"seed": [0, 1]}).run(display=silent)
    assert (data["outcome"] == "done").all()
    np.testing.assert_array_equal(data["undefined"], [[1, 1, math.nan, math.nan, math.nan]] * 2)
    np.testing.assert_array_equal(data["train_loss"], alone["train_loss"])


def test_a_run_that_diverges_keeps_its_records_and_its_neighbours(tmp_path, alone):
    axes = {"optimiser.learning_rate": [0.001, 1e30], "seed": [0, 1]}
    data = af.sweep(dataclasses.replace(BASE, record=af.At((0, 10))), axes).run(
        tmp_path / "s", display=silent
    )
    assert data["outcome"].values.tolist() == [["done", "done"], ["diverged", "diverged"]]
    lost = data.isel({"optimiser.learning_rate": 1})
    assert (
        np.isfinite(lost["train_loss"].sel(step=0)).all() and np.isnan(lost["train_loss"].sel(step=10)).all()
    )
    assert (lost["outcome_step"] < 10).all()
    kept = data["train_loss"].isel({"optimiser.learning_rate": 0})
    np.testing.assert_array_equal(kept, alone["train_loss"].sel(step=[0, 10]))
