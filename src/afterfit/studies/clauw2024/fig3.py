"""Figure 3: synergy and redundancy of the hidden layer with much weight decay: a direct emergence.

Clauw et al. 2024, section 5.2, under both rules of ties, as Figure 2.
"""

import typing
from collections.abc import Callable

import numpy as np

from ...ensemble import Sweep
from ...statistics import bootstrap, judge, Judgement
from .._study import Claim, Results, Scale
from ._course import claims, courses, under_both
from ._networks import DECAY, decays
from ._peak import criteria
from ._pictures import story


if typing.TYPE_CHECKING:
    import xarray


# --- the experiment and its axes at each scale ----------------------------------------------------

WEAK, STRONG = 0.1, 2.0


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Decay 2 over initial values, and 0.1 to compare: runs of Figure 1."""
    return {"decay": decays(scale, (WEAK, STRONG))}


def _selected(results: Results) -> "xarray.Dataset":
    return results["decay"].sel({DECAY: STRONG})


# --- the statistics -------------------------------------------------------------------------------


def _larger(ties: str) -> Callable[[Results], Judgement]:
    def statistic(results: Results) -> Judgement:
        """Peak of synergy from step 20 on over that with decay 0.1, medians over initial values."""
        strong, weak = (
            np.array([run.synergy[run.peak()] for run in courses(results["decay"].sel({DECAY: value}), ties)])
            for value in (STRONG, WEAK)
        )
        of = lambda one, other: float(np.median(one) / np.median(other))
        interval = bootstrap(of, strong, weak)
        return judge(of(strong, weak), interval, least=1, seeds=len(strong), runs=2 * len(strong))

    return statistic


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    *claims(criteria("section 5.2, Figure 3"), _selected),
    *under_both(
        lambda ties: [
            Claim(
                "larger peak",
                "The peak of synergy is higher than with little weight decay.",
                "section 5.2, Figure 3",
                "larger",
                _larger(ties),
            )
        ]
    ),
)


# --- the figure -----------------------------------------------------------------------------------

FIGURE = story("fig3", "synergy and redundancy with weight decay 2", sweeps, CLAIMS, _selected)
