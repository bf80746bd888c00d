"""The course of one run: synergy, redundancy, accuracy and loss against steps; windows and criteria on it."""

import dataclasses
import typing
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from ...statistics import Judgement
from .._judging import agreed, middle
from .._study import Claim, Results
from ._networks import AVERAGE, INIT, ORDINAL


if typing.TYPE_CHECKING:
    import xarray


@dataclasses.dataclass(frozen=True)
class Course:
    """What one run recorded. Synergy and redundancy in bits."""

    steps: Int[np.ndarray, " record"]
    synergy: Float[np.ndarray, " record"]
    redundancy: Float[np.ndarray, " record"]
    size: Float[np.ndarray, " record"]  # neurons of the most synergistic union
    train_accuracy: Float[np.ndarray, " record"]
    test_accuracy: Float[np.ndarray, " record"]
    test_loss: Float[np.ndarray, " record"]

    def between(self, low: float, high: float) -> Bool[np.ndarray, " record"]:
        """Records in a window of steps, ends included."""
        return (self.steps >= low) & (self.steps <= high)

    def near(self, step: float) -> int:
        """The record nearest to a step, in ratio."""
        return int(np.argmin(np.abs(np.log(np.maximum(self.steps, 0.5) / step))))

    def first(self, level: float, split: str = "test") -> float:
        """The first step with an accuracy above a level; infinite if there is none."""
        values = self.test_accuracy if split == "test" else self.train_accuracy
        above = np.flatnonzero(values > level)
        return float(self.steps[above[0]]) if above.size else np.inf

    @property
    def grokked(self) -> bool:
        """Whether it answers 98% of the test set in the end, the authors' threshold."""
        return bool(self.test_accuracy[-1] > 0.98)

    def peak(self, low: float = 20, high: float = np.inf) -> int:
        """The record of largest synergy in a window."""
        return int(np.argmax(np.where(self.between(low, high), self.synergy, -np.inf)))


NULL = 0.2
"""Bits that independent neurons show as well, by chance: a ratio to less than that says nothing."""


def steady(run: Course) -> Course:
    """Running medians of three records: a single one scatters by 10 to 20% as groups change their members."""
    own = {name: _median_of_three(getattr(run, name)) for name in ("synergy", "redundancy", "size")}
    return dataclasses.replace(run, **own)


def _median_of_three(values: Float[np.ndarray, " record"]) -> Float[np.ndarray, " record"]:
    padded = np.pad(values, 1, mode="edge")
    return np.median([padded[:-2], padded[1:-1], padded[2:]], axis=0)


def course(run: "xarray.Dataset", ties: str = AVERAGE) -> Course:
    """The course of one run, up to its last record."""
    known = np.isfinite(run["train_accuracy"].values)
    known[0] = True  # a run that diverged at once has its start
    take = lambda name: np.asarray(run[name].values, float)[known]
    own = (f"{ties}/synergy", f"{ties}/redundancy", f"{ties}/synergy_size")
    return Course(
        run["step"].values[known], *map(take, (*own, "train_accuracy", "test_accuracy", "test_loss"))
    )


def courses(data: "xarray.Dataset", ties: str = AVERAGE) -> list[Course]:
    """The courses of all initial values."""
    return [course(data.isel({INIT: one}), ties) for one in range(data.sizes[INIT])]


class Criterion(typing.NamedTuple):
    """A sentence that the course of one run shows or does not.

    `test` gives the answer (`None`: the run leaves it open) and a number.
    """

    name: str
    sentence: str
    source: str
    paper: str
    note: str
    test: Callable[[Course], tuple[bool | None, float]]


Select = Callable[[Results], "xarray.Dataset"]


def claims(criteria: Sequence[Criterion], select: Select) -> tuple[Claim, ...]:
    """Each criterion over initial values, once for each rule of ties."""
    return under_both(
        lambda ties: [
            Claim(one.name, one.sentence, one.source, one.paper, _judge(one, select, ties))
            for one in criteria
        ]
    )


def under_both(made: Callable[[str], Sequence[Claim]]) -> tuple[Claim, ...]:
    """The claims that are made for each rule of ties; those of the second say so."""
    said = "With ties in the order of the samples: "
    ordinal = [
        dataclasses.replace(one, name=f"{one.name}, ordinal", sentence=said + one.sentence)
        for one in made(ORDINAL)
    ]
    return *made(AVERAGE), *ordinal


def _judge(criterion: Criterion, select: Select, ties: str) -> Callable[[Results], Judgement]:
    def statistic(results: Results) -> Judgement:
        answers = [criterion.test(steady(one)) for one in courses(select(results), ties)]
        held = [answer for answer, _ in answers]
        return agreed(held, middle([value for _, value in answers]), runs=len(held), note=criterion.note)

    return statistic


def ratio(value: float, of: float) -> float:
    """One measure over another, which is taken for `NULL` where it is less; NaN where both are."""
    if np.isnan(value) or np.isnan(of) or max(abs(value), abs(of)) < NULL:
        return np.nan
    return float(value / max(of, NULL))


def at_least(value: float, least: float) -> tuple[bool | None, float]:
    """Whether a number reaches a bound; open where it is not known."""
    return (None if np.isnan(value) else bool(value >= least)), value


def at_most(value: float, most: float) -> tuple[bool | None, float]:
    """Whether a number stays below a bound; open where it is not known."""
    return (None if np.isnan(value) else bool(value <= most)), value


def extreme(values: np.ndarray, inside: np.ndarray, of: Callable = np.max) -> float:
    """The extreme of some records; NaN where there are none."""
    return float(of(values[inside])) if inside.any() else np.nan
