"""Looks at a store again and again, and reads only what is new."""

import os
import threading
import time

import numpy as np

from ..store import LiveRun, RunEntry, RunRecords, Store, StoreStatus
from ._outcomes import Outcomes
from ._scene import make_scene, Scene


_SHARE = 20  # reading anew waits until so many times its own cost has passed: the cores belong to training


class Watch:
    """The scene of a store, as new as it can be without disturbing those who train.

    Any number of threads may ask. Finished runs are read once: they never change.

    **Arguments:** `path`: of the store; `outcomes`: a folder with the outcomes of studies, `None` for none.

    Raises `StoreError` where there is no store.
    """

    def __init__(self, path: str | os.PathLike[str], outcomes: str | os.PathLike[str] | None = None):
        self._store = Store(path, create=False, readonly=True)
        self.outcomes = None if outcomes is None else Outcomes(outcomes)
        self._lock = threading.Lock()
        self._ended: dict[RunEntry, RunRecords] = {}
        self._scene: Scene | None = None
        self._fresh_until = 0.0

    @property
    def name(self) -> str:
        """Of the store."""
        return self._store.name

    def version(self) -> str:
        """That of the scene which `look` would return."""
        with self._lock:
            if self._scene is not None and time.monotonic() < self._fresh_until:
                return self._scene.version
        return self._version()

    def look(self) -> Scene:
        """The scene of now, or that of a moment ago where reading is dear."""
        with self._lock:
            began = time.monotonic()
            if self._scene is not None and began < self._fresh_until:
                return self._scene
            version = self._version()
            if self._scene is None or self._scene.version != version:
                self._scene = self._read(version)
                self._fresh_until = time.monotonic() + _SHARE * (time.monotonic() - began)
            return self._scene

    def records(self, run: str) -> RunRecords:
        """All that is known of a run so far, its snapshots too, which scenes do without.

        **Raises:** `ValueError` if it has no record here.
        """
        status = self._store.status()
        found = (_running(status) | status.interrupted).get(run)
        if found is not None:
            return _so_far(found)
        entries = [entry for entry in self._store.runs() if entry.run == run]
        if not entries:
            raise ValueError(f"no run {run!r} has a record here")
        return self._store.load(entries)[0]

    def _version(self) -> str:
        version = self._store.version()
        return version if self.outcomes is None else f"{version}-{self.outcomes.version()}"

    def _read(self, version: str) -> Scene:
        # The running folder first: a run that ends meanwhile is then seen twice, not missed.
        status = self._store.status()
        entries = self._store.runs()
        new = [entry for entry in entries if entry not in self._ended]
        self._ended |= zip(new, self._store.load(new, snapshots=False), strict=True)
        shown = {entry.run: (self._ended[entry], entry.outcome) for entry in entries}
        for runs, state in ((status.interrupted, "interrupted"), (_running(status), "running")):
            # A failed run that is trained again is shown as it is now.
            shown |= {run: (_so_far(one), state) for run, one in runs.items() if not one.recipe.get("trunk")}
        return make_scene(
            version,
            status,
            [records for records, _ in shown.values()],
            [state for _, state in shown.values()],
        )


def _running(status: StoreStatus) -> dict[str, LiveRun]:
    return {run: one for session in status.sessions for run, one in session.live.items()}


def _so_far(live: LiveRun) -> RunRecords:
    """The records of a run on its way, in the form of one that was stopped now."""
    last = int(np.asarray(live.steps)[-1]) if len(live.steps) else 0
    return RunRecords(
        live.run, live.recipe, live.steps, live.values, "stopped", last, snapshots=live.snapshots
    )
