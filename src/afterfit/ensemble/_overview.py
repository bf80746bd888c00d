"""The progress over all workers."""

import time
from collections.abc import Collection

from ..store import Store, under_way
from ._progress import Display, Progress
from ._run import Run
from ._shards import steps_of


LOOK_EVERY = 1.0
"""Seconds between looks at the store, at least."""

SHARE = 20  # a look may cost one part in so many of the driver's time


class Overview:
    """Shows the progress over all workers, as the store tells it."""

    def __init__(self, store: Store, progress: Progress, display: Display):
        self.store, self.progress, self.display = store, progress, display
        self.workers = 0
        self._missing = progress.runs - progress.stored
        self._next = 0.0
        display(progress)

    @property
    def due(self) -> bool:
        """Whether it is time for another look."""
        return time.monotonic() >= self._next

    def show(self, waiting: Collection[Run]) -> None:
        """Looks at the store and shows where the sweep stands; `waiting` are neither stored nor failed."""
        began = time.monotonic()
        ours = {run.id: run for run in waiting}
        progress = self.progress
        progress.done = self._missing - len(ours)
        progress.active, speed, to_go = 0, 0.0, sum(map(steps_of, waiting))
        for claimed, told in under_way(self.store.path):
            held = ours.keys() & claimed
            if held and told.get("active"):
                speed += told.get("steps_per_second", 0.0)
                progress.active += min(told["active"], len(held))
                in_hand = sum(steps_of(ours[name]) for name in held)
                to_go -= in_hand - min(told.get("steps_to_go", in_hand), in_hand)
        progress.steps_to_go, progress.steps_per_second = to_go, speed or progress.steps_per_second
        busy = f"{self.workers} worker{'s' * (self.workers != 1)}"
        idle = f"{busy} at work" if self.workers else "waiting for workers"
        progress.phase = "training" if progress.active else idle
        progress.rounds += 1
        self.display(progress)
        now = time.monotonic()
        self._next = now + max(LOOK_EVERY, SHARE * (now - began))
