"""Figure 2: synergy and redundancy of the hidden layer while a network with little weight decay groks.

Clauw et al. 2024, section 5.1: feature learning, emergence, divergence, delayed emergence, decoupling. Each
phase is a criterion on single runs, on running medians of three records, under two rules of ties: mean ranks,
and the order of the samples, which lets zeros of rectified units look redundant.
"""

import typing

import numpy as np

from ...ensemble import Sweep
from .._study import Results, Scale
from ._course import at_least, at_most, claims, Course, Criterion, extreme, NULL, ratio
from ._networks import DECAY, decays
from ._peak import LOW_NOTE, low_synergy
from ._pictures import story


if typing.TYPE_CHECKING:
    import xarray


# --- the experiment and its axes at each scale ----------------------------------------------------

WEAK = 0.1


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Decay 0.1 over initial values: runs of Figure 1."""
    return {"decay": decays(scale, (WEAK,))}


def _selected(results: Results) -> "xarray.Dataset":
    return results["decay"].isel({DECAY: 0})


# --- the statistics -------------------------------------------------------------------------------


def _high_redundancy(run: Course) -> tuple[bool | None, float]:
    early = extreme(run.redundancy, run.between(5, 20))
    return at_least(ratio(early, extreme(run.redundancy, run.between(50, 400), np.median)), 3)


def _emergence(run: Course) -> tuple[bool | None, float]:
    inside = run.between(15, 60)
    if not inside.any():
        return None, np.nan
    start, loss_peak = run.near(15), run.steps[int(np.argmax(run.test_loss))]
    gain = np.where(inside, run.synergy, -np.inf) / max(run.synergy[start], NULL)
    good = inside & (run.redundancy < run.redundancy[start])
    good &= (loss_peak >= run.steps / 3) & (loss_peak <= 3 * run.steps)
    return at_least(float(np.max(np.where(good, gain, -np.inf))), 1.1)


def _size_grows(run: Course) -> tuple[bool | None, float]:
    later = extreme(run.size, run.between(20, 60))
    return at_least(ratio(later, extreme(run.size, run.between(1, 10), np.median)), 1.3)


def _divergence(run: Course) -> tuple[bool | None, float]:
    later = extreme(run.synergy, run.between(100, 500), np.median)
    return at_most(ratio(later, extreme(run.synergy, run.between(20, 60), np.median)), 0.9)


def _delayed(run: Course) -> tuple[bool | None, float]:
    begins, ends = run.first(0.05), run.first(0.98)
    if not np.isfinite(ends):
        return None, np.nan
    before = extreme(run.synergy, run.between(60, begins), np.median)
    return at_least(ratio(extreme(run.synergy, run.between(begins, ends)), before), 1.3)


def _delayed_peak(run: Course) -> int | None:
    begins, ends = run.first(0.05), run.first(0.98)
    return run.peak(begins, ends) if np.isfinite(ends) else None


def _redundancy_with_it(run: Course) -> tuple[bool | None, float]:
    at = _delayed_peak(run)
    if at is None:
        return None, np.nan
    return at_least(ratio(run.redundancy[at], run.redundancy[run.near(run.first(0.05))]), 1.3)


def _marker(run: Course) -> tuple[bool | None, float]:
    at = _delayed_peak(run)
    return (None, np.nan) if at is None else at_most(ratio(float(run.steps[at]), run.first(0.5)), 1.0)


def _since_peak(run: Course, measure: np.ndarray) -> float:
    """A measure in the last 15% of the run over that at the peak of synergy; NaN if the run ends too soon."""
    at = _delayed_peak(run)
    if at is None or run.steps[-1] < 1.2 * run.first(0.98):
        return np.nan
    return ratio(extreme(measure, run.between(0.85 * run.steps[-1], np.inf), np.median), measure[at])


def _synergy_falls(run: Course) -> tuple[bool | None, float]:
    return at_most(_since_peak(run, run.synergy), 0.8)


def _redundancy_rises(run: Course) -> tuple[bool | None, float]:
    return at_least(_since_peak(run, run.redundancy), 3)


SECTION = "section 5.1, Figure 2"
CRITERIA = (
    Criterion(
        "feature learning",
        "Early in training redundancy is high.",
        SECTION,
        "redundancy is high",
        "highest on [5, 20] over the median on [50, 400], at least 3",
        _high_redundancy,
    ),
    Criterion(
        "low synergy",
        "Early in training synergy is low.",
        SECTION,
        "synergy is low",
        LOW_NOTE,
        low_synergy,
    ),
    Criterion(
        "emergence",
        "Redundancy is traded for synergy while the test loss peaks.",
        SECTION,
        "emergence",
        "synergy in [15, 60] over that at 15, at least 1.1, with less redundancy, within 3 times the step of "
        "the highest test loss",
        _emergence,
    ),
    Criterion(
        "size grows",
        "The most synergistic set of neurons grows in the emergence phase.",
        SECTION,
        "from 25 to 150 neurons",
        "largest on [20, 60] over the median on [1, 10], at least 1.3",
        _size_grows,
    ),
    Criterion(
        "divergence",
        "After the emergence synergy falls.",
        SECTION,
        "divergence",
        "median on [100, 500] over that on [20, 60], at most 0.9 (extremes would fall by chance)",
        _divergence,
    ),
    Criterion(
        "delayed emergence",
        "Synergy rises when the network generalises.",
        SECTION,
        "delayed emergence",
        "highest while test accuracy goes from 5% to 98% over the median before, at least 1.3",
        _delayed,
    ),
    Criterion(
        "redundancy with it",
        "Redundancy rises together with synergy then.",
        SECTION,
        "synergy, redundancy and size rise fast",
        "at the peak of synergy over that at 5% of the test set, at least 1.3",
        _redundancy_with_it,
    ),
    Criterion(
        "early warning",
        "The peak of synergy comes before half of the test set is answered.",
        "our reading of section 5.1",
        "a progress measure",
        "step of the peak over that of 50%, at most 1",
        _marker,
    ),
    Criterion(
        "decoupling: synergy",
        "At last synergy falls.",
        SECTION,
        "synergy falls",
        "median over the last 15% of the run over the peak, at most 0.8",
        _synergy_falls,
    ),
    Criterion(
        "decoupling: redundancy",
        "At last redundancy rises.",
        SECTION,
        "redundancy rises",
        "median over the last 15% of the run over that at the peak of synergy, at least 3",
        _redundancy_rises,
    ),
)

CLAIMS = claims(CRITERIA, _selected)


# --- the figure -----------------------------------------------------------------------------------

FIGURE = story("fig2", "synergy and redundancy with weight decay 0.1", sweeps, CLAIMS, _selected)
