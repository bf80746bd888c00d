"""Who sees the records of runs while they train."""

import dataclasses
import typing
import warnings
from collections.abc import Iterable

from ..store import LiveRun, RunRecords
from ._seat import Seat


@typing.runtime_checkable
class Watcher(typing.Protocol):
    """Anything that can be called with new records of a run, e.g. a function that sends them elsewhere."""

    def __call__(self, records: LiveRun | RunRecords, /) -> None:
        """Takes in the records of one run that came since the last call about it.

        A `RunRecords` says that the run has ended; it may hold no new record. A run that goes on from a
        resume point is told from its first record: whoever keeps records by run and step then has each of
        them once, also those that were on their way when the process died.
        """


class Audience:
    """Tells a watcher, if there is one, each record of a run once."""

    def __init__(self, watcher: Watcher | None = None):
        self._watcher = watcher
        self._told: dict[str, int] = {}  # how many records of each run on its way

    def under_way(self, seats: Iterable[Seat]) -> None:
        """Tells what is new of runs that train."""
        for seat in seats if self._watcher else ():
            told = self._told.get(seat.run.id, 0)
            if told < len(seat.steps):
                self._told[seat.run.id] = len(seat.steps)
                self._tell(seat.live(since=told))

    def ended(self, records: RunRecords) -> None:
        """Tells that a run has ended, and what is new of it."""
        told = self._told.pop(records.run, 0)
        values = {name: array[told:] for name, array in records.values.items()}
        self._tell(dataclasses.replace(records, steps=records.steps[told:], values=values))

    def _tell(self, records: LiveRun | RunRecords) -> None:
        if self._watcher is None:
            return
        try:
            self._watcher(records)
        except Exception as error:  # a lost connection must not cost a night of training
            self._watcher = None
            warnings.warn(
                f"the watcher failed and is told nothing any more: {type(error).__name__}: {error}. "
                "Training goes on.",
                stacklevel=2,
            )
