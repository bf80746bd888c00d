"""Watchers that send records to TensorBoard or Weights & Biases. Neither is needed for anything else."""

import importlib
import json
import os
import pathlib
import typing
from collections.abc import Iterator

from ..store import LiveRun, RunRecords


class TensorBoard:
    """Writes the records of runs as TensorBoard's event files, one folder a run, while they train.

    `sweep(...).run(store, watch=TensorBoard("events"))`. Each measure that is one number a record is a
    scalar; the recipe is a text at the first step.

    **Arguments:** `folder`: for the event files.

    **Raises:** `ImportError` without tensorboardX.
    """

    def __init__(self, folder: str | os.PathLike):
        self._library = _imported("tensorboardX", "TensorBoard")
        self._folder = pathlib.Path(folder)
        self._writers: dict[str, typing.Any] = {}
        self._next: dict[str, int] = {}  # the first step of each run that was not written yet

    def __call__(self, records: LiveRun | RunRecords) -> None:
        due = self._next.get(records.run, 0)
        new = [(step, values) for step, values in _rows(records) if step >= due]
        if new:
            writer = self._writers.get(records.run) or self._opened(records, new[0][0])
            for step, values in new:
                for name, value in values.items():
                    writer.add_scalar(name, value, step)
            writer.flush()
            self._next[records.run] = new[-1][0] + 1
        if isinstance(records, RunRecords) and records.run in self._writers:
            self._writers.pop(records.run).close()

    def _opened(self, records: LiveRun | RunRecords, first: int) -> typing.Any:
        # Of what an earlier process wrote, TensorBoard then shows nothing from this step on: a resumed run is
        # told from its first record.
        writer = self._library.SummaryWriter(str(self._folder / records.run), purge_step=first)
        writer.add_text("recipe", json.dumps(records.recipe, indent=1), first)
        self._writers[records.run] = writer
        return writer


class WeightsAndBiases:
    """Sends the records of runs to Weights & Biases while they train, each as a run of the same id.

    `sweep(...).run(store, watch=WeightsAndBiases(project="grokking"))`. Each measure that is one number a
    record is logged, with the recipe as configuration and the outcome in the summary.

    **Arguments:** `project`, and what else `wandb.init` takes, such as `mode="offline"` or `group`.

    **Raises:** `ImportError` without wandb.
    """

    def __init__(self, project: str, **settings: typing.Any):
        self._library = _imported("wandb", "Weights & Biases")
        self._settings = {"project": project, **settings}
        self._runs: dict[str, typing.Any] = {}

    def __call__(self, records: LiveRun | RunRecords) -> None:
        run = self._runs.get(records.run) or self._opened(records)
        due = run.step  # an earlier process has logged what lies before: a resumed run is told from its start
        for step, values in _rows(records):
            if step >= due:
                run.log(values, step=step, commit=True)
        if isinstance(records, RunRecords):
            run.summary["outcome"] = records.outcome
            self._runs.pop(records.run).finish()

    def _opened(self, records: LiveRun | RunRecords) -> typing.Any:
        settings = {**self._settings, "id": records.run, "config": records.recipe}
        # Runs train side by side, so each is one of its own beside those that are open.
        run = self._library.init(**settings, resume="allow", reinit="create_new")
        self._runs[records.run] = run
        return run


def _rows(records: LiveRun | RunRecords) -> Iterator[tuple[int, dict[str, float]]]:
    """For each recorded step, the measures that are one number."""
    single = {name: array for name, array in records.values.items() if array.ndim == 1}
    for index, step in enumerate(records.steps):
        yield int(step), {name: float(array[index]) for name, array in single.items()}


def _imported(name: str, purpose: str) -> typing.Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"{purpose} needs {name}: install it with `pip install {name}`.") from error
