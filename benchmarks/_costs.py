"""What the acts of a cluster cost on this machine: the inputs of its simulation (`_cluster.py`).

Training and starts are processor seconds of fresh worker processes that carry out orders. What the store
costs is wall time (shortest of a few), with nothing in it and with so many sessions, packs or newcomers; the
difference is divided by their number. Times under the lock are those that it was held.
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import json
import multiprocessing
import os
import pathlib
import shutil
import statistics
import tempfile
import time
import typing
import unittest.mock as mock
from collections.abc import Callable, Generator, Sequence

import numpy as np

import afterfit as af
from afterfit.ensemble._engine import Engine
from afterfit.ensemble._machine import layout_for
from afterfit.ensemble._overview import Overview
from afterfit.ensemble._pack import packs, tree_bytes
from afterfit.ensemble._progress import Progress
from afterfit.ensemble._run import read_run, Run
from afterfit.ensemble._shards import Lots, steps_of
from afterfit.ensemble._worker import Order, work
from afterfit.store import _session, LiveRun, RunRecords, Store
from afterfit.store._pack import write_pack
from afterfit.store._running import Claims, next_number, open_session, session_names, settle, sweep
from afterfit.studies.omnigrok import phases

from ._cluster import Costs


EXPERIMENT = phases.sweeps("paper")["phases"].experiment
"""The toy of Liu et al. 2023, section 5, with trained representations; 100,000 steps."""

SPAWN = multiprocessing.get_context("spawn")
SESSIONS, PACKS, NEWCOMERS = 300, 1000, 100
SHARD = 50  # runs that a session holds
TURNS = 7


def plan(steps: int, rates: int, decays: int = 1) -> af.Sweep:
    """Some of the phase diagram, of runs of so many steps."""
    spread = lambda low, high, count: [float(one) for one in np.geomspace(low, high, count)]
    axes = {phases.RATE: spread(1e-5, 1e-1, rates), phases.DECAY: spread(0.03, 20.0, decays)}
    return af.sweep(dataclasses.replace(EXPERIMENT, steps=steps), axes)


def lanes() -> int:
    """Lanes of a worker on a core."""
    (pack,) = packs(plan(100, 1).runs)
    state, record = (tree_bytes(shapes) for shapes in Engine.shapes(pack))
    return layout_for(1, state, record).lanes


def measured(steps: int, known: Costs | None = None) -> Costs:
    """All costs, of runs of so many steps in training and of the whole experiment in the store.

    **Arguments:** `known`: where these are at hand, only what workers cost is measured again.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        if known is None:
            others = _driver(folder / "driver") | _store(folder / "store")
        else:
            others = dataclasses.asdict(known)
        # An order has been read, has claimed, published and closed by itself.
        once = others["claim"] + others["close"] + others["publish"]
        workers = _workers(folder / "workers", steps, once, others["read"] + others["publish_run"])
        return Costs(**typing.cast(typing.Any, others | workers))


# --- workers --------------------------------------------------------------------------------------


class Done(typing.NamedTuple):
    """An order carried out: processor seconds of the process before it, and of the order."""

    before: float
    seconds: float


def carry_out(order: str) -> Done:
    """Works as a worker does, and tells what it cost."""
    before = time.process_time()
    problem = json.loads(work(order))
    if problem["refused"] or problem["failed"]:
        raise RuntimeError(f"a worker could not train: {problem}")
    return Done(before, time.process_time() - before)


def _workers(folder: pathlib.Path, steps: int, once: float, run: float) -> dict[str, typing.Any]:
    """Two workers, each alone, then both at once; `once` an order and `run` a run are counted elsewhere."""
    store = Store(folder)
    many, turns = 9, iter(np.geomspace(1e-4, 1e-2, 100))

    def order(beacon: str, runs: int) -> str:
        rates = [float(next(turns)) for _ in range(runs)]
        made = af.sweep(dataclasses.replace(EXPERIMENT, steps=steps), {phases.RATE: rates}).runs
        terms = Order(str(folder.resolve()), [run.recipe for run in made], None, 15.0, beacon, "")
        return json.dumps(dataclasses.asdict(terms))

    with store.beacon() as beacon:
        with concurrent.futures.ProcessPoolExecutor(1, SPAWN) as pool:
            pool.submit(carry_out, order(beacon.name, 1)).result()  # compiles, for the cache
        pools = [concurrent.futures.ProcessPoolExecutor(1, SPAWN) for _ in range(2)]
        alone: list[list[Done]] = []
        for pool in pools:
            numbers = (1, 1, 1, many)
            alone.append([pool.submit(carry_out, order(beacon.name, runs)).result() for runs in numbers])
        together = [pool.submit(carry_out, order(beacon.name, many)) for pool in pools]
        crowd = [future.result() for future in together]
        for pool in pools:
            pool.shutdown()
    mean = lambda values: statistics.fmean(values)
    again = mean([min(order.seconds for order in turns[1:3]) for turns in alone])
    one = mean(
        [(turns[-1].seconds - min(turns[1].seconds, turns[2].seconds)) / (many - 1) for turns in alone]
    )
    both = mean([(order.seconds - again) / (many - 1) for order in crowd])
    return {
        "start": mean([turns[0].before for turns in alone]),
        "program": max(mean([turns[0].seconds for turns in alone]) - one - once, 0.0),
        "program_again": max(again - one - once, 0.0),
        "step": (one - run) / steps,
        "company": (1.0, one / both),
    }


# --- the store ------------------------------------------------------------------------------------


def _store(folder: pathlib.Path) -> dict[str, float]:
    """What looks and publications cost, and how long the lock is held."""
    store = _Stocked(folder)
    empty = store.holds()
    publish_one, publish_many = store.publication(1), store.publication(SHARD)
    sizes = [_size(runs) for runs in (1, SHARD)]
    run_bytes = (sizes[1] - sizes[0]) / (SHARD - 1)
    store.add_packs(PACKS - store.packs)
    full = store.holds()
    one = _fastest(lambda: Store(folder), lambda reader: reader.has(()))
    reader = Store(folder)
    reader.has(())
    listing = _fastest(lambda: reader, lambda reader: reader.has(())) / store.packs
    index_pack = one / store.packs - listing
    outside = store.outside()
    other = _Stocked(folder.with_name("full"))
    other.add_packs(NEWCOMERS, runs=SHARD)
    many = _fastest(lambda: Store(other.folder), lambda reader: reader.has(()))
    swept = store.sweeping()
    store.add_sessions(SESSIONS)
    swept_crowd = store.sweeping()
    crowded, outside_crowded = store.holds(), store.outside()
    new = _seconds(lambda: Claims(folder / "running").all())
    rise = lambda after, before, count: max((after - before) / count, 0.0)
    found = {
        "listing": listing,
        "index_pack": index_pack,
        "index_run": rise(many, NEWCOMERS * (index_pack + listing), NEWCOMERS * SHARD),
        "publish": publish_one,
        "publish_run": rise(publish_many, publish_one, SHARD - 1),
        "pack_bytes": sizes[0] - run_bytes,
        "run_bytes": run_bytes,
        "look_session": store.look(SESSIONS),
        "claim": empty[0],
        "claim_session": rise(crowded[0], full[0], SESSIONS),
        "claim_new_session": new / SESSIONS,
        "sweep_session": rise(swept_crowd, swept, SESSIONS),
        "sweep_pack": swept / store.packs,
        "claim_outside": rise(outside_crowded, outside, SESSIONS),
        "close": empty[1],
    }
    store.end()
    return found


class _Stocked:
    """A store with as many packs and living sessions as one likes."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.store = Store(folder)
        self.packs = self._names = 0
        self._handles: list[int] = []
        self.run = plan(EXPERIMENT.steps, 1).runs[0]
        live = [_live(self.run, self._name()) for _ in range(lanes())]
        with self.store.claim([one.run for one in live]) as session:
            session.publish_resume(live)
            session.publish_segment(live, Progress(runs=SHARD).summary)
            self._model = folder.with_name(f"session of {folder.name}")
            shutil.copytree(folder / "running" / session.name, self._model)

    def add_packs(self, count: int, runs: int = 1) -> None:
        """So many pack files of so many runs each."""
        with mock.patch("os.fsync"):
            for _ in range(count):
                names = [self._name() for _ in range(runs)]
                write_pack(self.folder / "packs", _records(self.run, names), {}, "")
        self.packs += count

    def add_sessions(self, count: int) -> None:
        """So many living sessions, each with a resume point and a segment of all lanes."""
        for _ in range(count):
            names = [self._name() for _ in range(SHARD)]
            with mock.patch("os.fsync"):
                listed = session_names(self.folder / "running")
                opened, handle = open_session(self.folder / "running", next_number(listed), names, {})
                settle(opened, names)
            self._handles.append(handle)
            for path in self._model.glob("*.safetensors"):
                shutil.copy(path, opened.path)

    def holds(self) -> tuple[float, float]:
        """Seconds that the lock is held to claim, and to close."""
        found: list[list[float]] = []
        reader = Store(self.folder)
        with reader.claim_free([self._name()]):
            pass
        for _ in range(TURNS):
            held: list[float] = []
            reader.has(())
            with _timed_lock(held), reader.claim_free([self._name() for _ in range(SHARD)]):
                pass
            found.append(held)
        return min(one[0] for one in found), min(one[-1] for one in found)

    def sweeping(self) -> float:
        """Seconds of a sweep, which is done with the lock in hand."""
        return _seconds(lambda: sweep(self.folder / "running", self.folder / "packs", self.store.has))

    def outside(self) -> float:
        """Seconds of a claim and of asking for resume points, less those with the lock."""
        found = []
        reader = Store(self.folder)
        for _ in range(TURNS + 1):
            held: list[float] = []
            with _timed_lock(held):
                began = time.perf_counter()
                names = [self._name() for _ in range(SHARD)]
                with reader.claim_free(names) as session:
                    session.resume(names)
                    found.append(time.perf_counter() - began - held[0])
        return min(found)

    def publication(self, runs: int) -> float:
        """Seconds to publish so many runs."""
        found = []
        for _ in range(TURNS):
            records = _records(self.run, [self._name() for _ in range(runs)])
            with self.store.claim([one.run for one in records]) as session:
                began = time.perf_counter()
                session.publish_runs(records)
                found.append(time.perf_counter() - began)
            self.packs += 1
        return min(found)

    def look(self, sessions: int) -> float:
        """Seconds of the driver's look at each session."""
        view = Overview(self.store, Progress(runs=1), af.ensemble.silent)
        return _seconds(lambda: view.show([])) / sessions

    def end(self) -> None:
        """Lets go of the sessions."""
        for handle in self._handles:
            os.close(handle)

    def _name(self) -> str:
        self._names += 1
        return f"{self._names:020x}"


@contextlib.contextmanager
def _timed_lock(held: list[float]) -> Generator[None]:
    """Notes how long each holder of the store's lock has it, apart from sweeping."""
    real = _session.locked

    @contextlib.contextmanager
    def timed(path: pathlib.Path) -> Generator[None]:
        with real(path):
            began = time.perf_counter()
            yield
            held.append(time.perf_counter() - began)

    with (
        mock.patch.object(_session, "locked", timed),
        mock.patch.object(_session, "sweep_due", lambda *_: False),
    ):
        yield


@functools.cache
def _history(run: Run) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    steps = np.asarray(run.record_steps, np.int64)
    names = Engine.shapes(packs([run])[0])[1]
    values = {name: np.zeros((len(steps), *one.shape), one.dtype) for name, one in names.items()}
    return steps, values


def _live(run: Run, name: str) -> LiveRun:
    """A run on its way; its state is left out, as none of what is measured reads it."""
    return LiveRun(name, run.recipe, *_history(run), {}, {})


def _records(run: Run, names: Sequence[str]) -> list[RunRecords]:
    steps, values = _history(run)
    about = _about()
    return [
        RunRecords(name, run.recipe, steps, values, "done", run.experiment.steps, "", {}, about)
        for name in names
    ]


@functools.cache
def _about() -> dict[str, typing.Any]:
    return af.ensemble.about() | {"seconds": 1.0}


def _size(runs: int) -> int:
    with tempfile.TemporaryDirectory() as scratch:
        run = plan(EXPERIMENT.steps, 1).runs[0]
        path = write_pack(pathlib.Path(scratch), _records(run, [f"{i:020x}" for i in range(runs)]), {}, "")
        return path.stat().st_size


def _fastest(make: Callable[[], Store], act: Callable[[Store], typing.Any]) -> float:
    found = []
    for _ in range(TURNS):
        subject = make()
        began = time.perf_counter()
        act(subject)
        found.append(time.perf_counter() - began)
    return min(found)


# --- the driver -----------------------------------------------------------------------------------


def _driver(folder: pathlib.Path) -> dict[str, float]:
    """What the driver does for each run, shard and look."""
    sides = 40, 50
    began = time.perf_counter()
    runs = plan(EXPERIMENT.steps, *sides).runs
    names = [run.id for run in runs]
    groups = [pack.runs for pack in packs(runs)]
    any('"__main__:' in json.dumps(run.recipe) for run in runs)
    planned = time.perf_counter() - began
    store = Store(folder)
    terms = Order(str(folder), [], str(folder), 15.0, "", "")
    one, many = (_sending(Lots(groups, steps_of), terms, count) for count in (1, SHARD))
    answer = json.dumps({"failed": {}, "refused": "", "stopped": False, "steps": 1, "seconds": 1.0})
    flying = [concurrent.futures.Future() for _ in range(len(runs))]
    view = Overview(store, Progress(runs=len(runs)), af.ensemble.silent)
    recipes = [run.recipe for run in runs[:SHARD]]
    with concurrent.futures.ProcessPoolExecutor(1, SPAWN) as pool:
        memory = pool.submit(_memory, str(folder.with_name("memory")), *sides).result()
    return {
        "read": _seconds(lambda: [read_run(recipe) for recipe in recipes]) / SHARD,
        "plan_run": planned / len(runs),
        "send": one,
        "send_run": (many - one) / (SHARD - 1),
        "take": _seconds(lambda: (json.loads(answer), store.has(()))),
        "take_run": _seconds(lambda: store.has(names)) / len(runs),
        "wait": _seconds(lambda: concurrent.futures.wait(flying, 0.0)) / len(flying),
        "look": _seconds(lambda: view.show([])),
        "look_run": _seconds(lambda: (store.has([run.id for run in runs]), view.show(runs))) / len(runs),
        **memory,
    }


def _sending(lots: Lots[Run], terms: Order, count: int) -> float:
    """Seconds to cut a shard of so many runs and to write its order."""

    def send() -> None:
        taken: list[Run] = []
        while len(taken) < count:
            taken += lots.cut(10**9).runs  # one at a time
        json.dumps(vars(dataclasses.replace(terms, recipes=[run.recipe for run in taken])))

    return _seconds(send)


def _memory(folder: str, *sides: int) -> dict[str, float]:
    """Bytes of a driver, of each run that it plans, and of each in its index; in a process of its own."""
    base = _resident()
    runs = plan(EXPERIMENT.steps, *sides).runs
    open_runs = {run.id: run for run in runs}
    lots = Lots([pack.runs for pack in packs(runs)], steps_of)
    planned = _resident()
    store = Store(folder)
    with store.claim(list(open_runs)) as session:
        records = _records(runs[0], list(open_runs))
        for first in range(0, len(records), SHARD):
            session.publish_runs(records[first : first + SHARD])
    del records
    reader = Store(folder)
    before = _resident()
    reader.has(())
    found = _resident() - before
    del lots
    return {
        "driver_bytes": base,
        "driver_run_bytes": (planned - base) / len(runs),
        "driver_entry_bytes": found / len(runs),
    }


def _resident() -> float:
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


def _seconds(act: Callable[[], typing.Any]) -> float:
    found = []
    for _ in range(TURNS):
        began = time.perf_counter()
        act()
        found.append(time.perf_counter() - began)
    return min(found)
