"""A sweep whose runs end at very different times: how much of the devices' time is spent on training."""

import numpy as np

import afterfit as af

from ._laboratory import training_seconds
from ._table import Table


def measure() -> Table:
    """64 runs of 200 to 20,000 steps beside 64 runs of equal length with as many steps in all."""
    lengths = np.unique(np.geomspace(200, 20_000, 64).astype(int)).tolist()
    equal = int(np.mean(lengths))
    base = af.Experiment(
        af.tasks.TeacherStudent(),
        af.models.MLP(hidden=(100, 100), activation="tanh"),
        af.AdamW(3e-4, 0.1, warmup=0),
        record=af.At((0,)),
    )
    sweeps = {
        "equal": af.sweep(base, {"steps": [equal], "seed": range(len(lengths))}),
        "unequal": af.sweep(base, {"steps": lengths}),
    }
    speeds: dict[str, list[float]] = {name: [] for name in sweeps}
    for _ in range(3):
        for name, planned in sweeps.items():
            speeds[name].append(_speed(planned))
    best = {name: max(found) for name, found in speeds.items()}
    share = best["unequal"] / best["equal"]
    rows = [
        (f"{len(lengths)} runs of {equal:,} steps", f"{best['equal']:,.0f}", ""),
        (
            f"{len(lengths)} runs of {min(lengths):,} to {max(lengths):,} steps",
            f"{best['unequal']:,.0f}",
            f"{share:.0%}",
        ),
    ]
    head = ("sweep", "model-steps a second, start to end", "of the even sweep's")
    note = f"The longest run alone is {max(lengths) / sum(lengths):.1%} of all steps."
    return Table("Retiring and refilling lanes", head, rows, {"speeds": speeds, "share": share}, (note,))


def _speed(planned: af.Sweep) -> float:
    return sum(run.experiment.steps for run in planned.runs) / training_seconds(planned)
