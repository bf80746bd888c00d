"""The labelled view: runs as one `xarray.Dataset`.

Axes of this module
    runs      the runs, in the order given
    steps     the union of the steps that any run recorded
"""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from .._accessor import register
from ._axis import Axes, Fields, find_axes, label
from ._error import StoreError
from ._records import RunRecords
from ._store import Store


if TYPE_CHECKING:
    import xarray


def to_dataset(
    runs: Sequence[RunRecords],
    coords: Sequence[Mapping[str, Any]],
    axes: Mapping[str, Sequence[Any]],
    *,
    dims: Mapping[str, Sequence[str]] | None = None,
) -> "xarray.Dataset":
    """Lays runs out on labelled axes.

    **Arguments:**

    - `runs`: the records.
    - `coords`: for each run, its value on each axis.
    - `axes`: name -> values, in the order of the dimensions. Values that are not plain numbers, text or
        truth values are shown by a label.
    - `dims`: measure -> names of its own axes; by default `MEASURE_0`, `MEASURE_1`, ...

    **Returns:** one variable for each measure over the axes and `step` (the union of the recorded steps)
    and the measure's own axes: NaN where there is no value, and integers become floats where that happens.
    Beside them `outcome`, `outcome_step` (-1 where there is no run), `run` and, where runs differ in it,
    `results_version`, over the axes alone.

    Raises `StoreError` where a run has no place on an axis, two runs have the same place, or a measure has
    different numbers of axes in different runs.
    """
    import xarray

    register()
    shape = tuple(len(values) for values in axes.values())
    places = _places(coords, axes)
    flat = np.ravel_multi_index(tuple(places), shape) if shape else np.zeros(len(runs), np.int64)
    if len(np.unique(flat)) < len(runs):
        raise StoreError(
            f"Expected one run at each place, got several at one of {dict(zip(axes, shape, strict=True))}."
        )
    cells = int(np.prod(shape))
    steps, rows = _align([np.asarray(run.steps) for run in runs])

    variables: dict[str, Any] = {}
    for name in dict.fromkeys(name for run in runs for name in run.values):
        table = _fill(name, runs, flat, rows, cells, len(steps))
        own = (dims or {}).get(name, [f"{name}_{axis}" for axis in range(table.ndim - 2)])
        variables[name] = ((*axes, "step", *own), table.reshape(*shape, *table.shape[1:]))

    def per_run(values: Sequence[Any], missing: Any) -> tuple[tuple[str, ...], np.ndarray]:
        table = np.full(
            cells, missing, np.result_type(np.asarray([missing]), np.asarray(values or [missing]))
        )
        table[flat] = values
        return tuple(axes), table.reshape(shape)

    variables["outcome"] = per_run([run.outcome for run in runs], "")
    variables["outcome_step"] = per_run([int(run.outcome_step) for run in runs], -1)
    if "run" not in axes:
        variables["run"] = per_run([run.run for run in runs], "")
    versions = [run.about.get("results_version", 0) for run in runs]
    if len(set(versions)) > 1:
        variables["results_version"] = per_run(versions, -1)
    ticks = {name: _ticks(values) for name, values in axes.items()}
    return xarray.Dataset(variables, {**ticks, "step": ("step", steps, {"units": "steps"})})


def open_dataset(
    path: str | os.PathLike[str], *, measures: Collection[str] | None = None
) -> "xarray.Dataset":
    """All finished runs of a store, without the sweep that made them.

    Of very many runs it is sooner there, and smaller, with some `measures` alone.

    Recipes are flattened to dotted names, and what varies becomes the axes. Fields that vary together share
    the axis of the first one. Where the runs fill less than a quarter of the grid, or it would need more
    than 16 axes, and where forks stand beside runs that are none, there is one dimension `run`, with the
    fields as its coordinates. Of a fork's parent only
    what differs from the fork is a field; `fork.step` is `None` for other runs. Trunks of forks are left out.

    Raises `StoreError` where there is no store, no finished run in it, or no run has one of the `measures`.
    """
    store = Store(path, create=False, readonly=True)
    entries = store.runs()
    if not entries:
        raise StoreError(
            f"{store.address} holds no finished run yet: `afterfit view` shows those on their way."
        )
    runs = store.load(entries, snapshots=False, texts=False, measures=measures)
    for name in measures or ():
        if not any(name in run.values for run in runs):
            known = sorted(store.load(entries[:1], snapshots=False)[0].values)
            raise StoreError(
                f"No run of {store.address} has the measure {name!r}; one has {', '.join(known)}."
            )
    found = varying(entry.recipe for entry in entries)
    forked = {step is not None for step in found.fields.get("fork.step", ())}
    if found.is_grid and len(forked) < 2:
        data = to_dataset(runs, found.coords, found.axes)
        extra = {name: (axis, _labels(values)) for name, (axis, values) in found.companions.items()}
    else:
        names = [run.run for run in runs]
        data = to_dataset(runs, [{"run": name} for name in names], {"run": names})
        extra = {name: ("run", _labels(values)) for name, values in found.fields.items()}
    return data.assign_coords(extra).assign_attrs(title=f"runs of {store.name}")


def varying(recipes: Iterable[Mapping[str, Any]]) -> Axes:
    """The fields in which recipes differ, as axes; none of the recipes is held on to.

    Where one seed drives all chance of every run it is the axis `seed`. Of a fork's parent only what differs
    from the fork counts.
    """
    fields = Fields(_without_repeats(recipe) for recipe in recipes)
    sources = [name for name in fields if name.startswith("seeds.")]
    seeds = [fields[name] for name in sources]
    if sources and all(len(set(one)) == 1 for one in zip(*seeds, strict=True)):
        fields.replace(sources, "seed", seeds[0])
    return find_axes(fields)


def _without_repeats(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe without what a fork's parent has in common with it."""
    fork = recipe.get("fork")
    if not isinstance(fork, dict):  # told apart from a fork by the step alone
        return {**recipe, "fork": {"step": None, "reset_optimiser": False, "noise": 0.0, "parent": None}}
    parent = _difference(_without_repeats(fork["parent"]), recipe)
    own = {name: fork[name] for name in ("step", "reset_optimiser", "noise")}
    return {**recipe, "fork": {**own, "parent": parent or None}}


def _difference(table: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of nested dictionaries that are others in `other`, or missing there."""
    found = {}
    for name, value in table.items():
        there = other.get(name)
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            value = _difference(value, there)
            if value:
                found[name] = value
        elif value != there:
            found[name] = value
    return found


def _places(
    coords: Sequence[Mapping[str, Any]], axes: Mapping[str, Sequence[Any]]
) -> list[Int[np.ndarray, " runs"]]:
    places = []
    for name, values in axes.items():
        ticks = list(values)
        known: dict[Any, int] = {}
        for place, value in enumerate(ticks):
            known.setdefault(_key(value), place)
        try:
            places.append(np.array([known[_key(one[name])] for one in coords], np.int64))
        except KeyError as error:
            raise StoreError(f"Expected a value of the axis {name!r} ({ticks}), got {error}.") from error
    return places


def _key(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return label(value)
    return value


def _ticks(values: Sequence[Any]) -> np.ndarray:
    """Places on an axis: as `_labels`, and two values with one label are told apart."""
    labels = _labels(values)
    if labels.dtype.kind != "U":
        return labels
    seen: Counter[str] = Counter()
    distinct = []
    for text in labels.tolist():
        seen[text] += 1
        distinct.append(f"{text} ({seen[text]})" if seen[text] > 1 else text)
    return np.asarray(distinct)


def _labels(values: Sequence[Any]) -> np.ndarray:
    """Numbers where all are numbers, otherwise text."""
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    for kinds in ({bool}, {int}, {int, float}, {str}):
        if {type(value) for value in plain} <= kinds:
            return np.asarray(plain)
    return np.asarray([label(value) for value in plain])


def _align(steps: Sequence[np.ndarray]) -> tuple[Int[np.ndarray, " steps"], list[Any]]:
    """The union of all steps, and for each run the rows of its records in it."""
    distinct: dict[bytes, np.ndarray] = {}
    keys = []
    for one in steps:
        one = one.astype(np.int64)
        keys.append(one.tobytes())
        distinct.setdefault(keys[-1], one)
    union = np.unique(np.concatenate([np.zeros(0, np.int64), *distinct.values()]))
    rows: dict[bytes, Any] = {key: np.searchsorted(union, one) for key, one in distinct.items()}
    for key, one in rows.items():
        if len(one) and one[-1] - one[0] + 1 == len(one):
            rows[key] = slice(int(one[0]), int(one[-1]) + 1)  # a copy, not a scatter
    return union, [rows[key] for key in keys]


def _fill(
    name: str, runs: Sequence[RunRecords], flat: np.ndarray, rows: Sequence[Any], cells: int, steps: int
) -> np.ndarray:
    """One measure of all runs, `"cells steps ..."`."""
    arrays = [np.asarray(run.values[name]) if name in run.values else None for run in runs]
    shapes = {array.shape[1:] for array in arrays if array is not None}
    dtypes = {array.dtype for array in arrays if array is not None}
    if len({len(shape) for shape in shapes}) > 1:
        raise StoreError(
            f"Expected the measure {name!r} to have the same axes in all runs, got shapes {sorted(shapes)}: "
            "look at these runs apart."
        )
    widest = tuple(max(sizes) for sizes in zip(*shapes, strict=True))
    dtype = np.result_type(
        *(np.dtype(np.float32) if one.kind == "V" else one for one in dtypes)
    )  # V: bfloat16
    full = cells == len(runs) and len(shapes) == 1
    if full and all(array is not None and len(array) == steps for array in arrays):
        table = np.empty((cells, steps, *widest), dtype)
    else:
        if dtype.kind not in "fc":
            dtype = np.result_type(dtype, np.float32)
        table = np.full((cells, steps, *widest), np.nan, dtype)
    for cell, row, array in zip(flat, rows, arrays, strict=True):
        if array is not None:
            target = table[cell]
            if array.shape[1:] != widest:
                target = target[(slice(None), *(slice(size) for size in array.shape[1:]))]
            target[row] = array
    return table
