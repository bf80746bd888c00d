"""Is the bandwidth of Fourier features another norm? Networks of places over norm, decay and bandwidth.

Expected before the runs: the larger the bandwidth, the narrower the shell of norms at which a network is
right, the smaller the norm of its middle, and the longer the delay from one and the same norm.
"""

import itertools
import typing

import numpy as np

from ...ensemble import Sweep, sweep
from ...landscape import spheres, zone_width
from ...statistics import combined, Judgement, spearman
from .._draw import COLOURS, panels, short_log_axis
from .._judging import agreed, middle
from .._maps import ALPHA, ALPHA_LABEL, cells, minima
from .._study import Claim, Figure, Results, Scale
from ._fates import DECAY, fates, late, prompt, told
from ._problem_figure import QUESTION
from ._problems import IMAGE


# --- the experiment and its axes at each scale ----------------------------------------------------

SIGMA = "model.bandwidth"
SIGMAS = (0.5, 1.0, 2.0, 4.0)
NORMS, DECAYS, STEPS, GAP = (1.0, 3.0, 5.0, 8.0), (0.0, 0.03, 0.1, 0.3), 20_000, 1000


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Landscapes for each bandwidth, and training from four norms with four decays."""
    smoke = scale == "smoke"
    seeds, sigmas = range(2 if smoke else 3), SIGMAS[1::2] if smoke else SIGMAS
    landscape = IMAGE.experiment(scale, steps=30 if smoke else IMAGE.steps[0])
    trained = IMAGE.experiment(scale, steps=30 if smoke else STEPS)
    norms, decays = (NORMS[::2], DECAYS[::2]) if smoke else (NORMS, DECAYS)
    return {
        "landscape": spheres(
            landscape, IMAGE.radii[::3] if smoke else IMAGE.radii, {SIGMA: sigmas, "seed": seeds}
        ),
        "map": sweep(trained, {SIGMA: sigmas, ALPHA: norms, DECAY: decays, "seed": seeds}),
    }


# --- the statistics -------------------------------------------------------------------------------


def zones(results: Results) -> np.ndarray:
    """Width of the zone of low test loss in decades of the norm, "seed sigma"."""
    found = minima(results)
    loss = found["test_loss"].transpose("seed", SIGMA, ALPHA).values.astype(float)
    return np.array([[zone_width(found[ALPHA].values, row) for row in rows] for rows in loss])


def middles(results: Results) -> np.ndarray:
    """The norm of least test loss, "seed sigma"."""
    return minima(results)["test_loss"].idxmin(ALPHA).transpose("seed", SIGMA).values.astype(float)


def trend(results: Results, values: np.ndarray, sign: int, note: str) -> Judgement:
    """Spearman's correlation of values "seed sigma" with the bandwidth, in each seed."""
    sigmas = results["map"][SIGMA].values.astype(float)
    found = [spearman(sigmas, row, draws=1)[0] for row in values]
    held = [None if np.isnan(one) else bool(sign * one >= 0.7) for one in found]
    return agreed(held, middle(found), runs=values.size, note=note)


def delay_grows(results: Results) -> Judgement:
    """How many times later runs solve than fit, from the largest norm with decay 0.1, over bandwidths."""
    data = results["map"].sel({ALPHA: NORMS[2], DECAY: IMAGE.late})
    ratio = fates(IMAGE, data, SIGMA).ratio
    return trend(results, ratio, 1, "correlation of at least 0.7; runs that do not solve it are the latest")


def late_from_large(results: Results) -> Judgement:
    """All of norms 5 and 8 with decays 0.03 to 0.3, at bandwidth 1."""
    data = results["map"].sel({SIGMA: 1.0})
    cells = itertools.product(data[ALPHA].values[data[ALPHA] >= 5], data[DECAY].values[data[DECAY] > 0])
    judged = [
        late(fates(IMAGE, data.sel({ALPHA: alpha, DECAY: decay})), IMAGE.delay, GAP) for alpha, decay in cells
    ]
    return combined(judged)


def prompt_from_standard(results: Results) -> Judgement:
    """All decays from the standard norm, at bandwidth 1."""
    data = results["map"].sel({SIGMA: 1.0, ALPHA: 1.0})
    return combined([prompt(fates(IMAGE, data.sel({DECAY: decay})), 2) for decay in data[DECAY].values])


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "late from large norms",
        "At bandwidth 1, from 5 and 8 times the norm and with decays of 0.03 to 0.3, runs are late.",
        QUESTION,
        "at least 3 times and 1000 steps later",
        late_from_large,
    ),
    Claim(
        "prompt from the standard norm",
        "At bandwidth 1 and from the standard norm there is no delay at any decay.",
        QUESTION,
        "at most 2 times later",
        prompt_from_standard,
    ),
    Claim(
        "the zone narrows",
        "The larger the bandwidth, the narrower the shell of norms with low test loss.",
        QUESTION,
        "bandwidth acts as a norm",
        lambda results: trend(results, zones(results), -1, "correlation of at most -0.7"),
    ),
    Claim(
        "the zone moves in",
        "The larger the bandwidth, the smaller the norm of least test loss.",
        QUESTION,
        "bandwidth acts as a norm",
        lambda results: trend(results, middles(results), -1, "correlation of at most -0.7"),
    ),
    Claim(
        "the delay grows",
        "The larger the bandwidth, the later runs solve from one norm.",
        QUESTION,
        "bandwidth acts as a norm",
        delay_grows,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Test loss on spheres for each bandwidth, and how much later runs solve than fit."""
    sigmas = results["map"][SIGMA].values
    figure, axes = panels(1, 1 + len(sigmas), width=2.6, height=2.6)
    found = minima(results)["test_loss"].median("seed")
    for colour, sigma in zip(COLOURS, sigmas, strict=False):
        axes[0, 0].plot(
            found[ALPHA], found.sel({SIGMA: sigma}), "o-", color=colour, label=rf"$\sigma$ = {sigma:g}", ms=3
        )
    axes[0, 0].set(xscale="log", yscale="log", xlabel=ALPHA_LABEL, title="test loss on spheres")
    short_log_axis(axes[0, 0].xaxis)
    axes[0, 0].legend(frameon=False, fontsize=7)
    norms, decays = results["map"][ALPHA].values, results["map"][DECAY].values
    for ax, sigma in zip(axes[0, 1:], sigmas, strict=True):
        for colour, alpha in zip(COLOURS, norms, strict=False):
            data = results["map"].sel({SIGMA: sigma, ALPHA: alpha})
            ratio = np.median(fates(IMAGE, data, DECAY).ratio, axis=0)
            solved = np.isfinite(ratio)
            places = np.arange(len(decays))
            ax.plot(places[solved], ratio[solved], "o-", color=colour, label=rf"$\alpha$ = {alpha:g}", ms=3)
        ax.set_xticks(np.arange(len(decays)), [f"{decay:g}" for decay in decays])
        ax.set(yscale="log", ylim=(0.1, 1e3), xlabel=r"weight decay $\gamma$", title=rf"$\sigma$ = {sigma:g}")
    axes[0, 1].set(ylabel="steps to solve / to fit")
    axes[0, 1].legend(frameon=False, fontsize=7)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """The landscape, then the times of each run."""
    found: list[dict[str, typing.Any]] = [
        {"sweep": "landscape", **row} for row in cells(minima(results), ("train_loss", "test_loss"))
    ]
    axes = (SIGMA, ALPHA, DECAY)
    for place in itertools.product(*(results["map"][axis].values.tolist() for axis in axes)):
        where = dict(zip(axes, place, strict=True))
        found += told(fates(IMAGE, results["map"].sel(where)), sweep="map", **where)
    return found


FIGURE = Figure("bandwidth", "bandwidth of Fourier features, norm and decay", sweeps, CLAIMS, chart, table)
