"""The table of equations that a run's task is made from, and which of them its network knows.

Axes of this module
    left, right   symbols in the places of x and y of an equation
"""

import dataclasses
import functools
import json
import math
import typing
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Int

from ..store import RunRecords
from ._labels import words
from ._network import advice, chosen_step, parameters
from ._specs import Spec, themes


SYMBOLS = 150
"""A larger table has cells too small to see, and takes long."""

SHOWN = ("answers", "network")
_HEIGHT = 420
_KINDS = {  # of cells; told apart on white and on dark paper
    "trained, right": "#2457a6",
    "trained, wrong": "#c0304b",
    "asked, right": "#7fb2ff",
    "asked, wrong": "#f0a05c",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Equations:
    """A table, with -1 where there is no equation, and the run that learns it."""

    run: typing.Any
    title: str
    answers: Int[np.ndarray, "left right"]
    trained: Bool[np.ndarray, "left right"]
    falsified: Bool[np.ndarray, "left right"]

    @property
    def symbols(self) -> int:
        """Of the vocabulary; the last ones may stand in no equation."""
        return len(self.answers)

    @property
    def exists(self) -> Bool[np.ndarray, "left right"]:
        return self.answers >= 0

    @property
    def elements(self) -> int:
        """Symbols that stand in an equation, on either side, or are an answer."""
        places = [np.flatnonzero(self.exists.any(axis=axis)) for axis in (0, 1)]
        return 1 + int(max(max(place.max() for place in places), self.answers.max()))


def read_equations(recipe: Mapping[str, typing.Any]) -> Equations | None:
    """The table of a recipe's task; `None` for other tasks, and tables too large to be drawn."""
    task = recipe.get("task")
    if not isinstance(task, Mapping) or not _small(task):
        return None
    return _read(json.dumps(recipe, sort_keys=True))


def _small(task: Mapping[str, typing.Any]) -> bool:
    """Whether a task is a table of no more symbols than are drawn; told before anything is computed."""
    size, symbols = math.inf, task.get("symbols") or 0
    match task.get("kind"):
        case "BinaryOperation":
            size = task.get("modulus", 97)
        case "PermutationOperation":
            degree = task.get("degree", 5)
            size = math.factorial(degree) if isinstance(degree, int) and 0 <= degree < 10 else math.inf
        case "TableTask":  # one that is read from a file is not
            size = len(task["table"]) if isinstance(task.get("table"), list) else math.inf
    return all(isinstance(one, int) and one <= SYMBOLS for one in (size, symbols))


@functools.lru_cache(maxsize=8)
def _read(recipe: str) -> Equations | None:
    from ..ensemble import read_run

    plain = json.loads(recipe)
    try:
        # Looking at somebody's store must not run somebody's code.
        run = read_run(plain, own_code=False)
        data = run.experiment.task.data(run.seeds.split)
    except (ValueError, TypeError, KeyError):  # of another version, or with parts of its author's own
        return None
    symbols = data.symbols
    if symbols is None or symbols > SYMBOLS or getattr(data.inputs, "shape", None) != (symbols**2, 2):
        return None
    trained, falsified = (np.zeros(symbols**2, bool) for _ in range(2))
    trained[np.asarray(data.rows)[: int(data.train_count)]] = True
    falsified |= np.asarray(data.groups.get("outlier", falsified))
    square = (symbols, symbols)
    title = words(str(getattr(run.experiment.task, "title", "Table of equations")))
    title = "Table of equations" if title == plain["task"]["kind"] else title
    answers = np.asarray(data.targets).reshape(square)
    return Equations(run, title, answers, trained.reshape(square), falsified.reshape(square))


def equation_table(records: RunRecords, step: int | None, shown: str) -> dict[str, typing.Any]:
    """The table of a run's task: its answers, or which of them its network knows at a snapshot.

    **Arguments:** `shown`: "answers" or "network"; `step`: of a snapshot, or else of the last one.

    **Raises:** `ValueError` for a task without such a table, and "network" for a run without snapshots.
    """
    equations = read_equations(records.recipe)
    if equations is None:
        raise ValueError("this run's task is no table of equations that could be drawn")
    if shown not in SHOWN:
        raise ValueError(f"a table shows its answers or what the network knows, got {shown!r}")
    exists = equations.exists
    kind = np.where(equations.trained, "trained", "asked")
    columns = {"answer": equations.answers, "kind": kind}
    note = f"{equations.trained.sum():,} of {exists.sum():,} equations are trained on; the others are faint."
    if shown == "network":
        if not records.snapshots:
            raise ValueError("This run keeps no snapshots. " + advice(records))
        step = chosen_step(records, step)
        said = _said(equations, records.snapshots[step], step)
        right = said == equations.answers
        columns |= {"said": said, "kind": np.char.add(kind, np.where(right, ", right", ", wrong"))}
        shares = [right[exists & part].mean() for part in (equations.trained, ~equations.trained)]
        trained, asked = (f"{share:.1%}" for share in shares)
        note = f"At step {step:,}: right on {trained} of what it is trained on, and on {asked} of the rest."
    if equations.falsified.any():
        note += f" {equations.falsified.sum()} answers of the training set are falsified."
    left, right = np.nonzero(exists)
    return {
        "title": equations.title,
        "spec": _cells(shown, int(equations.answers.max())),
        "columns": {
            "x": left.tolist(),
            "y": right.tolist(),
            **{name: values[exists].tolist() for name, values in columns.items()},
        },
        "note": note,
        "themes": themes(),
    }


def _said(
    equations: Equations, snapshot: Mapping[str, np.ndarray], step: int
) -> Int[np.ndarray, "left right"]:
    """What the network answers to each pair."""
    import jax

    double = equations.run.experiment.precision == "float64"
    # On a CPU: a GPU belongs to those who train.
    with jax.default_device(jax.local_devices(backend="cpu")[0]), jax.enable_x64(double):
        return np.asarray(_compiled()(equations.run.moment(parameters(snapshot), step)))


@functools.cache
def _compiled() -> typing.Any:
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    @eqx.filter_jit
    def answers(moment: typing.Any) -> typing.Any:
        symbols = moment.data.symbols
        by_left = moment.data.inputs.reshape(symbols, symbols, 2)
        # Row by row: a page must not take the memory that training needs.
        return jax.lax.map(lambda pairs: jnp.argmax(moment.predict(pairs), axis=-1), by_left)

    return answers


def _cells(shown: str, largest: int) -> Spec:
    def channel(field: str) -> Spec:
        axis = {"title": field, "labelAngle": 0, "labelOverlap": True, "ticks": False, "domain": False}
        return {"field": field, "type": "ordinal", "axis": axis}

    known = {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": list(_KINDS), "range": list(_KINDS.values())},
        "legend": {"orient": "top", "title": None, "columns": 2},
    }
    answer = {
        "field": "answer",
        "type": "quantitative",
        # One beyond the largest: the last residue is a neighbour of the first, and not the same.
        "scale": {"scheme": "rainbow", "domain": [0, largest + 1]},
        "legend": {"orient": "top", "title": "answer", "gradientLength": 180},
    }
    faint: Spec = {"condition": {"test": "datum.kind === 'asked'", "value": 0.3}, "value": 1}
    pointed = ["x", "y", "answer", *(["said"] if shown == "network" else []), "kind"]
    return {
        "width": "container",
        "height": _HEIGHT,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "description": "a table of equations, x down and y across",
        "mark": {"type": "rect"},
        "encoding": {
            "x": channel("y"),
            "y": channel("x"),
            "color": known if shown == "network" else answer,
            **({} if shown == "network" else {"opacity": faint}),
            "tooltip": [{"field": name} for name in pointed],
        },
    }
