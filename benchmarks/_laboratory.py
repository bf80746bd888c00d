"""The laboratory's side of a comparison: a pack advanced so many steps at a time, and whole sweeps."""

import time

import numpy as np

import afterfit as af
from afterfit.ensemble._engine import Engine, Layout, Legs
from afterfit.ensemble._machine import layout_for, prepare
from afterfit.ensemble._pack import packs, tree_bytes


class Laboratory:
    """Runs that differ in their seeds, in training."""

    def __init__(self, experiment: af.Experiment, runs: int):
        prepare()
        all_runs = af.sweep(experiment, {"seed": range(runs)}).runs
        (pack,) = packs(all_runs)
        self.lane_bytes, self.layout = lanes_of(experiment, runs)
        began = time.perf_counter()
        self.engine = Engine(pack, self.layout)
        self.compile_seconds = time.perf_counter() - began
        devices = len(self.layout.devices)
        if runs > self.layout.width:
            raise ValueError(f"{runs} runs need more than the {self.layout.width} lanes of this machine.")
        # Evenly over devices, as training seats them.
        self._slots = [(i % devices) * self.layout.lanes + i // devices for i in range(runs)]
        for slot, run in zip(self._slots, all_runs, strict=True):
            self.engine.seat(slot, self.engine.lane(run))
        self.runs, self.at = runs, 0
        self.advance(2)  # the start of the runs, and what is slow once

    def advance(self, steps: int) -> float:
        """Takes every run `steps` further; seconds of wall time."""
        began = time.perf_counter()
        shape = (self.layout.width, self.layout.legs)
        until, fresh = np.zeros(shape, np.int32), np.zeros(shape[0], bool)
        until[self._slots], fresh[self._slots] = self.at + steps, self.at == 0
        self.engine.advance(Legs(fresh, until, np.zeros(shape, bool)))
        self.at += steps
        return time.perf_counter() - began


def lanes_of(experiment: af.Experiment, runs: int) -> tuple[int, Layout]:
    """Bytes of a lane's state, and how this machine lays out so many runs."""
    (pack,) = packs(af.sweep(experiment).runs)
    state, record = (tree_bytes(shapes) for shapes in Engine.shapes(pack))
    return state, layout_for(runs, state, record)


def training_seconds(planned: af.Sweep, store: str | None = None) -> float:
    """Seconds of a sweep from its program being ready to its end."""
    seen: list[tuple[float, int]] = []
    watch = lambda progress: seen.append((time.perf_counter(), progress.programs))
    planned.run(store, display=watch)
    ready = next(moment for moment, programs in seen if programs)
    return seen[-1][0] - ready
