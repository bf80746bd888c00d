"""Ours: does an early peak of synergy tell whether a network groks? On 48 networks and more.

Clauw et al. 2024, section 6, looks at a handful of settings. Here are twelve weight decays, from networks
that have memorised and not generalised when they end to networks that never fit, with four initial values
each (twenty at the paper's scale). Whether those of the first kind would grok later is not known: to grok
means to do so in time, within 4,000 steps. Synergy is measured up to step 100 and rarely after, and compared
with what training accuracy says at step 100.
"""

import dataclasses
import typing
from collections.abc import Callable

import numpy as np

from ...ensemble import Sweep, sweep
from ...statistics import judge, Judgement, separation
from ...training import At
from .._draw import COLOURS, panels
from .._study import Claim, Figure, Results, Scale
from ._course import Course, courses, extreme
from ._networks import AVERAGE, DECAY, INIT, measures, network, SPLIT, STEPS
from .fig5 import EARLY, FIRST, numbered, told_apart


# --- the experiment and its axes at each scale ----------------------------------------------------

_MANY = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0)
DECAYS = {"smoke": (0.1, 2.0), "laptop": _MANY, "paper": _MANY}
INITS = {"smoke": (500, 600), "laptop": (500, 600, 700, 800), "paper": tuple(range(500, 2500, 100))}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Weight decays times initial values that no other figure has."""
    experiment = network(scale, probes=measures(scale, (AVERAGE,)))
    last = STEPS[scale]
    early = np.unique(np.geomspace(1, min(100, last), 25).round().astype(int)).tolist()
    late = [step for step in (200, 400, 800, 1200, 2000, 3000) if step < last]
    planned = dataclasses.replace(experiment, record=At((0, *early, *late, last)))
    return {"decay": sweep(planned, {DECAY: DECAYS[scale], INIT: INITS[scale]}, seed=SPLIT)}


# --- the statistics -------------------------------------------------------------------------------


def _runs(results: Results) -> list[tuple[int, Course]]:
    data = results["decay"]
    return numbered(courses(data.sel({DECAY: value})) for value in data[DECAY].values)


def _seeds(results: Results) -> int:
    return len(INITS[results.scale])


def _early(results: Results) -> Judgement:
    """Area under the ROC curve of the highest synergy in [20, 100]."""
    return told_apart(_runs(results), EARLY, seeds=_seeds(results), least=0.9)


def _first(results: Results) -> Judgement:
    """The same for the first 15 steps."""
    return told_apart(_runs(results), FIRST, seeds=_seeds(results), least=0.9)


def _fitted(results: Results) -> Judgement:
    """The same for [20, 100] among networks that have fitted by step 100."""
    runs = [(setting, one) for setting, one in _runs(results) if one.first(0.98, "train") <= 100]
    return told_apart(runs, EARLY, seeds=_seeds(results), least=0.9, note="fitted within 100 steps")


def _accuracy(results: Results) -> Judgement:
    """Area under the ROC curve of training accuracy at step 100 less that of the synergy."""
    runs = [one for _, one in _runs(results)]
    grokked = np.array([one.grokked for one in runs])
    accuracy = np.array([one.train_accuracy[one.near(100)] for one in runs])
    peaks = np.array([extreme(one.synergy, one.between(*EARLY)) for one in runs])
    other, ours = separation(accuracy, grokked)[0], separation(peaks, grokked)[0]
    note = f"training accuracy {other:.2f}, synergy {ours:.2f}"
    return judge(ours - other, least=0.05, seeds=_seeds(results), runs=len(runs), note=note)


# --- the claims -----------------------------------------------------------------------------------


def _claim(name: str, sentence: str, judge: Callable[[Results], Judgement]) -> Claim:
    source = "section 6" if name == "early peak" else "our check of section 6"
    return Claim(name, sentence, source, "an early peak of synergy predicts grokking", judge)


CLAIMS = (
    _claim(
        "early peak",
        "Synergy in steps 20 to 100 tells the networks that grok in time from the others.",
        _early,
    ),
    _claim("first steps", "Synergy in the first 15 steps does.", _first),
    _claim(
        "early peak, fitted",
        "It does so among networks that have fitted their training set by then.",
        _fitted,
    ),
    _claim("more than accuracy", "It tells more than training accuracy at step 100 does.", _accuracy),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Early synergy of each network against its weight decay, and against its final accuracy."""
    figure, axes = panels(1, 3, width=3.4, height=2.6)
    data = results["decay"]
    for value in data[DECAY].values:
        for run in courses(data.sel({DECAY: value})):
            colour = COLOURS[2] if run.grokked else COLOURS[1]
            fitted = run.first(0.98, "train") <= 100
            for ax, window in zip(axes[0], (FIRST, EARLY), strict=False):
                peak = extreme(run.synergy, run.between(*window))
                filled = colour if fitted else "none"
                ax.plot(float(value), peak, "o", color=colour, markerfacecolor=filled, markersize=4)
            axes[0, 2].plot(run.steps[1:], run.synergy[1:], color=colour, alpha=0.4, linewidth=0.7)
    for ax, window in zip(axes[0], (FIRST, EARLY), strict=False):
        title = f"highest synergy in steps {window[0]} to {window[1]}"
        ax.set(xscale="log", xlabel="weight decay", ylabel="bits", title=title)
    axes[0, 2].set(
        xscale="log", xlabel="step", ylabel="synergy, bits", title="green: groks; hollow: not fitted by 100"
    )
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Each network."""
    data = results["decay"]
    return [
        {
            "decay": float(value),
            "run": number,
            "synergy_20_100": extreme(run.synergy, run.between(*EARLY)),
            "synergy_0_15": extreme(run.synergy, run.between(*FIRST)),
            "train_98": run.first(0.98, "train"),
            "train_at_100": float(run.train_accuracy[run.near(100)]),
            "final": float(run.test_accuracy[-1]),
        }
        for value in data[DECAY].values
        for number, run in enumerate(courses(data.sel({DECAY: value})))
    ]


FIGURE = Figure(
    "early-peak", "an early peak of synergy as a prediction, on many networks", sweeps, CLAIMS, chart, table
)
