"""Verdicts over seeds that figures of several papers give."""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float

from ..statistics import bootstrap, judge, Judgement, Verdict


SHARE = 0.8
"""A claim holds if it does so in this share of the seeds, and fails if it fails in as many."""


def agreed(
    held: Sequence[bool | None], value: float | None = None, *, runs: int, note: str = ""
) -> Judgement:
    """One verdict from the answers of the seeds; `None` is an answer that the runs leave open."""
    seeds = len(held)
    yes, no = (sum(one is answer for one in held) for answer in (True, False))
    verdict = Verdict.UNDECIDED
    if seeds and yes >= SHARE * seeds:
        verdict = Verdict.HOLDS
    elif seeds and no >= SHARE * seeds:
        verdict = Verdict.FAILS
    counted = f"{yes} of {seeds} seeds"
    return Judgement(verdict, value, None, seeds, runs, "; ".join(filter(None, (note, counted))))


def by_median(
    values: Float[np.ndarray, " seed"],
    *,
    runs: int,
    least: float = -np.inf,
    most: float = np.inf,
    note: str = "",
) -> Judgement:
    """The median over seeds, with its interval, against a range."""
    interval = bootstrap(np.median, values)
    return judge(
        float(np.median(values)), interval, least=least, most=most, seeds=len(values), runs=runs, note=note
    )


def middle(values: Iterable[float] | np.ndarray) -> float:
    """The median of what is known, infinite values included; NaN where nothing is."""
    flat = np.ravel(values if isinstance(values, np.ndarray) else list(values)).astype(float)
    known = flat[~np.isnan(flat)]
    return float(np.median(known)) if known.size else float("nan")
