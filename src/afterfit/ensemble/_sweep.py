"""A sweep: an experiment times labelled axes."""

import concurrent.futures
import dataclasses
import functools
import itertools
import math
import os
import pathlib
import typing
from collections.abc import Mapping

import numpy as np
from jaxtyping import Int

from .._html import table
from ..store import Store, to_dataset
from ..training import (
    AbstractSchedule,
    BASIC_MEASURES,
    brief,
    changed,
    Experiment,
    located,
    nearest,
    probe_name,
    RecipeError,
    Seeds,
    to_plain,
)
from ._blame import Axis, Blame, Change, changes_of
from ._driver import drive
from ._engine import Layout
from ._progress import Display, Terminal
from ._run import Run
from ._runner import run_all, train
from ._watcher import Watcher


if typing.TYPE_CHECKING:
    import xarray


MOST_RUNS = 2_000_000
"""Of one sweep: its plan takes about 0.1 ms and 1 KB for each."""

_MOST_SHOWN = 8  # values of an axis

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
        experiment, {name: read_axis(name, values) for name, values in (axes or {}).items()}, seed, folder
    )


def read_axis(name: str, values: typing.Any) -> Axis:
    """An axis from what a person wrote.

    **Raises:** `RecipeError` for anything but a list, or a table of tables, that is not empty.
    """
    where = f"axes.{name}"
    if isinstance(values, Mapping):
        for label, changes in values.items():
            if not isinstance(changes, Mapping):
                raise RecipeError([f"{where}.{label}: needs a table of changes, got {brief(changes)}."])
        values = {str(label): dict(changes) for label, changes in values.items()}
    elif isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
        raise RecipeError([f"{where}: needs a list of values, got {brief(values)}."])
    else:
        values = [value.item() if hasattr(value, "item") else value for value in values]
    if len(values) == 0:
        raise RecipeError([f"{where}: has no values: give at least one, or leave the axis out."])
    return values


@dataclasses.dataclass(frozen=True)
class Sweep:
    """An experiment times labelled axes; made by `sweep`."""

    experiment: Experiment
    axes: dict[str, Axis]
    seed: int = 0
    folder: pathlib.Path | None = None

    def __post_init__(self):
        count = math.prod(len(values) for values in self.axes.values())
        if count > MOST_RUNS:
            raise RecipeError(
                [f"axes: make {count:,} runs, the most of one sweep are {MOST_RUNS:,}: sweep them in parts."]
            )
        runs = self.runs  # mistakes show here, not in the middle of a night
        for name, values in self.axes.items():
            _check_axis(name, values, self.experiment)
        for record, steps in {(run.experiment.record, run.experiment.steps) for run in runs}:
            if not len(_picked("record", record, steps)):
                raise RecipeError([f"record: {record} picks no step of the {steps}, there must be one."])
        for kept, steps in {(run.experiment.snapshots, run.experiment.steps) for run in runs}:
            if kept is not None:
                _picked("snapshots", kept, steps)

    def __repr__(self) -> str:
        axes = "".join(f"    {name}: {values}\n" for name, values in self._shown_axes.items())
        return f"{self._size}\n{axes}{self.experiment}"

    def _repr_html_(self) -> str:
        axes = table(self._shown_axes.items()) if self.axes else ""
        return f"<p>{self._size}</p>{axes}{self.experiment._repr_html_()}"

    @property
    def _size(self) -> str:
        return f"Sweep of {len(self.runs):,} run{'s' * (len(self.runs) != 1)}"

    @property
    def _shown_axes(self) -> dict[str, str]:
        """The values of each axis as text; of a long one, its ends."""
        shown = {}
        for name, values in self.axes.items():
            texts = [str(label) for label in _labels(values)]
            if len(texts) > _MOST_SHOWN:
                texts = [*texts[: _MOST_SHOWN - 2], "...", f"{texts[-1]} ({len(texts):,} values)"]
            shown[name] = ", ".join(texts)
        return shown

    @property
    def coordinates(self) -> list[dict[str, typing.Any]]:
        """For each run, its label on each axis."""
        labels = [_labels(values) for values in self.axes.values()]
        return [dict(zip(self.axes, choice, strict=True)) for choice in itertools.product(*labels)]

    @functools.cached_property
    def runs(self) -> list[Run]:
        """All runs, the last axis varying fastest."""
        made: list[Run] = []
        blame = Blame(self.axes)
        for choice in itertools.product(*(changes_of(name, values) for name, values in self.axes.items())):
            try:
                made.append(self._run([change for changes in choice for change in changes]))
            except RecipeError as error:
                blame.add(error, choice)
                if blame.enough:
                    break
        if blame.mistakes:
            raise RecipeError(blame.mistakes)
        return made

    def _run(self, changes: "list[Change]") -> Run:
        seeds = {change.name: change.value for change in changes if change.name in SEED_AXES}
        fields = {change.name: change.value for change in changes if change.name not in SEED_AXES}
        for name in fields:
            if name.split(".")[0] in ("seed", "seeds"):
                raise RecipeError([f"{name}: is no seed{nearest(name, SEED_AXES)}"])
        for name, value in seeds.items():
            check_seed(name, value)
        sources = {name.removeprefix("seeds."): value for name, value in seeds.items() if name != "seed"}
        experiment = changed(self.experiment, fields, self.folder)
        return Run(experiment, Seeds.of(seeds.get("seed", self.seed), **sources))

    # --- running ----------------------------------------------------------------------------------

    def run(
        self,
        store: str | os.PathLike | None = None,
        *,
        display: Display | None = None,
        resume_every: float = 15.0,
        layout: Layout | None = None,
        watch: Watcher | None = None,
        executor: concurrent.futures.Executor | None = None,
    ) -> "xarray.Dataset":
        """Trains all runs that the store does not have yet, and opens them as one labelled view.

        **Arguments:**

        - `store`: a folder where records, snapshots and recipes stay; without one they live only in
          the result.

        **Other arguments:**

        - `display`: shown the progress; by default a line on the terminal.
        - `resume_every`: seconds between resume points; more where one costs over a sixtieth of that.
        - `layout`: of lanes on devices; by default chosen for this machine.
        - `watch`: shown the new records of each run that is trained, as they come; if it fails, training goes
            on without it.
        - `executor`: whose workers train, e.g. `client.get_executor()` of dask or a `ProcessPoolExecutor`
          that spawns. It needs a store that all of them reach by the same path, and parts that they can
          import. Only JSON text goes to a worker and comes back.

        **Returns:** an `xarray.Dataset`; dims are the axes and `step`, variables the measures.

        **Raises:** what a run raised, once all others are done; `RuntimeError` with its traceback if a
        worker trained it.
        """
        if store is None and executor is None:
            records = run_all(
                self.runs,
                None,
                display=display or Terminal(),
                resume_every=resume_every,
                layout=layout,
                watcher=watch,
            )
        elif store is None:
            raise ValueError("`executor` needs a store, got None.")
        else:
            self.train(
                store,
                display=display,
                resume_every=resume_every,
                layout=layout,
                watch=watch,
                executor=executor,
            )
            opened = Store(store, readonly=True)
            records = opened.load([run.id for run in self.runs], snapshots=False, texts=False)
        data = to_dataset(
            records, self.coordinates, {name: _labels(values) for name, values in self.axes.items()}
        )
        data.attrs["title"] = self.title
        return data

    def train(
        self,
        store: str | os.PathLike,
        *,
        display: Display | None = None,
        resume_every: float = 15.0,
        layout: Layout | None = None,
        watch: Watcher | None = None,
        executor: concurrent.futures.Executor | None = None,
    ) -> None:
        """As `run`, for sweeps of which not all results need be in memory: it only fills the store.

        `afterfit.open_dataset` opens them, some measures alone if wanted, and `Store.load` some runs.
        """
        display = display or Terminal()
        if executor is None:
            train(self.runs, store, display=display, resume_every=resume_every, layout=layout, watcher=watch)
        elif layout is not None or watch is not None:
            raise ValueError("`executor` needs no layout and no watch: workers are elsewhere.")
        else:
            drive(self.runs, store, executor, display=display, resume_every=resume_every, folder=self.folder)

    @property
    def about(self) -> dict[str, str]:
        """The recipe as text, by heading, for reports."""
        from ._file import recipe_text

        return {"Recipe": recipe_text(self)}

    @property
    def title(self) -> str:
        """What is swept, in a few words."""
        parts = (type(self.experiment.model).__name__, type(self.experiment.optimiser).__name__)
        return ", ".join((self.experiment.task.title, *parts))


def _picked(field: str, schedule: AbstractSchedule, steps: int) -> Int[np.ndarray, " records"]:
    try:
        return schedule.steps(steps)
    except ValueError as error:
        raise RecipeError([located(type(schedule), field, error)]) from error


def check_seed(path: str, value: typing.Any) -> None:
    """Raises `RecipeError` unless the value may be a seed."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**32:
        raise RecipeError([f"{path}: should be a valid integer in [0, 2**32), got {brief(value)}."])


def _check_axis(name: str, values: Axis, experiment: Experiment) -> None:
    """Raises `RecipeError` if results could not be laid out on this axis."""
    if name in (*_TAKEN, *map(probe_name, experiment.probes)):
        raise RecipeError([f"axes.{name}: is called like a variable of the results, choose another name."])
    labels = _labels(values)
    if len(set(labels)) < len(labels):
        index = next(place for place, label in enumerate(labels) if label in labels[:place])
        raise RecipeError([f"axes.{name}[{index}]: has the value {brief(labels[index])} more than once."])


_TAKEN = ("step", "outcome", "outcome_step", "run", "results_version", *BASIC_MEASURES)


def _labels(values: Axis) -> list[typing.Any]:
    """Plain values as they are; a component's kind, or all of it where several are of one kind."""
    if isinstance(values, Mapping):
        return list(values)
    plain = [value if isinstance(value, dict) else to_plain(value) for value in values]
    kinds = [value.get("kind") if isinstance(value, dict) else None for value in plain]
    return [
        value
        if isinstance(value, (bool, int, float, str))
        else str(kind if kind is not None and kinds.count(kind) == 1 else value)
        for value, kind in zip(plain, kinds, strict=True)
    ]
