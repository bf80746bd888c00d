"""What records at the default schedule, the default probes, the store and the display cost.

A run of 10,000 steps with all of it beside the same run with one record at its end, no probe, no store
and no display. The shorter a step, the more its records weigh: hence a small network and a larger one.
"""

import dataclasses
import statistics
import tempfile
import time

import afterfit as af
from afterfit.ensemble import Progress, Terminal

from ._laboratory import training_seconds
from ._table import duration, Table


STEPS, ROUNDS = 10_000, 3
PROBES = (af.probes.layer_norms, af.probes.gradient_norm, af.probes.distance_from_initial)

TEACHER = af.Experiment(
    af.tasks.TeacherStudent(),
    af.models.MLP(hidden=(100, 100), activation="tanh"),
    af.AdamW(3e-4, 0.1, warmup=0),
    steps=STEPS,
)
MODULAR = af.Experiment(
    af.tasks.BinaryOperation("x+y", modulus=31, fraction=0.5),
    af.models.MLP(hidden=(128,), output_bias=False),
    af.AdamW(1e-3, 1.0),
    steps=STEPS,
)


def measure() -> Table:
    """Both experiments, 8 runs each."""
    rows, figures = [], []
    for name, experiment in (("teacher-student", TEACHER), ("modular MLP, p = 31", MODULAR)):
        versions = {
            "bare": (dataclasses.replace(experiment, record=af.At((STEPS,))), False),
            "records": (experiment, False),
            "records, probes, store": (dataclasses.replace(experiment, probes=PROBES), True),
        }
        for version, (chosen, stored) in versions.items():  # programs compiled, caches warm
            _seconds(chosen, stored)
        times = {version: [] for version in versions}
        for _ in range(ROUNDS):
            for version, (chosen, stored) in versions.items():
                times[version].append(_seconds(chosen, stored))
        best = {version: min(found) for version, found in times.items()}
        shares = {version: seconds / best["bare"] - 1 for version, seconds in best.items()}
        shown = _display_seconds()
        figures.append({"experiment": name, "seconds": times, "shares": shares, "display_seconds": shown})
        rows.append(
            (
                name,
                duration(best["bare"]),
                f"{shares['records']:.1%}",
                f"{shares['records, probes, store']:.1%} (target 5%)",
                f"{shown / 0.7:.2%} (target 1%)",
            )
        )
    head = ("8 runs of 10,000 steps", "bare", "records", "with probes and store", "display")
    note = (
        f"Shortest of {ROUNDS} turns, programs compiled before. Probes: layer norms, gradient norm, distance "
        "from the start. The display is one call, beside the 0.7 s of training that lie between two calls."
    )
    return Table("What recording costs", head, rows, figures, (note,))


def _seconds(experiment: af.Experiment, stored: bool) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return training_seconds(af.sweep(experiment, {"seed": range(8)}), folder if stored else None)


def _display_seconds() -> float:
    """One call of the live line."""
    import io

    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    display, progress = Terminal(Tty()), Progress(runs=8)
    progress.advance(1000, 0.7, 8)
    display(progress)
    times = []
    for _ in range(50):
        began = time.perf_counter()
        display(progress)
        times.append(time.perf_counter() - began)
    progress.phase = "done"
    display(progress)
    return statistics.median(times)
