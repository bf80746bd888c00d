"""Figure 8: alpha controls how late a student of a teacher generalises, as seen in accuracy.

Kumar et al. 2023, appendix 8.3.1. In the setting of Liu et al. 2023 ("Omnigrok"), a student of twice the
standard norm groks. With a small factor alpha at its output it generalises as it fits, with a large one it is
later still. The text counts an answer where it is within 0.001 of the teacher's; the authors' code, where the
squared error averaged over outputs is below 0.001, which is less strict by far. Both are measured here; the
paper's curves are those of the code.

Five seeds where the paper has one, and twice its 1e4 steps. The rate is not divided by alpha^2, so that alpha
changes how fast the function moves, and not only how lazily: the caption's reading is one of two.
"""

import typing

import numpy as np

from ...ensemble import Sweep, sweep
from ...statistics import Judgement
from .._draw import COLOURS, curves, panels
from .._judging import agreed, middle
from .._study import Claim, Figure, Results, Scale
from .._trends import accuracy_delays, Delays, draw_delays, rises, rows
from ._student import SEEDS, shares, student


# --- the experiment and its axes at each scale ----------------------------------------------------

ALPHA = "parametrisation.output_scale"
LEVEL = 0.5  # half of the examples; at most 98% are answered well in the time there is
ALPHAS = (0.1, 0.25, 0.5, 0.75, 1.0, 3.0)  # the authors' code
CODE, TEXT = "below_0.001", "exact"
COUNTED = {CODE: "squared error < 0.001 (code)", TEXT: "all outputs within 0.001 (text)"}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Students over alpha."""
    steps = {"smoke": 20, "laptop": 20_000, "paper": 100_000}[scale]
    alphas = ALPHAS[::3] if scale == "smoke" else ALPHAS
    return {"alphas": sweep(student(steps=steps), {ALPHA: alphas, "seed": range(SEEDS[scale])})}


# --- the statistics -------------------------------------------------------------------------------


def delay_rises(results: Results) -> Judgement:
    """Rank correlation with alpha of how many times later half of the test set is right."""
    return rises(_alphas(results), times(results, CODE).ratio, note="students that never do are the latest")


def by_the_text(results: Results) -> Judgement:
    """The same where every output of an answer must be within 0.001."""
    found = times(results, TEXT)
    got = int(np.isfinite(found.late).sum())
    note = f"{got} of {found.late.size} students get half of the test set right"
    return rises(_alphas(results), found.ratio, note=note)


def small_removes(results: Results) -> Judgement:
    """Steps to half of the test set over those to half of the training set at the smallest alpha, median."""
    ratio = times(results, CODE).ratio[:, 0]
    held = [None if np.isnan(one) else bool(one <= 1.5) for one in ratio]
    return agreed(held, middle(ratio), runs=len(held), note="at most 1.5")


def large_delays(results: Results) -> Judgement:
    """The same at alpha = 1, median; a lower bound where a student ended first."""
    found = times(results, CODE)
    one = int(np.argmin(np.abs(_alphas(results) - 1)))
    ended = np.isinf(found.late)
    last = float(results["alphas"]["step"].values[-1])
    ratio = Delays(found.fit, np.where(ended, last, found.late)).ratio[:, one]
    ended = ended[:, one]
    held = [
        None if np.isnan(value) or (open_ and value < 5) else bool(value >= 5)
        for value, open_ in zip(ratio, ended, strict=True)
    ]
    note = f"at least 5; {int(ended.sum())} of {ended.size} lower bounds"
    return agreed(held, middle(ratio), runs=len(held), note=note)


def times(results: Results, counted: str) -> Delays:
    """Steps to half of each set under one meaning of a right answer."""
    return accuracy_delays(shares(results["alphas"], counted), LEVEL, ALPHA)


def _alphas(results: Results) -> np.ndarray:
    return results["alphas"][ALPHA].values.astype(float)


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "delay grows with alpha",
        "The larger alpha, the later the test set is answered, relative to the training set.",
        "appendix 8.3.1, Figure 8",
        "we can even make grokking more pronounced by increasing it",
        delay_rises,
    ),
    Claim(
        "small alpha removes the delay",
        "At alpha = 0.1 both sets are answered at once.",
        "appendix 8.3.1, Figure 8",
        "alpha to 0 makes induced grokking vanish",
        small_removes,
    ),
    Claim(
        "grokking at alpha = 1",
        "At alpha = 1 half of the test set comes at least five times later.",
        "appendix 8.3.1, Figure 8",
        "exactly the experiment of Liu et al.",
        large_delays,
    ),
    Claim(
        "delay grows with alpha, by the text's measure",
        "So it is where an answer must be within 0.001 of the teacher's.",
        "appendix 8.3.1, caption of Figure 8",
        "within 0.001 of the teacher label",
        by_the_text,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Accuracies at some alphas, and times against alpha under both meanings."""
    figure, axes = panels(1, 3, width=3.7, height=2.7)
    alphas = _alphas(results)
    data = shares(results["alphas"], CODE)
    shown = [0, len(alphas) // 2, int(np.argmin(np.abs(alphas - 1))), len(alphas) - 1]
    for colour, place in zip(COLOURS, dict.fromkeys(shown), strict=False):
        one = data.isel({ALPHA: place})
        curves(axes[0, 0], one["test_accuracy"], colour=colour, label=rf"$\alpha$ = {alphas[place]:g}")
        curves(axes[0, 0], one["train_accuracy"], colour=colour, label="", dashed=True)
    axes[0, 0].set(ylabel="share answered", title="squared error < 0.001 (dashed: training)", ylim=(0, 1.02))
    axes[0, 0].title.set_fontsize(9)
    budget = float(data["step"].values[-1])
    for ax, (counted, title) in zip(axes[0, 1:], COUNTED.items(), strict=True):
        draw_delays(ax, alphas, times(results, counted), budget=budget)
        ax.set(ylabel="steps to half of the set", ylim=(0.6 * _least(results), 1.6 * budget))
        ax.set_title(f"{title}; hollow: never", fontsize=9)
    for ax in axes.flat:
        ax.legend(frameon=False, fontsize=7)
    return figure


def _least(results: Results) -> float:
    """The first time there is: both meanings are drawn on one axis."""
    last = float(results["alphas"]["step"].values[-1])
    return max(min(min(times(results, one).fit.min(), last) for one in COUNTED), 1.0)


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Times of each student under both meanings."""
    names = ("steps_to_half_train", "steps_to_half_test")
    return [
        row
        for counted, title in COUNTED.items()
        for row in rows(_alphas(results), times(results, counted), names, counted=title)
    ]


FIGURE = Figure("fig8", "a student's delay in accuracy against alpha", sweeps, CLAIMS, chart, table)
