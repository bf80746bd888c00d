"""When finished runs, resume points and segments go to the store."""

import dataclasses
import time
from collections.abc import Callable, Iterable

import numpy as np

from ..store import LiveRun, RunRecords, Session
from ._progress import Progress
from ._seat import Seat
from ._watcher import Audience, Watcher


SHARE = 60
"""Publishing waits until so many times its own cost has passed. There are two kinds, resume points and
segments, and together they take under 4% of the time."""

WATCHED_EVERY = 2.0
"""Seconds between segments, which show other processes how runs stand."""

States = Callable[[list[int]], Iterable[dict[str, np.ndarray]]]
"""From slots to the states in them, by path."""


@dataclasses.dataclass
class _Clock:
    """Tells when something is due that must not cost more than its share."""

    every: float
    last: float = dataclasses.field(default_factory=time.monotonic)
    cost: float = 0.0

    @property
    def due(self) -> bool:
        return time.monotonic() - self.last > max(self.every, SHARE * self.cost)

    def ran(self, began: float) -> None:
        self.last = time.monotonic()
        self.cost = self.last - began


class Publisher:
    """Keeps what a sweep has brought: in a store's session, or in memory where there is none."""

    def __init__(self, session: Session | None, resume_every: float, watcher: Watcher | None = None):
        self.kept: list[RunRecords] = []
        """Finished runs; with a store, those that it does not have yet."""
        self._session = session
        self._audience = Audience(watcher)
        self._resuming = _Clock(resume_every)
        self._watching = _Clock(WATCHED_EVERY)
        self._published: dict[str, int] = {}  # records of each live run in its last resume point

    def resume(self, runs: list[str]) -> dict[str, LiveRun]:
        """The last resume points of these runs, by earlier processes or by this one."""
        return self._session.resume(runs) if self._session else {}

    def finish(self, records: RunRecords) -> None:
        """Takes a run that has ended; it is published with the next resume point."""
        self.kept.append(records)
        self._audience.ended(records)

    def publish(self, seats: Iterable[Seat], states: States, *, force: bool = False) -> None:
        """Publishes finished runs and a resume point, if due."""
        if self._session is None or not (force or self._resuming.due):
            return
        began = time.monotonic()
        self.publish_finished()
        # A fresh seat's lane still holds the state of the run before it.
        chosen = [seat for seat in seats if not seat.fresh]
        if chosen:
            found = states([seat.slot for seat in chosen])
            live = [seat.live(state) for seat, state in zip(chosen, found, strict=True)]
            self._session.publish_resume(live)
            self._published = {seat.run.id: len(seat.steps) for seat in chosen}
        self._resuming.ran(began)

    def publish_finished(self) -> None:
        """Publishes finished runs at once."""
        if self._session is not None and self.kept:
            self._session.publish_runs(self.kept)
            self.kept = []

    def show(self, seats: Iterable[Seat], progress: Progress) -> None:
        """Lets the watcher see new records, and other processes how runs stand, if due."""
        seats = list(seats)
        self._audience.under_way(seats)
        if self._session is None or not self._watching.due:
            return
        began = time.monotonic()
        live = [seat.live(since=self._published.get(seat.run.id, 0)) for seat in seats]
        self._session.publish_segment(live, progress.summary)
        self._watching.ran(began)
