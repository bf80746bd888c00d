"""What figures of volumes share: teachers that answer with signs, students, shares that fit.

Axes of this module
    seed    teachers, each with examples of its own
    place   widths, or norms, or paddings, in order
"""

import dataclasses
import math
import typing
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from ... import models, tasks, training
from ...statistics import bootstrap, judge, Judgement
from .._maps import ALPHA
from .._study import Scale


QUESTION = "the reader's second question"
TEACHERS = (2, 9, 10, 11, 12, 13)
"""Seeds of teachers that give both answers: a quarter at least of the training examples each, 35% of others.

Of other teachers a constant is a good student."""

FEWEST = 200
"""Networks that fit, below which a cell tells nothing of their shares: it is left open."""


def student(width: int, examples: int = 8) -> training.Experiment:
    """A 5-width-1 tanh network that is to learn the sign of a teacher's answer, not yet trained."""
    return training.Experiment(
        tasks.TeacherStudent(
            outputs=1, train=examples, test=200, pool=examples + 200, objective=tasks.Signs()
        ),
        models.MLP(hidden=(width,), activation="tanh"),
        steps=1,
        record=training.At((0,)),
    )


def widths(values: Sequence[int]) -> dict[str, dict[str, typing.Any]]:
    """An axis of widths."""
    return {str(width): {"model.hidden": (width,)} for width in values}


def teachers(scale: Scale) -> tuple[int, ...]:
    """Seeds of a sweep: each has a teacher, examples and random networks of its own."""
    return TEACHERS[:2] if scale == "smoke" else TEACHERS


@dataclasses.dataclass(frozen=True)
class Shares:
    """Counts of random networks, "seed place"."""

    samples: Int[np.ndarray, "seed place"]
    fits: Int[np.ndarray, "seed place"]
    good: Int[np.ndarray, "seed place"]

    @property
    def fitting(self) -> Float[np.ndarray, "seed place"]:
        """Share of all networks that fit."""
        return self.fits / self.samples

    @property
    def goodness(self) -> Float[np.ndarray, "seed place"]:
        """Share of the fitting networks that are good; NaN where too few fit."""
        return np.where(self.fits >= FEWEST, self.good / np.maximum(self.fits, 1), np.nan)


def shares(data: typing.Any, place: str) -> Shares:
    """Of a sweep in which one more axis is left."""
    counts = [
        data[f"random_networks/{name}"].isel(step=0).transpose("seed", place).values.astype(int)
        for name in ("samples", "fits", "good")
    ]
    return Shares(*counts)


def mean_over_teachers(
    values: Float[np.ndarray, " seed"],
    *,
    least: float = -math.inf,
    most: float = math.inf,
    note: str = "",
    runs: int,
) -> Judgement:
    """The mean over teachers, with its interval, against a range; teachers with an open cell are left out."""
    known = values[np.isfinite(values)]
    if known.size < 3:
        return judge(
            math.nan, seeds=known.size, runs=runs, note=f"{known.size} teachers have enough networks that fit"
        )
    left = values.size - known.size
    note = "; ".join(filter(None, (note, f"{left} teachers left out" if left else "")))
    interval = bootstrap(np.mean, known)
    return judge(
        float(known.mean()), interval, least=least, most=most, seeds=known.size, runs=runs, note=note
    )


def at_norm(data: typing.Any, alpha: float) -> typing.Any:
    """The part of a sweep at one norm."""
    return data.sel({ALPHA: alpha})
