"""A run in its lane: what it does next and what it has recorded."""

import dataclasses
import functools
import typing

import numpy as np

from ..store import LiveRun, RunRecords
from ._run import Run


Leg = tuple[int, bool]
"""The step to train to, and whether to measure there."""

_DIVERGED_ADVICE = "the training loss left all bounds: try a smaller learning rate"
_DIVERGED_BEFORE = "the parent diverged before the step of the fork"


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
    stopped: bool = False

    @functools.cached_property
    def recipe(self) -> dict[str, typing.Any]:
        """That of the run."""
        return self.run.recipe

    @property
    def ended(self) -> bool:
        """Whether nothing remains to be done."""
        at_last = not self.fresh and self.step >= self.run.experiment.steps
        return self.diverged_at >= 0 or self.stopped or at_last

    @property
    def due(self) -> int:
        """Steps to the next record, or to the end."""
        return self._target(len(self.steps))[0] - self.step

    def _target(self, index: int) -> Leg:
        schedule = self.run.record_steps
        return (schedule[index], True) if index < len(schedule) else (self.run.experiment.steps, False)

    def plan(self, budget: int, most_legs: int) -> list[Leg]:
        """The legs of the next call: at most `budget` steps (or one), and never past a snapshot."""
        legs: list[Leg] = []
        at, index = self.step, len(self.steps)
        while len(legs) < most_legs and not (legs and budget <= 0):
            target, recorded = self._target(index)
            stride = min(target - at, max(budget, 1))
            at, budget, index = at + stride, budget - stride, index + 1
            legs.append((at, recorded and at == target))
            if at < target or not recorded or at in self.run.snapshot_steps:
                break
        return legs

    def take(
        self, legs: list[Leg], reached: np.ndarray, diverged_at: int, measures: dict[str, np.ndarray]
    ) -> None:
        """Takes in what one call brought: `reached` and `measures` are "legs ..." arrays of this lane."""
        self.fresh = False
        for index, (until, recorded) in enumerate(legs):
            if int(reached[index]) != until:  # diverged on the way
                break
            if recorded:
                self.steps.append(until)
                # Copies, lest each record hold on to the arrays of all lanes.
                self.records.append({name: np.array(value[index]) for name, value in measures.items()})
        self.step = int(reached[len(legs) - 1])
        self.diverged_at = diverged_at
        self._stop()

    def _stop(self) -> None:
        """Ends the run where its stop rule says; legs beyond that were trained in vain."""
        rule = self.run.experiment.stop
        if rule is None:
            return
        end = rule.first_end(np.array([record[rule.measure] for record in self.records]))
        if end is None:
            return
        del self.steps[end + 1 :], self.records[end + 1 :]
        self.step, self.stopped, self.diverged_at = self.steps[-1], True, -1
        self.snapshots = {step: kept for step, kept in self.snapshots.items() if step <= self.step}

    def values(self, since: int = 0) -> dict[str, np.ndarray]:
        """The records from index `since` on, as "records ..." arrays."""
        chosen = self.records[since:]
        return {name: np.stack([record[name] for record in chosen]) for name in chosen[0]} if chosen else {}

    def live(self, state: dict[str, np.ndarray] | None = None, since: int = 0) -> LiveRun:
        """What the store keeps of a run on its way."""
        return LiveRun(
            self.run.id,
            self.recipe,
            np.asarray(self.steps[since:], np.int64),
            self.values(since),
            state or {},
            self.snapshots if state else {},
        )

    def final(self, blank: dict[str, np.ndarray]) -> RunRecords:
        """What the store keeps of a run that has ended; `blank` are the measures of one without records."""
        diverged = self.diverged_at >= 0
        advice = _DIVERGED_ADVICE if self.step >= self.run.experiment.first_step else _DIVERGED_BEFORE
        return RunRecords(
            run=self.run.id,
            recipe=self.recipe,
            steps=np.asarray(self.steps, np.int64),
            values=self.values() or blank,
            outcome="diverged" if diverged else "done",
            outcome_step=self.diverged_at if diverged else self.step,
            message=advice if diverged else "",
            snapshots=self.snapshots,
        )

    def restore(self, point: LiveRun) -> bool:
        """Takes over a resume point; `False` if state and records do not belong together."""
        step = int(point.state[".step"])
        recorded = [int(one) for one in point.steps]
        if recorded != self.run.record_steps[: len(recorded)] or (recorded and recorded[-1] > step):
            return False
        following = self._target(len(recorded))[0]
        if following < step:
            return False
        self.fresh, self.step, self.steps = False, step, recorded
        self.records = [
            {name: value[index] for name, value in point.values.items()} for index in range(len(recorded))
        ]
        self.snapshots = dict(point.snapshots)
        self.diverged_at = int(point.state[".diverged_at"])
        self._stop()
        return True


def failure(run: Run, trace: str) -> RunRecords:
    """What the store keeps of a run that raised something: the traceback, which ends with the message."""
    start = run.experiment.first_step
    return RunRecords(run.id, run.recipe, np.zeros(0, np.int64), {}, "failed", start, trace)
