"""One program for many runs: 12 operations x 3 fractions x 2 weight decays x 2 seeds, beside single runs.

Tells how many programs were compiled, and the wall time of the sweep beside 144 times that of a single
run: of a run as a process of its own would have it (compilation included), and of its training alone.
"""

import statistics

import afterfit as af

from ._cold import no_cache, timed
from ._table import duration, Table


OPERATIONS = [
    "add", "sub", "mul", "div", "mix", "quad1", "quad2", "quad3", "cube1", "cube2", "square_add", "add_mul",
]  # fmt: skip

EXPERIMENT = af.Experiment(
    task=af.tasks.BinaryOperation("add", modulus=31),
    model=af.models.Transformer(width=32, heads=4),
    optimiser=af.AdamW(learning_rate=1e-3, weight_decay=1.0),
    batch=512,
    steps=200,
)
AXES = {
    "task.operation": OPERATIONS,
    "task.fraction": [0.3, 0.5, 0.7],
    "optimiser.weight_decay": [0.0, 1.0],
    "seed": [0, 1],
}


def measure() -> Table:
    """One sweep of 144 lanes, and three single runs."""
    with no_cache():
        whole, progress = timed(EXPERIMENT, AXES)
        singles = [timed(EXPERIMENT, {"seed": [seed]}) for seed in (0, 1, 2)]
    single = statistics.median(seconds for seconds, _ in singles)
    training = statistics.median(seconds - one.compile_seconds for seconds, one in singles)
    rows = [
        ("programs compiled for 144 lanes", f"{progress.programs}, {duration(progress.compile_seconds)}"),
        ("the sweep", duration(whole)),
        ("a single run; of it training", f"{duration(single)}; {duration(training)}"),
        ("144 single runs, each compiled", f"{144 * single / whole:.1f} times the sweep"),
        ("144 times the training alone", f"{144 * training / whole:.2f} times the sweep"),
    ]
    figures = {"sweep_seconds": whole, "single_seconds": single, "training_seconds": training}
    return Table("144 runs as one program", ("", ""), rows, figures)
