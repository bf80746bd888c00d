"""Figure 3a and b: the output scale alpha and the nonlinearity epsilon alter the delay in distinct ways.

Kumar et al. 2023, section 5. A committee machine learns the square of one direction by gradient descent with
`eta0 / alpha^2`. (a) The larger alpha, the longer the delay and the higher the final test loss; at small
alpha there is hardly a delay. (b) The smaller epsilon, the worse the initial kernel suits the task: the
longer the delay, and the lower the final test loss, as features have to be learned.

(a) takes alphas from the authors' code, and epsilons of (b) are our choice: the paper does not list them. In
miniature D = 40, P = N = 200, and eta0 = 4 N (2 N over epsilon, whose largest needs it). Losses are relative
to the first one, a loss has fallen at a fifth of it, and the test loss is the exact one (Eq. 6, centred).
With epsilon all of training gets faster; the delay in steps and the ratio of the times of both falls need not
follow it alike, so both are judged.
"""

import typing

import numpy as np

from ...ensemble import Sweep, sweep
from ...statistics import Judgement
from .._draw import COLOURS, curves, panels, with_seeds
from .._judging import agreed, by_median, middle
from .._study import Claim, Figure, Results, Scale
from .._trends import log_values
from ._losses import loss_times, remainder, rise, TOTAL
from ._recipe import ALPHA, EPSILON
from ._scales import alphas, delays, lazy_limit, SEEDS, SHARE, sound, square, trends


if typing.TYPE_CHECKING:
    import xarray

# --- the experiment and its axes at each scale ----------------------------------------------------

EPSILONS = {
    "smoke": (0.0625, 0.25, 1.0),
    "laptop": (0.0625, 0.125, 0.25, 0.5, 1.0, 2.0),
    "paper": (0.0625, 0.125, 0.25, 0.5, 1.0, 2.0),
}
AXES = {"alphas": ALPHA, "epsilons": EPSILON}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """One machine over output scales, and over nonlinearities."""
    slower: dict[str, typing.Any] = dict(rate=2.0) if scale == "laptop" else {}
    axes = {EPSILON: EPSILONS[scale], "seed": range(SEEDS[scale])}
    return {"alphas": alphas(scale), "epsilons": sweep(square(scale, **slower), axes)}


# --- the statistics -------------------------------------------------------------------------------


def delay_grows_with_alpha(results: Results) -> Judgement:
    """Rank correlation of delay and alpha, median over seeds; delays longer than the run rank highest."""
    return _judged(results, "alphas", delays(results["alphas"]), least=0.9)


def loss_grows_with_alpha(results: Results) -> Judgement:
    """Rank correlation of final test loss and alpha, median over seeds."""
    return _judged(results, "alphas", _remains(results["alphas"]), least=0.9)


def little_delay_at_small_alpha(results: Results) -> Judgement:
    """Delay at the smallest alpha over that at the largest: an upper bound where the latter ended first."""
    found = loss_times(results["alphas"], SHARE, test=TOTAL)
    bounds = sound(results["alphas"], found["delay"])
    small, large = (bounds.isel({ALPHA: place}).values for place in (0, -1))
    # A delay that is itself a lower bound says nothing.
    share = np.where(found["delay_censored"].isel({ALPHA: 0}), np.nan, small / np.maximum(large, 1))
    ratio = middle(found["ratio"].isel({ALPHA: 0}).values)
    note = f"the ratio of the times of both falls is {ratio:.1f} there"
    return by_median(share, runs=2 * share.size, most=0.1, note=note)


def poor_when_lazy(results: Results) -> Judgement:
    """Final over first test loss at the largest alpha, median over seeds."""
    values = _remains(results["alphas"]).isel({ALPHA: -1}).values
    return by_median(values, runs=values.size, least=0.3, note="criterion: at least 0.3 (ours)")


def delay_falls_with_epsilon(results: Results) -> Judgement:
    """Rank correlation of delay and epsilon over runs that generalise, median over seeds."""
    data = results["epsilons"]
    return _judged(results, "epsilons", delays(data, censored=np.nan), most=-0.9, need=3)


def ratio_falls_with_epsilon(results: Results) -> Judgement:
    """The same for the ratio of the times at which test and training loss have fallen."""
    data = results["epsilons"]
    return _judged(results, "epsilons", delays(data, "ratio", censored=np.nan), most=-0.9, need=3)


def loss_grows_with_epsilon(results: Results) -> Judgement:
    """Rank correlation of final test loss and epsilon, median over seeds."""
    return _judged(results, "epsilons", _remains(results["epsilons"]), least=0.9)


def rise_with_small_epsilon(results: Results) -> Judgement:
    """Largest over first test loss at the smallest epsilon; no rise at the largest is judged with it."""
    data = results["epsilons"]
    highest = sound(data, rise(data, TOTAL))
    small, large = highest.isel({EPSILON: 0}).values, highest.isel({EPSILON: -1}).values
    held = [
        None if np.isnan(low + high) else bool(low >= 1.05 and high <= 1.05)
        for low, high in zip(small, large, strict=True)
    ]
    note = f"at least 1.05; at the largest epsilon {middle(large):.2f}, at most 1.05"
    return agreed(held, middle(small), runs=2 * len(held), note=note)


def _judged(
    results: Results, name: str, values: "xarray.DataArray", *, need: int | None = None, **criterion: float
) -> Judgement:
    """The median over seeds of rank correlations along the axis of a sweep; how many runs ended first."""
    data = results[name]
    late = int(loss_times(data, SHARE, test=TOTAL)["delay_censored"].sum())
    note = f"{late} of {data['outcome'].size} runs ended before their test loss fell to {SHARE:g}"
    found = trends(values, AXES[name], need)
    return by_median(found, runs=int(data["outcome"].size), note=note, **typing.cast(typing.Any, criterion))


def _remains(data: "xarray.Dataset") -> "xarray.DataArray":
    return sound(data, remainder(data, TOTAL))


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "delay grows with alpha",
        "The larger alpha, the longer the delay between the falls of training and test loss.",
        "section 5.1, Figure 3a",
        "continuously longer",
        delay_grows_with_alpha,
    ),
    Claim(
        "final loss grows with alpha",
        "The larger alpha, the higher the final test loss.",
        "section 5.1, Figure 3a",
        "lower with more feature learning",
        loss_grows_with_alpha,
    ),
    Claim(
        "little delay at small alpha",
        "At small alpha the delay disappears: it is at most a tenth of that at the largest.",
        "section 5.1, Figure 3a",
        "small alpha can eliminate grokking",
        little_delay_at_small_alpha,
    ),
    Claim(
        "poor when lazy",
        "At large alpha the network generalises poorly, as regression with its initial kernel does.",
        "section 5.1, Figure 3a",
        "poor final performance",
        poor_when_lazy,
    ),
    Claim(
        "delay falls with epsilon",
        "The smaller epsilon, the longer the delay, in steps.",
        "section 5.2, Figure 3b",
        "longer at small epsilon, nearly none at large",
        delay_falls_with_epsilon,
    ),
    Claim(
        "delay falls with epsilon, as a ratio",
        "The smaller epsilon, the longer the delay, as a ratio of the times of both falls.",
        "section 5.2, Figure 3b",
        "longer at small epsilon, nearly none at large",
        ratio_falls_with_epsilon,
    ),
    Claim(
        "final loss grows with epsilon",
        "The smaller epsilon, the lower the final test loss.",
        "section 5.2, Figure 3b",
        "worse initial alignment, lower final loss",
        loss_grows_with_epsilon,
    ),
    Claim(
        "test loss rises where the kernel is misaligned",
        "At small epsilon the test loss rises before it falls, at large epsilon it does not.",
        "section 5.2, Figure 3b",
        "a rise at small epsilon",
        rise_with_small_epsilon,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """For each axis: losses against steps; delay, ratio and final loss against its values."""
    figure, axes = panels(2, 4, width=3.1, height=2.6)
    for row, (name, axis) in enumerate(AXES.items()):
        symbol, letter = (r"$\alpha$", "a") if axis == ALPHA else (r"$\epsilon$", "b")
        data = results[name]
        places = data[axis].values
        shown = sorted({0, len(places) // 2, len(places) - 1})
        for colour, place in zip(COLOURS, shown, strict=False):
            one = data.isel({axis: place})
            curves(axes[row, 0], _relative(one, "train_loss"), colour=colour, label="", dashed=True)
            curves(axes[row, 0], _relative(one, TOTAL), colour=colour, label=f"{symbol} = {places[place]:g}")
        axes[row, 0].set(
            yscale="log",
            ylim=(1e-4, 3),
            ylabel="loss / first loss",
            title=f"({letter}) test (solid), training (dashed)",
        )
        axes[row, 0].legend(frameon=False)
        _draw_times(axes[row, 1], data, axis, "delay", "steps")
        _draw_times(axes[row, 2], data, axis, "ratio", "test over training")
        remains = _remains(data).transpose("seed", axis).values
        with_seeds(axes[row, 3], places, remains, colour=COLOURS[2], label="network")
        limits = _limits(results, name)
        axes[row, 3].plot(places, limits, ":", color=COLOURS[5], label="initial kernel")
        axes[row, 3].set(title="final / first test loss", yscale="log")
        axes[row, 3].legend(frameon=False)
        for ax in axes[row, 1:]:
            ax.set(xscale="log", xlabel=symbol)
    return figure


def _draw_times(ax: typing.Any, data: "xarray.Dataset", axis: str, measure: str, unit: str) -> None:
    """A measure of the delay of each seed; triangles where a run ended first, which are lower bounds."""
    found = loss_times(data, SHARE, test=TOTAL).transpose("seed", axis)
    values, late = sound(data, found[measure]).values, found[f"{measure}_censored"].values
    places = data[axis].values
    known = np.where(late, np.nan, values)
    for one, bound in zip(known, np.where(late, values, np.nan), strict=True):
        ax.plot(places, one, "o-", color=COLOURS[0], markersize=3, linewidth=0.8, alpha=0.7)
        ax.plot(places, bound, "^", color=COLOURS[1], markersize=4, alpha=0.7)
    ax.plot([], [], "o-", color=COLOURS[0], markersize=3, label="seeds")
    ax.plot([], [], "^", color=COLOURS[1], markersize=4, label="at least (run ended)")
    log_values(ax)
    ax.set(title=f"{measure}, {unit}")
    ax.legend(frameon=False, fontsize=7)


def _relative(data: "xarray.Dataset", measure: str) -> "xarray.DataArray":
    return data[measure] / data[measure].isel(step=0, drop=True)


def _limits(results: Results, name: str) -> list[float]:
    """Where training would end without any feature learning, median over seeds, at each place."""
    axis, base = AXES[name], results.sweeps[name].experiment
    epsilon = base.model.nonlinearity  # ty: ignore[missing-attribute]
    places, seeds = results[name][axis].values, results[name]["seed"].values
    values = {
        one: middle([lazy_limit(base, int(seed), one) for seed in seeds])
        for one in {float(place) if axis == EPSILON else epsilon for place in places}
    }
    return [values[float(place) if axis == EPSILON else epsilon] for place in places]


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Times and losses of each run."""
    rows = []
    for name, axis in AXES.items():
        data = results[name]
        found = loss_times(data, SHARE, test=TOTAL).transpose(axis, "seed")
        ends, highest = (one.transpose(axis, "seed").values for one in (_remains(data), rise(data, TOTAL)))
        for place, seed in np.ndindex(*ends.shape):
            row: dict[str, typing.Any] = {
                "sweep": name,
                "value": float(data[axis].values[place]),
                "seed": int(data["seed"].values[seed]),
            }
            for which in ("memorised", "generalised", "delay", "ratio"):
                row[which] = float(found[which].values[place, seed])
            row["censored"] = bool(found["delay_censored"].values[place, seed])
            row["final_test_loss"] = float(ends[place, seed])
            row["largest_test_loss"] = float(highest[place, seed])
            rows.append(row)
    return rows


FIGURE = Figure(
    "fig3ab", "delay and final loss over output scales and nonlinearities", sweeps, CLAIMS, chart, table
)
