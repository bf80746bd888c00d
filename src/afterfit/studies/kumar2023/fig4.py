"""Figure 4: what the test loss is made of while it peaks and falls.

Kumar et al. 2023, section 5.3. The peak of the test loss is the power that the network puts into linear
functions; it falls once weights align with the target, from 1,000 to 2,000 steps on. The text gives no
settings. Those of the authors' code: D = 40, P = 120, N = 2 hidden units, epsilon = 0.25, eta = N / 2, the
function not centred, 50,000 steps, and one draw of data and weights, which is made here from the same keys.

That draw is a lucky one. Other draws of the same setting (eight here) end in other minima as a rule: two
units have little room. Statistics are therefore taken on machines of N = 200 (P = 200, epsilon = 0.1, eta =
2 N, centred: our choice), where all draws behave alike. Eq. 6 of a centred function has the first weights
taken off.
"""

import typing

import numpy as np

from ... import tasks
from ...ensemble import Sweep, sweep
from ...statistics import crossing_time, judge, Judgement
from ...training import Experiment
from .._draw import COLOURS, curves, panels
from .._judging import agreed, middle
from .._study import Claim, Figure, Results, Scale
from ._decomposition import (
    adds_up,
    ALIGNED,
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
from ._losses import grokked, remainder, rise, TOTAL
from ._recipe import machine


# --- the experiment and its axes at each scale ----------------------------------------------------

TESTED = 10_000  # examples that the loss of wide machines is measured on (our choice)
KEYS = (0, 1, 2)  # training inputs, test inputs, beta: the authors' code
SEEDS = {"smoke": 2, "laptop": 5, "paper": 10}
DRAWS = {"smoke": 2, "laptop": 8, "paper": 40}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """The authors' draw, other draws of their setting, and wide machines."""
    task = tasks.Polynomial(train=200, test=TESTED)
    if scale == "smoke":
        task = tasks.Polynomial(inputs=6, train=12, test=50)
    return {
        "authors": sweep(two_units(scale, keys=KEYS), {"seed": [0]}),
        "draws": sweep(two_units(scale), {"seed": range(DRAWS[scale])}),
        "wide": sweep(machine(scale, task=task), {"seed": range(SEEDS[scale])}),
    }


def two_units(
    scale: Scale, *, keys: tuple[int, int, int] | None = None, steps: int = 50_000, **changes: typing.Any
) -> Experiment:
    """The setting of the authors' code, with their draw where keys are given."""
    inputs, train, test = (6, 12, 50) if scale == "smoke" else (40, 120, 1000)
    task = tasks.Polynomial(inputs=inputs, train=train, test=test, beta="normal", keys=keys)
    # Two units are fewer than the space that they span with the vector of ones.
    model = dict(reduced=False, key=None if keys is None else 0) | changes.pop("model", {})
    settings: dict[str, typing.Any] = dict(width=2, nonlinearity=0.25, rate=0.5, centred=False) | changes
    return machine(scale, task=task, model=model, steps=steps, **settings)


# --- the statistics -------------------------------------------------------------------------------


def terms_add_up(results: Results) -> Judgement:
    """As `adds_up`, on wide machines."""
    return adds_up(results["wide"], results.sweeps["wide"].experiment.task.data(0).test_count.item())


def peak_is_linear(results: Results) -> Judgement:
    """As `linear_makes_the_climb`, on wide machines."""
    return linear_makes_the_climb(results["wide"])


def peak_is_linear_there(results: Results) -> Judgement:
    """The same of the authors' draw."""
    return linear_makes_the_climb(results["authors"])


def aligns_late(results: Results) -> Judgement:
    """As `aligns_after_the_climb`, on wide machines."""
    return aligns_after_the_climb(results["wide"])


def aligns_at(results: Results) -> Judgement:
    """Step from which on the alignment of the authors' draw stays at 5 or more."""
    found = crossing_time(results["authors"][ALIGNMENT], ALIGNED, lasting=True).isel(seed=0)
    step = np.nan if bool(found["time_censored"]) else float(found["time"])
    return judge(step, least=1000, most=2000, seeds=1, runs=1)


def vanish(results: Results) -> Judgement:
    """As `all_vanish`, on wide machines."""
    return all_vanish(results["wide"])


def vanish_there(results: Results) -> Judgement:
    """The same of the authors' draw."""
    return all_vanish(results["authors"])


def others_grok(results: Results) -> Judgement:
    """Share of other draws of the two units whose loss rises by 5%, and falls to a fifth, late."""
    data = results["draws"]
    known = np.isfinite(data[TOTAL].isel(step=-1).transpose("seed").values)
    found = grokked(data, test=TOTAL).transpose("seed").values
    held = [bool(one) if there else None for one, there in zip(found, known, strict=True)]
    left = remainder(data, TOTAL).transpose("seed").values
    note = (
        f"rising by 5% and falling to a fifth of the first loss; "
        f"{int((left <= 0.2).sum())} of {len(held)} generalise, {int((left >= 1).sum())} end above it; "
        f"highest over first {middle(rise(data, TOTAL).values):.2f} in the middle"
    )
    return agreed(held, float(np.mean(found)), runs=len(held), note=note)


# --- the claims -----------------------------------------------------------------------------------

WHERE = "section 5.3, Figure 4"

CLAIMS = (
    Claim(
        "terms add up",
        "Three terms make up the test loss at all times.",
        "section 5.3, Eq. 6",
        "the decomposition is exact",
        terms_add_up,
    ),
    Claim(
        "the peak is linear",
        "The peak of the test loss comes from power in linear functions.",
        WHERE,
        "the initial peak is the attempt to learn a linear function",
        peak_is_linear,
    ),
    Claim(
        "the peak is linear in the authors' draw",
        "So it does with two units, in the draw that the figure shows.",
        WHERE,
        "the initial peak is the attempt to learn a linear function",
        peak_is_linear_there,
    ),
    Claim(
        "alignment comes after the peak",
        "Weights align with the target after the peak of the test loss.",
        WHERE,
        "before later improving the alignment",
        aligns_late,
    ),
    Claim(
        "alignment begins at 1-2k steps",
        "In the draw of the figure alignment begins around 1,000 to 2,000 steps.",
        WHERE,
        "around 1-2k epochs",
        aligns_at,
    ),
    Claim(
        "all terms vanish",
        "In the end all three terms are small.",
        WHERE,
        "generalisation: all terms fall",
        vanish,
    ),
    Claim(
        "all terms vanish in the authors' draw",
        "So they are with two units, in the draw that the figure shows.",
        WHERE,
        "generalisation: all terms fall",
        vanish_there,
    ),
    Claim(
        "other draws of two units",
        "Two units grok as the figure shows, whatever the draw.",
        "Figure 4 (one draw is shown)",
        "a network that groks",
        others_grok,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Losses, the terms that they are made of, and alignment, of the figure's draw and of wide machines."""
    figure, axes = panels(2, 4, width=3.0, height=2.5)
    names = {"authors": "N = 2, the authors' draw", "wide": "N = 200"}
    for row, (name, title) in enumerate(names.items()):
        data = results[name]
        draw_losses(axes[row, 0], data)
        axes[row, 0].set_title(f"{title}: losses")
        draw_stack(axes[row, 1], data)
        axes[row, 1].set_title("terms, stacked" + (" (seed 0)" if data.sizes["seed"] > 1 else ""))
        curves(axes[row, 2], data[ALIGNMENT], colour=COLOURS[3], label="alignment")
        axes[row, 2].axhline(ALIGNED, color=COLOURS[5], linewidth=0.7, linestyle="--")
        axes[row, 2].set(ylabel=r"alignment with $\beta$", title="alignment (1: none)", ylim=(0, None))
        for ax in axes[row, :3]:
            mark_peak(ax, climbs(data)[0].peak)
    draw_losses(axes[0, 3], results["draws"])
    axes[0, 3].set_title("N = 2, other draws: losses")
    for ax in (axes[0, 0], axes[1, 1], axes[0, 3]):
        ax.legend(frameon=False, fontsize=6.5)
    left = np.sort(remainder(results["draws"], TOTAL).transpose("seed").values)
    axes[1, 3].plot(np.arange(1, left.size + 1), np.maximum(left, 1e-6), "o", color=COLOURS[1], markersize=4)
    axes[1, 3].axhline(0.2, color=COLOURS[5], linewidth=0.7, linestyle="--")
    axes[1, 3].set(
        yscale="log",
        xlabel="draw, in order",
        ylabel="last over first test loss",
        title="N = 2, other draws: ends",
    )
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Each run: its times, its climb, and what of it the linear term is."""
    found = []
    for name, data in results.data.items():
        for row, climb in zip(rows(data, sweep=name), climbs(data), strict=True):
            found.append(row | {"peak": climb.peak, "climb": climb.ratio, "linear_share": climb.share})
    return found


FIGURE = Figure(
    "fig4",
    "the test loss in three terms",
    sweeps,
    CLAIMS,
    chart,
    table,
    note="With two units the figure's draw is a lucky one; statistics are of wide machines.",
)
