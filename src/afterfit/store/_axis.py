"""Which fields of a set of recipes vary, and whether they span a grid."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any


_MOST_EMPTY = 4  # cells of a grid for each run
_MOST_AXES = 16


@dataclasses.dataclass(frozen=True)
class Axes:
    """What varies between recipes.

    **Arguments:**

    - `fields`: dotted name -> its value in each run (`None` where a recipe has no such field).
    - `axes`: name -> sorted values; fields that vary together are one axis, named after the first.
    - `companions`: the others of these: name -> (axis, value at each of the axis' places).
    - `coords`: of each run, its value on each axis.
    - `is_grid`: whether the axes are few, well filled, and tell the runs apart.
    """

    fields: dict[str, list[Any]]
    axes: dict[str, list[Any]]
    companions: dict[str, tuple[str, list[Any]]]
    coords: list[dict[str, Any]]
    is_grid: bool


def find_axes(recipes: Sequence[Mapping[str, Any]]) -> Axes:
    """The axes that a set of recipes spans."""
    flat = [flatten(recipe) for recipe in recipes]
    fields: dict[str, list[Any]] = {}
    axes: dict[str, list[Any]] = {}
    companions: dict[str, tuple[str, list[Any]]] = {}
    seen: dict[
        tuple[int, ...], tuple[str, list[int]]
    ] = {}  # how a field parts the runs -> its axis, first run of each
    for name in dict.fromkeys(name for one in flat for name in one):
        values = [one.get(name) for one in flat]
        first: dict[str, int] = {}  # distinct value -> the first run that has it
        parts = tuple(first.setdefault(json.dumps(value), run) for run, value in enumerate(values))
        if len(first) == 1:
            continue
        fields[name] = values
        if parts in seen:
            axis, order = seen[parts]
            companions[name] = (axis, [values[run] for run in order])
        else:
            order = sorted(first.values(), key=lambda run: _rank(values[run], run))
            axes[name] = [values[run] for run in order]
            seen[parts] = (name, order)
    coords = [{name: fields[name][run] for name in axes} for run in range(len(flat))]
    cells = 1
    for ticks in axes.values():
        cells *= len(ticks)
    apart = len({json.dumps(one) for one in coords}) == len(coords)
    is_grid = apart and len(axes) <= _MOST_AXES and cells <= _MOST_EMPTY * len(flat)
    return Axes(fields, axes, companions, coords, is_grid)


def flatten(recipe: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as dotted names: `{"task": {"modulus": 97}}` is `{"task.modulus": 97}`."""
    flat: dict[str, Any] = {}
    for name, value in recipe.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def label(value: Any) -> str:
    """A value as the label of a coordinate."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        return json.dumps(value, default=repr)
    return str(value)


def _rank(value: Any, run: int) -> tuple[int, float, str, int]:
    """Numbers by size, then text by alphabet, then the rest as they come."""
    if isinstance(value, bool | int | float):
        return 0, float(value), "", run
    if isinstance(value, str):
        return 1, 0.0, value, run
    return 2, 0.0, "", run
