"""Forks: runs that begin where another one, their parent, was at a step."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from ..store import LiveRun, RunRecords
from ..training import At, Program, RecipeError, State
from ._pack import by_path, task_data
from ._run import Run


Starts = dict[str, LiveRun]
"""For each fork the point that it begins at, in the form of a resume point without records."""

BESIDE = "state"
"""In front of the paths of all that a snapshot keeps beside the parameters."""


def snapshot(state: State) -> dict[str, np.ndarray]:
    """What is kept of a state: its parameters by their paths, and all else by its path behind `state`."""
    whole = by_path(state)
    parameters = by_path(state.parameters)
    kept = {f"{BESIDE}{path}": leaf for path, leaf in whole.items() if not path.startswith(".parameters")}
    return parameters | kept


def parent(run: Run) -> Run:
    """The run that a fork branches off."""
    fork = run.experiment.fork
    assert fork is not None
    return Run(fork.parent, run.seeds)


def trunk(run: Run) -> Run:
    """The parent of a fork up to the step where it branches off, as a run of its own.

    All forks of that parent at that step share it.
    """
    fork = run.experiment.fork
    assert fork is not None
    here = At((fork.step,))
    up_to = dataclasses.replace(
        fork.parent,
        steps=max(fork.step, fork.parent.first_step + 1),
        record=here,
        snapshots=here,
        stop=None,
        probes=(),
    )
    return Run(up_to, run.seeds)


def begin(run: Run, records: RunRecords) -> LiveRun:
    """Where a fork begins, from the records of its parent or trunk.

    **Raises:** `RecipeError` for a parent that diverged before.
    """
    experiment = run.experiment
    fork = experiment.fork
    assert fork is not None
    if fork.step not in records.snapshots:
        raise RecipeError(
            [f"fork.step: the parent diverged at step {records.outcome_step}, before step {fork.step}."]
        )
    with jax.enable_x64(experiment.precision == "float64"):
        data = jax.tree.map(jnp.asarray, task_data(experiment.task, run.seeds.split))
        before = _restored(parent(run), records.snapshots[fork.step])
        recipe = jax.tree.map(jnp.asarray, Program.recipe(experiment, run.seeds))
        state = Program(experiment, data.sizes).forked(recipe, before)
        kept = {path: np.asarray(leaf) for path, leaf in by_path(state).items()}
    return LiveRun(run.id, run.recipe, np.zeros(0, np.int64), {}, kept)


def _restored(run: Run, kept: Mapping[str, np.ndarray]) -> State:
    """A state from its snapshot."""
    data = jax.tree.map(jnp.asarray, task_data(run.experiment.task, run.seeds.split))
    recipe = jax.tree.map(jnp.asarray, Program.recipe(run.experiment, run.seeds))
    template = jax.eval_shape(Program(run.experiment, data.sizes).start, recipe, data)
    leaves = []
    for path, _ in jax.tree_util.tree_leaves_with_path(template):
        name = jax.tree_util.keystr(path)
        own = name.removeprefix(".parameters")
        leaves.append(jnp.asarray(kept[f"{BESIDE}{name}" if own == name else own]))
    return jax.tree.unflatten(jax.tree.structure(template), leaves)
