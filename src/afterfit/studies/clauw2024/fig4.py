"""Figure 4: synergy and redundancy without weight decay, from eight times the initial scale at constant norm.

Clauw et al. 2024, section 5.2, under both rules of ties, as Figure 2.
"""

import typing

import numpy as np

from ...ensemble import Sweep
from .._study import Results, Scale
from ._course import claims, Course, Criterion, extreme
from ._networks import scaled
from ._peak import criteria, LOW_NOTE, low_synergy
from ._pictures import story


if typing.TYPE_CHECKING:
    import xarray


# --- the experiment and its axes at each scale ----------------------------------------------------

ALPHA = 8.0


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Alpha = 8 over initial values: runs of Figure 1."""
    return {"alpha": scaled(scale, (ALPHA,))}


def _selected(results: Results) -> "xarray.Dataset":
    return results["alpha"].isel(alpha=0)


# --- the statistics -------------------------------------------------------------------------------


def _first_redundancy(run: Course) -> tuple[bool | None, float]:
    """How many steps after redundancy has fallen synergy is up; the paper has a fast fall, then a rise."""
    early = run.between(1, 20)  # later on redundancy returns
    highest = int(np.argmax(np.where(early, run.redundancy, -np.inf)))
    after = run.steps >= run.steps[highest]
    low = after & (run.redundancy <= 0.1 * run.redundancy[highest])
    high = after & (run.synergy >= 0.8 * extreme(run.synergy, run.between(20, np.inf)))
    if not low.any() or not high.any():
        return False, np.nan
    wait = float(run.steps[high][0] - run.steps[low][0])
    return bool(0 <= wait <= 20), wait


SECTION = "section 5.2, Figure 4"
CRITERIA = (
    *criteria(SECTION),
    Criterion(
        "low start",
        "Synergy is low at the start.",
        SECTION,
        "synergy is low",
        LOW_NOTE,
        low_synergy,
    ),
    Criterion(
        "redundancy falls first",
        "First redundancy falls fast, then synergy rises fast.",
        f"{SECTION} right",
        "a delayed fast rise",
        "steps from a tenth of the highest redundancy to 80% of the highest synergy, from 0 to 20",
        _first_redundancy,
    ),
)

CLAIMS = claims(CRITERIA, _selected)


# --- the figure -----------------------------------------------------------------------------------

FIGURE = story(
    "fig4", "synergy and redundancy at constant norm, without weight decay", sweeps, CLAIMS, _selected
)
