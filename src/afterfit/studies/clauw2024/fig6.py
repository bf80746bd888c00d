"""Figure 6: sub-networks of the most synergistic neurons, with little and with much weight decay."""

import typing

from ...ensemble import Sweep
from .._study import Figure, Results, Scale
from . import _subnetworks
from ._networks import DECAY, decays, network
from ._subnetworks import claims, further, Setting


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


def then(results: Results) -> dict[str, Sweep]:
    """The sub-networks, once it is known which neurons they have."""
    return further(SETTINGS, results)


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    *claims(SETTINGS[0], "section 7, Figure 6 left", "about as fast as the whole network", 0.5, 2.0),
    *claims(SETTINGS[1], "section 7, Figure 6 right", "in fewer steps than the whole network", 0.0, 0.95),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Test accuracy of the whole network and of all sets."""
    return _subnetworks.chart(SETTINGS, results)


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Each set of neurons."""
    return _subnetworks.table(SETTINGS, results)


FIGURE = Figure(
    "fig6", "sub-networks of synergistic neurons under weight decay", sweeps, CLAIMS, chart, table, then=then
)
