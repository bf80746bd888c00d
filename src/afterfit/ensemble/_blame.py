"""Mistakes of a sweep, each with the place on an axis that it comes from."""

import re
import typing
from collections.abc import Mapping, Sequence

from ..training import RecipeError


Axis = Sequence[typing.Any] | Mapping[str, Mapping[str, typing.Any]]
"""Values of one field, or labelled sets of changes: `{"to init": {"optimiser.decay_to": "initial"}}`."""


class Change(typing.NamedTuple):
    """A value for a field, and where an axis has it: `axes.seed[2]`."""

    name: str
    value: typing.Any
    place: str
    axis: str


def changes_of(name: str, values: Axis) -> list[list[Change]]:
    """For each place on an axis, what changes there."""
    if isinstance(values, Mapping):
        return [
            [Change(field, value, f"axes.{name}.{label}.{field}", name) for field, value in changes.items()]
            for label, changes in values.items()
        ]
    return [[Change(name, value, f"axes.{name}[{index}]", name)] for index, value in enumerate(values)]


class Blame:
    """Gathers what is wrong with single runs, and tells it once for each place on an axis."""

    def __init__(self, axes: Mapping[str, Axis]):
        self._axes = axes
        self._found: dict[tuple[str, str], set[str]] = {}  # (axis, text) -> places; "" where several share it
        self._runs = 0

    @property
    def enough(self) -> bool:
        """Whether there is more than anybody reads."""
        return len(self._found) >= _MOST or self._runs >= _MOST_RUNS

    @property
    def mistakes(self) -> list[str]:
        """One line for each; a mistake of all places of a list is one of the axis."""
        lines = []
        for (axis, text), places in self._found.items():
            values = self._axes.get(axis)
            all_of_it = not isinstance(values, Mapping) and values is not None and len(places) == len(values)
            lines += [f"{place}{text}" for place in ([f"axes.{axis}"] if all_of_it else sorted(places))]
        return lines

    def add(self, error: RecipeError, choice: Sequence[Sequence[Change]]) -> None:
        """Adds the mistakes of the run at so many places on the axes."""
        self._runs += 1
        changes = [change for changes in choice for change in changes]
        for mistake in error.mistakes:
            path = _path(mistake)
            own = [change for change in changes if _inside(path, change.name)]
            if own:  # the last change to a field is the one that counts
                place = own[-1].place
                self._note(own[-1].axis, place, mistake[len(own[-1].name) :])
                continue
            involved = [change for change in changes if _inside(change.name, path)] or changes
            axis = involved[0].axis if len(involved) == 1 else ""
            self._note(axis, " and ".join(change.place for change in involved), f": {mistake}")

    def _note(self, axis: str, place: str, text: str) -> None:
        self._found.setdefault((axis, text), set()).add(place)


_MOST, _MOST_RUNS = 20, 10_000


def _path(mistake: str) -> str:
    found = re.match(r"[\w.\[\]]+(?=: )", mistake)
    return found[0] if found else ""


def _inside(path: str, outer: str) -> bool:
    """Whether a path is another one, or that of a part of it."""
    return path.startswith(outer) and path[len(outer) :][:1] in ("", ".", "[")
