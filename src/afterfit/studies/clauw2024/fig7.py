"""Figure 7: sub-networks of the most synergistic neurons, without weight decay at constant norm."""

from ...ensemble import Sweep
from .._study import Scale
from ._networks import at_constant_norm, scaled
from ._subnetworks import claims, figure, Setting


# --- the experiment and its axes at each scale ----------------------------------------------------

ALPHA = 8.0


SETTINGS = (
    Setting(
        f"alpha = {ALPHA:g}",
        lambda scale: at_constant_norm(scale, ALPHA),
        lambda results: results["alpha"].isel(alpha=0),
    ),
)


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Alpha = 8 over initial values: runs of Figure 1."""
    return {"alpha": scaled(scale, (ALPHA,))}


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = claims(SETTINGS[0], "section 7, Figure 7", "about as fast as the whole network", 0.5, 2.0)


# --- the figure -----------------------------------------------------------------------------------

FIGURE = figure("fig7", "sub-networks of synergistic neurons at constant norm", sweeps, SETTINGS, CLAIMS)
