"""Figure 6: sub-networks of the most synergistic neurons, with little and with much weight decay."""

from ...ensemble import Sweep
from .._study import Scale
from ._networks import DECAY, decays, network
from ._subnetworks import claims, figure, Setting


# --- the experiment and its axes at each scale ----------------------------------------------------

WEAK, STRONG = 0.1, 2.0
SETTINGS = tuple(
    Setting(
        f"decay {decay:g}",
        lambda scale, decay=decay: network(scale, decay=decay),
        lambda results, decay=decay: results["decay"].sel({DECAY: decay}),
    )
    for decay in (WEAK, STRONG)
)


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Both decays over initial values: runs of Figure 1."""
    return {"decay": decays(scale, (WEAK, STRONG))}


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    *claims(SETTINGS[0], "section 7, Figure 6 left", "about as fast as the whole network", 0.5, 2.0),
    *claims(SETTINGS[1], "section 7, Figure 6 right", "in fewer steps than the whole network", 0.0, 0.95),
)


# --- the figure -----------------------------------------------------------------------------------

FIGURE = figure("fig6", "sub-networks of synergistic neurons under weight decay", sweeps, SETTINGS, CLAIMS)
