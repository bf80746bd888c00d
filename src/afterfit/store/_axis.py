"""Which fields of a set of recipes vary, and whether they span a grid."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
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


class Fields:
    """The fields of recipes, by their dotted names, recipe after recipe: what never varies takes no room."""

    def __init__(self, recipes: Iterable[Mapping[str, Any]]):
        self.count = 0
        self._same: dict[str, Any] = {}
        self._varied: dict[str, list[Any]] = {}
        for recipe in recipes:
            self._take(flatten(recipe))

    def __iter__(self) -> Iterator[str]:
        return iter(self._same)

    def __getitem__(self, name: str) -> list[Any]:
        """The value in each recipe, `None` where one has no such field."""
        return self._varied.get(name) or [self._same[name]] * self.count

    def varies(self, name: str) -> bool:
        """Whether two recipes differ in a field."""
        return name in self._varied

    def replace(self, old: Iterable[str], new: str, values: list[Any]) -> None:
        """Puts one field, the last, in the place of others."""
        for name in old:
            del self._same[name]
            self._varied.pop(name, None)
        self._same[new], self._varied[new] = values[0], values

    def _take(self, flat: dict[str, Any]) -> None:
        for name in flat.keys() - self._same.keys():  # no recipe before had it
            if self.count:
                self._varied[name] = [None] * self.count
        for name, value in flat.items():
            first = self._same.setdefault(name, value)
            if name not in self._varied and not _alike(first, value):
                self._varied[name] = [first] * self.count
        for name in self._same.keys() - flat.keys() - self._varied.keys():
            self._varied[name] = [self._same[name]] * self.count
        for name, values in self._varied.items():
            values.append(flat.get(name))
        self.count += 1


def _alike(one: Any, other: Any) -> bool:
    # Not `==` alone, which takes 1 for True, and 0.0 for -0.0, also inside lists.
    return one is other or repr(one) == repr(other)


def find_axes(found: Fields) -> Axes:
    """The axes that a set of recipes spans."""
    fields: dict[str, list[Any]] = {}
    axes: dict[str, list[Any]] = {}
    companions: dict[str, tuple[str, list[Any]]] = {}
    seen: dict[
        tuple[int, ...], tuple[str, list[int]]
    ] = {}  # how a field parts the runs -> its axis, first run of each
    for name in filter(found.varies, found):
        values = found[name]
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
    coords = [{name: fields[name][run] for name in axes} for run in range(found.count)]
    cells = 1
    for ticks in axes.values():
        cells *= len(ticks)
    apart = len({json.dumps(one) for one in coords}) == len(coords)
    is_grid = apart and len(axes) <= _MOST_AXES and cells <= _MOST_EMPTY * found.count
    return Axes(fields, axes, companions, coords, is_grid)


def flatten(recipe: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as dotted names: `{"task": {"modulus": 97}}` is `{"task.modulus": 97}`."""
    flat: dict[str, Any] = {}
    for name, value in recipe.items():
        if isinstance(value, dict) and value:
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
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
