"""What places on an axis are called, and runs that lie on no grid."""

import typing
from collections.abc import Mapping, Sequence

import numpy as np

from ..store import varying


if typing.TYPE_CHECKING:
    import xarray

FORK = "fork.step"
PARENT = "fork.parent."
LONG = 24  # characters of a value that are shown
ID = 6  # and of a run's id


def label(value: typing.Any) -> str:
    """A coordinate as text: short numbers, anything else as it is."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        # float32 coordinates read 0.30000001192092896 in full.
        return f"{float(value):.6g}"
    return str(value)


def words(name: str) -> str:
    """A name as it is read."""
    # A line break in a name would end a string inside Vega's tooltip expressions.
    return " ".join(name.replace("_", " ").split())


def run_labels(data: "xarray.Dataset") -> tuple[str, ...]:
    """What tells the runs of an axis `run` apart: the fields that vary, e.g. "fork at 40, weight decay 0".

    Those of a fork's parent, and the beginning of the id, are added only where it takes them.
    """
    ids = [str(run) for run in data["run"].values.tolist()]
    fields = {
        str(name): [label(value) for value in values.values.tolist()]
        for name, values in data.coords.items()
        if name != "run" and values.dims == ("run",)
    }
    own = [name for name in fields if not name.startswith(PARENT)]
    for shown in (own, list(fields)):
        texts = [_described({name: fields[name][run] for name in shown}, fields) for run in range(len(ids))]
        if all(texts) and len(set(texts)) == len(texts):
            return tuple(texts)
    return tuple(
        f"{text} ({run[:ID]})" if text and texts.count(text) > 1 else text or run
        for text, run in zip(texts, ids, strict=True)
    )


def _described(values: dict[str, str], fields: dict[str, list[str]]) -> str:
    """One run's values of the fields that vary, the step of the fork first."""
    pieces = []
    if FORK in values:
        pieces.append("no fork" if values[FORK] == "None" else f"fork at {values[FORK]}")
    for name, value in values.items():
        if name == FORK or value == "None" or _goes_with_kind(name, fields):
            continue
        *place, last = name.removeprefix(PARENT).split(".")
        text = value if len(value) <= LONG else value[: LONG - 1] + "…"
        whose = "parent's " if name.startswith(PARENT) else ""
        pieces.append(whose + (text if last == "kind" and place else f"{words(last)} {text}"))
    return ", ".join(pieces)


def _goes_with_kind(name: str, fields: dict[str, list[str]]) -> bool:
    """Whether all components that have this field have one value of it, so that their kind says enough."""
    place, _, last = name.rpartition(".")
    return last != "kind" and f"{place}.kind" in fields and len({*fields[name]} - {"None"}) == 1


def told_apart(recipes: Sequence[Mapping[str, typing.Any]]) -> list[str]:
    """What tells each run from the others, e.g. "optimiser.weight_decay 0.1, seed 2"."""
    found = varying(recipes)
    return [", ".join(f"{name} {_shortened(place[name])}" for name in found.axes) for place in found.coords]


def printable(text: str) -> str:
    """Text for a terminal: what would steer it, as names in somebody's store may, is written out."""
    return "".join(one if one.isprintable() or one == "\n" else repr(one)[1:-1] for one in text)


def _shortened(value: typing.Any) -> str:
    text = str(value)
    return printable(text if len(text) <= LONG else f"{text[: LONG - 1]}…")
