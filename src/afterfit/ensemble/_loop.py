"""Drives a pack: fills lanes, lets the device work, takes in records, retires and refills."""

import collections
import contextlib
import math
import os
import time
import warnings
from collections.abc import Generator

import jax
import numpy as np

from .._memory import free_memory
from ..models import by_path, from_paths
from ..store import LiveRun
from ..training import nearest, RecipeError, State
from ._engine import Engine, Layout, Legs, Outcome, Shapes
from ._forks import begin, snapshot, Starts
from ._interruption import uninterrupted
from ._machine import layout_for
from ._pace import Pace
from ._pack import own_data, Pack, tree_bytes
from ._progress import Display, Progress
from ._publisher import Publisher
from ._seat import Leg, Seat


class Trainer:
    """Trains the runs of one pack to their ends."""

    def __init__(
        self,
        pack: Pack,
        publisher: Publisher,
        progress: Progress,
        display: Display,
        layout: Layout | None,
        starts: Starts,
    ):
        self.pack, self.publisher = pack, publisher
        self.progress, self.display = progress, display
        self.waiting = collections.deque(pack.runs)
        self.points = publisher.resume([run.id for run in pack.runs])
        self.starts = starts
        self.seats: dict[int, Seat] = {}
        self.ended: set[str] = set()
        self._whole = True  # states in lanes and records in seats belong together
        self._last_call = time.monotonic()
        with self._precision():
            self._shapes = template, record = Engine.shapes(pack)
            _check_stop_rules(pack, record)
            self._blank = {name: np.zeros((0, *one.shape), one.dtype) for name, one in record.items()}
            self._lane_bytes = tree_bytes(template) + tree_bytes(own_data(pack.runs[0]))
            self._build(layout or layout_for(len(pack.runs), tree_bytes(template), tree_bytes(record)))

    def run(self) -> None:
        """Trains to the end, or until interrupted: then a resume point is left behind."""
        with self._precision():
            try:
                with self._together():
                    self._fill()
                while self.seats:
                    with uninterrupted():
                        self._call()
                        with self._together():
                            self._fill()
                        self.publisher.publish(self.seats.values(), self._states)
            except KeyboardInterrupt:
                if self._whole:  # if not, the last resume point is the better one
                    self.publisher.publish(self.seats.values(), self._states, force=True)
                raise
            finally:
                self.publisher.publish_finished()

    @contextlib.contextmanager
    def _together(self) -> Generator[None]:
        """Takes lanes and records on together: every signal waits, and an error leaves them apart."""
        with uninterrupted(even_twice=True):
            self._whole = False
            yield
            self._whole = True

    def _precision(self) -> contextlib.AbstractContextManager:
        return jax.enable_x64(self.pack.runs[0].experiment.precision == "float64")

    # --- seating --------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Seats waiting runs in free slots, spread over devices."""
        layout = self.engine.layout
        free = sorted(
            set(range(layout.width)) - set(self.seats), key=lambda slot: (slot % layout.lanes, slot)
        )
        resumed: dict[int, State] = {}
        while free and self.waiting:
            run = self.waiting.popleft()
            seat, point = Seat(run, free[0]), self.points.get(run.id)
            if point is not None and not (self._fits(point) and seat.restore(point)):
                _warn_of(point)
                point = None
            if point is None and run.parent is not None:
                point = begin(run, self.starts[run.id])
                assert seat.restore(point)
            if point is not None:
                if seat.ended:
                    self._retire(seat)
                    continue
                resumed[seat.slot] = from_paths(self.engine.state_template, point.state)
            self.engine.seat(free[0], self.engine.lane(run))
            self.seats[free.pop(0)] = seat
        if resumed:
            self.engine.load(resumed)
        self._balance()

    def _fits(self, point: LiveRun) -> bool:
        """Whether a resume point has a state of the shapes that this program takes."""
        needed = by_path(self.engine.state_template)
        return all(
            path in point.state and point.state[path].shape == leaf.shape for path, leaf in needed.items()
        )

    def _balance(self) -> None:
        """Moves runs between devices that take turns, once none waits, so that no device has two more.

        A device with fewer runs takes each of them further in a call, so it is the first to become free.
        """
        layout = self.engine.layout
        if self.waiting or layout.side_by_side:
            return
        groups: list[list[Seat]] = [[] for _ in layout.devices]
        for seat in self.seats.values():
            groups[seat.slot // layout.lanes].append(seat)
        moves: dict[int, Seat] = {}
        while len(most := max(groups, key=len)) - len(least := min(groups, key=len)) >= 2:
            device = groups.index(least)
            free = (
                set(range(device * layout.lanes, (device + 1) * layout.lanes)) - set(self.seats) - set(moves)
            )
            seat = most.pop()
            moves[min(free)] = seat
            least.append(seat)
        if moves:
            self._move(moves)

    def _move(self, moves: dict[int, Seat]) -> None:
        """Puts seated runs into other slots."""
        states = self.engine.states([seat.slot for seat in moves.values()])
        self.engine.load(dict(zip(moves, states, strict=True)))
        for slot, seat in moves.items():
            self.engine.seat(slot, self.engine.lane(seat.run))
            del self.seats[seat.slot]
            seat.slot = slot
            self.seats[slot] = seat

    def _retire(self, seat: Seat) -> None:
        self.progress.done += 1
        self.progress.diverged += seat.diverged_at >= 0
        self.points.pop(seat.run.id, None)
        self.ended.add(seat.run.id)
        self.publisher.finish(seat.final(self._blank))

    # --- working --------------------------------------------------------------------------------

    def _call(self) -> None:
        """One call to the device and what follows from it."""
        budgets = self.pace.budgets({slot: seat.due for slot, seat in self.seats.items()})
        plans = {slot: seat.plan(budgets[slot], self.engine.layout.legs) for slot, seat in self.seats.items()}
        before = {slot: seat.step for slot, seat in self.seats.items()}
        with self._together():
            began = time.monotonic()
            outcome = self._advance(plans)
            if outcome is None:
                self._narrow()
                return
            elapsed = time.monotonic() - began
            for slot, seat in self.seats.items():
                measures = {name: value[slot] for name, value in outcome.measures.items()}
                seat.take(plans[slot], outcome.steps[slot], int(outcome.diverged_at[slot]), measures)
            taken = {slot: int(outcome.steps[slot, -1]) - before[slot] for slot in self.seats}
            self.pace.learn(elapsed, taken)
            self._keep_snapshots()
            for slot, seat in list(self.seats.items()):
                if seat.ended:
                    self._retire(self.seats.pop(slot))
        self._tell(sum(taken.values()))

    def _advance(self, plans: dict[int, list[Leg]]) -> Outcome | None:
        """What a call brought, or `None` if the memory ran out.

        **Raises:** `MemoryError` if it did so with a single lane.
        """
        layout = self.engine.layout
        shape = (layout.width, layout.legs)
        legs = Legs(np.zeros(layout.width, bool), np.zeros(shape, np.int32), np.zeros(shape, bool))
        for slot, plan in plans.items():
            legs.fresh[slot] = self.seats[slot].fresh
            legs.until[slot] = plan[-1][0]
            for index, (until, recorded) in enumerate(plan):
                legs.until[slot, index], legs.record[slot, index] = until, recorded
        try:
            return self.engine.advance(legs)
        except (jax.errors.JaxRuntimeError, MemoryError) as error:
            if not _out_of_memory(error):
                raise
            if layout.lanes == 1:
                raise self._too_big(layout) from error
        return None

    def _keep_snapshots(self) -> None:
        due = [
            seat
            for seat in self.seats.values()
            if seat.steps and seat.steps[-1] == seat.step and seat.step in seat.run.snapshot_steps
        ]
        due = [seat for seat in due if seat.step not in seat.snapshots]
        if due:
            states = self.engine.states([seat.slot for seat in due])
            for seat, state in zip(due, states, strict=True):
                seat.snapshots[seat.step] = snapshot(state)

    def _states(self, slots: list[int]) -> list[dict[str, np.ndarray]]:
        return [by_path(state) for state in self.engine.states(slots)]

    def _tell(self, steps: int) -> None:
        progress = self.progress
        remaining = sum(seat.run.experiment.steps - seat.step for seat in self.seats.values())
        progress.steps_to_go = remaining + sum(
            run.experiment.steps - run.experiment.first_step for run in self.waiting
        )
        now = time.monotonic()
        progress.advance(steps, now - self._last_call, len(self.seats))
        self._last_call = now
        for name in ("train_accuracy", "test_accuracy"):
            last = [float(seat.records[-1][name]) for seat in self.seats.values() if seat.records]
            if last:
                setattr(progress, name, float(np.median(last)))
        self.publisher.show(self.seats.values(), progress)
        self.display(progress)

    # --- memory ---------------------------------------------------------------------------------

    def _build(self, layout: Layout) -> None:
        """A compiled engine, with half as many lanes for as long as they do not fit into memory.

        **Raises:** as `_too_big` says, if not even one does.
        """
        self.progress.phase = "compiling"
        self.display(self.progress)
        while True:
            engine = _built(self.pack, layout, self._shapes, self._lane_bytes)
            if engine is not None:
                break
            if layout.lanes == 1:
                raise self._too_big(layout)
            layout = layout.halved()
        self.engine, self.pace = engine, Pace(layout)
        self.progress.programs += 1
        self.progress.compile_seconds += engine.compile_seconds

    def _too_big(self, layout: Layout) -> RecipeError | MemoryError:
        """What a single run that does not fit is: a mistake if the machine could never hold its state, else
        something that may go better another time."""
        device, state = layout.devices[0], tree_bytes(self._shapes[0])
        if state > (total := _total_memory(device)):
            return RecipeError(
                [
                    f"model: the parameters and the optimiser's state of one run take {state / 1e9:,.1f} GB, "
                    f"and {device} has {total / 1e9:.1f} GB: try smaller widths."
                ]
            )
        free = free_memory(device)
        return MemoryError(
            f"a single run does not fit into the memory of {device}, of which {free / 1e9:.1f} GB are free: "
            "try a smaller model or batch, or fewer examples."
        )

    def _narrow(self) -> None:
        """After the memory has run out: half as many lanes.

        The states went with the failed call. Seated runs go back to the queue, and from there to their last
        resume points.
        """
        layout = self.engine.layout.halved()
        self.points |= self.publisher.resume([seat.run.id for seat in self.seats.values()])
        self.waiting.extendleft(seat.run for seat in reversed(self.seats.values()))
        self.seats.clear()
        del self.engine  # its buffers must go before new ones come
        self._build(layout)


def _built(pack: Pack, layout: Layout, shapes: Shapes, lane_bytes: int) -> Engine | None:
    """An engine, or `None` if it needs more memory than there is."""
    free = free_memory(layout.devices[0])
    if layout.lanes * lane_bytes > free:  # do not try: a system that promises too much kills the process
        return None
    try:
        engine = Engine(pack, layout, shapes)
    except (jax.errors.JaxRuntimeError, MemoryError) as error:
        if not _out_of_memory(error):
            raise
        return None
    return engine if engine.bytes_needed <= free else None


def _out_of_memory(error: jax.errors.JaxRuntimeError | MemoryError) -> bool:
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def _total_memory(device: jax.Device) -> float:
    """Bytes of a device, free or not; devices of the host share what it has."""
    if device.platform == "cpu":
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return total / len(jax.local_devices(backend="cpu"))
    return (device.memory_stats() or {}).get("bytes_limit", math.inf)


def _warn_of(point: LiveRun) -> None:
    last = f", the last at step {point.steps[-1]}," if len(point.steps) else ""
    warnings.warn(
        f"The resume point of run {point.run} cannot be used: its state, at step {point.state.get('.step')}, "
        f"and its {len(point.steps)} records{last} do not belong together, or are not what this version "
        "makes. The run begins anew.",
        stacklevel=2,
    )


def _check_stop_rules(pack: Pack, record: dict[str, jax.ShapeDtypeStruct]) -> None:
    """Raises `RecipeError` if a run waits for something that is not one number a record."""
    scalars = [name for name, measure in record.items() if measure.shape == ()]
    for rule in {run.experiment.stop for run in pack.runs if run.experiment.stop is not None}:
        if rule.measure not in scalars:
            wrong = f"stop.measure: {rule.measure!r} is not one number a record"
            raise RecipeError([f"{wrong}{nearest(rule.measure, scalars)}"])
