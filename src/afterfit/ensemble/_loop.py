"""Drives a pack: fills lanes, lets the device work, takes in records, retires and refills."""

import collections
import contextlib
import math
import time
import typing

import jax
import numpy as np

from ..store import LiveRun, RunRecords
from ..training import State
from ._engine import Engine, Layout, LEGS, Legs
from ._machine import free_memory, layout_for
from ._pack import by_path, own_data, Pack
from ._progress import Display, Progress
from ._seat import Leg, Seat


CALL_SECONDS = 0.7
"""How long one call to the device should last: long enough to cost nothing, short enough to show progress."""

RESUME_SHARE = 25
"""A resume point is due when at least this many times its own cost has passed (under 5% of the time)."""


@typing.runtime_checkable
class Keeper(typing.Protocol):
    """Where finished runs and resume points go."""

    def publish_runs(self, runs: list[RunRecords]) -> None:
        """Keeps finished runs."""

    def publish_resume(self, live: list[LiveRun]) -> None:
        """Keeps what unfinished runs need to go on."""

    def publish_segment(self, live: list[LiveRun], progress: dict[str, typing.Any]) -> None:
        """Shows other processes how unfinished runs stand."""


class Trainer:
    """Trains the runs of one pack to their ends."""

    def __init__(
        self,
        pack: Pack,
        keeper: Keeper,
        saved: dict[str, typing.Any],
        progress: Progress,
        display: Display,
        *,
        resume_every: float,
        layout: Layout | None = None,
    ):
        self.pack, self.keeper, self.saved = pack, keeper, saved
        self.progress, self.display = progress, display
        self.resume_every = resume_every
        self.waiting = collections.deque(pack.runs)
        self.seats: dict[int, Seat] = {}
        self.finished: list[RunRecords] = []
        self.started: dict[str, float] = {}
        self._published = time.monotonic()
        self._published_cost = 0.0
        self._shown = 0.0
        self._seconds_per_step = math.inf
        with self._precision():
            self.engine = self._engine(layout)

    # --- the loop -------------------------------------------------------------------------------

    def run(self) -> None:
        """Trains to the end, or until interrupted: then a resume point is left behind."""
        with self._precision():
            try:
                self._fill()
                while self.seats:
                    self._call()
                    self._fill()
                    self._publish(force=False)
            finally:
                self._publish(force=True)

    def _precision(self) -> contextlib.AbstractContextManager:
        return jax.enable_x64(self.pack.runs[0].experiment.precision == "float64")

    def _fill(self) -> None:
        """Seats waiting runs in free slots, spread over devices."""
        width = self.engine.layout.width
        free = sorted(
            set(range(width)) - set(self.seats), key=lambda slot: (slot % self.engine.layout.lanes, slot)
        )
        resumed: dict[int, State] = {}
        while free and self.waiting:
            run, slot = self.waiting.popleft(), free.pop(0)
            seat = self.seats[slot] = Seat(run, slot)
            self.started.setdefault(run.id, time.monotonic())
            self.engine.seat(slot, self.engine.lane(run))
            if run.id in self.saved:
                point = self.saved.pop(run.id)
                seat.restore(point)
                resumed[slot] = _as_state(self.engine.state_template, point.state)
        if resumed:
            self.engine.load(resumed)

    def _call(self) -> None:
        """One call to the device and what follows from it."""
        plans = {slot: seat.plan(self._budget(slot)) for slot, seat in self.seats.items()}
        before = {slot: seat.step for slot, seat in self.seats.items()}
        began = time.monotonic()
        outcome = self.engine.advance(self._legs(plans))
        elapsed = time.monotonic() - began
        for slot, seat in self.seats.items():
            measures = {name: value[slot] for name, value in outcome.measures.items()}
            seat.take(plans[slot], outcome.steps[slot], int(outcome.diverged_at[slot]), measures)
        taken = {slot: seat.step - before[slot] for slot, seat in self.seats.items()}
        self._keep_snapshots()
        self._pace(elapsed, taken)
        self._retire()
        self._show(sum(taken.values()), elapsed)

    def _legs(self, plans: dict[int, list[Leg]]) -> Legs:
        width = self.engine.layout.width
        legs = Legs(np.zeros(width, bool), np.zeros((width, LEGS), np.int32), np.zeros((width, LEGS), bool))
        for slot, plan in plans.items():
            legs.fresh[slot] = self.seats[slot].fresh
            legs.until[slot] = plan[-1][0]
            for index, (until, record) in enumerate(plan):
                legs.until[slot, index], legs.record[slot, index] = until, record
        return legs

    def _budget(self, slot: int) -> int:
        """Steps that a lane may take in one call."""
        layout = self.engine.layout
        if not math.isfinite(self._seconds_per_step):
            return 4
        taking_turns = 1
        if not layout.side_by_side:
            taking_turns = sum(other // layout.lanes == slot // layout.lanes for other in self.seats)
        return max(1, int(CALL_SECONDS / (self._seconds_per_step * taking_turns)))

    def _pace(self, elapsed: float, taken: dict[int, int]) -> None:
        """Learns how long a step takes; careful upwards, since a call cannot be taken back."""
        layout = self.engine.layout
        per_device = collections.Counter({slot // layout.lanes: 0 for slot in taken})
        for slot, steps in taken.items():
            device = slot // layout.lanes
            per_device[device] = (
                max(per_device[device], steps) if layout.side_by_side else per_device[device] + steps
            )
        seconds = elapsed / max(1, max(per_device.values()))
        known = self._seconds_per_step
        self._seconds_per_step = seconds if not math.isfinite(known) else max(seconds, known / 8)

    # --- ends -----------------------------------------------------------------------------------

    def _keep_snapshots(self) -> None:
        due = [
            seat
            for seat in self.seats.values()
            if seat.steps and seat.steps[-1] == seat.step in seat.run.snapshot_steps - set(seat.snapshots)
        ]
        for seat, state in zip(
            due, self.engine.states([seat.slot for seat in due]) if due else [], strict=True
        ):
            seat.snapshots[seat.step] = by_path(state.parameters)

    def _retire(self) -> None:
        for slot, seat in list(self.seats.items()):
            if not seat.ended:
                continue
            del self.seats[slot]
            diverged = seat.diverged_at >= 0
            self.progress.done += 1
            self.progress.diverged += diverged
            self.finished.append(
                RunRecords(
                    run=seat.run.id,
                    recipe=seat.run.recipe,
                    steps=np.asarray(seat.steps),
                    values=seat.values(),
                    outcome="diverged" if diverged else "done",
                    outcome_step=seat.diverged_at if diverged else seat.step,
                    message=_DIVERGED_ADVICE if diverged else "",
                    snapshots=seat.snapshots,
                )
            )

    def _publish(self, force: bool) -> None:
        """Publishes finished runs and a resume point, when due."""
        since = time.monotonic() - self._published
        due = since > max(self.resume_every, RESUME_SHARE * self._published_cost)
        if not (force or due):
            return
        began = time.monotonic()
        if self.finished:
            self.keeper.publish_runs(self.finished)
            self.finished = []
        if self.seats:
            slots = list(self.seats)
            states = self.engine.states(slots)
            self.keeper.publish_resume(
                [_live(self.seats[s], by_path(x)) for s, x in zip(slots, states, strict=True)]
            )
        self._published = time.monotonic()
        self._published_cost = self._published - began

    # --- telling --------------------------------------------------------------------------------

    def _show(self, steps: int, elapsed: float) -> None:
        progress = self.progress
        progress.phase = "training"
        progress.active = len(self.seats)
        progress.steps += steps
        remaining = sum(seat.last_step - seat.step for seat in self.seats.values())
        progress.steps_to_go = remaining + sum(run.experiment.steps for run in self.waiting)
        speed = steps / max(elapsed, 1e-9)
        progress.steps_per_second = (
            speed if not progress.steps_per_second else (0.7 * progress.steps_per_second + 0.3 * speed)
        )
        for name in ("train_accuracy", "test_accuracy"):
            last = [float(seat.records[-1][name]) for seat in self.seats.values() if seat.records]
            if last:
                setattr(progress, name, float(np.median(last)))
        self.display(progress)
        if time.monotonic() - self._shown > 2:
            self._shown = time.monotonic()
            summary = {
                key: getattr(progress, key)
                for key in (
                    "runs",
                    "done",
                    "stored",
                    "diverged",
                    "active",
                    "steps_per_second",
                    "seconds_left",
                )
            }
            self.keeper.publish_segment([_live(seat, {}) for seat in self.seats.values()], summary)

    # --- memory ---------------------------------------------------------------------------------

    def _engine(self, layout: Layout | None) -> Engine:
        """A compiled engine whose lanes fit into memory."""
        if layout is None:
            layout = layout_for(len(self.pack.runs), _lane_bytes(self.pack))
        self.progress.phase = "compiling"
        self.display(self.progress)
        while True:
            engine = Engine(self.pack, layout)
            self.progress.programs += 1
            self.progress.compile_seconds += engine.compile_seconds
            if layout.lanes == 1 or engine.bytes_needed <= free_memory(layout.devices[0]):
                return engine
            layout = Layout(layout.devices, layout.lanes // 2, layout.side_by_side)


_DIVERGED_ADVICE = "the training loss left all bounds: try a smaller learning rate"


def _live(seat: Seat, state: dict[str, np.ndarray]) -> LiveRun:
    return LiveRun(seat.run.id, seat.run.recipe, np.asarray(seat.steps), seat.values(), state, seat.snapshots)


def _as_state(template: State, saved: dict[str, np.ndarray]) -> State:
    paths = jax.tree_util.tree_leaves_with_path(template)
    leaves = [saved[jax.tree_util.keystr(path)] for path, _ in paths]
    return jax.tree.unflatten(jax.tree.structure(template), leaves)


def _lane_bytes(pack: Pack) -> int:
    run = pack.runs[0]
    recipe, data = Engine.whole(pack.shared, Engine.lane(run))
    template = jax.eval_shape(pack.program.start, recipe, data)
    leaves = jax.tree.leaves((template, own_data(run)))
    return sum(math.prod(leaf.shape) * np.dtype(leaf.dtype).itemsize for leaf in leaves)
