"""Figure 11: with cross-entropy images have the same landscape, only milder.

Liu et al. 2023 ("Omnigrok"), appendix F: norms up to 100 times the standard one. Their settings are not
released; alpha from 0.1 to 100 is read from a comment in their code, the sizes are those of Figure 3.
"""

import typing

import numpy as np

from ...ensemble import Sweep
from ...landscape import spheres, u_shape, zone_width
from ...statistics import bootstrap, judge, Judgement
from ...tasks import CrossEntropy
from .._maps import ALPHA, by_seed, cells, minima
from .._study import Claim, Figure, Results, Scale
from . import fig3abc
from ._images import constrained
from ._recipe import spread


if typing.TYPE_CHECKING:
    import xarray

# --- the experiment and its axes at each scale ----------------------------------------------------

SIZE = fig3abc.SIZE
SIZES = {"smoke": (20, 100), "laptop": (200, 1000, 5000), "paper": (193, 1000, 7196, 60000)}
ALPHAS = {"smoke": (0.1, 1.0, 10.0, 100.0), "laptop": spread(0.1, 100, 13), "paper": spread(0.1, 100, 31)}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Cross-entropy over norms up to 100, and squared error over norms up to 10 for contrast."""
    axes = {SIZE: SIZES[scale], "seed": range(2 if scale == "smoke" else 3)}
    return {
        "landscape": spheres(constrained(scale, CrossEntropy()), ALPHAS[scale], axes),
        "squared error": spheres(constrained(scale), fig3abc.ALPHAS[scale], axes),
    }


# --- the statistics -------------------------------------------------------------------------------


def wider(results: Results) -> Judgement:
    """Width of the zone of low test error in decades of norm, less that with squared error."""
    ours, squared = (_widths(minima(results, name)) for name in ("landscape", "squared error"))
    ours, squared = ours[:, :2], squared[:, :2]  # about 200 and 1,000 images
    gain = (ours - squared).mean(axis=1)
    note = f"{np.median(ours):.2f} decades against {np.median(squared):.2f}"
    return judge(
        float(np.median(gain)),
        bootstrap(np.median, gain),
        least=0.3,
        seeds=gain.size,
        runs=ours.size,
        note=note,
    )


def is_a_u(results: Results) -> Judgement:
    """At the fewest images the test error is a U up to alpha = 100."""
    found = minima(results).isel({SIZE: 0})

    def holds(one: "xarray.Dataset") -> bool:
        return u_shape(one[ALPHA].values, one["test_error"].values, kind="error").holds

    rise = found["test_error"].isel({ALPHA: -1}) - found["test_error"].min(ALPHA)
    return by_seed(found, holds, float(rise.median()), "value: the rise up to alpha = 100, at least 0.10")


def closes_with_data(results: Results) -> Judgement:
    """Mismatch over alpha from 1 to 100: fewest images over most images."""
    return fig3abc.shrinking(results, SIZES[results.scale][0], least=2, high=100.0)


def _widths(found: "xarray.Dataset") -> np.ndarray:
    rows = found["test_error"].transpose("seed", SIZE, ALPHA).values
    alpha = found[ALPHA].values
    return np.array([[zone_width(alpha, row, kind="error") for row in one] for one in rows])


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "wider zone",
        "With cross-entropy the zone of norms that generalise is wider than with squared error.",
        "appendix F, Figure 11",
        "broader",
        wider,
    ),
    Claim(
        "a U all the same",
        "Test error is a U in the norm for few images.",
        "appendix F, Figure 11",
        "LU, milder",
        is_a_u,
    ),
    Claim(
        "mismatch closes with data",
        "With many images the mismatch of training and test error is smaller.",
        "appendix F, Figure 11",
        "small at large data",
        closes_with_data,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Maps and rows, as of Figure 3."""
    return fig3abc.maps_and_rows(results, SIZES[results.scale][0], "images")


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Errors of every cell."""
    return cells(minima(results), ("train_error", "test_error", "train_loss", "test_loss"))


FIGURE = Figure("fig11", "landscape of images with cross-entropy", sweeps, CLAIMS, chart, table)
