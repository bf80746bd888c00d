"""Figure 2a: on spheres of constant norm the test loss of the student is a U, its training loss an L.

Liu et al. 2023 ("Omnigrok"), section 3. Students start with their standard weights times alpha, from 0.1 to
10, and are trained for 1e4 steps while their norm is kept. Test loss is least in a shell around alpha = 1
(the "Goldilocks zone"); training loss is high inside and zero outside of it. The paper has one seed, here
there are five, each with a teacher of its own. All scales but `smoke` are of the paper's size.
"""

import typing

import numpy as np

from ...ensemble import Sweep
from ...landscape import spheres
from ...statistics import Judgement
from .._draw import panels
from .._maps import ALPHA, at, by_seed, cells, draw_row, minima
from .._study import Claim, Figure, Results, Scale
from ._recipe import spread, teacher_student


# --- the experiment and its axes at each scale ----------------------------------------------------


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Students over norms and seeds."""
    steps, alpha, seeds = 10_000, spread(0.1, 10, 11), 5
    if scale == "smoke":
        steps, alpha, seeds = 20, (0.1, 1.0, 10.0), 2
    return {"landscape": spheres(teacher_student(steps=steps), alpha, {"seed": range(seeds)})}


# --- the statistics -------------------------------------------------------------------------------


def test_is_a_u(results: Results) -> Judgement:
    """Where the test loss is least, and how far it rises on both sides."""
    found = minima(results)
    best = [float(one.idxmin(ALPHA)) for one in found["test_loss"].transpose("seed", ALPHA)]

    def holds(one: typing.Any) -> bool | np.bool | np.ndarray:
        loss, where = one["test_loss"], float(one["test_loss"].idxmin(ALPHA))
        least = float(loss.min())
        return 0.4 <= where <= 1.6 and at(loss, alpha=10) >= 1e3 * least and at(loss, alpha=0.1) >= 10 * least

    note = "least loss at alpha in [0.4, 1.6]; 1e3 times that at 10, 10 times that at 0.1"
    return by_seed(found, holds, float(np.median(best)), note)


def training_is_an_l(results: Results) -> Judgement:
    """The largest training loss at alpha of at least 1, median over seeds."""
    found = minima(results)
    outside = found["train_loss"].where(found[ALPHA] >= 0.99)

    def holds(one: typing.Any) -> bool | np.bool | np.ndarray:
        high = one["train_loss"].where(one[ALPHA] >= 0.99)
        return float(high.max()) <= 1e-5 and at(one["train_loss"], alpha=0.1) >= 1e-3

    note = "at most 1e-5 at every alpha from 1 on, at least 1e-3 at 0.1"
    return by_seed(found, holds, float(outside.max(ALPHA).median()), note)


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "test loss is a U",
        "On spheres of constant norm the test loss is a U with its least value near alpha = 1.",
        "section 3, Figure 2a",
        "minimum at about alpha = 1",
        test_is_a_u,
    ),
    Claim(
        "training loss is an L",
        "The training loss falls up to alpha = 1 and is about zero beyond.",
        "section 3, Figure 2a",
        "almost zero for alpha of at least 1",
        training_is_an_l,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Reduced training and test loss against the norm."""
    figure, axes = panels(1, 1, width=4.4, height=3.2)
    draw_row(axes[0, 0], minima(results), "loss", floor=1e-8)
    axes[0, 0].set(yscale="log", ylabel="least loss + 1e-8", title="teacher and student")
    axes[0, 0].legend(frameon=False)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Losses at each norm, the authors' way of reading them (last step) beside ours."""
    return cells(minima(results), ("train_loss", "test_loss", "train_loss_last", "test_loss_last"))


FIGURE = Figure("fig2a", "reduced losses of a student: L and U", sweeps, CLAIMS, chart, table)
