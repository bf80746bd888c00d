"""Criteria of a direct emergence: one peak of synergy between memorisation and generalisation."""

import numpy as np

from ._course import at_least, at_most, Course, Criterion, extreme, ratio


def _between(run: Course) -> tuple[bool | None, float]:
    start, end = run.first(0.98, "train"), run.first(0.98)
    at = run.steps[run.peak()]
    return (bool(start < at < end) if np.isfinite(end) else None), float(at)


def _above_plateau(run: Course) -> tuple[bool | None, float]:
    plateau = extreme(run.synergy, run.between(40, 70), np.median)
    return at_least(ratio(run.synergy[run.peak()], plateau), 1.2)


def _falls(run: Course) -> tuple[bool | None, float]:
    end = run.first(0.98)
    after = extreme(run.synergy, run.between(end, 1.7 * end), np.median)
    return at_most(ratio(after, run.synergy[run.peak()]), 0.6)


def _redundancy_gone(run: Course) -> tuple[bool | None, float]:
    early = extreme(run.redundancy, run.between(5, 20))
    return at_most(ratio(run.redundancy[run.peak()], early), 0.1)


def _redundancy_back(run: Course) -> tuple[bool | None, float]:
    end = run.first(0.98)
    if not np.isfinite(end) or 2 * end > run.steps[-1]:
        return None, np.nan
    return at_least(ratio(run.redundancy[run.near(2 * end)], run.redundancy[run.peak()]), 5)


LOW_NOTE = (
    "median on [1, 10] over the highest from 20 on, at most 0.5 (ours; the first steps of other codes differ)"
)


def low_synergy(run: Course) -> tuple[bool | None, float]:
    """Whether synergy is low in the first ten steps, beside its later peak."""
    early = extreme(run.synergy, run.between(1, 10), np.median)
    return at_most(ratio(early, extreme(run.synergy, run.between(20, np.inf))), 0.5)


def criteria(section: str) -> tuple[Criterion, ...]:
    """What "direct emergence" and "decoupling" mean for one run; `section` is where the paper says so."""
    return (
        Criterion(
            "peak in between",
            "Synergy peaks after the training set is fitted and before the test set is answered.",
            section,
            "emergence before generalisation",
            "the step of the peak",
            _between,
        ),
        Criterion(
            "peak above plateau",
            "The peak stands out from the level that synergy has right after memorisation.",
            section,
            "a peak of synergy",
            "peak over median on [40, 70], at least 1.2",
            _above_plateau,
        ),
        Criterion(
            "synergy falls",
            "Synergy falls once the test set is answered (decoupling).",
            section,
            "synergy falls",
            "median on [T, 1.7 T] over the peak, at most 0.6, T: 98% of the test set",
            _falls,
        ),
        Criterion(
            "redundancy traded",
            "Redundancy is traded for synergy: at the peak little is left of it.",
            section,
            "redundancy traded for synergy",
            "redundancy at the peak over the highest on [5, 20], at most 0.1",
            _redundancy_gone,
        ),
        Criterion(
            "redundancy returns",
            "After generalisation redundancy rises (decoupling).",
            section,
            "redundancy rises",
            "redundancy at 2 T over that at the peak, at least 5",
            _redundancy_back,
        ),
    )
