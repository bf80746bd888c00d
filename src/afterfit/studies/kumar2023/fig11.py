"""Figure 11: networks whose readout is trained too climb and fall by the same mechanism.

Kumar et al. 2023, section 12 of the appendix. Settings are those of Figure 4 with readouts from N(0, 1) that
are trained, at a tenth of the rate (eta = N / 20, 100,000 steps), as in the authors' code. Data and hidden
weights are theirs, made from the same keys; readouts are drawn for five seeds. The loss falls first there,
as the output starts large, so its rise is measured from the low before it.

The wide version (N = 100, P = 200, epsilon = 0.1, eta = N / 2, centred, 8,000 steps, five seeds) is our
choice. Both are of this size at all scales but smoke.
"""

import typing

from ... import tasks
from ...ensemble import Sweep, sweep
from ...statistics import Judgement
from .._draw import COLOURS, curves, panels
from .._study import Claim, Figure, Results, Scale
from ._decomposition import (
    adds_up,
    ALIGNMENT,
    aligns_after_the_climb,
    all_vanish,
    climbs,
    draw_losses,
    draw_stack,
    linear_makes_the_climb,
    mark_peak,
    rows,
)
from ._recipe import machine
from .fig4 import KEYS, TESTED, two_units


# --- the experiment and its axes at each scale ----------------------------------------------------

SEEDS = {"smoke": 2, "laptop": 5, "paper": 10}
CLIMB = 1.1  # at least so many times the low


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Two units on the authors' data, and wide networks."""
    trained: dict[str, typing.Any] = dict(readout="normal", reduced=False)
    theirs = two_units(scale, keys=KEYS, rate=0.05, steps=100_000, model=trained)
    task = tasks.Polynomial(train=200, test=TESTED)
    if scale == "smoke":
        task = tasks.Polynomial(inputs=6, train=12, test=50)
    wide = machine(scale, width=100, rate=0.5, steps=8000, task=task, model=trained)
    axes = {"seed": range(SEEDS[scale])}
    return {"authors": sweep(theirs, axes), "wide": sweep(wide, axes)}


# --- the statistics -------------------------------------------------------------------------------


def terms_add_up(results: Results) -> Judgement:
    """As `adds_up`, on wide networks."""
    return adds_up(results["wide"], results.sweeps["wide"].experiment.task.data(0).test_count.item())


def climb_is_linear(results: Results) -> Judgement:
    """As `linear_makes_the_climb`, on the authors' data."""
    return linear_makes_the_climb(results["authors"], least=CLIMB)


def climb_is_linear_wide(results: Results) -> Judgement:
    """The same of wide networks."""
    return linear_makes_the_climb(results["wide"], least=CLIMB)


def aligns_late(results: Results) -> Judgement:
    """As `aligns_after_the_climb`, on the authors' data."""
    return aligns_after_the_climb(results["authors"])


def aligns_late_wide(results: Results) -> Judgement:
    """The same of wide networks."""
    return aligns_after_the_climb(results["wide"])


def vanish(results: Results) -> Judgement:
    """As `all_vanish`, on the authors' data."""
    return all_vanish(results["authors"])


def vanish_wide(results: Results) -> Judgement:
    """The same of wide networks."""
    return all_vanish(results["wide"])


# --- the claims -----------------------------------------------------------------------------------

WHERE = "section 12 (appendix), Figure 11"
SAME = "the same mechanism holds"

CLAIMS = (
    Claim(
        "terms add up",
        "Three terms make up the test loss at all times, readouts in their place.",
        "section 12 (appendix), Eq. 22",
        "the decomposition holds with the new means",
        terms_add_up,
    ),
    Claim(
        "the climb is linear",
        "The test loss climbs by power in linear functions, with two units.",
        WHERE,
        SAME,
        climb_is_linear,
    ),
    Claim(
        "the climb is linear in wide networks",
        "The test loss climbs by power in linear functions in wide networks.",
        WHERE,
        SAME,
        climb_is_linear_wide,
    ),
    Claim(
        "alignment comes after", "Weights align after the climb, with two units.", WHERE, SAME, aligns_late
    ),
    Claim(
        "alignment comes after in wide networks",
        "Weights align after the climb in wide networks.",
        WHERE,
        SAME,
        aligns_late_wide,
    ),
    Claim("all terms vanish", "In the end all terms are small, with two units.", WHERE, SAME, vanish),
    Claim(
        "all terms vanish in wide networks",
        "In the end all terms are small in wide networks.",
        WHERE,
        SAME,
        vanish_wide,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Losses, the terms that they are made of, and alignment."""
    figure, axes = panels(2, 3, width=3.2, height=2.5)
    names = {"authors": "N = 2, the authors' data", "wide": "N = 100"}
    for row, (name, title) in enumerate(names.items()):
        data = results[name]
        draw_losses(axes[row, 0], data)
        axes[row, 0].set_title(f"{title}: losses")
        draw_stack(axes[row, 1], data)
        axes[row, 1].set_title("terms, stacked (seed 0)")
        curves(
            axes[row, 2], data[ALIGNMENT].where(data[ALIGNMENT] > 0.1), colour=COLOURS[3], label="alignment"
        )
        axes[row, 2].set(ylabel=r"alignment with $\beta$", title="alignment (1: none)", ylim=(0, None))
        for ax in axes[row]:
            mark_peak(ax, climbs(data)[0].peak)
    for ax in (axes[0, 0], axes[1, 1]):
        ax.legend(frameon=False, fontsize=6.5)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Each run: its times, its climb, and what of it the linear term is."""
    found = []
    for name, data in results.data.items():
        for row, climb in zip(rows(data, sweep=name), climbs(data), strict=True):
            found.append(row | {"peak": climb.peak, "climb": climb.ratio, "linear_share": climb.share})
    return found


FIGURE = Figure("fig11", "the test loss in three terms, with trained readouts", sweeps, CLAIMS, chart, table)
