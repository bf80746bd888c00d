"""Figure 12: weight decay removes the delay of a transformer, and a larger alpha brings it back.

Kumar et al. 2023, section 13. (a) alpha = 0.5, decay 1: a long delay. (b) alpha = 0.5, decay 5: none.
(c) alpha = 1.4, decay 5: it is back, as laziness competes with decay. The setting is that of Figure 6b, so
the rate of (c) is an eighth of that of (b), and its weights decay more slowly than those of (a). Two controls
of (c) are ours: the rate of (b), and a decay with which rate times decay is that of (b).
"""

import typing

import numpy as np

from ...ensemble import Sweep, sweep
from ...statistics import Judgement
from .._draw import COLOURS, curves, panels
from .._judging import agreed, middle
from .._study import Claim, Figure, Results, Scale
from .._trends import Delays, log_values, rows
from ._transformer import LEVEL, loss_delays, SEEDS, setting, transformer


# --- the experiment and its axes at each scale ----------------------------------------------------

LONG, GONE, BACK = "(a)", "(b)", "(c)"
SLOW, STEADY = "(c), rate of (b)", "(c), rate x decay of (b)"
TITLES = {
    LONG: r"(a) $\alpha$ = 0.5, decay 1",
    GONE: r"(b) $\alpha$ = 0.5, decay 5",
    BACK: r"(c) $\alpha$ = 1.4, decay 5",
    SLOW: "(c) at the rate of (b)",
    STEADY: "(c) at rate x decay of (b)",
}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """The three settings and both controls."""
    settings = {
        LONG: setting(scale, 0.5, 1.0),
        GONE: setting(scale, 0.5, 5.0),
        BACK: setting(scale, 1.4, 5.0),
        SLOW: setting(scale, 1.4, 5.0, "rate"),
        STEADY: setting(scale, 1.4, 5.0, "rate times decay"),
    }
    base = transformer(scale, steps=200_000 if scale == "paper" else 8000)
    return {"settings": sweep(base, {"setting": settings, "seed": range(SEEDS[scale])})}


# --- the statistics -------------------------------------------------------------------------------


def decay_removes(results: Results) -> Judgement:
    """The delay of (b) over that of (a), median; an upper bound where (a) ended first."""
    return _compared(results, GONE, most=0.2)


def alpha_recovers(results: Results) -> Judgement:
    """The delay of (c) over that of (a), median; a lower bound where (c) ended first."""
    return _compared(results, BACK, least=0.5)


def at_one_rate(results: Results) -> Judgement:
    """The same at the rate of (b)."""
    return _compared(results, SLOW, least=0.5)


def at_one_product(results: Results) -> Judgement:
    """The same at the rate times decay of (b)."""
    return _compared(results, STEADY, least=0.5)


def _compared(results: Results, which: str, least: float = -np.inf, most: float = np.inf) -> Judgement:
    found, names = times(results), settings(results)
    last = float(results.sweeps["settings"].experiment.steps)
    held: list[bool | None] = []
    shares = []
    for fit, gap in zip(found.fit, found.gap, strict=True):
        mine, first = (gap[names.index(name)] for name in (which, LONG))
        share = _bound(mine, fit[names.index(which)], last) / max(_bound(first, fit[0], last), 1)
        shares.append(share)
        # A delay that is open bounds the share on one side.
        low, high = 0.0 if np.isinf(first) else share, np.inf if np.isinf(mine) else share
        if np.isnan(share) or not (least <= low and high <= most or high < least or low > most):
            held.append(None)
        else:
            held.append(bool(least <= low and high <= most))
    ended = int(np.isinf(found.gap[:, [names.index(which), 0]]).any(axis=1).sum())
    note = f"{'at least' if np.isfinite(least) else 'at most'} {least if np.isfinite(least) else most:g}"
    note += f"; {ended} of {len(held)} are bounds" if ended else ""
    return agreed(held, middle(shares), runs=2 * len(held), note=note)


def _bound(gap: float, fit: float, last: float) -> float:
    """A delay, or the time that was left for it."""
    return last - fit if np.isinf(gap) else gap


def times(results: Results) -> Delays:
    """Steps to a loss of 0.1 on each set."""
    return loss_delays(results["settings"], "setting")


def settings(results: Results) -> list[str]:
    """Names of the settings, in order."""
    return [str(name) for name in results["settings"]["setting"].values]


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "decay removes the delay",
        "With five times the weight decay the delay is at most a fifth.",
        "section 13, Figure 12b",
        "increasing weight decay to 5 makes grokking vanish",
        decay_removes,
    ),
    Claim(
        "alpha brings it back",
        "With a larger alpha as well the delay is at least half of what it was.",
        "section 13, Figure 12c",
        "increasing laziness to alpha = 1.4 recovers grokking",
        alpha_recovers,
    ),
    Claim(
        "alpha brings it back, rate held",
        "It does so at the same rate, and so the same decay of each step.",
        "section 13, Figure 12c (the control is ours)",
        "recovers grokking by discouraging feature learning",
        at_one_rate,
    ),
    Claim(
        "alpha brings it back, rate times decay held",
        "It does so at the smaller rate, with weights that decay as fast as before.",
        "section 13, Figure 12c (the control is ours)",
        "recovers grokking by discouraging feature learning",
        at_one_product,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Losses under each setting, with the level at which a set counts as learned."""
    names = settings(results)
    figure, axes = panels(1, len(names), width=2.4, height=2.6)
    for ax, name in zip(axes[0], names, strict=True):
        data = results["settings"].sel(setting=name)
        for split, label, colour in (("train", "training", COLOURS[1]), ("test", "test", COLOURS[2])):
            curves(ax, data[f"{split}_loss"], colour=colour, label=label)
        ax.axhline(LEVEL, color=COLOURS[5], linestyle=":", linewidth=0.8)
        log_values(ax)
        ax.set(xlim=(1, results.sweeps["settings"].experiment.steps))
        ax.set_title(TITLES[name], fontsize=9)
    axes[0, 0].set_ylabel("cross-entropy (nats)")
    axes[0, 0].legend(frameon=False, fontsize=7)
    low = min(ax.get_ylim()[0] for ax in axes.flat)
    for ax in axes.flat:
        ax.set_ylim(max(low, 1e-4), None)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Times of each run."""
    names = settings(results)
    found = rows(
        np.arange(len(names), dtype=float), times(results), ("steps_to_train_loss", "steps_to_test_loss")
    )
    return [{"setting": names[int(row.pop("alpha"))]} | row for row in found]


FIGURE = Figure("fig12", "weight decay against alpha in a transformer", sweeps, CLAIMS, chart, table)
