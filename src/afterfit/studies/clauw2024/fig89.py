"""Figures 8 and 9: accuracy under too much weight decay, and from too small and too large initial scales.

Clauw et al. 2024, appendix. Decay 50 at a rate of 0.03 turns all weights round at each step: its failure says
nothing of regularisation.
"""

import typing
from collections.abc import Callable

from ...ensemble import Sweep
from ...statistics import Judgement
from .._draw import COLOURS, curves, panels
from .._judging import agreed, middle
from .._study import Claim, Figure, Results, Scale
from ._course import courses
from ._networks import DECAY, decays, INIT, scaled
from .fig5 import ALPHAS, DECAYS


# --- the experiment and its axes at each scale ----------------------------------------------------


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """The decays and alphas of Figure 5."""
    return {"decay": decays(scale, DECAYS), "alpha": scaled(scale, ALPHAS)}


# --- the statistics -------------------------------------------------------------------------------


def _final(results: Results, axis: str, value: float | str) -> list[float]:
    name = "decay" if axis == DECAY else "alpha"
    return [float(one.test_accuracy[-1]) for one in courses(results[name].sel({axis: value}))]


def _generalises(axis: str, value: float | str, *, expected: bool) -> Callable[[Results], Judgement]:
    def statistic(results: Results) -> Judgement:
        """Final test accuracy: at least 0.98 where it should generalise, below 0.5 where not."""
        found = _final(results, axis, value)
        held = [one >= 0.98 if expected else one < 0.5 for one in found]
        note = "at least 0.98" if expected else "below 0.5"
        return agreed(held, middle(found), runs=len(found), note=note)

    return statistic


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    *(
        Claim(
            f"decay {value:g}",
            f"With weight decay {value:g} the network {'generalises' if groks else 'does not generalise'}.",
            "appendix, Figure 8",
            "groks" if groks else "does not grok",
            _generalises(DECAY, value, expected=groks),
        )
        for value, groks in ((0.1, True), (2.0, True), (10.0, False), (50.0, False))
    ),
    *(
        Claim(
            f"alpha {value}",
            f"From alpha = {value} the network {'generalises' if groks else 'does not generalise'}.",
            "appendix, Figure 9",
            "groks" if groks else "does not grok",
            _generalises("alpha", value, expected=groks),
        )
        for value, groks in (("1", False), ("8", True), ("50", False))
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Accuracy against steps."""
    figure, axes = panels(2, 4, width=2.5, height=2.1)
    for row, axis, name in zip(axes, (DECAY, "alpha"), ("decay", "alpha"), strict=True):
        for ax in row[len(results[name][axis]) :]:
            ax.set_visible(False)
        for ax, value in zip(row, results[name][axis].values, strict=False):
            data = results[name].sel({axis: value})
            curves(ax, data["train_accuracy"], colour=COLOURS[1], label="training", dashed=True, seed=INIT)
            curves(ax, data["test_accuracy"], colour=COLOURS[0], label="test", seed=INIT)
            ax.set(title=f"{name} {float(value):g}", ylim=(-0.05, 1.05))
    axes[0, 0].legend(frameon=False, fontsize=6)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Final accuracies of each run."""
    return [
        {
            "setting": f"{name} {float(value):g}",
            "run": number,
            "train": float(run.train_accuracy[-1]),
            "test": float(run.test_accuracy[-1]),
        }
        for name, axis in (("decay", DECAY), ("alpha", "alpha"))
        for value in results[name][axis].values
        for number, run in enumerate(courses(results[name].sel({axis: value})))
    ]


FIGURE = Figure(
    "fig8-9", "accuracy under other weight decays and initial scales", sweeps, CLAIMS, chart, table
)
