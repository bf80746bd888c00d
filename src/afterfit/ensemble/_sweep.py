"""A sweep: an experiment times labelled axes."""

import contextlib
import dataclasses
import itertools
import os
import pathlib
import time
import typing
from collections.abc import Mapping, Sequence

import jax

from ..store import LiveRun, RunRecords, Store, to_dataset
from ..training import changed, Experiment, nearest, RecipeError, Seeds, to_plain
from ._engine import Layout
from ._loop import Trainer
from ._machine import prepare
from ._pack import packs
from ._progress import Display, Progress, Terminal
from ._run import Run


if typing.TYPE_CHECKING:
    import xarray


Axis = Sequence[typing.Any] | Mapping[str, Mapping[str, typing.Any]]
"""Values of one field, or labelled sets of changes: `{"to init": {"optimiser.decay_to": "initial"}}`."""

SEED_AXES = ("seed", *(f"seeds.{field.name}" for field in dataclasses.fields(Seeds)))


def sweep(
    experiment: Experiment,
    axes: Mapping[str, Axis] | None = None,
    *,
    seed: int = 0,
    folder: pathlib.Path | None = None,
) -> "Sweep":
    """An experiment times labelled axes.

    **Arguments:**

    - `axes`: from a field's dotted path (`"task.fraction"`, `"optimiser.weight_decay"`), `"seed"`, or
      one of the four seeds (`"seeds.init"`), to its values; or from a name of your own to labelled
      sets of changes.
    - `seed`: of all runs, where no axis says otherwise.
    - `folder`: where kinds that name a file are looked up.

    **Raises:** `RecipeError` naming unknown fields (with the nearest), empty axes and values that a
    field does not take.
    """
    return Sweep(
        experiment, {name: _axis(name, values) for name, values in (axes or {}).items()}, seed, folder
    )


def _axis(name: str, values: Axis) -> Axis:
    if isinstance(values, Mapping):
        values = {str(label): dict(changes) for label, changes in values.items()}
    elif isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
        raise RecipeError([f"axis {name!r} needs a list of values, got {values!r}."])
    else:
        values = [value.item() if hasattr(value, "item") else value for value in values]
    if len(values) == 0:
        raise RecipeError([f"axis {name!r} has no values: give at least one, or leave the axis out."])
    return values


@dataclasses.dataclass(frozen=True)
class Sweep:
    """An experiment times labelled axes; made by `sweep`."""

    experiment: Experiment
    axes: dict[str, Axis]
    seed: int = 0
    folder: pathlib.Path | None = None

    def __post_init__(self):
        self.runs  # mistakes show here, not in the middle of a night

    @property
    def coordinates(self) -> list[dict[str, typing.Any]]:
        """For each run, its label on each axis."""
        labels = [_labels(values) for values in self.axes.values()]
        return [dict(zip(self.axes, choice, strict=True)) for choice in itertools.product(*labels)]

    @property
    def runs(self) -> list[Run]:
        """All runs, the last axis varying fastest."""
        choices = itertools.product(*(self._changes(name, values) for name, values in self.axes.items()))
        return [self._run([change for changes in choice for change in changes.items()]) for choice in choices]

    def _changes(self, name: str, values: Axis) -> list[dict[str, typing.Any]]:
        if isinstance(values, Mapping):
            return [dict(changes) for changes in values.values()]
        return [{name: value} for value in values]

    def _run(self, changes: list[tuple[str, typing.Any]]) -> Run:
        seeds = {name: value for name, value in changes if name in SEED_AXES}
        fields = {name: value for name, value in changes if name not in SEED_AXES}
        for name in fields:
            if name.split(".")[0] in ("seed", "seeds"):
                raise RecipeError([f"axis {name!r} is no seed{nearest(name, SEED_AXES)}"])
        sources = {name.removeprefix("seeds."): value for name, value in seeds.items() if name != "seed"}
        experiment = changed(self.experiment, fields, self.folder)
        try:
            return Run(experiment, Seeds.of(seeds.get("seed", self.seed), **sources))
        except ValueError as error:
            raise RecipeError([str(error)]) from error

    # --- running ----------------------------------------------------------------------------------

    def run(
        self,
        store: str | os.PathLike | None = None,
        *,
        display: Display | None = None,
        resume_every: float = 15.0,
        layout: Layout | None = None,
    ) -> "xarray.Dataset":
        """Trains all runs that the store does not have yet, and opens them as one labelled view.

        **Arguments:**

        - `store`: a folder where records, snapshots and recipes stay; without one they live only in
          the result.

        **Other arguments:**

        - `display`: shown the progress; by default a line on the terminal.
        - `resume_every`: seconds between resume points; more where one costs over 4% of that.
        - `layout`: of lanes on devices; by default chosen for this machine.

        **Returns:** an `xarray.Dataset`; dims are the axes and `step`, variables the measures.
        """
        records = run_all(
            self.runs, store, display=display or Terminal(), resume_every=resume_every, layout=layout
        )
        data = to_dataset(
            records, self.coordinates, {name: _labels(values) for name, values in self.axes.items()}
        )
        data.attrs["title"] = self.title
        return data

    @property
    def about(self) -> dict[str, str]:
        """The recipe as text, by heading, for reports."""
        from ._file import recipe_text

        return {"Recipe": recipe_text(self)}

    @property
    def title(self) -> str:
        """What is swept, in a few words."""
        task = getattr(self.experiment.task, "title", type(self.experiment.task).__name__)
        return f"{task}, {type(self.experiment.model).__name__}, {type(self.experiment.optimiser).__name__}"


def _labels(values: Axis) -> list[typing.Any]:
    if isinstance(values, Mapping):
        return list(values)
    return [_label(value) for value in values]


def _label(value: typing.Any) -> typing.Any:
    if isinstance(value, (bool, int, float, str)):
        return value
    plain = to_plain(value)
    return plain.get("kind", str(plain)) if isinstance(plain, dict) else str(plain)


class _Memory:
    """Keeps finished runs in memory where no store is asked for."""

    def __init__(self):
        self.kept: list[RunRecords] = []

    def publish_runs(self, runs: list[RunRecords]) -> None:
        self.kept += runs

    def publish_resume(self, live: list[LiveRun]) -> None:
        del live

    def publish_segment(self, live: list[LiveRun], progress: dict[str, typing.Any]) -> None:
        del live, progress


def run_all(
    runs: Sequence[Run],
    store: str | os.PathLike | None,
    *,
    display: Display,
    resume_every: float,
    layout: Layout | None = None,
) -> list[RunRecords]:
    """Trains the runs that the store does not have, and returns the records of all, in order."""
    prepare()
    ids = [run.id for run in runs]
    if store is None:
        memory = _Memory()
        _train(list({run.id: run for run in runs}.values()), 0, memory, {}, display, resume_every, layout)
        by_id = {records.run: records for records in memory.kept}
        return [by_id[run] for run in ids]
    opened = Store(pathlib.Path(store))
    have = opened.has(ids)
    missing = list({run.id: run for run in runs if run.id not in have}.values())
    with contextlib.ExitStack() as stack:
        if missing:
            waiting = [run.id for run in missing]
            session = stack.enter_context(opened.claim(waiting, about()))
            _train(
                missing,
                len(runs) - len(missing),
                session,
                session.resume(waiting),
                display,
                resume_every,
                layout,
            )
    return opened.load(ids)


def _train(runs, stored, keeper, saved, display, resume_every, layout) -> None:
    progress = Progress(runs=len(runs) + stored, stored=stored)
    display(progress)
    groups = packs(runs)
    try:
        for index, pack in enumerate(groups):
            later = sum(run.experiment.steps for group in groups[index + 1 :] for run in group.runs)
            progress.steps_later = later
            Trainer(pack, keeper, saved, progress, display, resume_every=resume_every, layout=layout).run()
        progress.phase = "done"
    finally:
        progress.phase = progress.phase if progress.phase == "done" else "stopped"
        display(progress)


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
