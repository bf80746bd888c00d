"""Shares too small to guess: a ladder of temperatures, checked by guessing where that is possible.

With eight examples both ways tell how much of a sphere fits, and must agree. With 24 examples a hundred to
five hundred of a million random networks fit, too few to tell how many are good: does the good share grow
with the width there? Good is a test accuracy of nine tenths, as in `guesses`.
"""

import dataclasses
import math
import typing

import numpy as np
from jaxtyping import Float

from ...ensemble import Sweep, sweep
from ...probes import RandomNetworks, TemperedVolume
from ...statistics import exact_interval, judge, Judgement
from .._draw import axis_of_places, COLOURS, panels
from .._study import Claim, Figure, Results, Scale
from ._volumes import mean_over_teachers, QUESTION, student, teachers, widths


# --- the experiment and its axes at each scale ----------------------------------------------------

WIDTHS = {"smoke": (4, 32), "laptop": (2, 4, 8, 16, 32), "paper": (2, 4, 8, 16, 32, 64, 128)}
FEW, MANY = 8, 24


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Students of several widths, with few and with many examples."""
    smoke = scale == "smoke"
    probes = (
        RandomNetworks(2000 if smoke else 1_000_000),
        TemperedVolume(chains=2, moves=4, burn_in=2) if smoke else TemperedVolume(moves=400),
    )
    axes = {"width": widths(WIDTHS[scale]), "seed": teachers(scale)[:3]}
    return {
        name: sweep(dataclasses.replace(student(4, examples), probes=probes), axes)
        for name, examples in (("few", FEW), ("many", MANY))
    }


# --- the statistics -------------------------------------------------------------------------------


def log_fraction(results: Results, name: str) -> Float[np.ndarray, "seed width replica"]:
    """Log share that fits, by the ladder (nats)."""
    values = results[name]["tempered_volume/log_fraction"].isel(step=0)
    return _replicas_last(values)


def good_share(results: Results, name: str) -> Float[np.ndarray, "seed width"]:
    """Good share of what fits, mean over replicas."""
    return _replicas_last(results[name]["tempered_volume/good"].isel(step=0)).mean(axis=2)


def guessed(results: Results, name: str) -> Float[np.ndarray, "seed width 2"]:
    """Exact 99% interval of the log share that fits, by guessing."""
    data = results[name].isel(step=0).transpose("seed", "width", ...)
    counts = [data[f"random_networks/{one}"].values for one in ("fits", "samples")]
    ends = np.array(
        [exact_interval(int(k), int(n), 0.99) for k, n in zip(*map(np.ravel, counts), strict=True)]
    )
    with np.errstate(divide="ignore"):
        return np.log(ends).reshape(*counts[0].shape, 2)


def both_agree(results: Results) -> Judgement:
    """Share of cells in which the ladder's interval meets that of guesses.

    It is that of four standard errors of replicas, but of 0.2 nats at most.
    """
    found, ends = log_fraction(results, "few"), guessed(results, "few")
    mean = found.mean(axis=2)
    error = found.std(axis=2, ddof=1) / math.sqrt(found.shape[2])
    apart = np.maximum(ends[..., 0] - mean, mean - ends[..., 1])  # negative inside
    meets = apart <= np.minimum(4 * error, 0.2)  # a ladder that says nothing must not agree
    note = f"largest distance {np.abs(mean - ends.mean(axis=2)).max():.2f} nats"
    return judge(float(meets.mean()), least=0.9, seeds=len(found), runs=meets.size, note=note)


def good_share_grows(results: Results) -> Judgement:
    """How much larger the good share is at the largest width than at width 4, with 24 examples."""
    values, names = good_share(results, "many"), results["many"]["width"].values.tolist()
    gain = values[:, -1] - values[:, names.index("4")]
    return mean_over_teachers(gain, least=0.05, note="criterion 0.05", runs=values.size)


def _replicas_last(values: typing.Any) -> np.ndarray:
    (replica,) = (dim for dim in values.dims if dim not in ("seed", "width"))
    return values.transpose("seed", "width", replica).values.astype(float)


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "both ways agree",
        "With 8 examples the ladder and a million guesses tell the same share that fits.",
        QUESTION,
        "in nine tenths of the cells",
        both_agree,
    ),
    Claim(
        "the good share grows",
        "With 24 examples a larger share of what fits is good in wide networks than at width 4.",
        QUESTION,
        "by at least 0.05",
        good_share_grows,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Log share that fits both ways, and the good share of it."""
    figure, axes = panels(1, 3, width=3.1, height=2.7)
    for column, (name, examples) in enumerate((("few", FEW), ("many", MANY))):
        places = [int(width) for width in results[name]["width"].values]
        found, ends = log_fraction(results, name), guessed(results, name)
        for seed, colour in zip(range(len(found)), COLOURS, strict=False):
            axes[0, column].errorbar(
                places,
                found[seed].mean(axis=1),
                found[seed].std(axis=1),
                fmt="o-",
                color=colour,
                markersize=3,
            )
            axes[0, column].vlines(
                np.array(places) * 1.08, *np.maximum(ends[seed], -30).T, color=colour, lw=3, alpha=0.4
            )
            axes[0, 2].plot(
                places,
                good_share(results, name)[seed],
                "o-" if name == "few" else "s--",
                color=colour,
                markersize=3,
            )
        axes[0, column].set(title=f"{examples} examples", ylabel="log share that fits (nats)")
    for ax in axes[0]:
        ax.set_xlabel("width")
        axis_of_places(ax, places)
    axes[0, 2].set(title=f"good share: {FEW} (full), {MANY} examples", ylim=(0, None))
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Both estimates of each cell."""
    rows = []
    for name, examples in (("few", FEW), ("many", MANY)):
        found, ends, good = log_fraction(results, name), guessed(results, name), good_share(results, name)
        data = results[name].isel(step=0).transpose("seed", "width", ...)
        for seed, width in np.ndindex(*good.shape):
            low, high = ends[seed, width]
            rows.append(
                {
                    "examples": examples,
                    "seed": int(data["seed"][seed]),
                    "width": data["width"].values[width].item(),
                    "fits": int(data["random_networks/fits"][seed, width]),
                    "guessed_low": float(low),
                    "guessed_high": float(high),
                    "log_fraction": float(found[seed, width].mean()),
                    "spread": float(found[seed, width].std()),
                    "good": float(good[seed, width]),
                }
            )
    return rows


FIGURE = Figure("tempered", "shares that fit by a ladder of temperatures", sweeps, CLAIMS, chart, table)
