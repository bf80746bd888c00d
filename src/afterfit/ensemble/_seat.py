"""A run in its lane: what it does next and what it has recorded."""

import dataclasses
import typing

import numpy as np

from ._engine import LEGS
from ._run import Run


Leg = tuple[int, bool]
"""The step to train to, and whether to measure there."""


@dataclasses.dataclass
class Seat:
    """A run, the slot it occupies, and its records so far."""

    run: Run
    slot: int
    step: int = 0
    fresh: bool = True
    steps: list[int] = dataclasses.field(default_factory=list)
    records: list[dict[str, np.ndarray]] = dataclasses.field(default_factory=list)
    snapshots: dict[int, dict[str, np.ndarray]] = dataclasses.field(default_factory=dict)
    diverged_at: int = -1
    ended: bool = False

    @property
    def last_step(self) -> int:
        """The step at which the recipe ends."""
        return self.run.experiment.steps

    def plan(self, budget: int) -> list[Leg]:
        """The legs of the next call: at most `budget` steps, and never past a snapshot."""
        legs: list[Leg] = []
        at = self.step
        for target in self.run.record_steps[len(self.steps) :]:
            if len(legs) == LEGS or (legs and budget <= 0):
                break
            stride = min(target - at, max(budget, 1))
            at, budget = at + stride, budget - stride
            legs.append((at, at == target))
            if at != target or target in self.run.snapshot_steps:
                break
        return legs

    def take(
        self, legs: list[Leg], reached: np.ndarray, diverged_at: int, measures: dict[str, np.ndarray]
    ) -> None:
        """Takes in what one call brought: `reached` and `measures` are "legs ..." arrays of this lane."""
        self.fresh = False
        for index, (until, record) in enumerate(legs):
            if int(reached[index]) != until:  # diverged on the way
                break
            if record:
                self.steps.append(until)
                self.records.append({name: value[index] for name, value in measures.items()})
        self.step = int(reached[len(legs) - 1])
        self.diverged_at = diverged_at
        self.ended = diverged_at >= 0 or self.step >= self.last_step or self._stops()

    def _stops(self) -> bool:
        rule = self.run.experiment.stop
        if rule is None:
            return False
        end = rule.first_end(self.values()[rule.measure])
        if end is None:
            return False
        # Legs beyond the end were trained in vain; what remains does not depend on how legs fell.
        del self.steps[end + 1 :], self.records[end + 1 :]
        self.step = self.steps[-1]
        return True

    def values(self) -> dict[str, np.ndarray]:
        """The records so far, as "records ..." arrays."""
        if not self.records:
            return {}
        return {name: np.stack([record[name] for record in self.records]) for name in self.records[0]}

    def restore(self, saved: typing.Any) -> None:
        """Takes over the records of a resume point."""
        self.fresh = False
        self.steps = [int(step) for step in saved.steps]
        self.records = [
            {name: value[index] for name, value in saved.values.items()} for index in range(len(self.steps))
        ]
        self.snapshots = dict(saved.snapshots)
        self.step = int(saved.state[".step"])
