"""A sweep of 100,000 tiny runs: does it end, and how soon is one curve of it at hand?"""

import pathlib
import subprocess
import sys
import tempfile
import time

import afterfit as af

from ._table import duration, Table


RUNS = 100_000

READER = """
import sys, time
began = time.perf_counter()
import afterfit.store
store = afterfit.store.Store(sys.argv[1], readonly=True)
(one,) = store.load([sys.argv[2]])
assert len(one.values["test_accuracy"]) == len(one.steps)
print(time.perf_counter() - began)
"""


def measure() -> Table:
    """Addition modulo 5, 200 steps, 1,000 weight decays and 100 seeds."""
    experiment = af.Experiment(
        af.tasks.BinaryOperation("x+y", modulus=5, fraction=0.6), af.models.MLP(hidden=(16,)), steps=200
    )
    decays = [0.001 * index for index in range(RUNS // 100)]
    began = time.perf_counter()
    planned = af.sweep(experiment, {"optimiser.weight_decay": decays, "seed": range(100)})
    planning = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as scratch:
        store = pathlib.Path(scratch, "runs")
        began = time.perf_counter()
        planned.run(store)
        training = time.perf_counter() - began
        files = list((store / "packs").iterdir())
        size = sum(file.stat().st_size for file in files)
        wanted = planned.runs[RUNS // 2].id
        reading = [
            float(subprocess.check_output([sys.executable, "-c", READER, str(store), wanted]))
            for _ in range(3)
        ]
    rows = [
        ("the sweep planned", duration(planning)),
        ("trained, stored and opened as one dataset", duration(training)),
        ("runs a second", f"{RUNS / training:.0f}"),
        ("store", f"{size / 1e6:.0f} MB in {len(files)} files"),
        (
            "a fresh process imports afterfit, opens the store and reads one curve",
            f"{duration(min(reading))} (target 2 s)",
        ),
    ]
    figures = {
        "runs": RUNS,
        "planning_seconds": planning,
        "training_seconds": training,
        "store_bytes": size,
        "files": len(files),
        "reading_seconds": reading,
    }
    return Table(f"A sweep of {RUNS:,} runs of 200 steps", ("", ""), rows, figures)
