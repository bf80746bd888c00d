"""What grows with a sweep: the memory of who trains it, and what it takes to open a store of 100,000 runs."""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

import afterfit as af
from afterfit.store import RunRecords, Store

from ._table import duration, Table


FEW, MANY = 300, 3_000
"""Runs of the sweeps that are trained."""

PACKS, PER_PACK = 2_000, 50
"""Of the store that is opened."""

DECAYS, SEEDS = 10, 1_000  # of the sweep that finds all of its runs in that store

MEASURES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy", "weight_norm")

BEGIN = """
import json, sys, time
import afterfit as af
from benchmarks.memory import peak, plan
path = sys.argv[1]
"""

TRAINING = """
planned = plan(int(sys.argv[2]) // 10, 10)
[run.id for run in planned.runs]
before = peak()
planned.{how}(path, display=af.ensemble.silent)
print(json.dumps([before, peak()]))
"""

OPENING = """
{prepare}
before, began = peak(), time.perf_counter()
{act}
print(json.dumps([time.perf_counter() - began, before, peak()]))
"""

LOOKS = {
    "table of contents, first time": (
        "from afterfit.store import Store",
        "Store(path, readonly=True).runs()",
    ),
    "table of contents, again": ("from afterfit.store import Store", "Store(path, readonly=True).runs()"),
    "`afterfit status`": (
        "from afterfit.report import describe_status; from afterfit.store import Store",
        "describe_status(Store(path, readonly=True).status())",
    ),
    "all as one dataset": ("import xarray", "af.open_dataset(path)"),
    "one measure as a dataset": ("import xarray", "af.open_dataset(path, measures=['test_accuracy'])"),
    "a sweep that finds its 10,000 runs there": (
        f"planned = plan({DECAYS}, {SEEDS}); [run.id for run in planned.runs]",
        "planned.train(path, display=af.ensemble.silent)",
    ),
    "the live page's first look": (
        "from afterfit.report._watch import Watch",
        "Watch(path).look()",
    ),
}


def plan(decays: int, seeds: int) -> af.Sweep:
    """Addition modulo 5, 20 steps."""
    task = af.tasks.BinaryOperation("x+y", modulus=5, fraction=0.6)
    experiment = af.Experiment(task, af.models.MLP(hidden=(16,)), steps=20)
    values = [0.001 * index for index in range(decays)]
    return af.sweep(experiment, {"optimiser.weight_decay": values, "seed": range(seeds)})


def peak() -> int:
    """The most memory that this process has held, in bytes (on Linux)."""
    # Not `ru_maxrss`, which begins at the peak of the process that started this one.
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def measure() -> Table:
    """Sweeps of tiny runs into fresh stores, and looks at a store of made-up records, each in a process."""
    rows: list[tuple[str, ...]] = []
    figures: dict[str, object] = {"runs": [FEW, MANY], "stored_runs": PACKS * PER_PACK}
    with tempfile.TemporaryDirectory() as scratch:
        _ask(TRAINING.format(how="train"), pathlib.Path(scratch, "warm"), FEW)  # compiles
        for how in ("train", "run"):
            peaks = []
            for count in (FEW, MANY):
                before, after = _ask(TRAINING.format(how=how), pathlib.Path(scratch, f"{how}{count}"), count)
                peaks.append((before, after))
                rows.append((f"`{how}` of {count:,} runs", "", _memory(before, after)))
            growth = (peaks[1][1] - peaks[0][1]) / (MANY - FEW)
            rows.append((f"`{how}`, bytes a run", "", f"{growth:,.0f}"))
            figures[how] = peaks
        store = pathlib.Path(scratch, "store")
        _fill(store)
        figures["looks"] = looks = {}
        for name, (prepare, act) in LOOKS.items():
            seconds, before, after = _ask(OPENING.format(prepare=prepare, act=act), store, 0)
            rows.append((name, duration(seconds), _memory(before, after)))
            looks[name] = (seconds, before, after)
    title = f"Memory of a sweep, and a store of {PACKS * PER_PACK:,} runs in {PACKS:,} packs"
    return Table(title, ("", "time", "peak memory, before and after"), rows, figures)


def _memory(before: float, after: float) -> str:
    return f"{before / 1e6:.0f} to {after / 1e6:.0f} MB"


def _ask(code: str, path: pathlib.Path, count: int) -> list[float]:
    words = [sys.executable, "-c", BEGIN + code, str(path), str(count)]
    return json.loads(subprocess.check_output(words, text=True).splitlines()[-1])


def _fill(path: pathlib.Path) -> None:
    """A store with the runs of the sweep that looks for them; the records are noise."""
    runs = {run.id: run.recipe for run in plan(DECAYS, SEEDS).runs}
    (recipe,) = (run.recipe for run in plan(1, 1).runs)
    while len(runs) < PACKS * PER_PACK:  # planning so many would take minutes
        seed = SEEDS + len(runs)
        runs[f"{seed:020d}"] = {**recipe, "seeds": dict.fromkeys(recipe["seeds"], seed)}
    names = list(runs)
    steps = np.array([0, 1, 2, 5, 10, 15, 20])
    random = np.random.default_rng(0)
    with Store(path).claim(names, af.ensemble.about()) as session:
        for start in range(0, len(names), PER_PACK):
            session.publish_runs(
                [
                    RunRecords(
                        name,
                        runs[name],
                        steps,
                        {one: random.random(len(steps), np.float32) for one in MEASURES},
                        "done",
                        20,
                    )
                    for name in names[start : start + PER_PACK]
                ]
            )
