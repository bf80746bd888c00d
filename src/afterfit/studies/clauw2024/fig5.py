"""Figure 5: synergy against steps under four weight decays, and from three initial scales.

Clauw et al. 2024, section 6: an early peak of synergy, before generalisation, tells whether a network will
grok. At the very first steps synergy is highest in networks that fail, so "early" is [20, 100] here. Networks
that never fit their training set tell nothing that their training accuracy does not; they are left out of
one of the claims. Beside the paper's settings there are decay 0.01, which memorises and is slow to
generalise, and alpha = 5, which the text of section 6 names. `early-peak` judges the claim on more networks.
"""

import typing
from collections.abc import Iterable

import numpy as np

from ...ensemble import Sweep
from ...statistics import judge, Judgement, separation
from .._draw import COLOURS, panels
from .._study import Claim, Figure, Results, Scale
from ._course import Course, courses, extreme, under_both
from ._networks import DECAY, decays, INITS, LABELS, LIMITS, scaled, TIES


# --- the experiment and its axes at each scale ----------------------------------------------------

DECAYS = (0.1, 2.0, 10.0, 50.0)
ALPHAS = (1.0, 8.0, 50.0)
EXTRA_DECAY, EXTRA_ALPHA = 0.01, 5.0
EARLY, FIRST = (20, 100), (0, 15)


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """The paper's decays and alphas, and the extra ones, over initial values."""
    return {
        "decay": decays(scale, DECAYS),
        "alpha": scaled(scale, ALPHAS),
        "extra decay": decays(scale, (EXTRA_DECAY,)),
        "extra alpha": scaled(scale, (EXTRA_ALPHA,)),
    }


# --- the statistics -------------------------------------------------------------------------------


def groups(results: Results, ties: str, *, extra: bool = True) -> dict[str, list[Course]]:
    """The runs of each setting."""
    found = {}
    for name, axis in (
        ("decay", DECAY),
        ("extra decay", DECAY),
        ("alpha", "alpha"),
        ("extra alpha", "alpha"),
    ):
        if extra or not name.startswith("extra"):
            for value in results[name][axis].values:
                label = f"{name.removeprefix('extra ')} {float(value):g}"
                found[label] = courses(results[name].sel({axis: value}), ties)
    return found


def told_apart(
    runs: list[tuple[int, Course]], window: tuple[float, float], *, seeds: int, least: float, note: str = ""
) -> Judgement:
    """The area under the ROC curve of the highest synergy in a window, for networks that grok in time.

    Runs come with the number of their setting, since those of one setting are near copies of each other.
    """
    settings = np.array([setting for setting, _ in runs])
    peaks = np.array([extreme(one.synergy, one.between(*window)) for _, one in runs])
    grokked = np.array([one.grokked for _, one in runs])
    value, interval = separation(peaks, grokked, settings)
    counted = f"{int(grokked.sum())} of {len(runs)} networks of {len(set(settings))} settings grok in time"
    known = None if np.isnan(value) else interval
    note = "; ".join(filter(None, (note, counted)))
    return judge(value, known, least=least, seeds=seeds, runs=len(runs), note=note)


def numbered(sets: Iterable[list[Course]]) -> list[tuple[int, Course]]:
    """Each run with the number of its setting."""
    return [(number, one) for number, found in enumerate(sets) for one in found]


def _all(ties: str, window: tuple[float, float], least: float, *, extra: bool):
    def statistic(results: Results) -> Judgement:
        runs = numbered(groups(results, ties, extra=extra).values())
        return told_apart(runs, window, seeds=len(INITS[results.scale]), least=least)

    return statistic


def _fitted(ties: str):
    def statistic(results: Results) -> Judgement:
        runs = numbered(groups(results, ties).values())
        fitted = [(setting, one) for setting, one in runs if one.first(0.98, "train") <= 100]
        seeds = len(INITS[results.scale])
        return told_apart(fitted, EARLY, seeds=seeds, least=0.9, note="fitted within 100 steps")

    return statistic


# --- the claims -----------------------------------------------------------------------------------


def _claims(ties: str) -> tuple[Claim, ...]:
    return (
        Claim(
            "early peak",
            "Synergy in steps 20 to 100 tells the networks of the figure that grok from the others.",
            "section 6, Figure 5",
            "an early peak predicts grokking",
            _all(ties, EARLY, 0.95, extra=False),
        ),
        Claim(
            "early peak, fitted",
            "It does so among networks that have fitted their training set by then.",
            "our check of section 6",
            "an early peak predicts grokking",
            _fitted(ties),
        ),
        Claim(
            "first steps",
            "Synergy in the first 15 steps does so as well.",
            "our check of section 6",
            "an early peak predicts grokking",
            _all(ties, FIRST, 0.95, extra=False),
        ),
    )


CLAIMS = under_both(_claims)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Medians of synergy against steps; dashed: networks that do not grok."""
    figure, axes = panels(2, 2, width=4.0, height=2.5)
    for row, ties in zip(axes, TIES, strict=True):
        sets = groups(results, ties)
        for ax, kind in zip(row, ("decay", "alpha"), strict=True):
            chosen = {label: runs for label, runs in sets.items() if label.startswith(kind)}
            for colour, (label, runs) in zip(COLOURS, chosen.items()):
                steps = runs[0].steps
                table = np.stack([one.synergy for one in runs if len(one.steps) == len(steps)])
                grok = np.mean([one.grokked for one in runs]) > 0.5
                style = "-" if grok else "--"
                ax.plot(
                    steps[1:], np.median(table, axis=0)[1:], style, color=colour, label=label, linewidth=1.2
                )
            ax.axvspan(*EARLY, color=COLOURS[5], alpha=0.08, linewidth=0)
            ax.set(xscale="log", xlabel="step", ylabel="synergy, bits")
            ax.set_ylim(-1, min(15, ax.get_ylim()[1]))
            ax.set_title(LABELS[ties])
            ax.legend(frameon=False, fontsize=6)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """For each run its early peaks, and what became of it."""
    return [
        {
            "ties": ties,
            "setting": label,
            "run": number,
            "synergy_20_100": extreme(run.synergy, run.between(*EARLY)),
            "synergy_0_15": extreme(run.synergy, run.between(*FIRST)),
            "train_98": run.first(0.98, "train"),
            "test_98": run.first(0.98),
            "final": float(run.test_accuracy[-1]),
        }
        for ties in TIES
        for label, runs in groups(results, ties).items()
        for number, run in enumerate(runs)
    ]


FIGURE = Figure("fig5", "an early peak of synergy as a prediction", sweeps, CLAIMS, chart, table, note=LIMITS)
