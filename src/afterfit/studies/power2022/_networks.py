"""Trained networks with their weights: the experiment that keeps them, and which of them to look at."""

import dataclasses
import typing

import numpy as np
from jaxtyping import Float

from ...probes import fourier_power
from ...store import RunRecords
from ...training import At, Experiment, LogSpaced
from .._study import Results, Scale
from ._recipe import residues, STEPS


def kept(steps: int) -> At:
    """Recorded steps of the second half of a run.

    Several, because training with decay slips from time to time: the last step alone may show a network
    that has just lost its solution for some hundred steps.
    """
    return At(tuple(int(step) for step in LogSpaced().steps(steps) if 2 * step >= steps))


def addition(scale: Scale) -> Experiment:
    """Addition modulo p with the weights of the trained network.

    Half of the table in the paper's size (the paper is silent; our choice), 70% in miniature, where
    it generalises at about 3,000 steps. It is not ended early: the paper looks at networks at their end.
    """
    fraction = 0.5 if scale == "paper" else 0.7
    snapshots = kept(STEPS[scale])
    return residues(scale, "x+y", fraction, stop=None, snapshots=snapshots, probes=(fourier_power,))


@dataclasses.dataclass(frozen=True)
class Network:
    """A run at the step at which it is looked at.

    **Fields:**

    - `place`: on the axes of its sweep.
    - `step`: the last kept step with the validation accuracy asked for, else the last kept step; -1 for
      a run that diverged before any was kept.
    - `accuracy`: its validation accuracy there, NaN if there is none.
    - `solved`: whether that is what was asked for.
    - `rows`: its output layer, a row for each answer.
    - `power`: the share of each frequency in these rows, where it was measured.
    """

    place: dict[str, typing.Any]
    step: int
    accuracy: float
    solved: bool
    rows: Float[np.ndarray, "answer width"]
    power: Float[np.ndarray, " frequency"]

    def share(self, top: int) -> float:
        """What the `top` strongest frequencies add up to; NaN where nothing was measured."""
        return float(np.sort(self.power)[-top:].sum()) if self.power.size else np.nan

    @property
    def frequency(self) -> int:
        """The strongest frequency; 0 where nothing was measured."""
        return int(np.argmax(self.power)) + 1 if self.power.size else 0

    @property
    def label(self) -> str:
        """Its seed and state, for headings."""
        return f"seed {self.place['seed']}, step {self.step:,}, validation {self.accuracy:.0%}"


def networks(results: Results, name: str, accuracy: float = 0.99) -> list[Network]:
    """The networks of a sweep, each at its last kept step with at least this validation accuracy."""
    found = []
    for place, run, records in results.records(name):
        step = chosen_step(records, accuracy)
        if step < 0:
            nothing = (np.zeros((0, 0), np.float32), np.zeros(0, np.float32))
            found.append(Network(place, step, np.nan, False, *nothing))
            continue
        answers = run.experiment.task.data(run.seeds.split).outputs
        index = int(np.searchsorted(records.steps, step))
        power = records.values.get("fourier_power/output")
        reached = float(records.values["test_accuracy"][index])
        found.append(
            Network(
                place,
                step,
                reached,
                reached >= accuracy,
                records.snapshots[step][".unembedding"].T[:answers],
                np.zeros(0, np.float32) if power is None else power[index],
            )
        )
    return found


def chosen_step(records: RunRecords, accuracy: float) -> int:
    """The last kept step with at least this validation accuracy, else the last kept step, else -1."""
    steps = sorted(records.snapshots)
    reached = dict(zip(records.steps.tolist(), records.values["test_accuracy"].tolist(), strict=True))
    solved = [step for step in steps if reached[step] >= accuracy]
    return (solved or steps or [-1])[-1]
