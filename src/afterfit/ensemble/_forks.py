"""Forks: runs that begin where another one, their parent, was at a step."""

import dataclasses
import typing
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ..models import by_path, from_paths
from ..store import LiveRun, RunRecords
from ..training import At, Program, RecipeError, State
from ._engine import Engine
from ._pack import Pack, packs, task_data
from ._run import Run


BESIDE = "state"
"""What a snapshot keeps beside the parameters has this in front of its path; that of a parameter begins
otherwise."""


def snapshot(state: State) -> dict[str, np.ndarray]:
    """All that it takes to go on from a state: parameters by their own paths, the rest behind `BESIDE`."""
    return {_kept_as(path): leaf for path, leaf in by_path(state).items()}


def _kept_as(path: str) -> str:
    own = path.removeprefix(".parameters")
    return f"{BESIDE}{path}" if own == path else own


def trunk(run: Run) -> Run:
    """A fork's parent up to the step of the fork, as a run of its own: all forks from there share it.

    Its probes stay, although nobody reads them: another program might round otherwise.
    """
    parent, fork = run.parent, run.experiment.fork
    assert parent is not None and fork is not None
    there = At((fork.step,))
    # A run takes one step at least; a trunk of none has its record and its snapshot before it.
    steps = max(fork.step, fork.parent.first_step + 1)
    shortened = dataclasses.replace(fork.parent, steps=steps, record=there, snapshots=there, stop=None)
    return Run(shortened, run.seeds, trunk=True)


class Start(typing.NamedTuple):
    """What a fork's parent was at the step of the fork; `kept` is empty if it had diverged before."""

    kept: dict[str, np.ndarray]
    template: State
    diverged_at: int


Starts = dict[str, Start]
"""The starts of forks, by run."""


def templates(forks: Sequence[Run]) -> dict[str, State]:
    """Shapes of the states of the forks' parents, by fork, once it is known that the forks fit them.

    **Raises:** `ValueError` as the start of a run does, so that a mistake shows before anything is trained,
    and `RecipeError` for parameters of other shapes.
    """
    parents = {run.id: run.parent for run in forks if run.parent is not None}
    # A parent's measures are looked at when its trunk is trained.
    own = _by_run(forks, lambda pack: Engine.shapes(pack)[0])
    its = _by_run(list(parents.values()), Engine.state_shapes)
    for run, parent in parents.items():
        ours, theirs = (by_path(states.parameters) for states in (own[run], its[parent.id]))
        for path in {**ours, **theirs}:
            here, there = (getattr(one.get(path), "shape", "missing") for one in (ours, theirs))
            if here != there:
                raise RecipeError(
                    [f"fork: needs parameters shaped as its parent's: {path} is {here} here, {there} there."]
                )
    return {run: its[parent.id] for run, parent in parents.items()}


def _by_run(runs: Sequence[Run], shapes: Callable[[Pack], State]) -> dict[str, State]:
    found = {}
    for pack in packs(runs):
        with jax.enable_x64(pack.runs[0].experiment.precision == "float64"):
            state = shapes(pack)
        found |= dict.fromkeys((run.id for run in pack.runs), state)
    return found


def start(run: Run, records: RunRecords, template: State) -> Start | None:
    """Where a fork begins, from the records of its parent or trunk; `None` if these do not tell.

    They do not where the parent stopped early, or its snapshots hold parameters alone.
    """
    kept = records.snapshots.get(run.experiment.first_step, {})
    if f"{BESIDE}.step" in kept:
        return Start(kept, template, -1)
    return Start({}, template, records.outcome_step) if records.outcome == "diverged" else None


def begin(run: Run, start: Start) -> LiveRun:
    """The point that a fork goes on from, as if it had been interrupted there before its first record.

    A fork whose parent had diverged has done so too.
    """
    if not start.kept:
        at = np.asarray(start.diverged_at, np.int32)
        state = {".step": at, ".diverged_at": at}
    else:
        experiment = run.experiment
        with jax.enable_x64(experiment.precision == "float64"):
            kept = {path: jnp.asarray(start.kept[_kept_as(path)]) for path in by_path(start.template)}
            parent = from_paths(start.template, kept)
            recipe = jax.tree.map(jnp.asarray, Program.recipe(experiment, run.seeds))
            program = Program(experiment, task_data(experiment.task, run.seeds.split).sizes)
            state = {path: np.asarray(leaf) for path, leaf in by_path(program.forked(recipe, parent)).items()}
    return LiveRun(run.id, run.recipe, np.zeros(0, np.int64), {}, state)
