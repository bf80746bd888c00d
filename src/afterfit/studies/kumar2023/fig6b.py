"""Figure 6b: alpha controls the delay of a one-layer transformer.

Kumar et al. 2023, section 6. The transformer of Nanda et al. (2023) on modular addition, with the factor
alpha at its centred logits and a rate of eta / alpha^2: the larger alpha, the later the test loss falls; at
0.15 it falls with the training loss.

The recipe changes two more things with alpha: the size of AdamW's steps, and its decay of each step, rate
times decay, both as 1 / alpha^2. So the same is asked of runs in which rate times decay is held, in which the
rate is held, and of time counted in rates. The chart shows all of them.
"""

import typing

import numpy as np

from ...ensemble import Sweep, sweep
from ...statistics import Judgement
from .._draw import COLOURS, curves, panels
from .._judging import agreed, middle
from .._study import Claim, Figure, Results, Scale
from .._trends import Delays, draw_delays, log_values, rises, rows
from ._transformer import Held, LEVEL, loss_delays, RATE, SEEDS, setting, transformer


# --- the experiment and its axes at each scale ----------------------------------------------------

ALPHAS = {
    "smoke": (0.25, 0.5),
    "laptop": (0.25, 0.35, 0.5, 0.7, 1.0),
    "paper": (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5),  # the authors' code
}
DECAY = {"smoke": 1.0, "laptop": 2.0, "paper": 1.0}
MIDDLE = {"smoke": 0.5, "laptop": 0.5, "paper": 0.15}
"""The alpha at which all choices of what is held agree."""

HELD: tuple[Held, ...] = typing.get_args(Held)
PAPER, PRODUCT, RATE_HELD = HELD


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Runs over alpha, with each choice of what is held."""
    base = transformer(scale, steps=200_000 if scale == "paper" else 6000)
    plans = {}
    for held in HELD:
        axis = {
            f"{alpha:g}": setting(scale, alpha, DECAY[scale], held, MIDDLE[scale]) for alpha in ALPHAS[scale]
        }
        plans[held] = sweep(base, {"alpha": axis, "seed": range(SEEDS[scale])})
    return plans


# --- the statistics -------------------------------------------------------------------------------


def delay_rises(results: Results) -> Judgement:
    """Rank correlation of the delay with alpha, in the recipe of the paper."""
    return _rises(results, PAPER)


def with_product_held(results: Results) -> Judgement:
    """The same where rate times decay does not change."""
    return _rises(results, PRODUCT)


def with_rate_held(results: Results) -> Judgement:
    """The same where neither rate nor decay changes."""
    return _rises(results, RATE_HELD)


def in_rates(results: Results) -> Judgement:
    """Rank correlation of rate times delay with alpha, in the recipe of the paper."""
    rate = RATE[results.scale] / alphas(results, PAPER) ** 2
    return rises(alphas(results, PAPER), times(results, PAPER).gap * rate)


def small_removes(results: Results) -> Judgement:
    """The delay at the smallest alpha over that at the largest, median; if that is open, a bound above."""
    found = times(results, PAPER)
    last = float(results[PAPER]["step"].values[-1])
    largest = np.where(np.isinf(found.gap[:, -1]), last - found.fit[:, -1], found.gap[:, -1])
    smallest = np.where(np.isinf(found.gap[:, 0]), np.nan, found.gap[:, 0])
    with np.errstate(divide="ignore", invalid="ignore"):
        share = smallest / largest
    held = [None if np.isnan(one) else bool(one <= 0.1) for one in share]
    return agreed(held, middle(share), runs=2 * len(held), note="at most 0.1")


def times(results: Results, held: str) -> Delays:
    """Steps to a loss of 0.1 on each set."""
    return loss_delays(results[held], "alpha")


def alphas(results: Results, held: str) -> np.ndarray:
    """The values of alpha."""
    return results[held]["alpha"].values.astype(float)


def _rises(results: Results, held: str) -> Judgement:
    found = times(results, held)
    never = int(np.isinf(found.late).sum())
    note = f"{never} of {found.late.size} runs did not learn the test set" if never else ""
    return rises(alphas(results, held), found.gap, note=note)


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "delay grows with alpha",
        "The larger alpha, the longer after the training loss the test loss falls.",
        "section 6, Figure 6b",
        "changing alpha can continuously make grokking vanish, or more drastic",
        delay_rises,
    ),
    Claim(
        "small alpha removes the delay",
        "At the smallest alpha the delay is at most a tenth of that at the largest.",
        "section 6, Figure 6b",
        "grokking has vanished for alpha = 0.15",
        small_removes,
    ),
    Claim(
        "delay grows, rate times decay held",
        "It does so where weights decay equally fast for all alpha.",
        "section 6, Figure 6b (the control is ours)",
        "laziness controls grokking",
        with_product_held,
    ),
    Claim(
        "delay grows, rate held",
        "It does so where rate and decay are the same for all alpha.",
        "section 6, Figure 6b (the control is ours)",
        "laziness controls grokking",
        with_rate_held,
    ),
    Claim(
        "delay grows in units of the rate",
        "It does so where time is counted in steps times rate.",
        "section 6, Figure 6b (the control is ours)",
        "laziness controls grokking",
        in_rates,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Losses over alpha in the recipe of the paper, and times against alpha for all that is held."""
    figure, axes = panels(1, 4, width=3.1, height=2.8)
    places = alphas(results, PAPER)
    for colour, place in zip(COLOURS, range(len(places)), strict=False):
        one = results[PAPER].isel({"alpha": place})
        curves(
            axes[0, 0], one["test_loss"].median("seed"), colour=colour, label=rf"$\alpha$ = {places[place]:g}"
        )
        curves(axes[0, 0], one["train_loss"].median("seed"), colour=colour, label="", dashed=True)
    log_values(axes[0, 0])
    axes[0, 0].set(ylabel="loss (nats; dashed: training)")
    titles = (
        r"rate $\propto 1/\alpha^2$ (paper)",
        "control: rate x decay held",
        "control: rate and decay held",
    )
    for ax, held, title in zip(axes[0, 1:], HELD, titles, strict=True):
        draw_delays(ax, alphas(results, held), times(results, held), budget=_budget(results))
        ax.set_title(title, fontsize=9)
        ax.set(
            ylabel=f"steps to loss {LEVEL:g}",
            ylim=(_least(results) / 1.5, 1.5 * _budget(results)),
        )
    axes[0, 0].set_title("recipe of the paper", fontsize=9)
    for ax in axes.flat:
        ax.legend(frameon=False, fontsize=7)
    return figure


def _budget(results: Results) -> float:
    """The most steps that a run has; all three panels share it."""
    return float(results.sweeps[PAPER].experiment.steps)


def _least(results: Results) -> float:
    return max(min(float(min(times(results, held).fit.min(), _budget(results))) for held in HELD), 1)


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Times of each run."""
    names = ("steps_to_train_loss", "steps_to_test_loss")
    return [
        row for held in HELD for row in rows(alphas(results, held), times(results, held), names, held=held)
    ]


FIGURE = Figure("fig6b", "a transformer's delay against alpha, with controls", sweeps, CLAIMS, chart, table)
