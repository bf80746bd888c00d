"""Figures 5 and 19: networks and their linearised twins learn eigenvectors of the initial kernel.

Losses are those of a finite test set, over the first one.
"""

import typing

import numpy as np
from jaxtyping import Float

from ... import probes, tasks
from ...training import Experiment
from .._draw import COLOURS, curves
from .._judging import middle
from .._study import Scale
from .._trends import log_values
from ._losses import remainder
from ._recipe import machine
from ._scales import sound


if typing.TYPE_CHECKING:
    import xarray

INDEX = "task.index"
NETWORK, TWIN = "test_loss", "twin/test_loss"

APART = 0.5
"""A network has learned features that its twin lacks where its loss is at most this share of the twin's."""


def eigenvector(
    scale: Scale, *, inputs: int, train: int, unit_variance: bool = False, **changes: typing.Any
) -> Experiment:
    """A committee machine, epsilon = 0.25, with a linearised twin on an eigenvector of its initial kernel."""
    if scale == "smoke":
        inputs, train = 6, 8
    task = tasks.KernelEigenvector(
        inputs=inputs, train=train, test=train, nonlinearity=0.25, unit_variance=unit_variance
    )
    default = dict(
        task=task,
        nonlinearity=0.25,
        twin=True,
        # The exact test loss is that of squares: here the test set alone says how well a function is learned.
        probes=(probes.twin, probes.relative_change),
    )
    return machine(scale, **typing.cast(typing.Any, default | changes))


def remains(data: "xarray.Dataset", measure: str = NETWORK) -> "xarray.DataArray":
    """Final over first test loss, NaN where a run diverged."""
    return sound(data, remainder(data, measure))


def over_twin(data: "xarray.Dataset") -> "xarray.DataArray":
    """Final test loss of the network over that of its twin: 1 where the kernel explains all."""
    return remains(data) / remains(data, TWIN)


def draw_pair(ax: typing.Any, data: "xarray.Dataset") -> None:
    """Losses of the network (solid) and of its twin (dashed) over the first ones, and where both end."""
    for split, label, colour in (("train", "training", COLOURS[1]), ("test", "test", COLOURS[0])):
        for measure, dashed in ((f"{split}_loss", False), (f"twin/{split}_loss", True)):
            first = data[measure].isel(step=0, drop=True)
            name = f"{label}, linear twin" if dashed else label
            curves(ax, data[measure] / first, colour=colour, label=name, dashed=dashed)
    log_values(ax)
    if ax.get_yscale() == "log":
        ax.set_ylim(1e-4, 20)
    ax.set_title(
        f"test ends at {middle(remains(data).values):.2g}, twin {middle(remains(data, TWIN).values):.2g}",
        fontsize=8,
    )


def pairs(table: Float[np.ndarray, "... place"]) -> tuple[float, int]:
    """Share of neighbours along the last axis that grow, and how many are known."""
    change = np.diff(table, axis=-1)
    known = int(np.isfinite(change).sum())
    return (float((change > 0).sum() / known) if known else np.nan), known
