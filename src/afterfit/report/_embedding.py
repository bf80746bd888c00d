"""Tables of a network's weights at a snapshot, as points of a plane."""

import collections
import dataclasses
import hashlib
import threading
import typing
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from ..store import RunRecords
from ._equations import Equations, read_equations
from ._network import advice, chosen_step, parameters
from ._specs import Spec, themes


Snapshot = Mapping[str, np.ndarray]
METHODS = {"circle": "circle of the strongest frequency", "t-SNE": "t-SNE", "components": "components"}
ROWS, COLUMNS = "rows", "columns"
_POINTS = 1_500  # more points of a picture are a smear
_NEIGHBOURS = 400  # more points take t-SNE long, and the cores belong to training
_ENTRY = ".layers[0].weight"  # of an MLP: a row for each symbol at each place
_VOCABULARY = ((".embedding", ROWS), (".unembedding", COLUMNS))  # of a transformer: signs stand after symbols
_SIDE = 320  # pixels; a circle must not be an ellipse
_KEPT = 64  # pictures

_heavy = threading.Lock()  # one reader at a time: the cores belong to training
_drawn: collections.OrderedDict[tuple[str, str], tuple[np.ndarray, int]] = collections.OrderedDict()


@dataclasses.dataclass(frozen=True)
class Weights:
    """A table of weights, read by its rows or by its columns; `elements`: of a task with one of them each."""

    path: str
    along: str
    elements: int | None
    symbols: int

    @property
    def name(self) -> str:
        return f"{self.path} by {self.along}"

    @property
    def methods(self) -> list[str]:
        """A frequency is one of residues; other rows stand in no order."""
        return [method for method in METHODS if self.elements or method != "circle"]

    def rows(self, snapshot: Snapshot) -> Float[np.ndarray, "row column"]:
        """One row for each element, or as many as there are."""
        found = np.asarray(snapshot[self.path], np.float64)
        found = found if self.along == ROWS else found.T
        if self.elements is None:
            return found
        if self.path == _ENTRY:
            found = np.concatenate(np.split(found, len(found) // self.symbols), axis=1)
        return found[: self.elements]  # further rows are those of signs, or of symbols without an equation


def weights(snapshot: Snapshot, equations: Equations | None) -> list[Weights]:
    """The tables of a network that have a picture; those with a row for each element come first."""
    symbols = equations.symbols if equations else 0
    elements = equations.elements if equations else None
    first, rest = [], []
    for path, array in parameters(snapshot).items():
        if array.ndim != 2:
            continue
        for along, size in zip((ROWS, COLUMNS), array.shape, strict=True):
            named = size == symbols or ((path, along) in _VOCABULARY and size >= symbols)
            places = path == _ENTRY and along == ROWS and symbols and size % symbols == 0
            if equations and (named or places):
                first.append(Weights(path, along, elements, symbols))
            elif 3 <= size <= _POINTS:
                rest.append(Weights(path, along, None, 0))
    # Answers stand in the columns of a last layer, symbols in the rows of a first one.
    return sorted(first, key=lambda table: table.along == ROWS) + rest


def embedding(records: RunRecords, step: int | None, name: str, method: str) -> dict[str, typing.Any]:
    """What there is to look at in a run's network, and one of its tables in a plane.

    **Arguments:** `step`: of a snapshot; `name`: of a table; `method`: of drawing it. What this run does not
    have gives way to its last snapshot, its first table and the first method for it: a reader's choices stay
    when another run is opened.
    """
    equations = read_equations(records.recipe)
    told: dict[str, typing.Any] = {
        "steps": sorted(records.snapshots),
        "equations": equations.title if equations else "",
        "tables": [],
        "methods": [],
    }
    if not records.snapshots:
        return {**told, "note": "This run keeps no snapshots. " + advice(records)}
    step = chosen_step(records, step)
    snapshot = records.snapshots[step]
    found = {table.name: table for table in weights(snapshot, equations)}
    if not found:
        return {**told, "step": step, "note": "This network has no table of weights that could be drawn."}
    table = found.get(name, next(iter(found.values())))
    method = method if method in table.methods else table.methods[0]
    told |= {
        "step": step,
        "tables": list(found),
        "name": table.name,
        "method": method,
        "methods": [{"name": one, "title": METHODS[one]} for one in table.methods],
        "themes": themes(),
    }
    rows = table.rows(snapshot)
    if not np.isfinite(rows).all():
        return {**told, "note": "These weights are not finite: the run had diverged."}
    if method == "t-SNE" and len(rows) > _NEIGHBOURS:
        return {**told, "note": f"{len(rows)} points are too many for t-SNE; components show them."}
    return {**told, **_plane(rows, method)}


def _plane(rows: Float[np.ndarray, "row column"], method: str) -> dict[str, typing.Any]:
    points, frequency = _projected(rows, method)
    order = _number_line(frequency, len(rows))
    note = f"{len(rows)} points, each with its number."
    drawn: list[dict[str, typing.Any]] = [{"kind": "point", "number": at} for at in range(len(rows))]
    if order is not None:
        places = np.argsort(order).tolist()
        drawn = [{**row, "place": place} for row, place in zip(drawn, places, strict=True)]
        closed = [*order.tolist(), int(order[0])]
        drawn += [{"kind": "line", "number": number, "place": at} for at, number in enumerate(closed)]
        note += f" Frequency {frequency}: the line goes in steps of {order[1]}."
    names = ("kind", "number", "place")
    columns = {name: [row.get(name) for row in drawn] for name in names}
    at = [row["number"] for row in drawn]
    reach = float(np.abs(points).max()) * 1.08 or 1.0
    return {
        "spec": _scatter(order is not None, reach),
        "columns": {**columns, "across": points[at, 0].tolist(), "up": points[at, 1].tolist()},
        "note": note + " It is a picture: random weights have one too.",
    }


def _projected(rows: Float[np.ndarray, "row column"], method: str) -> tuple[Float[np.ndarray, "row 2"], int]:
    """The points and the frequency of a projection; those of before are remembered."""
    from ..probes import projection

    key = hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest() + str(rows.shape), method
    with _heavy:
        if key not in _drawn:
            points, frequency = projection(rows, method)
            _drawn[key] = points - points.mean(axis=0), frequency
            while len(_drawn) > _KEPT:
                _drawn.popitem(last=False)
        return _drawn[key]


def _number_line(frequency: int, residues: int) -> Int[np.ndarray, " residue"] | None:
    """Residues in the order of a circle of that frequency, if it has each at a place of its own."""
    if not frequency or np.gcd(frequency, residues) != 1:
        return None
    step = pow(frequency, -1, residues)
    return np.arange(residues) * min(step, residues - step) % residues


def _scatter(joined: bool, reach: float) -> Spec:
    def channel(field: str) -> Spec:
        scale = {"domain": [-reach, reach], "nice": False}
        return {"field": field, "type": "quantitative", "scale": scale, "axis": None}

    line: Spec = {
        "transform": [{"filter": "datum.kind === 'line'"}],
        "mark": {"type": "line", "strokeWidth": 0.7, "opacity": 0.4},
        "encoding": {"order": {"field": "place", "type": "quantitative"}},
    }
    colour = {
        "field": "place" if joined else "number",
        "type": "quantitative",
        "scale": {"scheme": "rainbow" if joined else "viridis"},
        "legend": None,
    }
    points: Spec = {
        "transform": [{"filter": "datum.kind === 'point'"}],
        "mark": {"type": "point", "filled": True, "size": 45, "opacity": 1},
        "encoding": {"color": colour, "tooltip": {"field": "number", "type": "quantitative"}},
    }
    numbers: Spec = {
        "transform": [{"filter": "datum.kind === 'point'"}],
        "mark": {"type": "text", "fontSize": 9, "dx": 7, "dy": -6},
        "encoding": {"text": {"field": "number", "type": "quantitative"}, "color": {"value": "#8a919c"}},
    }
    return {
        "width": _SIDE,
        "height": _SIDE,
        "description": "rows of a table of weights in a plane",
        "encoding": {"x": channel("across"), "y": channel("up")},
        "layer": [*([line] if joined else []), points, numbers],
    }
