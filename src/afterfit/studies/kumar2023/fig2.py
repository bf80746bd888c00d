"""Figure 2: modular addition is grokked without weight decay while the weight norm rises.

Kumar et al. 2023, section 3 and appendix 8.3. (a) A quadratic network learns addition mod 23 by plain
gradient descent: training accuracy rises first, test accuracy later, and the norm of the weights grows.
(b) The same in loss. (c) A larger alpha makes the delay longer, a small one removes it.

In miniature p = 13. The chart marks beside the network its linearised twin, which fits and never generalises.
"""

import typing

import numpy as np

from ...ensemble import Sweep, sweep
from ...statistics import Judgement
from ...training import Sustained
from .._draw import COLOURS, curves, panels
from .._judging import agreed, middle
from .._study import Claim, Figure, Results, Scale
from .._trends import accuracy_delays, Delays, draw_delays, rises, rows
from ._modular import ALPHA, alphas, grokked, modular, output_scale, SEEDS


# --- the experiment and its axes at each scale ----------------------------------------------------

LEVEL = 0.95
GRID = {
    "smoke": (0.25, 1.0),
    "laptop": (0.25, 0.5625, 1.0, 2.25, 4.0),
    "paper": (0.25, 0.5625, 1.0, 2.25, 4.0),  # squares of the authors' 0.5 to 2; 0.75 is ours
}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Runs at alpha = 1 beside their linearised twins, and runs over alpha."""
    # Ended soon after they generalised: what comes later is seen at alpha = 1.
    stop = Sustained("test_accuracy", LEVEL, records=3)
    base = modular(scale, steps=100_000 if scale == "paper" else 30_000, stop=stop)
    grid = [output_scale(scale, alpha) for alpha in GRID[scale]]
    return {"runs": grokked(scale), "alphas": sweep(base, {ALPHA: grid, "seed": range(SEEDS[scale])})}


# --- the statistics -------------------------------------------------------------------------------


def accuracy_groks(results: Results) -> Judgement:
    """Steps to 95% on the test set over those on the training set, median; the end is judged with it."""
    found, final = _runs(results), _last(results, "test_accuracy")
    held = [
        None if np.isnan(ratio) else bool(ratio >= 1.2 and end >= 0.95)
        for ratio, end in zip(found.ratio[:, 0], final, strict=True)
    ]
    note = f"at least 1.2, and 95% in the end (median {middle(final):.2f})"
    return agreed(held, middle(found.ratio), runs=len(held), note=note)


def norm_rises(results: Results) -> Judgement:
    """The norm of all weights at the end over that at the start, median."""
    norm = results["runs"]["weight_norm"].transpose("seed", "step").values.astype(float)
    ratio = _last(results, "weight_norm") / norm[:, 0]
    return agreed(
        [_known(one, one >= 1.5) for one in ratio], middle(ratio), runs=len(ratio), note="at least 1.5"
    )


def twin_memorises(results: Results) -> Judgement:
    """Test accuracy of the linearised twin at the end, median; the network's is judged with it."""
    its, fitted = (_last(results, f"twin/{split}_accuracy") for split in ("test", "train"))
    own = _last(results, "test_accuracy")
    held = [
        _known(low + fit + high, low <= 0.5 and high >= 0.95) if fit >= LEVEL else None
        for low, fit, high in zip(its, fitted, own, strict=True)
    ]
    note = f"at most 0.5 (network {middle(own):.2f}; twin on the training set {middle(fitted):.2f})"
    return agreed(held, middle(its), runs=len(held), note=note)


def delay_rises(results: Results) -> Judgement:
    """Rank correlation of the delay in steps with alpha."""
    return rises(*_sweep(results), note="runs that never generalise are the latest")


def small_removes(results: Results) -> Judgement:
    """The delay at the smallest alpha over that at alpha = 1, median."""
    places, gap = _sweep(results)
    share = _share(gap, int(np.argmin(np.abs(places - 1))))
    return agreed(
        [_known(one, one <= 1 / 3) for one in share], middle(share), runs=2 * len(share), note="at most 1/3"
    )


def _share(gap: np.ndarray, one: int) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.isinf(gap[:, 0]), np.nan, gap[:, 0] / gap[:, one])


def _runs(results: Results) -> Delays:
    return accuracy_delays(results["runs"].expand_dims("one"), LEVEL, "one")


def _sweep(results: Results) -> tuple[np.ndarray, np.ndarray]:
    data = results["alphas"]
    return alphas(data, results.scale), accuracy_delays(data, LEVEL, ALPHA).gap


def _last(results: Results, measure: str) -> np.ndarray:
    """What runs end with; NaN where they diverged."""
    data = results["runs"].transpose("seed", "step", ...)
    return data[measure].isel(step=-1).where(data["outcome"] != "diverged").values.astype(float)


def _known(value: float, held: bool | np.bool) -> bool | None:
    return None if np.isnan(value) else bool(held)


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "grokking without weight decay",
        "Modular addition is grokked in accuracy without any weight decay.",
        "section 3, Figure 2a",
        "grokking with vanilla gradient descent",
        accuracy_groks,
    ),
    Claim(
        "the norm rises",
        "The norm of the weights increases during training.",
        "section 3, Figure 2a",
        "weight norm of parameters increases",
        norm_rises,
    ),
    Claim(
        "the linearised network only memorises",
        "What generalises is the feature learning: the linearised network fits and does not generalise.",
        "section 3 (the paper's mechanism; the control is ours)",
        "a lazy network fits a linearised solution first",
        twin_memorises,
    ),
    Claim(
        "delay grows with alpha",
        "The larger alpha, the longer the delay.",
        "section 3, Figure 2c",
        "alpha continuously controls grokking",
        delay_rises,
    ),
    Claim(
        "small alpha removes the delay",
        "A small alpha makes the delay vanish.",
        "section 3, Figure 2c",
        "or vanish entirely",
        small_removes,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Accuracies with the norm, losses with those of the twin, and times against alpha."""
    figure, axes = panels(1, 3, width=3.4, height=2.7)
    runs = results["runs"]
    for split, label, colour in (("train", "training", COLOURS[1]), ("test", "test", COLOURS[2])):
        curves(axes[0, 0], runs[f"{split}_accuracy"], colour=colour, label=label)
        curves(axes[0, 1], runs[f"{split}_loss"], colour=colour, label=label)
    curves(axes[0, 1], runs["twin/test_loss"], colour=COLOURS[5], label="test, linearised", dashed=True)
    axes[0, 0].set(ylabel="accuracy", title=r"(a) $\alpha$ = 1, no weight decay")
    axes[0, 1].set(ylabel="mean squared error", title="(b) loss of the same runs", ylim=(0, None))
    norm = axes[0, 0].twinx()
    curves(norm, runs["weight_norm"], colour=COLOURS[3], label="weight norm")
    norm.set_ylabel("weight norm", color=COLOURS[3])
    norm.set_ylim(0, None)
    places, data = alphas(results["alphas"], results.scale), results["alphas"]
    found = accuracy_delays(data, LEVEL, ALPHA)
    draw_delays(axes[0, 2], places, found, budget=float(data["step"].values[-1]))
    axes[0, 2].set(xlabel=r"$\alpha$ (rate divided by $\alpha^2$)", title="(c) steps to 95%, hollow: never")
    for ax in axes.flat:
        ax.legend(frameon=False, fontsize=7)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Times of each run over alpha."""
    found = accuracy_delays(results["alphas"], LEVEL, ALPHA)
    return rows(alphas(results["alphas"], results.scale), found, ("steps_to_95_train", "steps_to_95_test"))


FIGURE = Figure("fig2", "modular addition, grokked without weight decay", sweeps, CLAIMS, chart, table)
