"""Runs to put into stores."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import afterfit.store
from afterfit.store import LiveRun, RunRecords


MakeRun = Callable[..., RunRecords]
MakeLive = Callable[..., LiveRun]


@pytest.fixture
def finished() -> MakeRun:
    """Makes a finished run whose numbers follow from its name."""

    def make(
        run: str, records: int = 5, outcome: str = "done", recipe: dict | None = None, **more
    ) -> RunRecords:
        random = np.random.default_rng([ord(letter) for letter in run])
        steps = np.arange(records) * 10
        values = {
            "train_loss": random.normal(size=records).astype(np.float32),
            "spectrum": random.normal(size=(records, 3)).astype(np.float32),
        }
        return RunRecords(run, recipe or {"seed": run}, steps, values, outcome, 10 * records, **more)

    return make


@pytest.fixture
def live() -> MakeLive:
    """Makes a run on its way, whose state holds the last step."""

    def make(run: str, records: int = 3, size: int = 4) -> LiveRun:
        steps = np.arange(records) * 10
        values = {"train_loss": (steps / 7).astype(np.float32)}
        last = int(steps[-1]) if records else -1
        state = {"model/weight": np.full((size, 2), last, np.float32), "step": np.asarray(last)}
        return LiveRun(
            run, {"seed": run}, steps, values, state, {0: {"weight": np.ones(2)}} if records else {}
        )

    return make


@pytest.fixture
def only() -> Callable[[Path, str], Path]:
    """Finds the one file below a folder that has a pattern's name."""

    def find(folder: Path, pattern: str) -> Path:
        (path,) = folder.rglob(pattern)
        return path

    return find


@pytest.fixture
def process() -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts Python code in another process, with `sys.argv[1:]`; what still runs at the end is killed."""
    started = []
    source = str(Path(afterfit.store.__file__).parents[2])

    def start(code: str, *arguments: object) -> subprocess.Popen:
        child = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": source},
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()
