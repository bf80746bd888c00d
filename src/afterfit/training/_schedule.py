"""At which steps a run is recorded."""

import abc
import dataclasses

import numpy as np
from jaxtyping import Int


class AbstractSchedule(abc.ABC):
    """A rule that picks steps between 0 and the last one."""

    @abc.abstractmethod
    def steps(self, last: int) -> Int[np.ndarray, " records"]:
        """The chosen steps up to `last`, increasing, without repeats."""


@dataclasses.dataclass(frozen=True)
class LogSpaced(AbstractSchedule):
    """Step 0, then about `per_decade` steps in each factor of ten, and the last step."""

    per_decade: int = 40

    def __post_init__(self):
        if self.per_decade < 1:
            raise ValueError(f"`per_decade` must be at least 1, got {self.per_decade}.")

    def steps(self, last: int) -> Int[np.ndarray, " records"]:
        decades = np.log10(max(last, 1))
        _check_count("per_decade", self.per_decade, decades * self.per_decade)
        spaced = 10 ** (np.arange(int(decades * self.per_decade) + 1) / self.per_decade)
        return np.unique(np.concatenate([[0], np.round(spaced), [last]]).astype(np.int64).clip(0, last))


@dataclasses.dataclass(frozen=True)
class Every(AbstractSchedule):
    """Steps 0, `interval`, 2 `interval`, ..., and the last step."""

    interval: int

    def __post_init__(self):
        if self.interval < 1:
            raise ValueError(f"`interval` must be at least 1 step, got {self.interval}.")

    def steps(self, last: int) -> Int[np.ndarray, " records"]:
        _check_count("interval", self.interval, last // self.interval)
        return np.unique(np.append(np.arange(0, last + 1, self.interval), last))


@dataclasses.dataclass(frozen=True)
class At(AbstractSchedule):
    """The steps named, as far as the run gets."""

    chosen: tuple[int, ...]

    def __post_init__(self):
        if any(step < 0 for step in self.chosen):
            raise ValueError(f"`chosen` steps must not be negative, got {self.chosen}.")

    def steps(self, last: int) -> Int[np.ndarray, " records"]:
        return np.unique([step for step in self.chosen if step <= last]).astype(np.int64)


MOST_RECORDS = 10_000_000
"""Of one run: more are no curve, and fill the memory of whoever looks at them."""


def _check_count(field: str, value: int, count: float) -> None:
    if count > MOST_RECORDS:
        raise ValueError(
            f"`{field}` = {value} picks {int(count):,} steps, the most of one run are {MOST_RECORDS:,}."
        )


@dataclasses.dataclass(frozen=True)
class Sustained:
    """Ends a run once a recorded measure has stayed at or above a level, or `below` it.

    The records up to that point are those of the longer run.
    """

    measure: str = "test_accuracy"
    level: float = 0.999
    records: int = 5
    below: bool = False

    def __post_init__(self):
        if self.records < 1:
            raise ValueError(f"`records` must be at least 1, got {self.records}.")

    def first_end(self, values: np.ndarray) -> int | None:
        """Index of the record at which the run ends, or `None` if it goes on."""
        streak = 0
        for index, value in enumerate(values):
            reached = value <= self.level if self.below else value >= self.level
            streak = streak + 1 if reached else 0
            if streak == self.records:
                return index
        return None
