"""Figure 7: sub-networks of the most synergistic neurons, without weight decay at constant norm."""

import typing

from ...ensemble import Sweep
from ...training import ConstantNorm, Experiment, Parametrisation
from .._study import Figure, Results, Scale
from . import _subnetworks
from ._networks import network, norm, scaled
from ._subnetworks import claims, further, Setting


# --- the experiment and its axes at each scale ----------------------------------------------------

ALPHA = 8.0


def _network(scale: Scale) -> Experiment:
    return network(
        scale,
        parametrisation=Parametrisation(init_scale=ALPHA),
        constraint=ConstantNorm(norm(scale, ALPHA)),
        zero_readout=True,
    )


SETTINGS = (Setting(f"alpha = {ALPHA:g}", _network, lambda results: results["alpha"].isel(alpha=0)),)


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
