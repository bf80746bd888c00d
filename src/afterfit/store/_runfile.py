"""The file that packs, resume points and segments have in common: several runs, their records stacked."""

import functools
import json
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from ._arrayfile import ArrayFile, Reader, write
from ._error import StoreError
from ._records import LiveRun, RunRecords, Snapshots
from ._stack import Row, stack, unstack


def write_runs(
    folder: Path,
    name: str,
    runs: Sequence[RunRecords] | Sequence[LiveRun],
    texts: Sequence[dict[str, Any]],
    index: dict[str, Any],
    owner: str,
) -> Path:
    """Publishes runs with a JSON text each (recipe and the like) under `name`.

    Raises `StoreError` as `write` does, and where a text is not plain data.
    """
    marks = [(number, step) for number, run in enumerate(runs) for step in run.snapshots]
    tables = {
        "text": [{"json": _encode(run.run, text)} for run, text in zip(runs, texts, strict=True)],
        "records": [
            {
                "steps": np.asarray(run.steps, np.int64),
                **{f"values/{name}": np.asarray(array) for name, array in run.values.items()},
            }
            for run in runs
        ],
        "state": [_rows(run.state) if isinstance(run, LiveRun) else {} for run in runs],
        "snapshots": [_rows(runs[number].snapshots[step]) for number, step in marks],
    }
    stacks: dict[str, list[np.ndarray]] = {}
    index = {**index, "runs": [run.run for run in runs], "marks": marks}
    for prefix, items in tables.items():
        parts, index[prefix] = stack(prefix, items)
        stacks |= parts
    return write(folder, name, stacks, index, owner)


class RunFile:
    """A published pack, resume point or segment; raises as `ArrayFile` does."""

    def __init__(self, path: Path):
        self._arrays = ArrayFile(path)
        self.path = path
        self.index = self._arrays.index

    def verify(self) -> None:
        """As `ArrayFile.verify`."""
        self._arrays.verify()

    def open(self, *, whole: bool = False) -> AbstractContextManager[Reader]:
        """As `ArrayFile.open`."""
        return self._arrays.open(whole=whole)

    @property
    def runs(self) -> list[str]:
        """The identities of its runs."""
        return self.index["runs"]

    def text(self, reader: Reader, number: int) -> dict[str, Any]:
        """The JSON text of one run."""
        return json.loads(unstack(reader, "text", self.index["text"][number])["json"].tobytes())

    def history(
        self, reader: Reader, number: int, measures: Collection[str] | None = None
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Steps and values of one run: of all its measures, or of some."""
        wanted = None if measures is None else {"steps", *(f"values/{name}" for name in measures)}
        records = unstack(reader, "records", self.index["records"][number], wanted)
        steps = records.pop("steps")
        values = {name.removeprefix("values/"): array for name, array in records.items()}
        return steps, values

    def snapshots(self, reader: Reader, number: int) -> Snapshots:
        """Snapshots of one run."""
        return {
            step: _only_row(unstack(reader, "snapshots", row))
            for step, row in self._snapshots.get(number, [])
        }

    @functools.cached_property
    def _snapshots(self) -> dict[int, list[tuple[int, Row]]]:
        found: dict[int, list[tuple[int, Row]]] = {}
        for (number, step), row in zip(self.index["marks"], self.index["snapshots"], strict=True):
            found.setdefault(number, []).append((step, row))
        return found

    def live(self, reader: Reader, number: int, *, state: bool) -> LiveRun:
        """One run on its way, with or without its state."""
        steps, values = self.history(reader, number)
        tree = unstack(reader, "state", self.index["state"][number]) if state else {}
        return LiveRun(
            self.runs[number],
            self.text(reader, number)["recipe"],
            steps,
            values,
            _only_row(tree),
            self.snapshots(reader, number),
        )


def _rows(tree: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.asarray(array)[None] for name, array in tree.items()}


def _only_row(tree: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    # Not `array[0]`, which makes a NumPy scalar of a number.
    return {name: array.reshape(array.shape[1:]) for name, array in tree.items()}


def _encode(run: str, text: dict[str, Any]) -> np.ndarray:
    try:
        return np.frombuffer(json.dumps(text, separators=(",", ":")).encode(), np.uint8)
    except TypeError as error:
        raise StoreError(
            f"Expected the recipe of run {run} to be plain data (text, numbers, lists, dictionaries), "
            f"got: {error}."
        ) from error
