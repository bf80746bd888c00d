"""Figure 10: weights that begin a little aligned with the target, and the rise of the test loss.

Kumar et al. 2023, section 8.3.3. A share i of the final solution is mixed into the first weights, and the
rise of the test loss vanishes, they say, with even a small share. Settings are those of Figure 4 (two units,
the draw of the authors' code), 20,000 steps, i = 0, 0.05, 0.2, 0.5, 0.75, 0.95. Their code trains i = 0.05
too and leaves it out of the plot: in this draw the loss rises as before and stays in another minimum. It is
kept here.

The same with N = 200 units, two of which get their share of the solution (times sqrt(N / 2), so that they
carry the output), not centred either: there the mixture changes one direction of many (P = 200, epsilon =
0.1, eta = 2 N, 10,000 steps, three seeds: our choice). Both are of this size at all scales but smoke.
"""

import math
import typing

import numpy as np
from jaxtyping import Float

from ...ensemble import Sweep, sweep
from ...statistics import judge, Judgement
from ...training import changed, Experiment
from .._draw import COLOURS, curves, panels
from .._judging import agreed, middle
from .._study import Claim, Figure, Results, Scale
from ._decomposition import rows
from ._losses import remainder, rise, TOTAL
from ._recipe import machine
from .fig4 import KEYS, two_units


# --- the experiment and its axes at each scale ----------------------------------------------------

ALIGNED = "model.aligned"
SHARES = {
    "smoke": (0.0, 0.05, 0.5),
    "laptop": (0.0, 0.05, 0.2, 0.5, 0.75, 0.95),
    "paper": (0.0, 0.05, 0.2, 0.5, 0.75, 0.95),
}
SEEDS = {"smoke": 2, "laptop": 3, "paper": 10}
SMALL = 0.05  # the smallest share
FROM = 0.2  # the smallest one that the paper plots

GONE = 1.02
"""Highest over first test loss up to which nothing rises."""


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """The authors' two units, and wide machines, over shares of the solution."""
    theirs = _aimed(two_units(scale, keys=KEYS, steps=20_000))
    wide = _aimed(machine(scale, centred=False, steps=10_000))
    return {
        "authors": sweep(theirs, {ALIGNED: SHARES[scale], "seed": [0]}),
        "wide": sweep(wide, {ALIGNED: SHARES[scale], "seed": range(SEEDS[scale])}),
    }


def _aimed(experiment: Experiment) -> Experiment:
    """The same with its solution, `beta / sqrt(alpha epsilon)`, as the direction of two units.

    Beta is that of all seeds: fixed, or drawn from the task's own key.
    """
    beta = experiment.task.data(0).truth["beta"][0].astype(float)
    numbers = typing.cast(typing.Any, experiment.model), experiment.parametrisation.output_scale
    direction = beta / math.sqrt(numbers[0].nonlinearity * typing.cast(float, numbers[1]))
    return changed(experiment, {"model.direction": tuple(direction.tolist())})


# --- the statistics -------------------------------------------------------------------------------


def rises_less(results: Results) -> Judgement:
    """Largest step up of the rise from one share to the next, over shares; wide machines, median over seeds.

    The rise is the highest over the first test loss. A hundredth is allowed.
    """
    steps = np.diff(_rises(results, "wide"), axis=1).max(axis=1)
    held = [None if np.isnan(one) else bool(one <= 0.01) for one in steps]
    return agreed(held, middle(steps), runs=_count(results, "wide"), note="at most 0.01")


def large_shares_do_not_rise(results: Results) -> Judgement:
    """Highest over first test loss with shares of 0.2 and more in the authors' draw; that losses end at 1% is
    judged with it."""
    return _gone(results, "authors", ends=0.01)


def large_shares_do_not_rise_wide(results: Results) -> Judgement:
    """The same of wide machines, median over seeds."""
    return _gone(results, "wide", ends=0.05)


def a_little_is_enough(results: Results) -> Judgement:
    """Highest over first test loss with a share of 0.05 in the authors' draw."""
    highest = _at_small(results, "authors")
    left = middle(remainder(results["authors"], TOTAL).sel({ALIGNED: SMALL}).values)
    before = middle(_rises(results, "authors")[:, 0])
    note = f"at most {GONE}; without a share {before:.2f}; it ends at {left:.2g} of its start"
    return judge(float(highest[0]), most=GONE, seeds=1, runs=1, note=note)


def a_little_is_enough_wide(results: Results) -> Judgement:
    """Highest over first test loss with a share of 0.05 in wide machines, median over seeds."""
    highest = _at_small(results, "wide")
    held = [None if np.isnan(one) else bool(one <= GONE) for one in highest]
    note = f"at most {GONE}; without a share {middle(_rises(results, 'wide')[:, 0]):.2f}"
    return agreed(held, middle(highest), runs=highest.size, note=note)


def _gone(results: Results, name: str, ends: float) -> Judgement:
    data = results[name]
    large = data[ALIGNED].values >= FROM
    highest = _rises(results, name)[:, large].max(axis=1)
    left = remainder(data, TOTAL).transpose("seed", ALIGNED).values[:, large].max(axis=1)
    held = [
        None if np.isnan(one) or np.isnan(last) else bool(one <= GONE and last <= ends)
        for one, last in zip(highest, left, strict=True)
    ]
    note = f"at most {GONE}; final over first test loss up to {middle(left):.2g}, at most {ends:g}"
    return agreed(held, middle(highest), runs=highest.size * int(large.sum()), note=note)


def _at_small(results: Results, name: str) -> Float[np.ndarray, " seed"]:
    return _rises(results, name)[:, SHARES[results.scale].index(SMALL)]


def _rises(results: Results, name: str) -> Float[np.ndarray, "seed share"]:
    """Highest over first test loss; NaN for runs that diverged."""
    data = results[name]
    found = rise(data, TOTAL).where(data["outcome"] != "diverged")
    return found.transpose("seed", ALIGNED).values.astype(float)


def _count(results: Results, name: str) -> int:
    return int(results[name]["outcome"].size)


# --- the claims -----------------------------------------------------------------------------------

WHERE = "section 8.3.3, Figure 10"

CLAIMS = (
    Claim(
        "rises less",
        "The more of the solution the first weights have, the less the test loss rises.",
        WHERE,
        "as we go from the dark blue curve to the gold one",
        rises_less,
    ),
    Claim(
        "no rise in the authors' draw",
        "In the draw of the figure the rise is gone from a share of a fifth on.",
        WHERE,
        "the increase of test loss vanishes",
        large_shares_do_not_rise,
    ),
    Claim(
        "no rise in wide networks",
        "In wide networks the rise is gone from a share of a fifth on.",
        WHERE,
        "the increase of test loss vanishes",
        large_shares_do_not_rise_wide,
    ),
    Claim(
        "a little is enough in the authors' draw",
        "A share of a twentieth is enough, in the draw of the figure (which leaves this share out).",
        WHERE,
        "increasing alignment by even a little bit",
        a_little_is_enough,
    ),
    Claim(
        "a little is enough in wide networks",
        "A share of a twentieth is enough in wide networks.",
        WHERE,
        "increasing alignment by even a little bit",
        a_little_is_enough_wide,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Test losses for all shares, training losses dashed, and the rise against the share."""
    figure, axes = panels(1, 3, width=3.3, height=2.8)
    names = {"authors": "N = 2, the authors' draw", "wide": "N = 200"}
    for ax, (name, title) in zip(axes[0], names.items(), strict=False):
        data = results[name]
        for colour, share in zip(COLOURS, data[ALIGNED].values, strict=False):
            one = data.sel({ALIGNED: share})
            curves(ax, one[TOTAL], colour=colour, label=f"i = {share:g}")
            curves(ax, one["train_loss"].isel(seed=[0]), colour=colour, label="", dashed=True)
        ax.set(title=f"{title}: test loss (dashed: training)", ylabel="loss", ylim=(0, None))
    axes[0, 1].legend(frameon=False, fontsize=6.5)
    for (name, title), colour in zip(names.items(), (COLOURS[1], COLOURS[2]), strict=True):
        shares, values = results[name][ALIGNED].values, _rises(results, name)
        for row in values:
            axes[0, 2].plot(shares, row, ".", color=colour, alpha=0.5)
        axes[0, 2].plot(shares, [middle(part) for part in values.T], color=colour, label=title, linewidth=1.2)
    axes[0, 2].axhline(GONE, color=COLOURS[5], linestyle="--", linewidth=0.7)
    axes[0, 2].annotate("0.05: not in\nthe paper's plot", (0.1, 1.31), fontsize=6.5)
    axes[0, 2].set(xlabel="share i of the solution", ylabel="highest over first test loss")
    axes[0, 2].legend(frameon=False, fontsize=6.5)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Times and losses of each run."""
    return [
        row
        for name, data in results.data.items()
        for place, share in enumerate(data[ALIGNED].values.tolist())
        for row in rows(data.isel({ALIGNED: place}), sweep=name, share=share)
    ]


FIGURE = Figure(
    "fig10",
    "first weights that are a little aligned",
    sweeps,
    CLAIMS,
    chart,
    table,
    note="A share of 0.05, which the authors' code trains and does not plot, is kept.",
)
