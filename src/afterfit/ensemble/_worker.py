"""What a worker does: an order comes as JSON text, results go to the store, a summary goes back."""

import dataclasses
import functools
import json
import os
import pathlib
import socket
import threading
import time
import typing

from .._failure import told
from ..store import RESULTS_VERSION, Store, StoreBusy
from ._device import take_device
from ._executor import leaving
from ._progress import Progress
from ._run import read_run
from ._runner import run_free


LOOK_EVERY = 0.5  # seconds between looks at the driver's beacon, and at whether the worker must go

PAUSE = 10.0
"""Seconds that a worker rests after an order that it could not carry out. One whose disk is full answers at
once, and would take order after order from those that work."""


@dataclasses.dataclass(frozen=True)
class Order:
    """What a driver asks a worker for: to train some runs into a store, as far as they are free.

    **Arguments:**

    - `store`: what it is opened by: an absolute path that means the same on every machine, or an address.
    - `recipes`: complete recipes, plain data.
    - `folder`: where modules that recipes name are looked up first.
    - `resume_every`: seconds between resume points.
    - `beacon`, `driver`: the driver's beacon, where the worker stops once it is out, and its process.
    - `number`: makes each order another one, lest an executor remember the answer to the last.
    - `results_version`: of the driver's code.
    """

    store: str
    recipes: list[dict[str, typing.Any]]
    folder: str | None
    resume_every: float
    beacon: str
    driver: str
    number: int = 0
    results_version: int = RESULTS_VERSION


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a worker answers; the numbers themselves are in the store.

    **Arguments:**

    - `failed`: run -> its traceback.
    - `refused`: why this worker could not carry the order out; another one may.
    - `worker`: its process.
    - `stopped`: whether it was interrupted.
    - `steps`, `seconds`, `overhead`: steps trained, how long that took, and what came before the first.
    """

    failed: dict[str, str]
    refused: str = ""
    worker: str = ""
    stopped: bool = False
    steps: int = 0
    seconds: float = 0.0
    overhead: float = 0.0


def work(order: str) -> str:
    """Carries out an `Order` and returns a `Summary`, both as JSON text.

    Nothing else crosses between driver and worker, so nothing that comes in is executed; only the name of
    this function and these texts go through the serialisation of an executor.
    """
    try:
        summary = _work(Order(**json.loads(order)))
    except Exception as error:  # of its disk, its files, its version: what a run raises is in the summary
        summary = Summary({}, f"{type(error).__name__}: {error}", this_process())
        time.sleep(PAUSE)
    return json.dumps(dataclasses.asdict(summary))


def _work(order: Order) -> Summary:
    if order.results_version != RESULTS_VERSION:
        raise ValueError(
            f"this worker has results version {RESULTS_VERSION}, the driver has {order.results_version}: "
            "they need the same version of afterfit."
        )
    if order.driver != this_process():
        take_device()
    # A module of the user's may lie beside the recipe, or where the sweep was started.
    folder = None if order.folder is None else pathlib.Path(order.folder)
    runs = [read_run(recipe, folder) for recipe in order.recipes]
    store = _store(order.store, threading.get_ident())
    watch = _Watch(store, order.beacon)
    try:
        tried = run_free(runs, store, display=watch, resume_every=order.resume_every)
    except KeyboardInterrupt:
        return watch.summary({}, stopped=True)
    except StoreBusy:  # a trunk that another one trains; the driver waits and asks again
        return watch.summary({}, stopped=True)
    return watch.summary({run: told(error) for run, error in tried.items() if error is not None})


@functools.lru_cache(maxsize=8)
def _store(path: str, thread: int) -> Store:
    """A store remembers the headers that it has read, for one thread."""
    del thread
    return Store(path, create=False)


def this_process() -> str:
    """This process among those of all machines."""
    return f"{os.getpid()}@{socket.gethostname()}"


class _Watch:
    """A display that stops training when the beacon is out or the worker must go, and keeps what it cost."""

    def __init__(self, store: Store, beacon: str):
        self._store, self._beacon = store, beacon
        self._began = time.monotonic()
        self._trained_from = self._looked = 0.0
        self._steps = 0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.phase == "training":
            self._trained_from = self._trained_from or now
            self._steps = progress.steps
        if now - self._looked > LOOK_EVERY:
            self._looked = now
            if leaving() or not self._store.lit(self._beacon):
                raise KeyboardInterrupt

    def summary(self, failed: dict[str, str], *, stopped: bool = False) -> Summary:
        """What to answer now."""
        now = time.monotonic()
        start = self._trained_from or now
        return Summary(
            failed,
            stopped=stopped,
            steps=self._steps,
            seconds=now - start,
            overhead=start - self._began,
        )
