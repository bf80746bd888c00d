"""Guess and check: of random networks that fit, are more good if they are wide?

A million random networks for each width, norm and teacher. Those that answer all eight training examples
correctly fit; good are those of them that answer nine tenths of 200 others correctly. The hypothesis is that
the good share of what fits grows with the width. Its rival: that share is what it is, and only the share that
fits grows. Expected too, as landscapes in the form of volumes: the good share falls with the norm.

Padding a network with parameters that do nothing is the control: it moves dimensions and no function.
"""

import dataclasses
import typing

import numpy as np

from ... import models
from ...ensemble import Sweep, sweep
from ...probes import RandomNetworks
from ...statistics import exact_interval, Judgement, trend
from .._draw import axis_of_places, COLOURS, panels
from .._judging import agreed, middle
from .._maps import ALPHA, ALPHA_LABEL
from .._study import Claim, Figure, Results, Scale
from .._trends import falls
from ._volumes import at_norm, FEWEST, mean_over_teachers, QUESTION, Shares, shares, student, teachers, widths


# --- the experiment and its axes at each scale ----------------------------------------------------

WIDTHS = (2, 4, 8, 16, 32, 64, 128)
NORMS = (0.5, 1.0, 2.0, 4.0, 8.0)
RATIOS = {"none": 0, "as many": 1, "3 times": 3, "10 times": 10}
SAMPLES = {"smoke": 2000, "laptop": 1_000_000, "paper": 10_000_000}
NARROW, WIDE, PADDED = "4", "128", 16


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Widths and norms, and one width with dead parameters."""
    smoke = scale == "smoke"
    probes = (RandomNetworks(SAMPLES[scale]),)
    axis = widths((4, 64, 128) if smoke else WIDTHS)
    norms = NORMS[1::2] if smoke else NORMS
    padding = {
        name: {"model": models.Padded(models.MLP((PADDED,), activation="tanh"), ratio=ratio)}
        for name, ratio in RATIOS.items()
    }
    base = dataclasses.replace(student(PADDED), probes=probes)
    return {
        "guesses": sweep(base, {"width": axis, ALPHA: norms, "seed": teachers(scale)}),
        "padded": sweep(base, {"padding": padding, "seed": teachers(scale)}),
    }


# --- the statistics -------------------------------------------------------------------------------


def over_widths(results: Results, alpha: float = 1.0) -> Shares:
    """At one norm, "seed width"."""
    return shares(at_norm(results["guesses"], alpha), "width")


def good_share_grows(results: Results) -> Judgement:
    """How much larger the good share is at width 128 than at width 4, mean over teachers."""
    found = over_widths(results)
    names = results["guesses"]["width"].values.tolist()
    gain = found.goodness[:, names.index(WIDE)] - found.goodness[:, names.index(NARROW)]
    kept = [index for index, name in enumerate(names) if int(name) >= int(NARROW)]
    tests = [
        trend(good[kept], fits[kept], np.log2([int(names[index]) for index in kept]))
        for good, fits in zip(found.good, found.fits, strict=True)
    ]
    scores = ", ".join(f"{test.z:+.1f}" for test in tests)
    note = f"criterion 0.05; Cochran-Armitage z of each teacher over log2 width: {scores}"
    return mean_over_teachers(gain, least=0.05, note=note, runs=found.fits.size)


def accuracy_grows(results: Results) -> Judgement:
    """The same of the mean test accuracy of what fits, on which every fitting network has a say."""
    data = at_norm(results["guesses"], 1.0)
    mean = data["random_networks/test_accuracy"].isel(step=0).transpose("seed", "width")
    mean = mean.where(over_widths(results).fits >= FEWEST)
    gain = (mean.sel(width=WIDE) - mean.sel(width=NARROW)).values.astype(float)
    return mean_over_teachers(gain, least=0.01, note="criterion 0.01", runs=mean.size)


def fitting_share_grows(results: Results) -> Judgement:
    """How many times larger the share that fits is at width 128 than at width 4, median over teachers."""
    found = over_widths(results).fitting
    names = results["guesses"]["width"].values.tolist()
    ratio = found[:, names.index(WIDE)] / found[:, names.index(NARROW)]
    held = [bool(one >= 1.1) for one in ratio]
    return agreed(held, middle(ratio), runs=found.size, note="at least 1.1 times")


def good_share_falls_with_norm(results: Results) -> Judgement:
    """Spearman's correlation of the good share with the norm at width 64, of each teacher."""
    data = results["guesses"].sel(width="64")
    return falls(data[ALPHA].values, shares(data, ALPHA).goodness, least=0.7)


def padding_moves(results: Results, which: typing.Literal["goodness", "fitting"]) -> Judgement:
    """The greatest factor that padding makes of a share (as a logarithm), mean over teachers."""
    found = getattr(shares(results["padded"], "padding"), which)
    with np.errstate(divide="ignore"):
        moved = np.abs(np.log(found / found[:, :1])).max(axis=1)
    return mean_over_teachers(moved, most=0.1, note="criterion 0.1, a tenth", runs=found.size)


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "the good share grows",
        "Of the networks that fit, a larger share is good at width 128 than at width 4.",
        QUESTION,
        "by at least 0.05",
        good_share_grows,
    ),
    Claim(
        "what fits is more accurate",
        "The mean test accuracy of networks that fit is higher at width 128 than at width 4.",
        QUESTION,
        "by at least 0.01",
        accuracy_grows,
    ),
    Claim(
        "the fitting share grows",
        "A larger share of all networks fits at width 128 than at width 4 (the rival).",
        QUESTION,
        "volume grows, goodness does not",
        fitting_share_grows,
    ),
    Claim(
        "the good share falls with the norm",
        "At width 64 the good share falls as the norm grows.",
        QUESTION,
        "a U in the form of volumes",
        good_share_falls_with_norm,
    ),
    Claim(
        "dead parameters leave the good share",
        "Parameters that do nothing do not move the good share.",
        QUESTION,
        "moved by at most a tenth",
        lambda results: padding_moves(results, "goodness"),
    ),
    Claim(
        "dead parameters leave the fitting share",
        "Parameters that do nothing do not move the share that fits.",
        QUESTION,
        "moved by at most a tenth",
        lambda results: padding_moves(results, "fitting"),
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Both shares against width for each norm, and against padding."""
    figure, axes = panels(1, 3, width=3.2, height=2.7)
    data = results["guesses"]
    places = [int(name) for name in data["width"].values]
    for colour, alpha in zip(COLOURS, data[ALPHA].values, strict=False):
        found = over_widths(results, alpha)
        label = f"{ALPHA_LABEL.split(' = ')[0]}$ = {alpha:g}"
        for ax, values in ((axes[0, 0], found.fitting), (axes[0, 1], found.goodness)):
            for row in values:
                ax.plot(places, row, ".", color=colour, alpha=0.35, markersize=4, markeredgewidth=0)
            ax.plot(places, [middle(column) for column in values.T], "-", color=colour, label=label)
    for ax, title in ((axes[0, 0], "share that fits"), (axes[0, 1], "good share of these")):
        ax.set(xlabel="width", title=title)
        axis_of_places(ax, places)
    axes[0, 0].set(yscale="log")
    axes[0, 1].legend(frameon=False, fontsize=7)
    padded = shares(results["padded"], "padding")
    for values, label, colour in (
        (padded.goodness, "good share", COLOURS[2]),
        (padded.fitting, "share that fits", COLOURS[1]),
    ):
        axes[0, 2].plot(values.T, "o-", color=colour, alpha=0.5, markersize=3)
        axes[0, 2].plot([], [], "o-", color=colour, label=label)
    axes[0, 2].set_xticks(range(len(RATIOS)), list(RATIOS))
    axes[0, 2].set(yscale="log", xlabel="dead parameters", title=f"width {PADDED}, a line for each teacher")
    axes[0, 2].legend(frameon=False, fontsize=7)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Counts of each cell, with exact 95% intervals of both shares."""
    rows = []
    for name, axes in (("guesses", ("width", ALPHA)), ("padded", ("padding",))):
        data = results[name]
        for index in np.ndindex(*(data.sizes[axis] for axis in axes), data.sizes["seed"]):
            where = dict(zip((*axes, "seed"), index, strict=True))
            cell = data.isel({**where, "step": 0})
            samples, fits, good = (
                int(cell[f"random_networks/{count}"]) for count in ("samples", "fits", "good")
            )
            low, high = exact_interval(fits, samples)
            row: dict[str, typing.Any] = {axis: cell[axis].values.item() for axis in (*axes, "seed")}
            row |= {"sweep": name, "samples": samples, "fits": fits, "good": good}
            row |= {"fitting_low": low, "fitting_high": high}
            if fits:
                row |= dict(zip(("good_low", "good_high"), exact_interval(good, fits), strict=True))
            rows.append(row)
    return rows


FIGURE = Figure(
    "guesses",
    "random networks: how many fit, and how many of these are good",
    sweeps,
    CLAIMS,
    chart,
    table,
    "Cells in which fewer than 200 networks fit tell nothing of the good share and are left open.",
)
