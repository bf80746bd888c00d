"""Figure 7: sub-networks of the most synergistic neurons, without weight decay at constant norm."""

import typing

from ...ensemble import Sweep
from .._study import Figure, Results, Scale
from . import _subnetworks
from ._networks import at_constant_norm, scaled
from ._subnetworks import claims, further, Setting


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


def then(results: Results) -> dict[str, Sweep]:
    """The sub-networks, once it is known which neurons they have."""
    return further(SETTINGS, results)


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = claims(SETTINGS[0], "section 7, Figure 7", "about as fast as the whole network", 0.5, 2.0)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Test accuracy of the whole network and of all sets."""
    return _subnetworks.chart(SETTINGS, results)


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Each set of neurons."""
    return _subnetworks.table(SETTINGS, results)


FIGURE = Figure(
    "fig7", "sub-networks of synergistic neurons at constant norm", sweeps, CLAIMS, chart, table, then=then
)
