"""A phase diagram as one pack: 14 output scales x 14 nonlinearities x 3 seeds, beside single runs in turn.

The grid is that of Kumar et al. 2023, Figure 3e. Single runs are a sample, each a fresh sweep of one run
compiled anew, and are scaled up to the whole.
"""

import itertools

import numpy as np

import afterfit as af

from ._cold import no_cache, timed
from ._table import duration, Table


STEPS = 2000
EXPERIMENT = af.Experiment(
    task=af.tasks.Polynomial(inputs=20, train=60),
    model=af.models.CommitteeMachine(width=100, reduced=True),
    optimiser=af.training.GradientDescent(learning_rate=200.0),  # twice the width
    parametrisation=af.training.Parametrisation(output_scale=1.0, scaled_rate=True),
    steps=STEPS,
)
AXES = {
    "parametrisation.output_scale": [0.4 * k for k in range(1, 15)],
    "model.nonlinearity": [0.02 * k for k in range(1, 15)],
    "seed": [0, 1, 2],
}
SAMPLE = 8


def measure() -> Table:
    """The whole diagram between two halves of the sample, so that company on the machine meets both."""
    cells = list(itertools.product(*AXES.values()))
    chosen = [cells[index] for index in np.linspace(0, len(cells) - 1, SAMPLE).astype(int)]
    one = lambda cell: timed(EXPERIMENT, {axis: [value] for axis, value in zip(AXES, cell, strict=True)})
    with no_cache():
        singles = [one(cell) for cell in chosen[: SAMPLE // 2]]
        whole, progress = timed(EXPERIMENT, AXES)
        singles += [one(cell) for cell in chosen[SAMPLE // 2 :]]
    single = float(np.mean([seconds for seconds, _ in singles]))
    training = float(np.mean([seconds - progress.compile_seconds for seconds, progress in singles]))
    runs = len(cells)
    rows = [
        (f"{runs} runs as one sweep", duration(whole), ""),
        (f"a single run, mean of {SAMPLE}", duration(single), ""),
        (f"{runs} single runs (scaled)", duration(runs * single), f"{runs * single / whole:.1f}"),
        ("the same without compiling (scaled)", duration(runs * training), f"{runs * training / whole:.1f}"),
    ]
    figures = {
        "sweep_seconds": whole,
        "single_seconds": [seconds for seconds, _ in singles],
        "single_compile_seconds": [progress.compile_seconds for _, progress in singles],
        "runs": runs,
        "programs": progress.programs,
        "compile_seconds": progress.compile_seconds,
    }
    note = (
        f"{runs} runs of {STEPS:,} steps; {progress.programs} program compiled, in "
        f"{duration(progress.compile_seconds)}. Single runs were not all made: the time of {SAMPLE}, each a "
        "fresh sweep of one run, half of them before and half after the whole, is scaled to all."
    )
    return Table("A phase diagram of 588 runs", ("way", "time", "times the sweep"), rows, figures, (note,))
