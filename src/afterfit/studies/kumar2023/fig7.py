"""Figure 7: the scale of the initial weights acts through how lazy training is.

Kumar et al. 2023, appendix 8.2. The committee machine of Figure 3a over (a) output scales alpha, (b) scales
sigma of the initial weights, and (c) both, with `alpha = sigma^-2`: (a) and (b) have the same effect, (c)
keeps feature learning about as it is. (d-f) How far weights move, relative to their initial norm, and the
final test loss depend on `alpha sigma^2` alone.

There is an exact symmetry behind it, checked here in float64 over 1,000 steps: training with (alpha, epsilon,
sigma, eta) is training with (alpha sigma, epsilon sigma, 1, eta / sigma^2). The product `alpha epsilon
sigma^2`, on which the final state mostly depends, is common to both.

Rates are `eta0 / alpha^2` in all sweeps. (The authors' code divides by sigma^2 in b and c, which alters the
pace of a run, and not its way where steps are small.) In miniature sizes and values are ours.
"""

import typing

import numpy as np
from jaxtyping import Float

from ...ensemble import Sweep, sweep
from ...statistics import Judgement
from .._draw import COLOURS, curves, panels
from .._judging import agreed, by_median, middle
from .._study import Claim, Figure, Results, Scale
from .._trends import log_values
from ._losses import remainder, TOTAL
from ._recipe import ALPHA, EPSILON
from ._scales import ALPHAS, alphas, SEEDS, sound, square, trends


if typing.TYPE_CHECKING:
    import xarray

# --- the experiment and its axes at each scale ----------------------------------------------------

SIGMA = "parametrisation.init_scale"
BOTH = "sigma, alpha = sigma^-2"
SIGMAS = {
    "smoke": (0.5, 1.0, 2.0),
    "laptop": (0.25, 0.5, 1.0, 2.0),
    "paper": (0.125, 0.25, 0.5, 1.0, 2.0),
}
TURNED = (0.5, 1.7, 2.0)  # scales at which the symmetry is checked: our choice
CLOSE = 1e-6
MATCHED = (0.25, 4.0)  # alphas, and squares of sigmas; 1 is one and the same run
TOLERANCE = 0.25  # of the logarithm of a loss: our choice


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """The three sweeps of the figure, and runs that the symmetry says are one and the same."""
    base, seed = square(scale), {"seed": range(SEEDS[scale])}
    along = {str(sigma): {SIGMA: sigma, ALPHA: sigma**-2} for sigma in SIGMAS[scale] if sigma >= 0.25}
    # Of all, lazy networks with small weights get to their final loss last.
    longer = square(scale, steps=40_000) if scale == "laptop" else base
    # The rate is divided by alpha^2, so eta / sigma^2 at (alpha sigma)^2 is the same entry of the recipe.
    short = square(scale, steps=20 if scale == "smoke" else 1000)
    scaled = {str(sigma): {SIGMA: sigma} for sigma in TURNED}
    mapped = {str(sigma): {ALPHA: sigma, EPSILON: 0.25 * sigma} for sigma in TURNED}
    return {
        "alphas": alphas(scale),
        "sigmas": sweep(base, {SIGMA: SIGMAS[scale], **seed}),
        "both": sweep(longer, {BOTH: along, **seed}),
        "scaled": sweep(short, {"sigma": scaled, **seed}),
        "mapped": sweep(short, {"sigma": mapped, **seed}),
    }


# --- the statistics -------------------------------------------------------------------------------


def symmetric(results: Results) -> Judgement:
    """Largest relative difference of losses, norm and movement between runs that are to be the same."""
    worst = differences(results).max("step", skipna=False).max("sigma", skipna=False)
    values = worst.transpose("seed").values
    held = [None if np.isnan(one) else bool(one <= CLOSE) for one in values]
    note = f"at most {CLOSE:g} over {results.sweeps['scaled'].experiment.steps} steps, float64"
    return agreed(held, float(np.max(values)), runs=2 * len(TURNED) * len(held), note=note)


def differences(results: Results) -> "xarray.DataArray":
    """For each sigma, seed and step, the largest relative difference over measures; NaN of diverged runs."""
    one, other = results["scaled"], results["mapped"]
    healthy = (one["outcome"] != "diverged") & (other["outcome"] != "diverged")
    worst = None
    for measure in ("train_loss", "test_loss", TOTAL, "relative_change"):
        size = abs(one[measure]).where(abs(one[measure]) > 0, 1)
        apart = (abs(one[measure] - other[measure]) / size).where(healthy)
        worst = apart if worst is None else apart.where(apart > worst, worst)
    assert worst is not None
    return worst


def same_trend(results: Results) -> Judgement:
    """Rank correlation of final test loss and sigma, median over seeds; that with alpha is judged with it."""
    sigmas, scales = (
        trends(_remains(results[name]), axis) for name, axis in (("sigmas", SIGMA), ("alphas", ALPHA))
    )
    held = [
        None if np.isnan(one + other) else bool(one >= 0.9 and other >= 0.9)
        for one, other in zip(sigmas, scales, strict=True)
    ]
    note = f"both at least 0.9; with alpha {middle(scales):.2f}"
    runs = int(results["sigmas"]["outcome"].size + results["alphas"]["outcome"].size)
    return agreed(held, middle(sigmas), runs=runs, note=note)


def loss_collapses(results: Results) -> Judgement:
    """Largest |log| ratio of final losses at alpha and at a sigma with sigma^2 = alpha; median over seeds."""
    one, other = _remains(results["alphas"]), _remains(results["sigmas"])
    ratios = [
        (np.log(one.sel({ALPHA: at})) - np.log(other.sel({SIGMA: at**0.5}))).transpose("seed").values
        for at in MATCHED
    ]
    apart = np.abs(ratios).max(axis=0)
    note = f"at alpha = {MATCHED[0]:g} and {MATCHED[1]:g}"
    return by_median(apart, runs=4 * apart.size, most=TOLERANCE, note=note)


def movement_collapses(results: Results) -> Judgement:
    """R^2 of a line through log relative change and log (alpha sigma^2), all sweeps; median over seeds."""
    table = np.array([_explained(*one) for one in _movements(results)])
    runs = sum(int(results[name]["outcome"].size) for name in ("alphas", "sigmas", "both"))
    return by_median(table, runs=runs, least=0.95)


def kept_along(results: Results) -> Judgement:
    """Largest |log| ratio of final losses along alpha = sigma^-2 to that at 1, median over seeds.

    The note has the same over sigma at alpha = 1.
    """
    along, across = (
        _spread(_remains(results[name]), axis, one)
        for name, axis, one in (("both", BOTH, "1.0"), ("sigmas", SIGMA, 1.0))
    )
    note = f"at alpha = 1 it is {middle(across):.2f}"
    return by_median(along, runs=int(results["both"]["outcome"].size), most=TOLERANCE, note=note)


def _spread(values: "xarray.DataArray", axis: str, one: typing.Any) -> Float[np.ndarray, " seed"]:
    ratio = (values / values.sel({axis: one})).transpose("seed", axis).values
    return np.abs(np.log(ratio)).max(axis=1)


def _movements(results: Results) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each seed, alpha sigma^2 and relative change at the end, over all runs of the three sweeps."""
    parts = []
    for name in ("alphas", "sigmas", "both"):
        axis, product = _products(results, name)
        moved = _moved(results[name]).transpose("seed", axis).values
        parts.append((np.broadcast_to(product, moved.shape), moved))
    return [
        (np.concatenate([part[seed] for part, _ in parts]), np.concatenate([part[seed] for _, part in parts]))
        for seed in range(len(parts[0][1]))
    ]


def _products(results: Results, name: str) -> tuple[str, Float[np.ndarray, " place"]]:
    """The axis of a sweep, and alpha sigma^2 at its places."""
    if name == "alphas":
        return ALPHA, np.array(ALPHAS[results.scale])
    if name == "sigmas":
        return SIGMA, np.array(SIGMAS[results.scale]) ** 2
    return BOTH, np.ones(results["both"].sizes[BOTH])


def _explained(product: Float[np.ndarray, " run"], moved: Float[np.ndarray, " run"]) -> float:
    if not np.all(moved > 0):  # NaN too
        return float("nan")
    return float(np.corrcoef(np.log(product), np.log(moved))[0, 1] ** 2)


def _remains(data: "xarray.Dataset") -> "xarray.DataArray":
    return sound(data, remainder(data, TOTAL))


def _moved(data: "xarray.Dataset") -> "xarray.DataArray":
    """Relative change of the weights at the end of a run."""
    return sound(data, data["relative_change"].isel(step=-1, drop=True))


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "exact symmetry",
        "Training at (alpha, epsilon, sigma, eta) is that at (alpha sigma, epsilon sigma, 1, eta / sigma^2).",
        "appendix 8.2; follows from Eq. 3",
        "the same, exactly",
        symmetric,
    ),
    Claim(
        "same trend",
        "A larger scale of initial weights raises the final test loss, as a larger alpha does.",
        "appendix 8.2, Figures 7a and 7b",
        "the same trend",
        same_trend,
    ),
    Claim(
        "final loss collapses",
        "The final test loss depends on alpha sigma^2: it is the same at alpha and at sigma^2 = alpha.",
        "appendix 8.2, Figure 7e",
        "controlled through sigma^2 alpha",
        loss_collapses,
    ),
    Claim(
        "movement collapses",
        "How far the weights move, relative to their initial norm, depends on alpha sigma^2.",
        "appendix 8.2, Figures 7d to 7f",
        "controlled through sigma^2 alpha",
        movement_collapses,
    ),
    Claim(
        "kept along alpha = sigma^-2",
        "With alpha = sigma^-2 the final test loss stays about what it is.",
        "appendix 8.2, Figure 7c",
        "approximate preservation",
        kept_along,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Losses of the three sweeps; movement and final loss against alpha sigma^2; the symmetry."""
    figure, axes = panels(2, 3, width=3.3, height=2.7)
    titles = {"alphas": r"(a) $\alpha$", "sigmas": r"(b) $\sigma$", "both": r"(c) $\alpha = \sigma^{-2}$"}
    for ax, (name, title) in zip(axes[0], titles.items(), strict=True):
        data = results[name]
        axis, product = _products(results, name)
        chosen = np.unique(np.linspace(0, product.size - 1, 4).round().astype(int))
        symbol = r"\alpha" if name == "alphas" else r"\sigma"
        for colour, place in zip(COLOURS, chosen, strict=False):
            one = data.isel({axis: place})
            label = rf"${symbol}$ = {float(data[axis].values[place]):g}"
            curves(ax, one[TOTAL] / one[TOTAL].isel(step=0), colour=colour, label=label)
            curves(
                ax, one["train_loss"] / one["train_loss"].isel(step=0), colour=colour, label="", dashed=True
            )
        log_values(ax)
        if ax.get_yscale() == "log":
            ax.set_ylim(1e-4, 3)
        ax.set_title(f"{title}: test, training (dashed)")
        ax.legend(frameon=False, fontsize=7)
    axes[0, 0].set_ylabel("loss / first loss")
    for ax, of, title in (
        (axes[1, 0], _moved, "(d) movement / first norm"),
        (axes[1, 1], _remains, "(e) final / first test loss"),
    ):
        for index, (name, marker) in enumerate(zip(titles, "osx", strict=True)):
            axis, product = _products(results, name)
            for one in of(results[name]).transpose("seed", axis).values:
                ax.plot(product, one, marker, color=COLOURS[index], markersize=4, alpha=0.6)
            ax.plot([], [], marker, color=COLOURS[index], label=titles[name][4:])
        log_values(ax)
        ax.set(xscale="log", xlabel=r"$\alpha \sigma^2$", title=title)
        ax.legend(frameon=False, fontsize=7)
    apart = differences(results)
    for colour, sigma in zip(COLOURS, TURNED, strict=False):
        shown = apart.sel(sigma=str(sigma))
        curves(
            axes[1, 2],
            shown.clip(1e-17, None).where(shown.notnull()),
            colour=colour,
            label=rf"$\sigma$ = {sigma:g}",
        )
    log_values(axes[1, 2])
    axes[1, 2].axhline(CLOSE, color=COLOURS[5], linestyle=":")
    axes[1, 2].set(title="(f) symmetry: relative difference (0 as 1e-17; limit dotted)")
    axes[1, 2].title.set_fontsize(8)
    axes[1, 2].legend(frameon=False, fontsize=7)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Movement and final loss of each run of the three sweeps."""
    rows = []
    for name in ("alphas", "sigmas", "both"):
        data = results[name]
        axis, product = _products(results, name)
        moved, ends = _moved(data).transpose(axis, "seed"), _remains(data).transpose(axis, "seed")
        for place, seed in np.ndindex(*ends.shape):
            rows.append(
                {
                    "sweep": name,
                    "value": float(data[axis].values[place]),
                    "alpha_sigma_squared": float(product[place]),
                    "seed": int(data["seed"].values[seed]),
                    "relative_change": float(moved.values[place, seed]),
                    "final_test_loss": float(ends.values[place, seed]),
                }
            )
    return rows


FIGURE = Figure("fig7", "the scale of initial weights and laziness", sweeps, CLAIMS, chart, table)
