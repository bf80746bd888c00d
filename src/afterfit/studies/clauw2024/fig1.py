"""Figure 1: accuracy under two weight decays, and from a large initial scale at constant norm.

Clauw et al. 2024, section 4. The paper shows curves; the criteria are those of our digest. That a strong
decay makes the rise *sharper* is judged in steps, and in the ratio of steps too: on a logarithmic axis a rise
that is only faster in proportion keeps its width.
"""

import typing
from collections.abc import Callable

import numpy as np

from ...ensemble import Sweep
from ...statistics import bootstrap, judge, Judgement
from .._draw import COLOURS, curves, panels
from .._study import Claim, Figure, Results, Scale
from ._course import Course, courses
from ._networks import DECAY, decays, INIT, scaled


# --- the experiment and its axes at each scale ----------------------------------------------------

WEAK, STRONG, ALPHA = 0.1, 2.0, 8.0


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Both decays, and alpha = 8, over initial values."""
    return {"decay": decays(scale, (WEAK, STRONG)), "alpha": scaled(scale, (ALPHA,))}


# --- the statistics -------------------------------------------------------------------------------


def _runs(results: Results, which: float | str) -> list[Course]:
    if which == "alpha":
        return courses(results["alpha"].isel(alpha=0))
    return courses(results["decay"].sel({DECAY: which}))


def _times(results: Results, which: float | str, level: float = 0.98) -> np.ndarray:
    return np.array([one.first(level) for one in _runs(results, which)])


def _memorise(results: Results) -> Judgement:
    """The last run's step of 98% on the training set; every run must be there in time."""
    sets = [[one.first(0.98, "train") for one in _runs(results, which)] for which in (WEAK, STRONG, "alpha")]
    return judge(
        float(np.max(sets)), most=100, seeds=len(sets[0]), runs=int(np.size(sets)), note="at most 100"
    )


def _grok(results: Results) -> Judgement:
    """The least of the three settings' shares of runs that answer 98% of the test set in the end."""
    sets = [
        [one.test_accuracy[-1] >= 0.98 for one in _runs(results, which)] for which in (WEAK, STRONG, "alpha")
    ]
    least = float(np.mean(sets, axis=1).min())
    return judge(
        least, least=0.8, seeds=len(sets[0]), runs=int(np.size(sets)), note="in each setting at least 0.8"
    )


def _ratio(
    numerator: Callable[[Results], np.ndarray],
    denominator: Callable[[Results], np.ndarray],
    note: str,
    **bounds: float,
) -> Callable[[Results], Judgement]:
    """The ratio of two medians over initial values, with an interval."""

    def statistic(results: Results) -> Judgement:
        first, second = numerator(results), denominator(results)
        with np.errstate(invalid="ignore"):
            of = lambda one, other: float(np.median(one) / np.median(other))
            interval = bootstrap(of, first, second)
            value = of(first, second)
        return judge(value, interval, seeds=len(first), runs=len(first) + len(second), note=note, **bounds)

    return statistic


def _widths(which: float, log: bool) -> Callable[[Results], np.ndarray]:
    def widths(results: Results) -> np.ndarray:
        low, high = _times(results, which, 0.1), _times(results, which, 0.9)
        with np.errstate(invalid="ignore"):
            return np.log(high / low) if log else high - low

    return widths


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "memorisation",
        "All networks fit their training set within 100 steps.",
        "section 4, Figure 1",
        "early",
        _memorise,
    ),
    Claim("grokking", "All of them generalise.", "section 4, Figure 1", "late generalisation", _grok),
    Claim(
        "delay",
        "With little weight decay generalisation is delayed.",
        "section 4, Figure 1 left",
        "a longer gap",
        _ratio(lambda r: _times(r, WEAK), lambda r: _times(r, STRONG), "times to 98%, at least 3", least=3),
    ),
    Claim(
        "sharper",
        "With more weight decay accuracy rises more sharply.",
        "section 4, Figure 1 left",
        "sharper",
        _ratio(_widths(WEAK, False), _widths(STRONG, False), "steps from 10% to 90%, at least 3", least=3),
    ),
    Claim(
        "sharper in proportion",
        "So it does in proportion to the time it takes.",
        "our check of section 4, Figure 1 left",
        "sharper",
        _ratio(
            _widths(WEAK, True),
            _widths(STRONG, True),
            "log of the ratio of both times, at least 1.5",
            least=1.5,
        ),
    ),
    Claim(
        "scale like decay",
        "A large initial scale at constant norm shortens the gap as a large decay does.",
        "section 4, Figure 1 right",
        "similar",
        _ratio(
            lambda r: _times(r, "alpha"),
            lambda r: _times(r, WEAK),
            "times to 98%, against decay 0.1: at most 0.5",
            most=0.5,
        ),
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Accuracy against steps."""
    figure, axes = panels(1, 2, width=3.8, height=2.7)
    left = ((f"decay {value:g}", results["decay"].sel({DECAY: value})) for value in (WEAK, STRONG))
    right = ((f"alpha = {ALPHA:g}", results["alpha"].isel(alpha=0)),)
    for ax, sets in zip(axes[0], (left, right), strict=True):
        for colour, (label, data) in zip(COLOURS, sets):
            curves(
                ax, data["train_accuracy"], colour=colour, label=f"{label}, training", dashed=True, seed=INIT
            )
            curves(ax, data["test_accuracy"], colour=colour, label=f"{label}, test", seed=INIT)
        ax.legend(frameon=False, fontsize=6)
        ax.set_ylabel("accuracy")
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """For each run, when it answers shares of both sets."""
    return [
        {
            "runs": str(which),
            "run": number,
            "train_98": run.first(0.98, "train"),
            **{f"test_{round(100 * level)}": run.first(level) for level in (0.1, 0.5, 0.9, 0.98)},
            "final": float(run.test_accuracy[-1]),
        }
        for which in (WEAK, STRONG, "alpha")
        for number, run in enumerate(_runs(results, which))
    ]


FIGURE = Figure(
    "fig1", "accuracy under two weight decays, and at constant norm", sweeps, CLAIMS, chart, table
)
