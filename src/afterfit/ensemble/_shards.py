"""Shards: parts of packs, one for each time that a worker asks for work."""

import dataclasses
import math
import statistics
from collections.abc import Iterable, Sequence

from ._run import Run


SHARES = 2
"""Each shard is a worker's even share of what is left, divided by this: the later, the smaller."""

WORTH = 10
"""A shard should take so many times what it costs to begin one (claims, compiling), if that much is left."""

MOST_RUNS = 4096  # of a shard: its recipes travel as one text


@dataclasses.dataclass
class Lot:
    """The runs of one pack that wait for a worker, the longest first."""

    waiting: list[Run]
    seconds_per_step: float | None = None  # measured: one run's step, in one worker
    overhead: float = 0.0  # seconds to begin a shard, measured


@dataclasses.dataclass(frozen=True)
class Shard:
    """Runs of one pack that one worker trains."""

    lot: Lot
    runs: tuple[Run, ...]


class Lots:
    """What waits for workers, pack by pack, and what it is expected to cost."""

    def __init__(self, groups: Iterable[Sequence[Run]]):
        self._lots = [Lot(sorted(group, key=steps_of, reverse=True)) for group in groups]

    def __len__(self) -> int:
        return sum(len(lot.waiting) for lot in self._lots)

    def cut(self, workers: int) -> Shard:
        """The next shard, of the pack with the most left to do; something must be waiting."""
        step = self._usual_step()
        costs = [sum(map(steps_of, lot.waiting)) * (lot.seconds_per_step or step) for lot in self._lots]
        lot = self._lots[max(range(len(costs)), key=costs.__getitem__)]
        even = sum(costs) / max(workers, 1)
        wanted = min(even, max(even / SHARES, WORTH * lot.overhead))
        one_step = lot.seconds_per_step or step
        count, cost = 0, 0.0
        while count < min(len(lot.waiting), MOST_RUNS) and (count == 0 or cost < wanted):
            cost += steps_of(lot.waiting[count]) * one_step
            count += 1
        runs, lot.waiting = tuple(lot.waiting[:count]), lot.waiting[count:]
        return Shard(lot, runs)

    def put_back(self, lot: Lot, runs: Iterable[Run]) -> None:
        """Lets runs wait once more."""
        lot.waiting = sorted([*lot.waiting, *runs], key=steps_of, reverse=True)

    def put_apart(self, lot: Lot, runs: Iterable[Run]) -> None:
        """Lets runs wait once more, each for a worker of its own."""
        self._lots += [dataclasses.replace(lot, waiting=[run]) for run in runs]

    def learn(self, lot: Lot, steps: int, seconds: float, overhead: float) -> None:
        """Takes in what a shard of so many steps cost."""
        lot.overhead = overhead
        if steps:
            lot.seconds_per_step = seconds / steps

    def _usual_step(self) -> float:
        known = [lot.seconds_per_step for lot in self._lots if lot.seconds_per_step is not None]
        return statistics.median(known) if known else 1.0


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
