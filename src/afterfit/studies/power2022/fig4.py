"""Figure 4: the validation loss rises long after the fit, and falls again.

Power et al. 2022, section 3.1 and appendix A.3, on the runs of Figure 1 (left): validation loss climbs
from about 1e2 to about 1e5 updates before a second descent, while accuracy does not go down.

In miniature, the second descent is seen with decay 1 (as in Figure 1, left). Decay shortens the climb, so
how long it lasts is judged on the runs without, as in the paper. Losses are of the answer alone: the
authors' also average over the end of the sequence, which halves them and changes no ratio.
"""

import dataclasses
import math
import typing

import numpy as np
from jaxtyping import Float, Int

from ...ensemble import Sweep
from ...statistics import bootstrap, combined, grokking_time, judge, Judgement, Verdict
from .._draw import COLOURS, curves, panels
from .._study import Claim, Figure, Results, Scale
from . import fig1_left


# --- the experiment and its axes at each scale ----------------------------------------------------


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """The runs of Figure 1 (left)."""
    return fig1_left.sweeps(scale)


# --- the statistics -------------------------------------------------------------------------------

WINDOW = 5  # records over which curves are smoothed; our choice


@dataclasses.dataclass(frozen=True)
class Descents:
    """A smoothed loss (nats) that falls, climbs and falls again: `low` before `peak`, and the `end`.

    The steps of the first two; NaN for all where nothing is recorded.
    """

    low: float
    peak: float
    end: float
    low_step: float
    peak_step: float

    @property
    def rise(self) -> float:
        """Peak over low, at least 1; 1 where the loss only falls."""
        return self.peak / self.low

    @property
    def fall(self) -> float:
        """End over peak, at most 1; 1 where the loss never falls again."""
        return self.end / self.peak


def descents(steps: Int[np.ndarray, " record"], loss: Float[np.ndarray, " record"]) -> Descents:
    """The landmarks of a loss curve, smoothed by a geometric mean over five records.

    The peak is the highest point after the first local minimum, and low the lowest point before the peak.
    Records that are not finite (none, or diverged) are left out; a loss of 0 counts as 1e-12.
    """
    steps, loss = steps[np.isfinite(loss)], loss[np.isfinite(loss)]
    if not loss.size:
        return Descents(*[math.nan] * 5)
    smooth = np.exp(smoothed(np.log(np.maximum(loss, 1e-12))))
    climbs = np.append(np.diff(smooth) > 0, True)
    first_minimum = int(climbs.argmax())
    peak = first_minimum + int(smooth[first_minimum:].argmax())
    low = int(smooth[: peak + 1].argmin())
    return Descents(
        float(smooth[low]), float(smooth[peak]), float(smooth[-1]), float(steps[low]), float(steps[peak])
    )


def smoothed(values: Float[np.ndarray, " record"], window: int = WINDOW) -> Float[np.ndarray, " record"]:
    """The mean over a window around each record; at the ends, over what there is of it."""
    ones = np.ones(window)
    # "full", then cut: "same" would be as long as the window where there are fewer records than that.
    middle = slice(window // 2, window // 2 + len(values))
    return np.convolve(values, ones)[middle] / np.convolve(np.ones_like(values), ones)[middle]


def largest_fall(accuracy: Float[np.ndarray, " record"]) -> float:
    """How far the smoothed accuracy falls below what it had reached, at most; NaN without a record."""
    known = accuracy[np.isfinite(accuracy)]
    if not known.size:
        return math.nan
    known = smoothed(known)
    return float(np.max(np.maximum.accumulate(known) - known))


def rise(results: Results) -> Judgement:
    """Median over seeds of the peak of the validation loss over the low before it."""
    least = 1.5 if results.scale == "paper" else 1.3
    ratios = np.array([one.rise for one in _landmarks(results, "delayed")])
    return _judged(ratios, least=least, note=_adapted(results, "at least 1.3 times"))


def second_descent(results: Results) -> Judgement:
    """Median over seeds of the last validation loss over its peak."""
    most = 0.5 if results.scale == "paper" else 0.3
    ratios = np.array([one.fall for one in _landmarks(results, "delayed")])
    waiting = int(np.isnan(_time(results, "delayed", "generalised")).sum())
    found = _judged(ratios, most=most, note=_adapted(results, "at most 0.3 times"))
    if found.verdict == Verdict.FAILS and waiting:
        # Whoever has not generalised yet may still have the second descent to come.
        note = f"{waiting} of {len(ratios)} runs have not generalised: only the first half is seen"
        return dataclasses.replace(found, verdict=Verdict.UNDECIDED, note=note)
    return found


def long_climb(results: Results) -> Judgement:
    """Median over seeds of the step of the peak over the steps to memorise, without decay."""
    name = "delayed" if results.scale == "paper" else "no decay"
    peaks = np.array([one.peak_step for one in _landmarks(results, name)])
    note = "" if name == "delayed" else "on the runs without decay; a loss that still climbs peaks later"
    return _judged(peaks / _time(results, name, "memorised"), least=10, note=note)


def peak_before_generalising(results: Results) -> Judgement:
    """Median over seeds of the step of the peak over the steps to generalise.

    A run that has not generalised counts with its last step, a bound from above, once its loss has halved.
    """
    landmarks, times = _landmarks(results, "delayed"), grokking_time(results["delayed"])
    ratios = np.array([one.peak_step for one in landmarks]) / times["generalised"].values
    waiting = times["generalised_censored"].values
    ratios[waiting & ~np.array([one.fall <= 0.5 for one in landmarks])] = np.nan
    note = f"{waiting.sum()} of {len(ratios)} runs have not generalised" if waiting.any() else ""
    return _judged(ratios, most=1, note=note)


def steady_accuracy(results: Results) -> Judgement:
    """Median over seeds of the largest fall of the validation accuracy."""
    falls = np.array([whole for _, whole in _falls(results, "delayed")])
    training = results["delayed"]["train_accuracy"].transpose("seed", "step").values
    also = np.median([largest_fall(one) for one in training])
    note = f"criterion of our own: at most 10 points; training accuracy falls by {also:.0%} too"
    return _judged(falls, most=0.1, note=note)


def steady_climb(results: Results) -> Judgement:
    """Median over seeds of the largest fall of the validation accuracy up to the peak of the loss."""
    falls = np.array([climbing for climbing, _ in _falls(results, "delayed")])
    return _judged(falls, most=0.1, note="a claim of our own: at most 10 points")


def _falls(results: Results, name: str) -> list[tuple[float, float]]:
    """For each run, the largest fall of its accuracy up to the peak of its loss, and in all."""
    data = results[name]
    accuracies, steps = data["test_accuracy"].transpose("seed", "step").values, data["step"].values
    return [
        (largest_fall(accuracy[steps <= one.peak_step]), largest_fall(accuracy))
        for accuracy, one in zip(accuracies, _landmarks(results, name), strict=True)
    ]


def span(results: Results) -> Judgement:
    """Median over seeds of the steps of the low and of the peak."""
    landmarks = _landmarks(results, "delayed")
    lows, peaks = (np.array([getattr(one, name) for one in landmarks]) for name in ("low_step", "peak_step"))
    seen = f"low at {np.median(lows):.3g}, peak at {np.median(peaks):.3g} steps"
    if results.scale != "paper":
        note = f"needs the paper's size and no decay; here {seen}"
        return Judgement(Verdict.UNDECIDED, seeds=len(landmarks), runs=len(landmarks), note=note)
    both = combined(
        [
            _judged(lows, least=30, most=500),
            _judged(peaks, least=3e4, most=3e5),
        ]
    )
    return dataclasses.replace(
        both, value=float(np.median(peaks)), note=f"{seen}; criterion 30 to 500 and 3e4 to 3e5"
    )


def _landmarks(results: Results, name: str) -> list[Descents]:
    data = results[name]
    losses = data["test_loss"].transpose("seed", "step").values
    return [descents(data["step"].values, loss) for loss in losses]


def _time(results: Results, name: str, which: str) -> Float[np.ndarray, " seed"]:
    """Times of the runs over seeds, in steps: NaN where not reached."""
    times = grokking_time(results[name])
    return times[which].where(~times[f"{which}_censored"]).values


def _judged(values: Float[np.ndarray, " seed"], note: str = "", **criterion: float) -> Judgement:
    """The median over seeds, with its interval, against a criterion."""
    seeds = len(values)
    interval = bootstrap(np.median, values)
    return judge(float(np.median(values)), interval, seeds=seeds, runs=seeds, note=note, **criterion)


def _adapted(results: Results, criterion: str) -> str:
    return "" if results.scale == "paper" else f"decay 1; criterion of the miniature: {criterion}"


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "rise",
        "Validation loss climbs to at least 1.5 times its first low.",
        "section 3.1, Figure 4",
        "climbs over three decades of steps",
        rise,
    ),
    Claim(
        "second descent",
        "Validation loss then falls again, to at most half of its peak.",
        "section 3.1, Figure 4",
        "a second descent",
        second_descent,
    ),
    Claim(
        "long climb",
        "The second descent begins at least ten times later than the fit of the training set.",
        "appendix A.3 and Figure 4",
        "far past the fit; about 1e5 against < 1e3 steps",
        long_climb,
    ),
    Claim(
        "peak first",
        "The second descent begins before validation accuracy reaches 99%.",
        "Figures 1 (left) and 4",
        "about 1e5 against close to 1e6 steps",
        peak_before_generalising,
    ),
    Claim(
        "steady accuracy",
        "Validation accuracy has no such fall and rise.",
        "appendix A.3",
        "no non-monotonic behaviour of accuracy",
        steady_accuracy,
    ),
    Claim(
        "steady climb",
        "Validation accuracy does not fall while the loss climbs to its peak.",
        "our own, after appendix A.3",
        "no non-monotonic behaviour of accuracy",
        steady_climb,
    ),
    Claim(
        "span",
        "Validation loss climbs from about 1e2 to about 1e5 updates.",
        "caption of Figure 4",
        "1e2 to about 1e5 steps",
        span,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Losses against log steps; a ring marks the peak of each smoothed validation loss."""
    figure, axes = panels(1, len(results.data))
    for ax, (name, data) in zip(axes[0], results.data.items(), strict=True):
        curves(ax, data["train_loss"], colour=COLOURS[1], label="train")
        curves(ax, data["test_loss"], colour=COLOURS[2], label="validation")
        landmarks = _landmarks(results, name)
        ax.plot(
            [one.peak_step for one in landmarks],
            [one.peak for one in landmarks],
            "o",
            color=COLOURS[2],
            fillstyle="none",
            label="peak, smoothed",
        )
        task = results.sweeps[name].experiment.task
        ax.set(title=f"{task.title}: {name}", ylabel="loss (nats)", yscale="log")
        ax.legend(frameon=False)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """The landmarks of the validation loss of each run."""
    rows = []
    for name, data in results.data.items():
        memorised, generalised = (_time(results, name, which) for which in ("memorised", "generalised"))
        falls = _falls(results, name)
        for index, one in enumerate(_landmarks(results, name)):
            rows.append(
                {
                    "sweep": name,
                    "seed": int(data["seed"].values[index]),
                    "low": one.low,
                    "low_step": one.low_step,
                    "peak": one.peak,
                    "peak_step": one.peak_step,
                    "end": one.end,
                    "memorised": memorised[index],
                    "generalised": generalised[index],
                    "fall_of_accuracy_up_to_peak": falls[index][0],
                    "fall_of_accuracy": falls[index][1],
                }
            )
    return rows


FIGURE = Figure("fig4", "double descent of the validation loss (division)", sweeps, CLAIMS, chart, table)
