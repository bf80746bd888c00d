"""Drives a sweep whose runs are trained by the workers of an executor."""

import concurrent.futures
import contextlib
import dataclasses
import json
import os
import pathlib
import time
import warnings
from collections.abc import Iterable, Sequence

from ..store import Beacon, Store
from ._executor import capacity, checked, lost, renewed
from ._forks import trunk
from ._overview import LOOK_EVERY, Overview
from ._pack import shares
from ._progress import Display, Progress
from ._run import Run
from ._runner import check, give_up, Job, noun_of
from ._shards import Lots, most_out, Shard, steps_of
from ._worker import Order, Summary, this_process, work


MOST_LOSSES = 5
"""So many workers may be lost, or unable to train, in a row over one run that makes no progress; it is set
aside then."""

PATIENCE = 60.0
"""Seconds that an interrupted driver gives its workers to leave their resume points."""


def drive(
    runs: Sequence[Run],
    store: str | os.PathLike,
    executor: concurrent.futures.Executor,
    *,
    display: Display,
    resume_every: float,
    folder: pathlib.Path | None = None,
) -> None:
    """Lets the workers of an executor train what the store does not have.

    Runs that other processes hold are waited for, and taken over if these die. Trunks of forks come first;
    the forks of one that failed fail with it.

    **Raises:** `RuntimeError` with the traceback of the first run that failed, once all others are done;
    `ValueError` for an executor that cannot be used.
    """
    opened = Store(store)
    executor = checked(executor)
    failed = _train(runs, opened, executor, display, resume_every, folder or pathlib.Path.cwd())
    for run, trace in failed.items():
        reason = trace.strip().splitlines()[-1]
        raise RuntimeError(
            f"{len(failed)} of {len({run.id for run in runs})} runs failed, {run} for instance: {reason}\n\n"
            f"{trace}"
        )


def _train(
    runs: Sequence[Run],
    store: Store,
    executor: concurrent.futures.Executor,
    display: Display,
    resume_every: float,
    folder: pathlib.Path,
) -> dict[str, str]:
    """As `drive`; returns the tracebacks of the runs that failed."""
    distinct = {run.id: run for run in runs}
    stored = store.has(distinct)
    missing = [run for run in distinct.values() if run.id not in stored]
    if not missing:
        return {}
    check(missing)
    job = Job(store.address, display, resume_every, None, len(missing), noun_of(runs))
    failed: dict[str, str] = {}
    if trunks := job.trunks(missing):
        traces = _train(trunks, store, executor, display, resume_every, folder)
        origins = {run.id: trunk(run).id for run in missing if run.parent is not None}
        failed = {run: traces[origin] for run, origin in origins.items() if origin in traces}
        if failed:
            give_up([run for run in missing if run.id in failed], failed, store)
            missing = [run for run in missing if run.id not in failed]
    _check_names(missing)
    progress = Progress(runs=len(distinct), noun=noun_of(runs), stored=len(stored))
    with contextlib.ExitStack() as stack:
        beacon = stack.enter_context(store.beacon())
        terms = Order(store.address, [], str(folder.resolve()), resume_every, beacon.name, this_process())
        driver = _Driver(missing, store, executor, terms, Overview(store, progress, display))
        try:
            driver.run()
        except BaseException:
            driver.stop(beacon)
            progress.phase = "stopped"
            display(progress)
            raise
        finally:
            driver.close()
    failed |= driver.failed
    progress.done = len(missing)  # the last look may have come before the last of them
    progress.phase = "stopped" if failed else "done"
    display(progress)
    return failed


def _check_names(runs: Sequence[Run]) -> None:
    """Raises `ValueError` for parts that no other process could find."""
    if any('"__main__:' in json.dumps(run.recipe) for run in runs):
        raise ValueError(
            "Expected parts that a worker can import, got some that are defined in the script itself: move "
            "them to a module beside it."
        )


class _Driver:
    """Keeps the workers busy until all runs are stored or have failed."""

    def __init__(
        self,
        missing: Sequence[Run],
        store: Store,
        executor: concurrent.futures.Executor,
        terms: Order,
        view: Overview,
    ):
        self.store, self.terms, self.view = store, terms, view
        self.executor, self.own_executor = executor, False
        self.lots = Lots(shares(missing), steps_of)
        self.open = {run.id: run for run in missing}  # neither stored nor failed
        self.flying: dict[concurrent.futures.Future[str], tuple[Shard[Run], concurrent.futures.Executor]] = {}
        self.held: list[Shard[Run]] = []  # by other processes
        self.orders = 0
        self.losses: dict[str, int] = {}
        self.aside: list[Shard] = []  # cost too many workers: tried again when all else is done
        self.open_then = len(self.open)  # how many were open when that was done last
        self.last_loss: tuple[str, BaseException | None] = "", None  # told, and raised by the executor
        self.failed: dict[str, str] = {}

    def run(self) -> None:
        """Hands out shards and takes in what becomes of them."""
        while self.lots or self.flying or self.held or self._try_again():
            self._send()
            if self.flying:
                done, _ = concurrent.futures.wait(self.flying, LOOK_EVERY, concurrent.futures.FIRST_COMPLETED)
                # Once for all answers: the store lists its packs each time that it is asked.
                if done:
                    self._settle([run for future in done for run in self.flying[future][0].runs])
                for future in done:
                    self._take(future)
            else:
                time.sleep(LOOK_EVERY)
            if self.view.due:
                self._release()
                self._settle(self.open.values())
                self.view.show(self.open.values())

    def stop(self, beacon: Beacon) -> None:
        """Lets the workers stop at their next resume point, and waits for them."""
        beacon.put_out()
        concurrent.futures.wait(self.flying, PATIENCE)

    def close(self) -> None:
        """Ends an executor that took the place of the user's broken one."""
        if self.own_executor:
            self.executor.shutdown(wait=False, cancel_futures=True)

    def _send(self) -> None:
        workers = capacity(self.executor)
        self.view.workers = workers
        while self.lots and len(self.flying) < most_out(workers):
            shard = self.lots.cut(workers)
            self.orders += 1
            recipes = [run.recipe for run in shard.runs]
            order = dataclasses.replace(self.terms, recipes=recipes, number=self.orders)
            text = json.dumps(vars(order))  # not `asdict`, which copies each recipe leaf by leaf
            try:
                future = self.executor.submit(work, text)
            except concurrent.futures.BrokenExecutor:
                self.lots.put_back(shard.lot, shard.runs)
                if not self._renew(self.executor):
                    raise
                continue
            self.flying[future] = shard, self.executor

    def _take(self, future: concurrent.futures.Future[str]) -> None:
        """Takes in the end of a shard, whose stored runs have been struck out."""
        shard, executor = self.flying.pop(future)
        try:
            summary = Summary(**json.loads(future.result()))
        except (*lost(), Exception) as error:  # the latter where order or answer did not get through
            trouble = f"{type(error).__name__}: {error}"
            if isinstance(error, lost()):
                self._renew(executor)
                trouble += " Does a run need more memory than a worker has?"
            self.last_loss = trouble, error
            self._lose(shard)
            return
        if summary.refused:
            trouble = f"worker {summary.worker}: {summary.refused}"
            warnings.warn(f"{trouble} What it was to train waits for the next worker.", stacklevel=2)
            self.last_loss = trouble, None
            self._lose(shard)
            return
        self.view.progress.steps += summary.steps
        self.lots.learn(shard.lot, summary.steps, summary.seconds, summary.overhead)
        for run in self._still(shard):
            if run.id in summary.failed:
                self.failed[run.id] = summary.failed[run.id]
                del self.open[run.id]
        if rest := self._still(shard):
            self.held.append(Shard(shard.lot, rest))

    def _lose(self, shard: Shard[Run]) -> None:
        """Lets the runs of a lost worker wait again, or sets aside those that have cost too many."""
        rest = self._still(shard)
        finished = len(rest) < len(shard.runs)
        for run in rest:
            self.losses[run.id] = 0 if finished else self.losses.get(run.id, 0) + 1
        waiting = [run for run in rest if self.losses[run.id] <= MOST_LOSSES]
        self.lots.put_back(shard.lot, waiting)
        if costly := tuple(run for run in rest if self.losses[run.id] > MOST_LOSSES):
            self.aside.append(Shard(shard.lot, costly))

    def _try_again(self) -> bool:
        """Lets what was set aside wait once more, each run apart, if any was finished since the last time.

        So a run that no worker survives keeps no other one from being trained, and a time when many workers
        are lost is waited out.

        **Raises:** `RuntimeError` if nothing was finished.
        """
        for shard in self.aside:
            self._settle(shard.runs)
        left = [(shard.lot, rest) for shard in self.aside if (rest := self._still(shard))]
        self.aside = []
        if not left:
            return False
        if len(self.open) == self.open_then:
            told, error = self.last_loss
            raise RuntimeError(
                f"{MOST_LOSSES + 1} workers in a row were lost over each of {len(self.open)} runs, or could "
                f"not train it, {left[0][1][0].id} for instance. The last: {told} The store keeps what was "
                "trained: start again to go on."
            ) from error
        self.open_then = len(self.open)
        for lot, runs in left:
            self.losses |= dict.fromkeys((run.id for run in runs), 0)
            self.lots.put_apart(lot, runs)
        return True

    def _renew(self, broken: concurrent.futures.Executor) -> bool:
        """A pool of processes that has lost one is of no more use: another one takes its place.

        **Returns:** whether there is another one.
        """
        if broken is self.executor and (new := renewed(broken)) is not None:
            self.close()
            self.executor, self.own_executor = new, True
        return broken is not self.executor

    def _release(self) -> None:
        """Lets runs wait again that another process held and did not finish."""
        for shard in self.held:
            self._settle(shard.runs)
        names = [run.id for shard in self.held for run in self._still(shard)]
        taken = self.store.held(names)
        taken -= self.store.has(taken)
        kept = []
        for shard in self.held:
            rest = self._still(shard)
            self.lots.put_back(shard.lot, (run for run in rest if run.id not in taken))
            if waiting := tuple(run for run in rest if run.id in taken):
                kept.append(Shard(shard.lot, waiting))
        self.held = kept

    def _settle(self, runs: Iterable[Run]) -> None:
        """Strikes out runs that are stored by now, whoever trained them."""
        for name in self.store.has([run.id for run in runs]):
            self.open.pop(name, None)

    def _still(self, shard: Shard[Run]) -> tuple[Run, ...]:
        return tuple(run for run in shard.runs if run.id in self.open)
