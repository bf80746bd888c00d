"""What the store keeps of a run.

Axes of this module
    records   the recorded steps of one run
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args, Literal

import numpy as np
from jaxtyping import Int


Outcome = Literal["done", "diverged", "stopped", "failed"]
"""How a run ended. A failed run is kept for its message and its records, and is run again when asked for."""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

Values = dict[str, np.ndarray]
"""Measure -> its values at the recorded steps, `"records ..."`."""

Snapshots = dict[int, dict[str, np.ndarray]]
"""Step -> path inside the model -> array."""


@dataclasses.dataclass(frozen=True, eq=False)
class RunRecords:
    """A run that has ended.

    **Arguments:**

    - `run`: its identity, a digest of the recipe.
    - `recipe`: the complete recipe, plain data.
    - `steps`: recorded steps, strictly increasing, `"records"`.
    - `values`: measure -> values, each `"records ..."`.
    - `outcome`: `done`, `diverged`, `stopped` or `failed`, at step `outcome_step`; `message` says more.
    - `snapshots`: step -> path -> array.
    - `about`: versions, machine, wall seconds; the store adds `results_version` where it is missing.

    Raises `ValueError` where these do not fit together.
    """

    run: str
    recipe: dict[str, Any]
    steps: Int[np.ndarray, " records"]
    values: Values
    outcome: str
    outcome_step: int
    message: str = ""
    snapshots: Snapshots = dataclasses.field(default_factory=dict)
    about: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        _check(self.run, self.steps, self.values)
        if self.outcome not in OUTCOMES:
            raise ValueError(f"`outcome` must be one of {', '.join(OUTCOMES)}, got {self.outcome!r}.")


@dataclasses.dataclass(frozen=True, eq=False)
class LiveRun:
    """A run on its way: what it takes to go on, and its records so far.

    **Arguments:**

    - `run`, `recipe`, `steps`, `values`, `snapshots`: as in `RunRecords`.
    - `state`: path -> array: parameters, optimiser state, keys, positions. Segments leave it out.
    """

    run: str
    recipe: dict[str, Any]
    steps: Int[np.ndarray, " records"]
    values: Values
    state: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    snapshots: Snapshots = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        _check(self.run, self.steps, self.values)

    def after(self, step: int) -> "LiveRun":
        """The records and snapshots after `step`, without the state."""
        late = np.asarray(self.steps) > step
        return LiveRun(
            self.run,
            self.recipe,
            np.asarray(self.steps)[late],
            {name: np.asarray(array)[late] for name, array in self.values.items()},
            snapshots={at: tree for at, tree in self.snapshots.items() if at > step},
        )

    def followed_by(self, more: "LiveRun") -> "LiveRun":
        """These records, then those of `more` that come after them (`more` measures the same)."""
        if not self.steps.size:
            return more
        more = more.after(int(self.steps[-1]))
        if not more.steps.size:
            return self
        values = {
            name: np.concatenate([array, more.values[name]])
            for name, array in self.values.items()
            if name in more.values
        }
        steps = np.concatenate([self.steps, more.steps])
        return LiveRun(self.run, self.recipe, steps, values, self.state, {**self.snapshots, **more.snapshots})


def _check(run: str, steps: np.ndarray, values: Mapping[str, np.ndarray]) -> None:
    steps = np.asarray(steps)
    if not run:
        raise ValueError("`run` must be a run's identity, got an empty string.")
    if steps.ndim != 1 or (steps.size and not np.issubdtype(steps.dtype, np.integer)):
        raise ValueError(
            f"`steps` must be integers along one axis, got {steps.dtype} of shape {steps.shape}."
        )
    if np.any(np.diff(steps) <= 0):
        raise ValueError("`steps` must be strictly increasing: a step is recorded once.")
    for name, array in values.items():
        if np.shape(array)[:1] != steps.shape:
            raise ValueError(
                f"`values[{name!r}]` must have one row for each of the {steps.size} recorded steps, "
                f"got shape {np.shape(array)}."
            )
