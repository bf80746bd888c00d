"""What is inside a run's network at a snapshot: its embeddings, and its answers to a table of equations."""

import dataclasses
import functools
import json
import typing
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int

from ..store import RunRecords
from ._colours import PAIR
from ._labels import words
from ._specs import Spec, theme_config


Snapshot = Mapping[str, np.ndarray]
METHODS = {"circle": "circle of the strongest frequency", "t-SNE": "t-SNE", "components": "components"}
ROWS, COLUMNS = "rows", "columns"
_POINTS = 1_500  # more points of a picture are a smear, and t-SNE takes long
_SYMBOLS = 150  # a larger table has cells smaller than a pixel of a telephone
_BESIDE = "state"  # begins the paths of what a snapshot holds beside the network
_KINDS = {  # of cells; told apart on white and on dark paper
    "trained, right": "#2457a6",
    "trained, wrong": "#c0304b",
    "asked, right": "#7fb2ff",
    "asked, wrong": "#f0a05c",
}


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of weights read by its rows or by its columns."""

    path: str
    along: str

    @property
    def name(self) -> str:
        return f"{self.along} of {self.path}"

    def of(self, snapshot: Snapshot) -> Float[np.ndarray, "row column"]:
        """Its rows, whichever they are."""
        found = np.asarray(snapshot[self.path], np.float64)
        return found if self.along == ROWS else found.T


def tables(snapshot: Snapshot, symbols: int | None) -> list[Table]:
    """The tables of a network that have a picture; first those with a row for each symbol, the last first."""
    found = [
        (size == symbols, Table(path, along))
        for path, array in snapshot.items()
        if array.ndim == 2 and not path.startswith(_BESIDE)
        for along, size in zip((ROWS, COLUMNS), array.shape, strict=True)
        if 3 <= size <= _POINTS
    ]
    return [table for fits, table in found[::-1] if fits] + [table for fits, table in found if not fits]


def inside(records: RunRecords, step: int | None, name: str, method: str) -> dict[str, typing.Any]:
    """What there is to look at in a run's network, and one of its tables in a plane.

    **Arguments:** `step`: of a snapshot, by default the last one; `name`: of a table, "" for the first.

    **Raises:** `ValueError` for a step, table or method that is not there.
    """
    equations = _equations(records)
    told: dict[str, typing.Any] = {
        "steps": sorted(records.snapshots),
        "methods": [{"name": one, "title": title} for one, title in METHODS.items()],
        "table": equations.title if equations else "",
        "tables": [],
    }
    if not records.snapshots:
        return {**told, "note": "This run keeps no snapshots. " + _advice(records)}
    step, snapshot = _chosen(records, step)
    found = {table.name: table for table in tables(snapshot, equations.symbols if equations else None)}
    if not found:
        return {**told, "step": step, "note": "This network has no table of weights that could be drawn."}
    if name and name not in found:
        raise ValueError(f"no {name!r} in this network; there are: {', '.join(found)}")
    table = found[name] if name else next(iter(found.values()))
    return {
        **told,
        "step": step,
        "tables": list(found),
        "name": table.name,
        "method": method,
        **_plane(table.of(snapshot), method),
        "themes": _themes(),
    }


def _chosen(records: RunRecords, step: int | None) -> tuple[int, Snapshot]:
    step = max(records.snapshots) if step is None else step
    if step not in records.snapshots:
        raise ValueError(f"no snapshot of step {step}; there are: {', '.join(map(str, records.snapshots))}")
    return step, records.snapshots[step]


def _advice(records: RunRecords) -> str:
    return (
        f"Give its experiment some, such as `snapshots=af.LogSpaced()`, or `snapshots=af.At((0, "
        f"{records.recipe.get('steps', 'STEPS')}))`, and train it again."
    )


def _themes() -> dict[str, Spec]:
    return {theme: theme_config(theme, list(PAIR[theme])) for theme in PAIR}


def _plane(rows: Float[np.ndarray, "row column"], method: str) -> dict[str, typing.Any]:
    from ..probes import projection

    found = projection(rows, method)
    order = _number_line(found.frequency, len(rows))
    # Neighbours on the circle stand in a row, so that a line may join them; -1: no such order.
    place = np.full(len(rows), -1) if order is None else np.argsort(order)
    note = f"{len(rows)} points, each with its number."
    if order is not None:
        note += f" Frequency {found.frequency}: the line goes in steps of {order[1] - order[0]}."
    return {
        "spec": _scatter(order is not None),
        "columns": {
            "number": list(range(len(rows))),
            "across": found.points[:, 0].tolist(),
            "up": found.points[:, 1].tolist(),
            "place": place.tolist(),
        },
        "note": note + " It is a picture: random weights have one too.",
    }


def _number_line(frequency: int, residues: int) -> Int[np.ndarray, " residue"] | None:
    """Residues in the order of a circle of that frequency, if it has each at a place of its own."""
    if not frequency or np.gcd(frequency, residues) != 1:
        return None
    step = pow(frequency, -1, residues)
    return np.arange(residues) * min(step, residues - step) % residues


def _scatter(joined: bool) -> Spec:
    def channel(field: str) -> Spec:
        return {"field": field, "type": "quantitative", "scale": {"zero": False}, "axis": None}

    line: Spec = {
        "mark": {"type": "line", "strokeWidth": 0.7, "opacity": 0.4},
        "encoding": {"order": {"field": "place", "type": "quantitative"}},
    }
    ramp = {"scheme": "rainbow" if joined else "viridis"}
    colour = {
        "field": "place" if joined else "number",
        "type": "quantitative",
        "scale": ramp,
        "legend": None,
    }
    points: Spec = {
        "mark": {"type": "point", "filled": True, "size": 45, "opacity": 1},
        "encoding": {"color": colour, "tooltip": {"field": "number", "type": "quantitative"}},
    }
    numbers: Spec = {
        "mark": {"type": "text", "fontSize": 9, "dx": 7, "dy": -6},
        "encoding": {"text": {"field": "number", "type": "quantitative"}, "color": {"value": "#8a919c"}},
    }
    return {
        "width": "container",
        "height": 360,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "description": "rows of a table of weights in a plane",
        "encoding": {"x": channel("across"), "y": channel("up")},
        "layer": [*([line] if joined else []), points, numbers],
    }


# --- tables of equations ----------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Equations:
    """The table of a task on pairs of symbols. **Axes:** x, then y."""

    run: typing.Any
    title: str
    answers: Int[np.ndarray, "left right"]
    trained: Bool[np.ndarray, "left right"]
    falsified: Bool[np.ndarray, "left right"]

    @property
    def symbols(self) -> int:
        return len(self.answers)


def operation_table(records: RunRecords, step: int | None, shown: str) -> dict[str, typing.Any]:
    """The table of a run's task: its answers, or which of them its network knows at a snapshot.

    **Arguments:** `shown`: "answers" or "network"; `step`: of a snapshot, by default the last one.

    **Raises:** `ValueError` for a task without such a table, and a step that is not there.
    """
    equations = _equations(records)
    if equations is None:
        raise ValueError("this run's task is no table of equations")
    if shown not in ("answers", "network"):
        raise ValueError(f"a table shows its answers or what the network knows, got {shown!r}")
    exists = equations.answers >= 0
    kind = np.where(equations.trained, "trained", "asked")
    columns = {"answer": equations.answers, "kind": kind}
    note = f"{equations.trained.sum():,} of {exists.sum():,} equations are trained on; the others are faint."
    if shown == "network":
        if not records.snapshots:
            raise ValueError("This run keeps no snapshots. " + _advice(records))
        step, snapshot = _chosen(records, step)
        said = _said(equations, snapshot, step)
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
        "steps": sorted(records.snapshots),
        "spec": _cells(shown, equations.symbols),
        "columns": {
            "x": left.tolist(),
            "y": right.tolist(),
            **{name: values[exists].tolist() for name, values in columns.items()},
        },
        "note": note,
        "themes": _themes(),
    }


def _equations(records: RunRecords) -> _Equations | None:
    return _read_equations(json.dumps(records.recipe, sort_keys=True))


@functools.lru_cache(maxsize=8)
def _read_equations(recipe: str) -> _Equations | None:
    """The table that a recipe's task is made from, if it is."""
    plain = json.loads(recipe)
    # Looking at somebody's store must neither run somebody's code nor fetch a data set.
    if "files" in plain or "model" not in plain:
        return None
    from ..ensemble import read_run

    try:
        run = read_run(plain, own_code=False)
        data = run.experiment.task.data(run.seeds.split)
    except ValueError:  # of another version, or with parts of its author's own
        return None
    symbols = data.symbols
    if symbols is None or symbols > _SYMBOLS or getattr(data.inputs, "shape", None) != (symbols**2, 2):
        return None
    trained, falsified = (np.zeros(symbols**2, bool) for _ in range(2))
    trained[np.asarray(data.rows)[: int(data.train_count)]] = True
    falsified |= np.asarray(data.groups.get("outlier", falsified))
    square = (symbols, symbols)
    title = words(str(getattr(run.experiment.task, "title", plain["task"].get("kind", "table"))))
    answers = np.asarray(data.targets).reshape(square)
    return _Equations(run, title, answers, trained.reshape(square), falsified.reshape(square))


def _said(equations: _Equations, snapshot: Snapshot, step: int) -> Int[np.ndarray, "left right"]:
    """What the network answers to each pair."""
    network = {path: array for path, array in snapshot.items() if not path.startswith(_BESIDE)}
    double = equations.run.experiment.precision == "float64"
    import jax

    with jax.enable_x64(double):
        return np.asarray(_answers_of(equations.run.moment(network, step)))


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


def _answers_of(moment: typing.Any) -> typing.Any:
    return _compiled()(moment)


def _cells(shown: str, symbols: int) -> Spec:
    def channel(field: str, title: str) -> Spec:
        axis = {"title": title, "labelAngle": 0, "labelOverlap": True, "ticks": False, "domain": False}
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
        "scale": {
            "scheme": "rainbow",
            "domain": [0, symbols],
        },  # the last residue is a neighbour of the first
        "legend": {"orient": "top", "title": "answer", "gradientLength": 180},
    }
    faint: Spec = {"condition": {"test": "datum.kind === 'asked'", "value": 0.3}, "value": 1}
    pointed = ["x", "y", "answer", *(["said"] if shown == "network" else []), "kind"]
    return {
        "width": "container",
        "height": 420,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "description": "a table of equations",
        "mark": {"type": "rect"},
        "encoding": {
            "x": channel("y", "y"),
            "y": channel("x", "x"),
            "color": known if shown == "network" else answer,
            **({} if shown == "network" else {"opacity": faint}),
            "tooltip": [{"field": name} for name in pointed],
        },
    }
