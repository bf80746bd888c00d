"""A store at one moment as the live page sees it: runs that ended and runs on their way, on a grid or not."""

import collections
import dataclasses
import functools
import typing
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from ..statistics import grokking_time, median_time, Phase
from ..store import RunRecords, StoreStatus, varying
from ._labels import words
from ._runs import Axis, COLOURS, family_of, make_axis, Measure, PARTS, Runs, spread, spread_of


if typing.TYPE_CHECKING:
    import xarray

_TIMED = ("train_accuracy", "test_accuracy", "train_loss")
OPEN = "still training"
RUN = "run"  # the name of the axis that tells single runs apart


@dataclasses.dataclass(frozen=True)
class Choice:
    """What a reader has chosen to look at.

    **Arguments:**

    - `measure`, `index`: what is drawn; the index is the place in a measure whose values are arrays.
    - `where`: axis -> label, of the runs to show.
    - `colour`, `panel`: names of axes, "" for none; the colour `None` asks for the strongest one.
    - `linear`: the step axis, instead of logarithmic.
    """

    measure: str = "accuracy"
    index: tuple[int, ...] = ()
    where: dict[str, str] = dataclasses.field(default_factory=dict)
    colour: str | None = None
    panel: str = ""
    linear: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """Runs with a record, what became of each, and the axes on which they differ.

    **Arguments:**

    - `version`: of the store.
    - `status`: counts and processes.
    - `records`, `states`: of each run; a state is an outcome, "running" or "interrupted".
    - `axes`: the fields that vary, then the runs themselves.
    """

    version: str
    status: StoreStatus
    records: tuple[RunRecords, ...]
    states: tuple[str, ...]
    axes: tuple[Axis, ...]
    _measured: dict[tuple, Measure] = dataclasses.field(default_factory=dict, repr=False)

    @functools.cached_property
    def steps(self) -> Int[np.ndarray, " step"]:
        """The union of all recorded steps."""
        return np.unique(np.concatenate([np.zeros(0, int), *(run.steps for run in self.records)])).astype(int)

    @functools.cached_property
    def _places(self) -> list[Int[np.ndarray, " record"]]:
        return [np.searchsorted(self.steps, run.steps) for run in self.records]

    @functools.cached_property
    def times(self) -> "xarray.Dataset":
        """Steps to memorise and to generalise, over runs."""
        import xarray

        tables = {name: (("run", "step"), self._table(name, ())) for name in _TIMED}
        outcome = ("run", np.array(self.states, dtype=str))
        return grokking_time(xarray.Dataset({**tables, "outcome": outcome}, {"step": self.steps}))

    @functools.cached_property
    def phases(self) -> list[str]:
        """What became of each run; `OPEN` where that is not settled, because it still trains."""
        settled = (Phase.GROKKED, Phase.GENERALISED, Phase.DIVERGED)
        both = zip(self.times["phase"].values.tolist(), self.states, strict=True)
        return [OPEN if state == "running" and phase not in settled else phase for phase, state in both]

    @functools.cached_property
    def planned(self) -> int:
        """The step that the runs on their way are to reach; 0 without any."""
        both = zip(self.records, self.states, strict=True)
        steps = [run.recipe.get("steps", 0) for run, state in both if state == "running"]
        return max(steps, default=0)

    @functools.cached_property
    def measures(self) -> dict[str, tuple[int, ...]]:
        """Each measure with the shape of one value of it: `()` for a number."""
        found: dict[str, tuple[int, ...]] = {"accuracy": (), "loss": ()}
        for run in self.records:
            for name, values in run.values.items():
                if values.dtype.kind in "fiub":
                    shape = np.maximum(found.get(family_of(name)[0], 0), values.shape[1:])
                    found[family_of(name)[0]] = tuple(map(int, shape)) if values.ndim > 1 else ()
        return found

    @functools.cached_property
    def strongest(self) -> Axis | None:
        """The axis that moves the time to generalise most, seeds apart."""
        varying = [axis for axis in self.axes if not axis.is_seed and axis.name != RUN]
        return max(varying, key=self._effect, default=None)

    def axis(self, name: str) -> Axis | None:
        """The axis of that name, None for "".

        **Raises:** `ValueError` naming those there are.
        """
        if not name:
            return None
        for axis in self.axes:
            if axis.name == name:
                return axis
        raise ValueError(
            f"no axis {name!r} varies here; there are: {', '.join(one.name for one in self.axes)}"
        )

    def chosen(self, where: Mapping[str, str]) -> Bool[np.ndarray, " run"]:
        """The runs that lie at these labels of these axes."""
        wanted = np.ones(len(self.records), bool)
        for name, label in where.items():
            axis = self.axis(name)
            if axis is not None:
                places = [place for place, text in enumerate(axis.labels) if text == label]
                wanted &= np.isin(axis.index, places)
        return wanted

    def measure(self, name: str, index: tuple[int, ...]) -> Measure:
        """A measure of all runs, at one place where its values are arrays.

        **Raises:** `ValueError` where there is none, or no such place.
        """
        if name not in self.measures:
            raise ValueError(f"no measure {name!r} is recorded here; there are: {', '.join(self.measures)}")
        shape = self.measures[name]
        if len(index) != len(shape) or any(not 0 <= at < size for at, size in zip(index, shape, strict=True)):
            raise ValueError(f"{name} has the shape {shape}: expected a place in it, got {index}")
        if (name, index) not in self._measured:
            recorded = {f"{part}_{name}" if part else name: part for part in PARTS}
            there = {full for run in self.records for full in run.values}
            parts = {part: self._table(full, index) for full, part in recorded.items() if full in there}
            self._measured[name, index] = Measure(name, parts)
        return self._measured[name, index]

    def runs(
        self, measure: Measure, where: Mapping[str, str], colour: Axis | None, panel: Axis | None
    ) -> Runs | None:
        """What is needed to draw a measure of the runs at `where`; None if it has no record there."""
        wanted = self.chosen(where)
        parts = {part: values[wanted] for part, values in measure.parts.items()}
        recorded = np.any([np.isfinite(values) for values in parts.values()] or [False], axis=0)
        if not recorded.any():
            return None
        axes = {axis.name: dataclasses.replace(axis, index=axis.index[wanted]) for axis in self.axes}
        return Runs(
            axes=tuple(axes.values()),
            steps=self.steps,
            measures=(Measure(measure.name, parts),),
            recorded=recorded,
            times=self.times.isel(run=wanted),
            colour=None if colour is None else axes[colour.name],
            panel=None if panel is None else axes[panel.name],
        )

    def _table(self, name: str, index: tuple[int, ...]) -> Float[np.ndarray, "run step"]:
        table = np.full((len(self.records), self.steps.size), np.nan)
        for row, places, run in zip(table, self._places, self.records, strict=True):
            values = run.values.get(name)
            if values is not None and all(at < size for at, size in zip(index, values.shape[1:])):
                row[places] = values[(slice(None), *index)]
        return np.where(np.isfinite(table), table, np.nan)

    def _effect(self, axis: Axis) -> float:
        groups = [np.flatnonzero(axis.index == place) for place in spread(len(axis.labels), COLOURS)]
        return spread_of(pooled_times(self.times, "generalised", groups)[0], self.times)


def make_scene(
    version: str, status: StoreStatus, records: Sequence[RunRecords], states: Sequence[str]
) -> Scene:
    """A scene of these runs; those without a record are left out."""
    kept = [(run, state) for run, state in zip(records, states, strict=True) if len(run.steps)]
    recipes = [run.recipe for run, _ in kept]
    found = varying(recipes)
    last = collections.Counter(name.split(".")[-1] for name in found.axes)
    axes = []
    for name, values in found.axes.items():
        short = name.split(".")[-1]
        # Values may be lists or tables, which are no keys.
        places = {repr(value): place for place, value in enumerate(values)}
        index = np.array([places[repr(run[name])] for run in found.coords])
        axes.append(make_axis(name, words(short if last[short] == 1 else name), values, index))
    ids = [run.run for run, _ in kept]
    axes.append(make_axis(RUN, RUN, ids, np.arange(len(ids))))
    return Scene(
        version, status, tuple(run for run, _ in kept), tuple(state for _, state in kept), tuple(axes)
    )


def pooled_times(
    times: "xarray.Dataset", which: str, groups: Sequence[Int[np.ndarray, " member"]]
) -> tuple[Float[np.ndarray, " group"], Bool[np.ndarray, " group"]]:
    """The median time of each group of runs, and whether it is an upper bound; NaN for an empty group."""
    import xarray

    shape = (len(groups), max((group.size for group in groups), default=0))
    columns = {}
    for name in (which, f"{which}_censored", f"{which}_before"):
        if name in times:
            flat = times[name].values
            # What fills a short row has a NaN time, and such times count for nothing.
            table = np.full(shape, np.nan if name == which else False, flat.dtype)
            for row, group in zip(table, groups, strict=True):
                row[: group.size] = flat[group]
            columns[name] = (("group", "member"), table)
    found = median_time(xarray.Dataset(columns), which, over="member")
    return found["median"].values, found["at_most"].values
