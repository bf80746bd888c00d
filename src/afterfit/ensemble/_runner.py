"""Trains runs pack after pack: those that a store does not have, and the parents of forks before them."""

import collections
import dataclasses
import os
import time
import typing
from collections.abc import Sequence

import jax

from .._failure import of_the_device, told
from ..store import RunRecords, Store, StoreError
from ..training import CheckingProbe, RecipeError, State
from ._engine import Engine, Layout
from ._forks import Start, start, Starts, templates, trunk
from ._loop import Trainer
from ._machine import prepare
from ._pack import obstacles, Pack, packs
from ._progress import Display, Progress
from ._publisher import Publisher
from ._run import Run
from ._seat import failure
from ._watcher import Watcher


Origins = dict[str, Start | Exception]
"""Where forks begin, or what kept their parents from being trained up to there, by run."""


def run_all(
    runs: Sequence[Run],
    store: str | os.PathLike | None,
    *,
    display: Display,
    resume_every: float,
    layout: Layout | None = None,
    snapshots: bool = False,
    watcher: Watcher | None = None,
) -> list[RunRecords]:
    """Trains the runs that the store does not have, and returns the records of all, in order from a store
    without their texts."""
    records, problems = _try_all(
        runs,
        store,
        display=display,
        resume_every=resume_every,
        layout=layout,
        snapshots=snapshots,
        watcher=watcher,
    )
    _raise_first(problems)
    return [records[run.id] for run in runs]


def _try_all(
    runs: Sequence[Run],
    store: str | os.PathLike | None,
    *,
    display: Display,
    resume_every: float,
    layout: Layout | None,
    snapshots: bool,
    watcher: Watcher | None = None,
) -> tuple[dict[str, RunRecords], dict[str, Exception]]:
    """As `run_all`, with the records of all that were trained, and what the others raised."""
    distinct = {run.id: run for run in runs}
    if store is not None:
        problems = _try_missing(
            runs, store, display=display, resume_every=resume_every, layout=layout, watcher=watcher
        )
        names = [run for run in distinct if run not in problems]
        found = Store(store, readonly=True).load(names, snapshots=snapshots, texts=False)
    else:
        prepare()
        one_job = Job(store, display, resume_every, layout, len(runs), noun_of(runs))
        publisher = Publisher(None, resume_every, watcher)
        everything = list(distinct.values())
        check(everything)
        problems = one_job.train(everything, publisher, one_job.starts(everything))
        found = publisher.kept
    return {records.run: records for records in found}, problems


def train(
    runs: Sequence[Run],
    store: str | os.PathLike,
    *,
    display: Display,
    resume_every: float,
    layout: Layout | None = None,
    watcher: Watcher | None = None,
) -> None:
    """Trains the runs that the store does not have; holds on to no record of one that has ended."""
    _raise_first(
        _try_missing(runs, store, display=display, resume_every=resume_every, layout=layout, watcher=watcher)
    )


def _try_missing(
    runs: Sequence[Run],
    store: str | os.PathLike,
    *,
    display: Display,
    resume_every: float,
    layout: Layout | None,
    watcher: Watcher | None,
) -> dict[str, Exception]:
    """As `train`; returns what runs raised."""
    prepare()
    distinct = {run.id: run for run in runs}
    one_job = Job(store, display, resume_every, layout, len(runs), noun_of(runs))
    opened = Store(store)
    stored = opened.has(distinct)
    if stored == distinct.keys():
        return {}
    missing = [run for run in distinct if run not in stored]
    check([distinct[run] for run in missing])
    starts = one_job.starts([distinct[run] for run in missing])
    with opened.claim(missing, about()) as session:
        done = opened.has(missing)  # by others, before the claim
        todo = [distinct[run] for run in missing if run not in done]
        return one_job.train(todo, Publisher(session, resume_every, watcher), starts)


def _raise_first(problems: dict[str, Exception]) -> None:
    """**Raises:** what the first that could not be trained raised."""
    for error in problems.values():
        raise error


def give_up(runs: Sequence[Run], traces: dict[str, str], store: Store) -> None:
    """Stores runs as failed, for as far as no living process holds them; `traces` says why, by run."""
    with store.claim_free([run.id for run in runs], about()) as session:
        session.publish_runs([failure(run, traces[run.id]) for run in runs if run.id in session.runs])


def run_free(
    runs: Sequence[Run], store: Store, *, display: Display, resume_every: float, again: bool = True
) -> dict[str, Exception | None]:
    """Trains those of the runs that the store does not have and no living process holds.

    **Arguments:** `again`: whether those are tried too that the store has as failed.

    **Returns:** each run that was tried, with what it raised.
    """
    prepare()
    names = {run.id for run in runs}
    names -= store.has(names)
    names -= store.held(names)  # a claim makes all others wait, so none is made in vain
    if names and not again:
        names -= failed(store)
    if not names:
        return {}
    missing = [run for run in runs if run.id in names]
    job = Job(store.address, display, resume_every, None, len(missing), noun_of(runs))
    starts = job.starts(missing)
    with store.claim_free([run.id for run in missing], about()) as session:
        todo = [run for run in missing if run.id in session.runs]
        problems = job.train(todo, Publisher(session, resume_every), starts)
    return {run.id: problems.get(run.id) for run in todo}


def failed(store: Store) -> set[str]:
    """The runs that a store has as failed, by this version of the results."""
    return {one.run for one in store.runs(trunks=True) if one.current and one.outcome == "failed"}


def noun_of(runs: Sequence[Run]) -> str:
    """What these are called in a progress."""
    return "trunks of forks" if all(run.trunk for run in runs) else "runs"


def check(runs: Sequence[Run]) -> None:
    """**Raises:** what probes have against these runs: before anything is trained, be it a parent."""
    careful = [
        run for run in runs if any(isinstance(probe, CheckingProbe) for probe in run.experiment.probes)
    ]
    for pack in packs(careful):
        with jax.enable_x64(pack.runs[0].experiment.precision == "float64"):
            Engine.check(pack)


class Job(typing.NamedTuple):
    """What all packs of one call share."""

    store: str | os.PathLike | None
    display: Display
    resume_every: float
    layout: Layout | None
    runs: int
    noun: str

    def starts(self, todo: Sequence[Run]) -> Origins:
        """Where those of the runs begin that are forks; their parents are trained up to there if need be."""
        forks = _forks(todo)
        if not forks:
            return {}
        shapes = templates(forks)
        found: Origins = dict(self._stored(forks, shapes))
        trunks = {run.id: trunk(run) for run in forks if run.id not in found}
        distinct = {one.id: one for one in trunks.values()}
        records, problems = _try_all(
            list(distinct.values()),
            self.store,
            display=self.display,
            resume_every=self.resume_every,
            layout=self.layout,
            snapshots=True,
        )
        for run in forks:
            if run.id in trunks:
                name = trunks[run.id].id
                known = problems.get(name) or start(run, records[name], shapes[run.id])
                assert known is not None
                found[run.id] = known
        return found

    def trunks(self, todo: Sequence[Run]) -> list[Run]:
        """The trunks that forks among the runs need and the store, which there must be, does not have."""
        forks = _forks(todo)
        if not forks:
            return []
        found = self._stored(forks, templates(forks))
        needed = {one.id: one for one in (trunk(run) for run in forks if run.id not in found)}
        assert self.store is not None
        stored = Store(self.store).has(needed)
        return [one for name, one in needed.items() if name not in stored]

    def _stored(self, forks: Sequence[Run], shapes: dict[str, State]) -> Starts:
        """The starts of forks whose parents the store has, with a snapshot of the step."""
        if self.store is None:
            return {}
        children: dict[str, list[Run]] = collections.defaultdict(list)
        for run in forks:
            if run.parent is not None and run.experiment.first_step in run.parent.snapshot_steps:
                children[run.parent.id].append(run)
        opened = Store(self.store)
        found: Starts = {}
        for name in sorted(opened.has(children)):  # one by one: the other snapshots of each are dropped
            (records,) = opened.load([name])
            starts = {run.id: start(run, records, shapes[run.id]) for run in children[name]}
            found |= {run: one for run, one in starts.items() if one is not None}
        return found

    def train(self, todo: Sequence[Run], publisher: Publisher, origins: Origins) -> dict[str, Exception]:
        """Trains pack after pack; one that cannot be trained does not keep the others from it, nor does a
        fork without an origin.

        **Returns:** what runs raised.
        """
        progress = Progress(runs=self.runs, noun=self.noun, stored=self.runs - len(todo))
        self.display(progress)
        starts = {run: one for run, one in origins.items() if isinstance(one, Start)}
        lost = {run: one for run, one in origins.items() if isinstance(one, Exception)}
        problems = obstacles(todo) | {run.id: lost[run.id] for run in todo if run.id in lost}
        groups = packs([run for run in todo if run.id not in problems])
        for run in todo:
            if run.id in problems and not isinstance(problems[run.id], RecipeError):
                publisher.finish(failure(run, told(problems[run.id])))
        publisher.publish_finished()
        for index, pack in enumerate(groups):
            later = [run.experiment for group in groups[index + 1 :] for run in group.runs]
            progress.steps_later = sum(one.steps - one.first_step for one in later)
            try:
                problems |= self._train_pack(pack, publisher, progress, starts)
            except RecipeError as error:
                problems |= dict.fromkeys((run.id for run in pack.runs), error)
            except (KeyboardInterrupt, jax.errors.JaxRuntimeError):
                progress.phase = "stopped"
                self.display(progress)
                raise
        progress.phase = "stopped" if problems else "done"
        self.display(progress)
        return problems

    def _train_pack(
        self, pack: Pack, publisher: Publisher, progress: Progress, starts: Starts, again: bool = True
    ) -> dict[str, Exception]:
        """What runs of a pack raised; they are stored as failed.

        A program is made with the pack's first run. If that goes wrong twice, with another first run too, it
        goes wrong for all of them. If something goes wrong later, one run may be to blame, so those that had
        not ended are trained one by one, from their last resume points. A device that breaks down is nothing
        that a run came to: it ends the training of all, as an interruption does.

        **Raises:** what the device, the store or the recipe is to blame for.
        """
        trainer: Trainer | None = None
        try:
            trainer = Trainer(pack, publisher, progress, self.display, self.layout, starts)
            trainer.run()
            return {}
        except (StoreError, OSError, RecipeError):  # nothing that a run came to
            raise
        except Exception as error:
            if trainer is not None and of_the_device(error):
                raise
            left = pack.runs if trainer is None else [run for run in pack.runs if run.id not in trainer.ended]
            if not left:
                raise
            if trainer is None:
                blamed, rest = (left[:1], [left[1:]]) if again else (left, [])
            else:
                blamed, rest = ([], [[run] for run in left]) if len(pack.runs) > 1 else (left, [])
            problems: dict[str, Exception] = dict.fromkeys((run.id for run in blamed), error)
        for run in blamed:
            publisher.finish(failure(run, told(problems[run.id])))
        publisher.publish_finished()
        for runs in filter(None, rest):
            part = dataclasses.replace(pack, runs=tuple(runs))
            problems |= self._train_pack(part, publisher, progress, starts, again=False)
        return problems


def _forks(runs: Sequence[Run]) -> list[Run]:
    """Those of some runs that are forks and can be trained."""
    blocked = obstacles(runs)
    return [run for run in runs if run.parent is not None and run.id not in blocked]


def about() -> dict[str, typing.Any]:
    """Versions and machine, as they stand beside stored results."""
    import importlib.metadata
    import platform

    versions = {
        name: importlib.metadata.version(name) for name in ("afterfit", "jax", "equinox", "optax", "numpy")
    }
    devices = jax.local_devices()
    return {
        "versions": versions,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "devices": f"{len(devices)} x {devices[0].device_kind}",
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
