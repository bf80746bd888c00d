"""Speed against the number of runs that train together."""

import dataclasses

import jax
import numpy as np

import afterfit as af
from afterfit.ensemble._engine import Engine
from afterfit.ensemble._machine import layout_for
from afterfit.ensemble._pack import packs

from ._laboratory import training_seconds
from ._table import Table


EXPERIMENT = af.Experiment(
    af.tasks.TeacherStudent(),
    af.models.MLP(hidden=(100, 100), activation="tanh"),
    af.AdamW(3e-4, 0.1, warmup=0),
    record=af.At((0,)),  # the cost of records is another table's
)
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
    state, record = Engine.shapes(packs(af.sweep(EXPERIMENT).runs)[0])
    lane, one = _bytes(state), _bytes(record)
    layout = layout_for(SIZES[-1], lane, one)
    note = (
        f"A lane's state takes {lane / 1e6:.2f} MB. On this machine {layout.width} lanes exist at a time and "
        "are refilled as runs end, so the memory of training does not grow with the sweep; its records do."
    )
    head = ("runs", "steps of each", "model-steps a second")
    return Table("Cost against size, teacher-student 5-100-100-5", head, rows, figures, (note,))


def _bytes(tree: object) -> int:
    return sum(int(np.prod(leaf.shape)) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
