"""From the command to the first step of the transformer, when the same sweep was started before."""

import pathlib
import subprocess
import sys
import tempfile
import time

from ._table import duration, Table


RECIPE = """
steps = 100
batch = 512

[task]
kind = "BinaryOperation"
operation = "x/y"
modulus = 97

[model]
kind = "Transformer"

[axes]
"optimiser.weight_decay" = [0.0, 1.0]
seed = [0, 1]
"""

# The command itself, which ends as soon as the display tells of a step.
STARTER = """
import sys, os
from afterfit import ensemble
class Display:
    def __call__(self, progress):
        if progress.steps:
            print("stepped", flush=True)
            os._exit(0)
ensemble.Terminal = Display
from afterfit import cli
cli.main(sys.argv[1:])
"""


def measure() -> Table:
    """A cold start, then three warm ones."""
    with tempfile.TemporaryDirectory() as scratch:
        recipe = pathlib.Path(scratch, "recipe.toml")
        recipe.write_text(RECIPE)
        cold, *warm = [_start(recipe, pathlib.Path(scratch), number) for number in range(4)]
    rows = [("first (empty cache)", duration(cold)), ("again", f"{duration(min(warm))} (target 3 s)")]
    note = "Wall time from starting the process to the first steps seen by the display; shortest of 3 again."
    figures = {"cold_seconds": cold, "warm_seconds": warm}
    return Table(
        "Second start, transformer of Power et al.", ("start", "to the first step"), rows, figures, (note,)
    )


def _start(recipe: pathlib.Path, scratch: pathlib.Path, number: int) -> float:
    import os

    environment = {**os.environ, "AFTERFIT_CACHE": str(scratch / "cache")}
    command = [sys.executable, "-c", STARTER, "run", str(recipe), "--store", str(scratch / f"runs{number}")]
    began = time.perf_counter()
    told = subprocess.run(command, check=True, env=environment, capture_output=True).stdout
    seconds = time.perf_counter() - began
    if b"stepped" not in told:
        raise RuntimeError(f"the command ended without a step: {told.decode()}")
    return seconds
