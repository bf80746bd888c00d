"""What records at the default schedule, probes, the store and the display cost.

Runs of 10,000 steps with all of it beside the same runs with one record at their end, no probe, no store
and no display. They train long enough for resume points to be written.
"""

import dataclasses
import io
import statistics
import tempfile
import time

import afterfit as af
from afterfit.ensemble import Progress, Terminal

from ._cases import TEACHER_STUDENT
from ._laboratory import training_seconds
from ._table import duration, Table


STEPS, ROUNDS = TEACHER_STUDENT.steps, 2
PROBES = (af.probes.layer_norms, af.probes.gradient_norm, af.probes.distance_from_initial)

MODULAR = af.Experiment(
    af.tasks.BinaryOperation("x+y", modulus=31, fraction=0.5),
    af.models.MLP(hidden=(128,), output_bias=False),
    af.AdamW(1e-3, 1.0),
    steps=STEPS,
)


def measure() -> Table:
    """Both experiments."""
    rows, figures = [], []
    for name, experiment, runs in (
        ("teacher-student", TEACHER_STUDENT, 32),
        ("modular MLP, p = 31", MODULAR, 8),
    ):
        versions = {
            "bare": (dataclasses.replace(experiment, record=af.At((STEPS,))), False),
            "records and store": (experiment, True),
            "three probes too": (dataclasses.replace(experiment, probes=PROBES), True),
        }
        for chosen, stored in versions.values():  # programs compiled, caches warm
            _seconds(dataclasses.replace(chosen, steps=50, record=af.At((50,))), runs, stored)
        times = {version: [] for version in versions}
        for _ in range(ROUNDS):
            for version, (chosen, stored) in versions.items():
                times[version].append(_seconds(chosen, runs, stored))
        best = {version: min(found) for version, found in times.items()}
        shares = {version: seconds / best["bare"] - 1 for version, seconds in best.items()}
        shown = _display_share()
        figures.append({"experiment": name, "seconds": times, "shares": shares, "display_share": shown})
        rows.append(
            (
                f"{runs} runs, {name}",
                duration(best["bare"]),
                f"{shares['records and store']:.1%} (target 5%)",
                f"{shares['three probes too']:.1%}",
                f"{shown:.2%} (target 1%)",
            )
        )
    head = ("10,000 steps each", "bare", "records and store", "three probes too", "display")
    note = (
        f"More than the bare runs, which have one record at their end; shortest of {ROUNDS} turns, programs "
        "compiled before. An experiment has no probes by default; the three are layer norms, gradient norm "
        "(a whole gradient) and distance from the start. The store: segments every 2 s, resume points every "
        "15 s, and the pack. The display: a call every 0.7 s, and 8 drawings of its line a second."
    )
    return Table("What recording costs", head, rows, figures, (note,))


def _seconds(experiment: af.Experiment, runs: int, stored: bool) -> float:
    with tempfile.TemporaryDirectory() as folder:
        planned = af.sweep(experiment, {"seed": range(runs)})
        return training_seconds(planned, folder if stored else None)


def _display_share() -> float:
    """Seconds that a live line takes of each second."""

    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    display, progress = Terminal(Tty()), Progress(runs=8)
    progress.advance(1000, 0.7, 8)
    display(progress)
    calls, drawings = [], []
    for _ in range(50):
        began = time.perf_counter()
        display(progress)
        called = time.perf_counter()
        display._live.refresh()
        calls.append(called - began)
        drawings.append(time.perf_counter() - called)
    progress.phase = "done"
    display(progress)
    return statistics.median(calls) / 0.7 + 8 * statistics.median(drawings)
