"""Is the bandwidth of Fourier features another norm? Networks of places over norm, decay and bandwidth.

Expected before the runs: the larger the bandwidth, the narrower the shell of norms at which a network is
right, the smaller the norm of its middle, and the longer the delay from one and the same norm.
"""

import itertools
import typing

import numpy as np
from jaxtyping import Float

from ...ensemble import Sweep, sweep
from ...landscape import spheres, zone_width
from ...statistics import combined, Judgement
from .._draw import COLOURS, panels, short_log_axis
from .._maps import ALPHA, ALPHA_LABEL, cells, minima
from .._study import Claim, Figure, Results, Scale
from .._trends import falls, rises
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


def zones(results: Results, level: float | None = None) -> Float[np.ndarray, "seed sigma"]:
    """Decades of the norm in which the test loss is low: at most a level, or twice its least value."""
    found = minima(results)
    alpha, loss = found[ALPHA].values, found["test_loss"].transpose("seed", SIGMA, ALPHA).values.astype(float)
    if level is None:
        return np.array([[zone_width(alpha, row) for row in rows] for rows in loss])
    # Between two norms the loss is a power law: the share of each interval that lies below the level.
    fine = np.linspace(*np.log10(alpha[[0, -1]]), 2001)
    low = lambda row: np.mean(np.interp(fine, np.log10(alpha), np.log(row)) <= np.log(level))
    return np.array([[low(row) * (fine[-1] - fine[0]) for row in rows] for rows in loss])


def middles(results: Results) -> Float[np.ndarray, "seed sigma"]:
    """The norm of least test loss."""
    return minima(results)["test_loss"].idxmin(ALPHA).transpose("seed", SIGMA).values.astype(float)


def delay_grows(results: Results) -> Judgement:
    """How many times later runs solve than fit, from five times the norm with decay 0.1, over bandwidths.

    Those with which no norm solves the problem, in the median, have no delay to tell.
    """
    least = minima(results)["test_loss"].median("seed").min(ALPHA)
    solvable = results["map"][SIGMA].values[(least <= IMAGE.solved).values]
    data = results["map"].sel({ALPHA: NORMS[2], DECAY: IMAGE.late, SIGMA: solvable})
    ratio = fates(IMAGE, data, SIGMA).ratio
    note = (
        f"bandwidths {', '.join(f'{sigma:g}' for sigma in solvable)}; runs that do not solve are the latest"
    )
    return rises(solvable.astype(float), ratio, least=0.7, note=note)


def late_from_large(results: Results) -> Judgement:
    """All of norms 5 and 8 with decays 0.03 to 0.3, at bandwidth 1."""
    data = results["map"].sel({SIGMA: 1.0})
    places = itertools.product(data[ALPHA].values[data[ALPHA] >= 5], data[DECAY].values[data[DECAY] > 0])
    judged = [
        late(fates(IMAGE, data.sel({ALPHA: alpha, DECAY: decay})), IMAGE.delay, GAP)
        for alpha, decay in places
    ]
    return combined(judged)


def prompt_from_standard(results: Results) -> Judgement:
    """All decays from the standard norm, at bandwidth 1."""
    data = results["map"].sel({SIGMA: 1.0, ALPHA: 1.0})
    steps = float(data["step"][-1])
    return combined(
        [prompt(fates(IMAGE, data.sel({DECAY: decay})), 2, steps) for decay in data[DECAY].values]
    )


def _sigmas(results: Results) -> Float[np.ndarray, " sigma"]:
    return results["landscape"][SIGMA].values.astype(float)


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
        lambda results: falls(_sigmas(results), zones(results), least=0.7, note="low: twice the least loss"),
    ),
    Claim(
        "the zone of solutions narrows",
        "The larger the bandwidth, the narrower the shell of norms that solve the problem.",
        QUESTION,
        "bandwidth acts as a norm; added after the runs",
        lambda results: falls(
            _sigmas(results), zones(results, IMAGE.solved), least=0.7, note=f"low: {IMAGE.solved:g}"
        ),
    ),
    Claim(
        "the zone moves in",
        "The larger the bandwidth, the smaller the norm of least test loss.",
        QUESTION,
        "bandwidth acts as a norm",
        lambda results: falls(_sigmas(results), middles(results), least=0.7),
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
