"""A Dataset of runs, laid out for a reader: which axis gets colours, which gets panels, what was measured."""

import dataclasses
import functools
import typing
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from ..statistics import grokking_time, median_time
from ._labels import FORK, label, run_labels, words


if typing.TYPE_CHECKING:
    import xarray

COLOURS = 8  # more lines of different colour cannot be told apart
PANELS = 6
PARTS = ("train", "test", "")  # of a measure, in this order


@dataclasses.dataclass(frozen=True)
class Axis:
    """One axis of a sweep and where each run lies on it."""

    name: str
    title: str
    labels: tuple[str, ...]
    ordered: bool
    index: Int[np.ndarray, " run"]

    @property
    def is_seed(self) -> bool:
        return self.name.split(".")[0] in ("seed", "seeds")

    @property
    def values(self) -> str:
        """Its values as a sentence calls them: "weight decay", "seeds"."""
        return self.title + "s" * self.is_seed


@dataclasses.dataclass(frozen=True)
class Measure:
    """One measured quantity; `parts` is train and test, or one part named "".

    NaN: not recorded, or not finite.
    """

    name: str
    parts: dict[str, Float[np.ndarray, "run step"]]

    @property
    def title(self) -> str:
        return words(self.name)

    @functools.cached_property
    def finite(self) -> Float[np.ndarray, " value"]:
        """All values that there are, in ascending order."""
        return np.sort(np.concatenate([part[np.isfinite(part)] for part in self.parts.values()]))


@dataclasses.dataclass(frozen=True)
class Runs:
    """A Dataset with its axes flattened to one axis "run".

    `colour` is the axis that moves the time to generalise most, `panel` the next one.
    """

    axes: tuple[Axis, ...]
    steps: Int[np.ndarray, " step"]
    measures: tuple[Measure, ...]
    recorded: Bool[np.ndarray, "run step"]
    times: "xarray.Dataset"
    colour: Axis | None
    panel: Axis | None

    @functools.cached_property
    def present(self) -> Bool[np.ndarray, " run"]:
        """Runs that have a record."""
        return np.asarray(self.recorded.any(axis=1))

    def taken(self, axis: Axis) -> list[int]:
        """The places of the axis at which some run has a record."""
        return np.unique(axis.index[self.present]).tolist()

    @property
    def varying(self) -> list[Axis]:
        """The axes on which runs with a record differ."""
        return [axis for axis in self.axes if len(self.taken(axis)) > 1]

    @functools.cached_property
    def colours(self) -> list[int]:
        """The places of the colour axis that are drawn: of the runs in the panels, evenly spread."""
        if self.colour is None:
            return []
        seen = self.present
        if self.panel is not None:
            seen = seen & np.isin(self.panel.index, np.array(self._panels))
        return _spread(np.unique(self.colour.index[seen]).tolist(), COLOURS)

    @property
    def colour_labels(self) -> tuple[str, ...]:
        """What the colours stand for."""
        return () if self.colour is None else tuple(self.colour.labels[place] for place in self.colours)

    def heading(self, panel: int | None) -> str:
        """What stands over a panel; "" without such an axis."""
        return "" if self.panel is None or panel is None else f"{self.panel.title} {self.panel.labels[panel]}"

    @functools.cached_property
    def _panels(self) -> Sequence[int | None]:
        """Places of the panel axis, of which one may have no line of a colour that is drawn."""
        return [None] if self.panel is None else _spread(self.taken(self.panel), PANELS)

    @functools.cached_property
    def panels(self) -> list[int | None]:
        """The places of the panel axis that are drawn; one None without such an axis."""
        return list(dict.fromkeys(panel for panel, _, _ in self.cells()))

    def cells(self) -> Iterator[tuple[int | None, int | None, Int[np.ndarray, " member"]]]:
        """`(panel place, colour place, runs there)` for each line to be drawn; None without such an axis."""
        for panel in self._panels:
            for colour in self.colours or [None]:
                member = self.present
                if self.panel is not None:
                    member = member & (self.panel.index == panel)
                if self.colour is not None:
                    member = member & (self.colour.index == colour)
                if member.any():
                    yield panel, colour, np.flatnonzero(member)

    def first_positive_step(self) -> int:
        """Below it the step axis is linear; 1 if only step 0 was recorded."""
        positive = self.steps[self.steps > 0]
        return int(positive.min()) if positive.size else 1

    def last_step(self) -> int:
        """The last step that any run recorded."""
        return int(self.steps[self.recorded.any(axis=0)].max())

    def thinned(self, where: Int[np.ndarray, " place"], most: int) -> Int[np.ndarray, " fewer"]:
        """At most `most` of these places on the step axis, evenly spread as drawn, both ends included."""
        if where.size <= most:
            return where
        eye = np.log1p(self.steps[where] / self.first_positive_step())
        wanted = np.linspace(eye[0], eye[-1], most)
        return where[np.unique(np.searchsorted(eye, wanted - 1e-9).clip(0, where.size - 1))]


def read_runs(data: "xarray.Dataset") -> Runs:
    """Lay out what a sweep returned.

    **Raises:** `ValueError` if `data` has no accuracies or not one record.
    """
    times = grokking_time(data)
    names = [str(dim) for dim in data["train_accuracy"].dims if dim != "step"]
    order = np.argsort(data["step"].values, kind="stable")
    steps = data["step"].values[order].astype(int)
    measured = {
        str(name): _flat(data[name], names)[:, order]
        for name in data.data_vars
        if set(data[name].dims) == {*names, "step"} and data[name].dtype.kind in "fiub"
    }
    recorded = np.isfinite(measured["train_accuracy"]) | np.isfinite(measured["test_accuracy"])
    if not recorded.any():
        raise ValueError(
            "expected at least one run with a record, got none. Try again once a run has started."
        )
    axes = _axes(data, names)
    ranked = _by_effect(axes, times)
    return Runs(
        axes=axes,
        steps=steps,
        measures=_measures(measured),
        recorded=recorded,
        times=times,
        colour=ranked[0] if ranked else None,
        panel=ranked[1] if len(ranked) > 1 else None,
    )


def _axes(data: "xarray.Dataset", names: Sequence[str]) -> tuple[Axis, ...]:
    sizes = [data.sizes[name] for name in names]
    places = np.indices(sizes).reshape(len(sizes), int(np.prod(sizes)))
    last = [name.split(".")[-1] for name in names]
    axes = []
    for name, short, index in zip(names, last, places, strict=True):
        values = data[name].values.tolist()  # without a coordinate xarray counts from 0
        title = words(short if last.count(short) == 1 else name)
        axes.append(make_axis(name, title, values, index, run_labels(data) if name == "run" else None))
    return tuple(axes)


def make_axis(
    name: str,
    title: str,
    values: Sequence[typing.Any],
    index: Int[np.ndarray, " run"],
    labels: Sequence[str] | None = None,
) -> Axis:
    """An axis from the values at its places; `labels`: what to call them, if not after themselves."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    labels = tuple(label(value) for value in values) if labels is None else tuple(labels)
    if name == FORK:
        title, labels = "fork at", tuple("no step" if one == "None" else one for one in labels)
    for text in (str, repr):  # 1 and "1" are two values
        if len(set(labels)) < len(labels):
            labels = tuple(map(text, values))
    return Axis(name, title, labels, numbers, index)


def _measures(measured: dict[str, np.ndarray]) -> tuple[Measure, ...]:
    """Accuracy and loss first; `train_x` and `test_x` become one measure `x`."""
    families: dict[str, dict[str, np.ndarray]] = {"accuracy": {}, "loss": {}}
    for name, values in measured.items():
        values = np.where(np.isfinite(values), values, np.nan).astype(float)
        family, part = family_of(name)
        families.setdefault(family, {})[part] = values
    return tuple(
        Measure(name, {part: family[part] for part in PARTS if part in family})
        for name, family in families.items()
        if any(np.isfinite(values).any() for values in family.values())
    )


def family_of(name: str) -> tuple[str, str]:
    """The measure of a recorded name, and its part: `train_loss` is the train part of `loss`."""
    part, _, rest = name.partition("_")
    return (rest, part) if part in ("train", "test") and rest else (name, "")


def _by_effect(axes: Sequence[Axis], times: "xarray.Dataset") -> list[Axis]:
    """Axes that vary, seeds apart, the one that moves the median time to generalise most first."""

    def effect(axis: Axis) -> float:
        others = [other.name for other in axes if other.name != axis.name]
        return spread_of(median_time(times, over=others)["median"].values, times)

    varying = [axis for axis in axes if len(axis.labels) > 1 and not axis.is_seed]
    return sorted(varying, key=effect, reverse=True)


def spread_of(medians: np.ndarray, times: "xarray.Dataset") -> float:
    """How far apart median times to generalise lie, as a difference of logarithms."""
    ended = times["generalised"].values
    budget = float(ended[~np.isnan(ended)].max(initial=1))
    # A median that was never reached lies an unknown way beyond the budget: count it as a decade.
    known = np.where(np.isinf(medians), 10 * budget, medians)[~np.isnan(medians)]
    return float(np.ptp(np.log(np.maximum(known, 1)))) if known.size else 0.0


def _flat(variable: "xarray.DataArray", names: Sequence[str]) -> np.ndarray:
    values = variable.transpose(*names, "step").values
    return values.reshape(-1, values.shape[-1])


def _spread(places: Sequence[int], most: int) -> list[int]:
    """At most `most` of these places, evenly spread, both ends included."""
    return [places[at] for at in spread(len(places), most)]


def spread(count: int, most: int) -> list[int]:
    """At most `most` of `count` places, evenly spread, both ends included."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()
