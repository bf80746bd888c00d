"""A sweep whose runs end at very different times: how much of the devices' time is spent on training."""

import dataclasses

import numpy as np

import afterfit as af

from ._cases import TEACHER_STUDENT
from ._laboratory import lanes_of, training_seconds
from ._table import Table


def measure() -> Table:
    """256 runs of 100 to 5,077 steps beside 256 runs of equal length with as many steps in all."""
    lengths = np.unique(np.geomspace(100, 10_000, 300).astype(int))[:256].tolist()
    equal = int(np.mean(lengths))
    base = dataclasses.replace(TEACHER_STUDENT, record=af.At((0,)))
    sweeps = {
        "equal": af.sweep(base, {"steps": [equal], "seed": range(len(lengths))}),
        "unequal": af.sweep(base, {"steps": lengths}),
    }
    speeds: dict[str, list[float]] = {name: [] for name in sweeps}
    for _ in range(2):
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
    width = lanes_of(base, len(lengths))[1].width
    note = (
        f"At most {width} lanes at a time; the longest run alone is {max(lengths) / sum(lengths):.1%} of all "
        "steps. Shorter runs are first, so the end is as uneven as it can be."
    )
    return Table("Retiring and refilling lanes", head, rows, {"speeds": speeds, "share": share}, (note,))


def _speed(planned: af.Sweep) -> float:
    return sum(run.experiment.steps for run in planned.runs) / training_seconds(planned)
