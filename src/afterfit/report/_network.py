"""The network of one run at a snapshot, taken from a store."""

import dataclasses
import functools
import json
import typing
from collections.abc import Mapping, Sequence

import numpy as np

from ..store import RunEntry, RunRecords, Store, StoreError
from ..training import Experiment, from_plain
from ._labels import told_apart


_LISTED = 12  # runs in a message


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """What a run's network was at a step.

    **Arguments:**

    - `entry`: the run.
    - `step`: of the snapshot.
    - `parameters`, `initial`: from path to array, at that step and at step 0; `initial` is empty where the
      snapshot does not hold it.
    - `last`: the run's last step.
    - `own_code`: whether modules that the recipe names may be imported.
    """

    entry: RunEntry
    step: int
    last: int
    parameters: dict[str, np.ndarray]
    initial: dict[str, np.ndarray]
    own_code: bool = False

    @property
    def kind(self) -> str:
        """The kind of the model, as recipes name it."""
        return self.entry.recipe["model"]["kind"]

    @functools.cached_property
    def experiment(self) -> Experiment:
        """The run's task, model and parametrisation; all else is at its default.

        **Raises:** `RecipeError` for a user's own parts: a store may be somebody else's, and what its recipes
        name is not imported unless `own_code` allows it.
        """
        parts = ("task", "model", "parametrisation")
        chosen = {name: self.entry.recipe[name] for name in parts if name in self.entry.recipe}
        return from_plain(chosen, own_code=self.own_code)

    @property
    def symbols(self) -> int | None:
        """How many distinct tokens the task has, if its inputs are tokens."""
        return self.experiment.task.data(self.entry.recipe["seeds"]["split"]).sizes.symbols

    @property
    def metadata(self) -> dict[str, str]:
        """What goes with the arrays into a file: recipe, versions and machine are JSON."""
        return {
            "run": self.entry.run,
            "step": str(self.step),
            "last_step": str(self.last),
            "recipe": json.dumps(self.entry.recipe),
            "about": json.dumps(self.entry.about),
        }


def read_network(store: Store, run: str | None, step: int | None, own_code: bool = False) -> Network:
    """The network of a run at a step, by default at its last snapshot.

    **Arguments:** `run`: its id, or the beginning of it; `None` if the store holds one run alone.

    **Raises:** `ValueError` if no run, or more than one, has that id, if the run keeps no snapshots, or none
    of that step. `StoreError` for a store without finished runs.
    """
    entries = {entry.run: entry for entry in store.runs()}
    if not entries:
        raise StoreError(
            f"{store.address} holds no finished run yet: `afterfit view` shows those on their way."
        )
    entry = entries[only_run({name: one.recipe for name, one in entries.items()}, run or "")]
    (records,) = store.load([entry])
    if not records.snapshots:
        raise ValueError(
            f"run {entry.run} keeps no snapshots: give its experiment some, such as "
            f"`snapshots=af.At((0, {records.outcome_step}))`, and train it again."
        )
    step = max(records.snapshots) if step is None else step
    if step not in records.snapshots:
        raise ValueError(
            f"run {entry.run} keeps no snapshot of step {step}, but of {_listed(sorted(records.snapshots))}."
        )
    kept = records.snapshots[step]
    return Network(
        entry, step, int(records.outcome_step), parameters(kept), _below(kept, "state.initial"), own_code
    )


def chosen_step(records: RunRecords, step: int | None) -> int:
    """The step of a snapshot that was asked for, or else of the last one."""
    return step if step is not None and step in records.snapshots else max(records.snapshots)


def advice(records: RunRecords) -> str:
    """How a run comes to keep snapshots."""
    last = records.recipe.get("steps", "STEPS")
    return (
        f"Give its experiment some, such as `snapshots=af.LogSpaced()` or `snapshots=af.At((0, {last}))`, "
        "and train it again."
    )


def only_run(recipes: Mapping[str, Mapping[str, typing.Any]], beginning: str) -> str:
    """The one run whose id begins so, of some with their recipes.

    **Raises:** `ValueError` if there is none, or more than one; it lists some, with what tells them apart.
    """
    ids = sorted(recipes)
    matching = [found for found in ids if found.startswith(beginning)]
    if len(matching) == 1:
        return matching[0]
    told = f"{len(matching)} of {len(ids)} runs begin so" if matching else "there is none"
    shown = matching or ids
    fields = told_apart([recipes[run] for run in shown])
    lines = [f"  {run[:12]}  {its}" for run, its in zip(shown[:_LISTED], fields, strict=False)]
    more = [f"  ... and {len(shown) - _LISTED} more"] if len(shown) > _LISTED else []
    asked = f"Which run is {beginning!r}? {told}." if beginning else f"Which of {len(ids)} runs? Name one."
    raise ValueError("\n".join([asked, *lines, *more]))


def parameters(kept: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What of a snapshot is the network; the rest is what it takes to go on from there."""
    return {path: array for path, array in kept.items() if not path.startswith("state")}


def _below(kept: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {path.removeprefix(prefix): array for path, array in kept.items() if path.startswith(prefix)}


def _listed(steps: Sequence[typing.Any]) -> str:
    shown = steps if len(steps) <= 12 else [*steps[:6], "...", *steps[-5:]]
    return ", ".join(map(str, shown))
