"""Speed against the number of runs that train together."""

import dataclasses

import numpy as np

import afterfit as af

from ._cases import TEACHER_STUDENT
from ._laboratory import lanes_of, training_seconds
from ._table import Table


# The cost of records is another table's.
EXPERIMENT = dataclasses.replace(TEACHER_STUDENT, record=af.At((0,)))
SIZES = (1, 4, 16, 64, 256, 1024)
TURNS = 2


def measure() -> Table:
    """Whole sweeps of 1 to 1,024 runs of the teacher-student network."""
    rows, figures = [], []
    for size in SIZES:
        steps = int(np.clip(200_000 // size, 400, 20_000))
        planned = af.sweep(dataclasses.replace(EXPERIMENT, steps=steps), {"seed": range(size)})
        speed = max(size * steps / training_seconds(planned) for _ in range(TURNS))
        figures.append({"runs": size, "steps": steps, "speed": speed})
        rows.append((f"{size:,}", f"{steps:,}", f"{speed:,.0f}"))
    lane_bytes, layout = lanes_of(EXPERIMENT, SIZES[-1])
    note = (
        f"A lane's state takes {lane_bytes / 1e6:.2f} MB. On this machine {layout.width} lanes exist at a "
        "time and are refilled as runs end, so the memory of training does not grow with the sweep; its "
        "records do."
    )
    head = ("runs", "steps of each", "model-steps a second")
    return Table("Cost against size, teacher-student 5-100-100-5", head, rows, figures, (note,))
