"""Shards: parts of packs, one for each time that a worker asks for work."""

import dataclasses
import math
import statistics
import typing
from collections.abc import Callable, Iterable, Sequence

from ._run import Run


SHARES = 2
"""Each shard is a worker's even share of what is left, divided by this: the later, the smaller."""

WORTH = 10
"""A shard should take so many times what it costs to begin one (claims, compiling), if that much is left."""

MOST_RUNS = 4096  # of a shard: its recipes travel as one text


Item = typing.TypeVar("Item")
"""What shards are made of: runs, or what stands for them in a simulation of a cluster."""


@dataclasses.dataclass
class Lot(typing.Generic[Item]):
    """What waits of one pack for a worker, the longest last: it is taken from there."""

    waiting: list[Item]
    steps: int  # of all that wait: a driver of a million runs cannot add them up for each shard
    seconds_per_step: float | None = None  # measured: one run's step, in one worker
    overhead: float = 0.0  # seconds to begin a shard, measured


@dataclasses.dataclass(frozen=True)
class Shard(typing.Generic[Item]):
    """Runs of one pack that one worker trains."""

    lot: Lot[Item]
    runs: tuple[Item, ...]


class Lots(typing.Generic[Item]):
    """What waits for workers, pack by pack, and what it is expected to cost.

    Nothing here knows of stores, executors or clocks: it only counts.

    **Arguments:** `groups`: the runs of each pack; `steps`: how many steps one of them takes.
    """

    def __init__(self, groups: Iterable[Sequence[Item]], steps: Callable[[Item], int]):
        self._steps = steps
        self._lots = [Lot(sorted(group, key=steps), sum(map(steps, group))) for group in groups]

    def __len__(self) -> int:
        return sum(len(lot.waiting) for lot in self._lots)

    def cut(self, workers: int) -> Shard[Item]:
        """The next shard, of the pack with the most left to do; something must be waiting."""
        step = self._usual_step()
        costs = [lot.steps * (lot.seconds_per_step or step) for lot in self._lots]
        lot = self._lots[max(range(len(costs)), key=costs.__getitem__)]
        even = sum(costs) / max(workers, 1)
        wanted = min(even, max(even / SHARES, WORTH * lot.overhead))
        one_step = lot.seconds_per_step or step
        runs: list[Item] = []
        cost = 0.0
        while lot.waiting and len(runs) < MOST_RUNS and (not runs or cost < wanted):
            runs.append(lot.waiting.pop())
            steps = self._steps(runs[-1])
            cost += steps * one_step
            lot.steps -= steps
        return Shard(lot, tuple(runs))

    def put_back(self, lot: Lot[Item], runs: Iterable[Item]) -> None:
        """Lets runs wait once more."""
        if back := list(runs):
            lot.waiting = sorted([*lot.waiting, *back], key=self._steps)
            lot.steps += sum(map(self._steps, back))

    def put_apart(self, lot: Lot[Item], runs: Iterable[Item]) -> None:
        """Lets runs wait once more, each for a worker of its own."""
        self._lots += [dataclasses.replace(lot, waiting=[run], steps=self._steps(run)) for run in runs]

    def learn(self, lot: Lot[Item], steps: int, seconds: float, overhead: float) -> None:
        """Takes in what a shard of so many steps cost."""
        lot.overhead = overhead
        if steps:
            lot.seconds_per_step = seconds / steps

    def _usual_step(self) -> float:
        known = [lot.seconds_per_step for lot in self._lots if lot.seconds_per_step is not None]
        return statistics.median(known) if known else 1.0


def most_out(workers: int) -> int:
    """How many shards may be out at a time: one for each worker, and some for those that come back first."""
    return max(workers + workers // 4, 1)


def steps_of(run: Run) -> int:
    """The steps that a run takes by itself."""
    return run.experiment.steps - run.experiment.first_step


def fixed_shards(groups: Iterable[Sequence[Run]], parts: int) -> list[list[Run]]:
    """Packs cut so that each shard is about a `parts`-th of all steps, whoever asks, the costliest first."""
    groups = [sorted(group, key=steps_of, reverse=True) for group in groups]
    most = math.ceil(sum(steps_of(run) for group in groups for run in group) / parts)
    shards: list[list[Run]] = []
    for group in groups:
        pieces = min(len(group), math.ceil(sum(map(steps_of, group)) / most))
        shards += [group[start::pieces] for start in range(pieces)]
    return sorted(shards, key=lambda shard: sum(map(steps_of, shard)), reverse=True)
