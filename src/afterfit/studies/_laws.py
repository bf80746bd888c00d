"""Times to generalise against weight decay: times of runs, and the power law through them.

Axes of this module
    decay   weight decays, in increasing order
    run     all runs of a sweep in one row
"""

import dataclasses
import math
import typing

import numpy as np
from jaxtyping import Bool, Float

from ..statistics import bootstrap, censored_fit, grokking_time, judge, Judgement
from ._draw import COLOURS


if typing.TYPE_CHECKING:
    import matplotlib.axes
    import xarray

DECAY = "optimiser.weight_decay"


@dataclasses.dataclass(frozen=True)
class Times:
    """Steps to an accuracy (to the last record where censored, NaN where unfit), over seeds and decays."""

    decay: Float[np.ndarray, " decay"]
    steps: Float[np.ndarray, "seed decay"]
    censored: Bool[np.ndarray, "seed decay"]

    def within(self, least: float, most: float) -> "Times":
        """Only decays of a range, ends included."""
        kept = (self.decay >= least * (1 - 1e-9)) & (self.decay <= most * (1 + 1e-9))
        return Times(self.decay[kept], self.steps[:, kept], self.censored[:, kept])

    @property
    def seeds(self) -> int:
        return len(self.steps)

    def exponent(self) -> float:
        """k of `t = c decay^-k` by the censored log-normal fit over all runs; NaN below two decays."""
        return -censored_fit(*self._flat()).slope

    def interval(self) -> tuple[float, float] | None:
        """95% interval of the exponent. Runs are resampled, as two or three seeds carry no interval."""
        return bootstrap(lambda *drawn: -censored_fit(*drawn).slope, *self._flat())

    def line(self, decay: Float[np.ndarray, " place"]) -> Float[np.ndarray, " place"]:
        """The fitted time at these decays."""
        fit = censored_fit(*self._flat())
        return np.exp(fit.intercept + fit.slope * np.log(decay))

    def judged(self, least: float, most: float, note: str = "") -> Judgement:
        """The exponent against a range; undecided with fewer than four decays that have an event."""
        seen = int((~self.censored).any(axis=0).sum())
        span = self.decay[(~self.censored).any(axis=0)]
        wide = span.size and span.max() / span.min() >= 10 * (1 - 1e-9)
        if seen < 4 or not wide:
            few = f"{seen} decays with times: four over a decade are needed"
            note = "; ".join(filter(None, (note, few)))
            return judge(math.nan, seeds=self.seeds, runs=self.steps.size, note=note)
        value, interval = self.exponent(), self.interval()
        return judge(
            value, interval, least=least, most=most, seeds=self.seeds, runs=self.steps.size, note=note
        )

    def _flat(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        decay = np.broadcast_to(np.log(self.decay), self.steps.shape)
        return decay.ravel(), self.steps.ravel(), self.censored.ravel()


def times(data: "xarray.Dataset", which: str, accuracy: float, axis: str = DECAY) -> Times:
    """Times to `memorised` or `generalised` of a sweep over seeds and decays above 0.

    Where optimisation failed, so that a run did not even fit its training set, the time is NaN: such a run is
    not a slow one.
    """
    found = grokking_time(data, accuracy).transpose("seed", axis)
    positive = found[axis].values > 0
    failed = found["memorised_censored"].values & found["generalised_censored"].values
    return Times(
        found[axis].values[positive].astype(float),
        np.where(failed, np.nan, found[which].values)[:, positive].astype(float),
        found[f"{which}_censored"].values[:, positive],
    )


def norms_at(found: Times, data: "xarray.Dataset") -> Float[np.ndarray, "seed decay"]:
    """Weight norms of runs at the records of these times, NaN where censored; decays above 0 of `data`."""
    kept = data.isel({DECAY: data[DECAY].values > 0})
    norm = kept["weight_norm"].transpose("seed", DECAY, "step").values.astype(float)
    step = np.searchsorted(kept["step"].values, np.where(found.censored, 0, found.steps))
    picked = np.take_along_axis(norm, step[..., None], axis=-1)[..., 0]
    return np.where(found.censored, np.nan, picked)


def variation(sample: Float[np.ndarray, "..."]) -> float:
    """The coefficient of variation of what is known; NaN below two values."""
    known = sample[np.isfinite(sample)]
    return float(known.std() / known.mean()) if known.size > 1 else math.nan


def draw_times(
    ax: "matplotlib.axes.Axes", found: Times, *, label: str, colour: str, fit: bool = True
) -> None:
    """Each run as a dot, or as an open triangle where it ended before, and the fitted line."""
    decay = np.broadcast_to(found.decay, found.steps.shape)
    seen = ~found.censored
    ax.plot(decay[seen], found.steps[seen], "o", color=colour, markersize=3.5, alpha=0.7, label=label)
    if found.censored.any():
        ax.plot(
            decay[found.censored],
            found.steps[found.censored],
            "^",
            color=colour,
            markersize=4,
            fillstyle="none",
            label=f"{label}: not reached",
        )
    if fit and math.isfinite(found.exponent()):
        k = found.exponent()
        ax.plot(
            found.decay,
            found.line(found.decay),
            "--",
            color=COLOURS[5],
            linewidth=1,
            label=rf"{label}: $t \sim \gamma^{{{-k:.2f}}}$",
        )
    if np.isfinite(found.steps).any():  # an axis without a number cannot be logarithmic
        ax.set(xscale="log", yscale="log")
    ax.set(xlabel=r"weight decay $\gamma$", ylabel="steps")
