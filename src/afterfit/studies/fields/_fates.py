"""When runs fit and when they solve, and what is claimed of it.

Axes of this module
    seed    runs that differ in chance only
    place   values of an axis, in order
"""

import typing
from collections.abc import Callable

import numpy as np

from ...statistics import crossing_time, Judgement
from .._judging import agreed, middle
from .._laws import Times
from .._trends import Delays
from ._problems import Problem


if typing.TYPE_CHECKING:
    import xarray

DECAY = "optimiser.weight_decay"

Answer = Callable[[float, float], bool | None]
"""From the steps to fit and to solve, infinite where a run ended first, to what one seed says."""


def fates(problem: Problem, data: "xarray.Dataset", place: str | None = None) -> Delays:
    """Steps to fit and to solve, "seed place" (one place without an axis of that name).

    Infinite where a run got to the end of its steps before; NaN where it diverged before.
    """
    found = []
    whole = ~np.isnan(data["train_loss"].isel(step=-1, drop=True))
    for measure, level in (("train_loss", problem.fitted), (problem.measure, problem.solved)):
        crossed = crossing_time(data[measure], level, below=True)
        late = crossed["time_censored"]
        time = crossed["time"].where(~late, np.inf).where(~late | whole)
        ordered = time.transpose("seed", place) if place is not None else time.expand_dims(one=1, axis=1)
        found.append(ordered.values.astype(float))
    return Delays(*found)


def times(problem: Problem, data: "xarray.Dataset") -> Times:
    """Steps to solve against the decays above 0, as a law takes them."""
    crossed = crossing_time(data[problem.measure], problem.solved, below=True).transpose("seed", DECAY)
    positive = crossed[DECAY].values > 0
    return Times(
        crossed[DECAY].values[positive].astype(float),
        crossed["time"].values[:, positive].astype(float),
        crossed["time_censored"].values[:, positive],
    )


def told(found: Delays, **where: typing.Any) -> list[dict[str, typing.Any]]:
    """Rows of a table: both times of each seed on one place, empty where it ended first."""
    known = lambda time: float(time) if np.isfinite(time) else None
    return [
        {**where, "seed": seed, "fitted": known(fit), "solved": known(solved)}
        for seed, (fit, solved) in enumerate(zip(found.fit[:, 0], found.late[:, 0], strict=True))
    ]


def by_seed(found: Delays, answer: Answer, note: str) -> Judgement:
    """A statement on one place, put to all seeds; the value is the median of how many times later."""
    # Plain numbers: a comparison of NumPy's is no `True`.
    pairs = zip(found.fit[:, 0].tolist(), found.late[:, 0].tolist(), strict=True)
    answers = [None if np.isnan(pair).any() else answer(*pair) for pair in pairs]
    censored = int(np.isinf(found.late[:, 0]).sum())
    counted = f"{censored} did not solve it in their steps" if censored else ""
    note = "; ".join(filter(None, (note, counted)))
    return agreed(answers, middle(found.ratio[:, 0]), runs=found.fit.size, note=note)


def late(found: Delays, least: float, gap: float = 0) -> Judgement:
    """Solved at least so many times later than fitted, and so many steps later.

    Runs that fit and end before they solve are open: they may be on their way.
    """

    def answer(fit: float, solved: float) -> bool | None:
        if np.isinf(fit):
            return None if np.isinf(solved) else False  # solved before it fitted: no delay
        return None if np.isinf(solved) else solved / max(fit, 1) >= least and solved - fit >= gap

    steps = f" and {gap:g} steps" if gap else ""
    return by_seed(found, answer, f"at least {least:g} times{steps} later")


def prompt(found: Delays, most: float, steps: float) -> Judgement:
    """Solved at most so many times later than fitted, or before.

    **Arguments:** `steps`: of the runs: one that fits late in them and does not solve is open.
    """

    def answer(fit: float, solved: float) -> bool | None:
        if np.isinf(solved):
            return None if np.isinf(fit) or steps / max(fit, 1) <= most else False
        return np.isinf(fit) or solved / max(fit, 1) <= most

    return by_seed(found, answer, f"at most {most:g} times later")


def never(found: Delays, others: Delays) -> Judgement:
    """Fitted and not solved in the steps that there are, though some of the others of that seed are solved.

    **Arguments:** `others`: the same seeds on other places. Where none is solved, the place is not to blame.
    """
    solvable = np.isfinite(others.late).any(axis=1, keepdims=True)
    known = Delays(found.fit, np.where(np.logical_or(solvable, np.isfinite(found.late)), found.late, np.nan))
    return by_seed(
        known, lambda fit, solved: None if np.isinf(fit) else bool(np.isinf(solved)), "fitted, not solved"
    )
