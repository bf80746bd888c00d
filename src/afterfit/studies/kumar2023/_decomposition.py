"""What the test loss of committee machines is made of while it climbs and falls (Kumar et al. 2023, Eq. 6).

Axes of this module
    seed    runs that differ in chance only
    step    recorded steps
"""

import math
import typing

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...models import CommitteeModel, Frozen
from ...statistics import crossing_time, Judgement
from ...training import Moment
from .._draw import COLOURS, curves
from .._judging import agreed, middle
from ._losses import loss_times, remainder, rise, TOTAL


if typing.TYPE_CHECKING:
    import matplotlib.axes
    import xarray

TERMS = ("power", "misalignment", "linear")
"""Of `committee_loss`, in the order in which they are stacked."""

ALIGNMENT = "committee_loss/alignment"

ALIGNED = 5.0
"""Alignment of weights that have turned to the target: 1 is no preference, D the most. Our choice."""

TERM_COLOURS = {"power": COLOURS[7], "misalignment": COLOURS[2], "linear": COLOURS[1]}


class Climb(typing.NamedTuple):
    """The largest climb of one run's test loss, from an earlier low to a peak; NaN without a record."""

    low: float
    peak: float
    before: float
    after: float
    linear: float

    @property
    def ratio(self) -> float:
        """Loss at the peak over that at the low."""
        return self.after / self.before

    @property
    def share(self) -> float:
        """What the linear term added, over what the loss did; NaN where the loss did not climb."""
        gained = self.after - self.before
        return self.linear / gained if gained > 0 else math.nan


def climbs(data: "xarray.Dataset") -> list[Climb]:
    """The largest climb of each seed's exact test loss, until the training loss is at a tenth of its start.

    What comes later is no attempt to fit: a large rate can throw a fitted network off for some steps. A climb
    has the steps `low` and `peak`, the loss `before` and `after`, and how much the `linear` term grew.
    """
    found = []
    steps = data["step"].values
    fitted = loss_times(data, test=TOTAL)["memorised"].transpose("seed").values
    losses, linear = (
        data[name].transpose("seed", "step").values.astype(float) for name in (TOTAL, "committee_loss/linear")
    )
    for loss, part, last in zip(losses, linear, fitted, strict=True):
        known = np.isfinite(loss) & (steps <= last)
        if not known.any():
            found.append(Climb(*[math.nan] * 5))
            continue
        climbed = np.where(known, loss - np.fmin.accumulate(np.where(known, loss, np.inf)), -np.inf)
        peak = int(np.argmax(climbed))
        low = int(np.nanargmin(np.where(known, loss, np.nan)[: peak + 1]))
        found.append(
            Climb(float(steps[low]), float(steps[peak]), loss[low], loss[peak], part[peak] - part[low])
        )
    return found


# --- the kernel, over all inputs ------------------------------------------------------------------------


def kernel_fit(moment: Moment) -> Float[Array, ""]:
    """Alignment of the kernel of a committee machine with its target, over all inputs instead of a sample.

    `<y K y'> / (sqrt(<K^2>) <y^2>)` for independent x and x' (Kumar et al. 2023, Eq. 19). A sample counts
    each example with itself too, where any kernel is large: on n examples that alone makes about
    `1 / sqrt(n + n^2 / D)`, more than the alignment of a network that has learned.

    With wbar and M of `committee_loss`, `S = beta beta^T` and s = x . x', the kernel is, up to a factor,
    `s (1 + epsilon wbar . (x + x') + epsilon^2 x^T M x')`. The numerator is
    `epsilon^2 / (4 D^4) (Tr(S)^2 Tr(M) + 8 Tr(S) Tr(S M))` (their Eq. 20 lacks the 4), and
    `<y^2> = 3 Tr(S)^2 / (4 D^2)`.

    **Raises:** `ValueError` for anything but readouts of one, squares, and one direction.
    """
    model, truth = moment.model, moment.data.truth
    fits = isinstance(model, CommitteeModel) and isinstance(model.readout, Frozen) and model.degree is None
    if not fits or len(truth["beta"]) != 1 or "factor" not in truth:
        raise ValueError("`kernel_fit` needs a committee machine with squares, on one direction.")
    epsilon, beta = model.nonlinearity, truth["beta"][0].astype(model.hidden.dtype)
    mean = model.signs @ model.hidden / model.width
    second = model.hidden.T @ model.hidden / model.width
    size, length = mean.size, beta @ beta
    trace, square = jnp.trace(second), jnp.sum(second**2)
    numerator = epsilon**2 / (4 * size**4) * (length**2 * trace + 8 * length * beta @ second @ beta)
    kernel = (
        1 / size
        + 2 * epsilon**2 * (mean @ mean) * (1 + 2 / size) / size**2
        + epsilon**4 * ((size + 6) * square + 2 * trace**2) / size**4
    )
    return numerator / (jnp.sqrt(kernel) * 3 * length**2 / (4 * size**2))


# --- judgements that figures share --------------------------------------------------------------------


def adds_up(data: "xarray.Dataset", tested: int) -> Judgement:
    """Largest deviation of the measured test loss from the exact one, over records; both tests per seed.

    The terms must sum to the exact loss within 1e-6, and the loss of `tested` examples must lie within three
    standard errors of it: squares of a quadratic form in Gaussian inputs vary by sqrt(32/3) of their mean
    where one direction rules. Records below a thousandth of the first loss are left out.
    """
    total = data[TOTAL].transpose("seed", "step").values.astype(float)
    summed = sum(
        data[f"committee_loss/{term}"].transpose("seed", "step").values.astype(float) for term in TERMS
    )
    measured = data["test_loss"].transpose("seed", "step").values.astype(float)
    most = 3 * math.sqrt(32 / 3 / tested)
    with np.errstate(invalid="ignore", divide="ignore"):
        counted = total >= 1e-3 * total[:, :1]
        apart = _largest(np.where(counted, np.abs(measured / total - 1), np.nan))
        gap = _largest(np.where(counted, np.abs(summed / total - 1), np.nan))
    held = [
        None if math.isnan(one) or math.isnan(other) else bool(one <= most and other <= 1e-6)
        for one, other in zip(apart, gap, strict=True)
    ]
    note = f"at most {most:.2g} on {tested:,} examples; terms sum to the exact loss within {middle(gap):.1g}"
    return agreed(held, middle(apart), runs=len(held), note=note)


def linear_makes_the_climb(data: "xarray.Dataset", *, least: float = 1.05, share: float = 0.6) -> Judgement:
    """What the linear term adds while the test loss climbs, over what the loss does; median over seeds.

    A run whose loss does not climb by `least` fails: it has no peak to explain.
    """
    found = climbs(data)
    held = [
        None if math.isnan(one.ratio) else bool(one.ratio >= least and one.share >= share) for one in found
    ]
    note = f"at least {share:g}, in a climb to {middle(one.ratio for one in found):.2f} (at least {least:g})"
    return agreed(held, middle(one.share for one in found), runs=len(found), note=note)


def all_vanish(data: "xarray.Dataset", most: float = 0.05) -> Judgement:
    """The largest of the three terms at the end, over the first test loss; median over seeds."""
    ends = [_end(data, f"committee_loss/{term}") for term in TERMS]
    first = data[TOTAL].isel(step=0).transpose("seed").values.astype(float)
    largest = np.max(ends, axis=0) / first
    held = [None if math.isnan(one) else bool(one < most) for one in largest]
    return agreed(held, middle(largest), runs=largest.size, note=f"below {most:g}")


def aligns_after_the_climb(data: "xarray.Dataset") -> Judgement:
    """Step at which weights have turned to the target, over that of the peak of the test loss.

    Turned: an alignment of 5 and more from then on, where D is the most. Median over seeds.
    """
    turned = crossing_time(data[ALIGNMENT], ALIGNED, lasting=True)
    peaks = np.array([one.peak for one in climbs(data)])
    steps = turned["time"].transpose("seed").values.astype(float)
    never = turned["time_censored"].transpose("seed").values
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(peaks > 0, steps / peaks, np.nan)
    held = [
        None if math.isnan(one) or censored else bool(one > 1)
        for one, censored in zip(ratio, never, strict=True)
    ]
    known = np.where(never, np.nan, ratio)
    return agreed(held, middle(known), runs=len(held), note="above 1")


def lasting(data: "xarray.Dataset", values: "xarray.DataArray") -> np.ndarray:
    """Values of the runs, NaN for those that diverged: what they say at their last record says nothing."""
    return values.where(data["outcome"] != "diverged").transpose("seed", ...).values.astype(float)


def _end(data: "xarray.Dataset", measure: str) -> np.ndarray:
    """A measure at the last step; NaN for runs that ended before."""
    return data[measure].isel(step=-1).transpose("seed").values.astype(float)


def _largest(table: np.ndarray) -> np.ndarray:
    """Row by row; NaN where nothing is known."""
    return np.array([row[np.isfinite(row)].max() if np.isfinite(row).any() else math.nan for row in table])


# --- charts and tables ----------------------------------------------------------------------------------


def draw_losses(
    ax: "matplotlib.axes.Axes", data: "xarray.Dataset", *, test: str = TOTAL, log: bool = False
) -> None:
    """Training and test loss against steps."""
    curves(ax, data["train_loss"], colour=COLOURS[0], label="training", dashed=True)
    curves(ax, data[test], colour=COLOURS[1], label="test")
    ax.set(ylabel="loss")
    if log:
        ax.set_yscale("log")
    else:
        ax.set_ylim(0)


def draw_stack(ax: "matplotlib.axes.Axes", data: "xarray.Dataset", seed: int = 0) -> None:
    """The three terms of one run on top of each other, with the test loss as it was measured."""
    one = data.isel(seed=seed) if "seed" in data.dims else data
    one = one.where(one["step"] > 0, drop=True)
    parts = [np.nan_to_num(one[f"committee_loss/{term}"].values) for term in TERMS]
    steps = one["step"].values
    ax.stackplot(
        steps, *parts, labels=TERMS, colors=[TERM_COLOURS[term] for term in TERMS], alpha=0.75, linewidth=0
    )
    ax.plot(steps, one["test_loss"], ".", color="black", markersize=2.5, label="measured")
    ax.set_xscale("log")
    ax.set(xlabel="step", ylabel="terms of the test loss", ylim=(0, None))


def mark_peak(ax: "matplotlib.axes.Axes", step: float) -> None:
    """A thin line at the peak of the test loss."""
    if math.isfinite(step) and step > 0:
        ax.axvline(step, color=COLOURS[5], linewidth=0.7, linestyle=":")


def rows(data: "xarray.Dataset", *, test: str = TOTAL, **labels: typing.Any) -> list[dict[str, typing.Any]]:
    """Of each seed: when losses fell to a tenth of their start, how far the test loss rose and fell."""
    times = loss_times(data, test=test)
    highest, left = rise(data, test), remainder(data, test)
    table = []
    for place, seed in enumerate(data["seed"].values.tolist()):
        row: dict[str, typing.Any] = {**labels, "seed": seed}
        for which in ("memorised", "generalised"):
            row[which] = float(times[which].isel(seed=place))
            row[f"{which}_censored"] = bool(times[f"{which}_censored"].isel(seed=place))
        row["highest_over_first"] = float(highest.isel(seed=place))
        row["last_over_first"] = float(left.isel(seed=place))
        table.append(row)
    return table
