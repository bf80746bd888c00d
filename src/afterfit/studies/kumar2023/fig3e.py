"""Figure 3e: the delay over output scale and nonlinearity, a phase diagram.

Kumar et al. 2023, section 5. Committee machines of 14 output scales (alpha = 0.4 k) and 14 nonlinearities
(epsilon = 0.02 k): lazy and misaligned ones, of large alpha and small epsilon, have the longest delay.

At paper scale D = 100, P = 550, N = 500 and `eta = 20 N / alpha^2` for at most 1.1e5 steps, as in the
authors' code. In miniature D = 20, N = 100, as many examples an input (P = 110), and `4 N / alpha^2`, about
the same share of the largest stable step. Runs end soon after their test loss has fallen to a tenth.

The delay lies between the times at which training and test loss (the exact one) have fallen to a fifth of
the first loss; the authors' level, 0.1, is judged beside it. Cells whose test loss does not fall in time are
censored and left blank. (In the authors' code they have a delay of 0, as cells without any delay.) The delay
in steps and the ratio of both times are judged: they need not follow epsilon alike.
"""

import typing

import numpy as np
from jaxtyping import Float, Int

from ...ensemble import Sweep, sweep
from ...statistics import crossing_time, Judgement
from ...training import LogSpaced, Sustained
from .._draw import COLOURS, panels, short_log_axis
from .._judging import agreed, by_median, middle
from .._study import Claim, Figure, Results, Scale
from .._trends import log_values
from ._losses import TOTAL
from ._recipe import ALPHA, EPSILON, machine
from ._scales import SEEDS, SHARE, sound


if typing.TYPE_CHECKING:
    import xarray

# --- the experiment and its axes at each scale ----------------------------------------------------

CELLS = range(1, 15)
LEVEL = 0.1  # of the loss itself: the authors' code


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """One recipe over the grid and seeds."""
    size: dict[str, typing.Any] = dict(inputs=20, train=110, width=100, rate=4.0, steps=20_000)
    if scale == "paper":
        size = dict(inputs=100, train=550, width=500, rate=20.0, steps=110_000)
    if scale == "smoke":
        size |= dict(rate=0.5)  # few inputs are less stable
    base = machine(
        scale,
        **size,
        # Fine enough that neighbours of the grid, whose times differ by a tenth, are told apart.
        record=LogSpaced(80),
        # The first test loss is 0.75: a tenth of it lies below all levels that are read.
        stop=Sustained(TOTAL, 0.075, records=5, below=True),
    )
    cells = (1, 7, 14) if scale == "smoke" else CELLS
    axes = {
        ALPHA: [round(0.4 * k, 2) for k in cells],
        EPSILON: [round(0.02 * k, 2) for k in cells],
        "seed": range(SEEDS[scale]),
    }
    return {"phases": sweep(base, axes)}


# --- the statistics -------------------------------------------------------------------------------


def grows_with_alpha(results: Results) -> Judgement:
    """Share of neighbours along alpha whose delay grows, over pairs that generalise; median over seeds."""
    return _judged(results, "delay", ALPHA, 1)


def falls_with_epsilon(results: Results) -> Judgement:
    """The same along epsilon: share of neighbours whose delay falls."""
    return _judged(results, "delay", EPSILON, -1)


def ratio_grows_with_alpha(results: Results) -> Judgement:
    """Share of neighbours along alpha whose ratio of times grows."""
    return _judged(results, "ratio", ALPHA, 1)


def ratio_falls_with_epsilon(results: Results) -> Judgement:
    """Share of neighbours along epsilon whose ratio of times falls."""
    return _judged(results, "ratio", EPSILON, -1)


def longest_in_the_corner(results: Results) -> Judgement:
    """Whether the longest delay in steps is in the quarter of large alpha and small epsilon, seed by seed.

    The number is the alpha of the longest delay, median over seeds.
    """
    delay = phases(results)["delay"].transpose("seed", ALPHA, EPSILON)
    places, shapes = [], delay.shape[1:]
    for one in delay.values:
        known = np.isfinite(one).any()
        places.append(np.unravel_index(np.nanargmax(one), shapes) if known else None)
    held = [
        None if place is None else bool(place[0] >= shapes[0] / 2 and place[1] < shapes[1] / 2)
        for place in places
    ]
    where = [(np.nan, np.nan) if place is None else place for place in places]
    at = lambda axis, index: [
        float(delay[axis].values[int(place[index])]) if np.isfinite(place[index]) else np.nan
        for place in where
    ]
    note = f"at epsilon = {middle(at(EPSILON, 1)):.2g}; cells that do not generalise in time are left out"
    return agreed(held, middle(at(ALPHA, 0)), runs=int(delay.size), note=note)


def phases(results: Results, level: float | None = None) -> "xarray.Dataset":
    """Times of all cells at a level of both losses, by default a fifth of the first ones.

    **Returns:** `memorised`, `generalised`, in steps, and `delay` and `ratio`: NaN where a run ended first.
    """
    import xarray

    data = results["phases"]
    found = xarray.Dataset()
    for name, measure, lasting in (("memorised", "train_loss", False), ("generalised", TOTAL, True)):
        bound = SHARE * data[measure].isel(step=0, drop=True) if level is None else level
        times = crossing_time(data[measure], bound, below=True, lasting=lasting)
        found[name] = sound(data, times["time"].where(~times["time_censored"]))
    found["delay"] = found["generalised"] - found["memorised"]
    found["ratio"] = found["generalised"] / np.maximum(found["memorised"], 1)
    return found


def neighbours(
    values: "xarray.DataArray", axis: str, sign: int
) -> tuple[Float[np.ndarray, " seed"], Int[np.ndarray, " seed"]]:
    """Share of neighbours along an axis whose value moves in a direction, and how many pairs are known."""
    table = values.transpose("seed", ..., axis).values
    change = sign * np.diff(table, axis=-1)
    known = np.isfinite(change).reshape(len(table), -1).sum(axis=1)
    right = (change > 0).reshape(len(table), -1).sum(axis=1)
    return np.where(known > 0, right / np.maximum(known, 1), np.nan), known


def _judged(results: Results, measure: str, axis: str, sign: int) -> Judgement:
    found = phases(results)[measure]
    shares, pairs = neighbours(found, axis, sign)
    other = middle(neighbours(phases(results, LEVEL)[measure], axis, sign)[0])
    note = (
        f"of {middle(pairs):.0f} pairs a seed, without {int(found.isnull().sum())} of {found.size} runs that "
        f"ended first; {other:.2f} at the level {LEVEL:g} of the authors' code"
    )
    return by_median(shares, runs=int(found.size), least=0.85, note=note)


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "delay grows with alpha",
        "The lazier the network, the longer the delay, in steps.",
        "section 5, Figure 3e",
        "along alpha in the whole diagram",
        grows_with_alpha,
    ),
    Claim(
        "delay falls with epsilon",
        "The worse the initial kernel suits the task, the longer the delay, in steps.",
        "section 5, Figure 3e",
        "along epsilon in the whole diagram",
        falls_with_epsilon,
    ),
    Claim(
        "longest in the corner",
        "The longest delay is that of lazy, misaligned networks: large alpha, small epsilon.",
        "section 5, Figure 3e",
        "lazy, misaligned networks grok the most intensely",
        longest_in_the_corner,
    ),
    Claim(
        "ratio grows with alpha",
        "The lazier the network, the larger the ratio of the times of both falls.",
        "section 5, Figure 3e",
        "in steps only",
        ratio_grows_with_alpha,
    ),
    Claim(
        "ratio falls with epsilon",
        "The worse the initial kernel suits the task, the larger the ratio of the times of both falls.",
        "section 5, Figure 3e",
        "in steps only",
        ratio_falls_with_epsilon,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Maps of the delay in steps and as a ratio, blank where most seeds are censored; both along epsilon."""
    figure, axes = panels(1, 3, width=3.5, height=3.0)
    found = phases(results)
    for ax, measure, title in (
        (axes[0, 0], "delay", "delay, steps"),
        (axes[0, 1], "ratio", "test time / training time"),
    ):
        figure.colorbar(_draw_map(ax, found[measure]), ax=ax)
        ax.set(title=f"{title} (hatched: did not generalise)")
        ax.title.set_fontsize(8)
    _draw_rows(axes[0, 2], found)
    return figure


def _draw_map(ax: typing.Any, values: "xarray.DataArray") -> typing.Any:
    import matplotlib.colors

    table = values.transpose("seed", EPSILON, ALPHA).values
    censored = np.isnan(table).mean(axis=0) > 0.5
    medians = [[middle(column) for column in rows] for rows in table.transpose(1, 2, 0)]
    # A logarithmic map has no place for a delay of 0: it is drawn as one step.
    shown = np.ma.masked_array(np.maximum(medians, 1), censored | np.isnan(medians))
    ax.patch.set(hatch="////", edgecolor="#b0b0b0")
    norm = matplotlib.colors.LogNorm() if shown.count() else None
    if shown.count() and shown.min() == shown.max():
        norm = matplotlib.colors.LogNorm(float(shown.min()) / 2, float(shown.max()) * 2)
    ax.set(xlabel=r"$\alpha$", ylabel=r"$\epsilon$")
    return ax.pcolormesh(values[ALPHA].values, values[EPSILON].values, shown, norm=norm, cmap="viridis")


def _draw_rows(ax: typing.Any, found: "xarray.Dataset") -> None:
    """Delay and ratio along epsilon at the middle alpha, each over its value at the smallest epsilon."""
    place = found.sizes[ALPHA] // 2
    for measure, label, colour in (
        ("delay", "steps", COLOURS[0]),
        ("ratio", "ratio of times", COLOURS[1]),
    ):
        table = found[measure].isel({ALPHA: place}).transpose("seed", EPSILON).values
        for one in table / table[:, :1]:
            ax.plot(found[EPSILON].values, one, "o-", color=colour, markersize=3, linewidth=0.8, alpha=0.7)
        ax.plot([], [], "o-", color=colour, markersize=3, label=label)
    alpha = float(found[ALPHA].values[place])
    ax.set(xlabel=r"$\epsilon$", ylabel=r"over that at the smallest $\epsilon$")
    log_values(ax)
    if ax.get_yscale() == "log":
        short_log_axis(ax.yaxis)
    ax.set_title(rf"delay at $\alpha$ = {alpha:g}, each seed", fontsize=8)
    ax.legend(frameon=False)


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Times of each cell: medians over the seeds that generalise, and how many did not."""
    found = phases(results)
    rows = []
    for alpha in found[ALPHA].values:
        for epsilon in found[EPSILON].values:
            cell = found.sel({ALPHA: alpha, EPSILON: epsilon})
            row: dict[str, typing.Any] = {"alpha": float(alpha), "epsilon": float(epsilon)}
            for which in ("memorised", "generalised", "delay", "ratio"):
                row[which] = middle(cell[which].values)
            row["censored_seeds"] = int(cell["delay"].isnull().sum())
            rows.append(row)
    return rows


FIGURE = Figure(
    "fig3e", "the delay over output scale and nonlinearity, a phase diagram", sweeps, CLAIMS, chart, table
)
