"""Figure 8: the landscape of modular addition over weight norm and share of the table.

Liu et al. 2023 ("Omnigrok"), appendix B. On spheres of constant norm a transformer fits its training set
from about 0.8 times the standard norm on (up to 4, where optimisation fails), and generalises in a shell
around the standard norm, if at least a quarter of the table is shown. Grid and steps are not stated in the
paper; 15,000 steps.

In miniature p = 31 with a transformer of width 64 for 1,000 steps; critical shares are larger for small p.
"""

import typing

import numpy as np

from ...ensemble import Sweep
from ...landscape import spheres
from ...models import nanda_transformer
from ...statistics import bootstrap, judge, Judgement
from .._draw import panels
from .._maps import ALPHA, at, by_seed, cells, draw_map, draw_row, minima
from .._study import Claim, Figure, Results, Scale
from ._arithmetic import arithmetic


if typing.TYPE_CHECKING:
    import xarray

# --- the experiment and its axes at each scale ----------------------------------------------------

SHARE = "task.fraction"
ALPHAS = {
    "smoke": (0.5, 1.0, 4.0),
    "laptop": (0.3, 0.6, 0.8, 1.0, 1.3, 2.0, 4.0),
    "paper": (0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0),
}
SHARES = {
    "smoke": (0.4, 0.7),
    "laptop": (0.2, 0.3, 0.4, 0.5, 0.7),
    "paper": (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 0.9),
}
MIDDLE = {"smoke": 0.7, "laptop": 0.5, "paper": 0.3}  # the share at which rows are judged


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """One recipe over norms, shares and seeds."""
    changes: dict[str, typing.Any] = dict(steps=15_000 if scale == "paper" else 1000)
    if scale == "laptop":
        changes |= dict(modulus=31, model=nanda_transformer(width=64, heads=4))
    axes = {SHARE: SHARES[scale], "seed": range({"smoke": 2, "laptop": 2, "paper": 3}[scale])}
    return {"landscape": spheres(arithmetic(scale, **changes), ALPHAS[scale], axes)}


# --- the statistics -------------------------------------------------------------------------------


def training_is_an_l(results: Results) -> Judgement:
    """Largest training loss for alpha from 0.8 to 4, median over seeds; that at 0.3 is judged with it."""
    found = _row(results)
    outside = found["train_loss"].where((found[ALPHA] >= 0.79) & (found[ALPHA] <= 4.01)).max(ALPHA)

    def holds(one: "xarray.Dataset") -> bool | np.bool | np.ndarray:
        high = one["train_loss"].where((one[ALPHA] >= 0.79) & (one[ALPHA] <= 4.01)).max()
        return float(high) <= 0.01 and at(one["train_loss"], alpha=0.3) >= 1

    return by_seed(
        found, holds, float(outside.median()), "at most 0.01 nats from 0.8 to 4, at least 1 at 0.3"
    )


def test_is_a_shell(results: Results) -> Judgement:
    """Best test accuracy for alpha of at most 1.3; that it is low at 4 is judged with it."""
    found = _row(results)
    # With half of the table networks that only memorise know nearly half of the rest from its mirror.
    most = 0.2 if results.scale == "paper" else 0.5
    inside = 1 - found["test_error"].where(found[ALPHA] <= 1.31).min(ALPHA)

    def holds(one: "xarray.Dataset") -> bool | np.bool | np.ndarray:
        best = 1 - float(one["test_error"].where(one[ALPHA] <= 1.31).min())
        return best >= 0.95 and 1 - at(one["test_error"], alpha=4) <= most

    far = float(np.median(1 - at(found["test_error"], alpha=4)))
    return by_seed(
        found, holds, float(inside.median()), f"at least 0.95; at alpha = 4 {far:.2f}, at most {most}"
    )


def critical_share(results: Results) -> Judgement:
    """Share of the table at which the best test accuracy over norms crosses one half, interpolated."""
    values = critical_shares(results)
    interval = bootstrap(np.median, values)
    runs = int(results["landscape"]["outcome"].size)
    if results.scale != "paper":
        note = f"needs p = 113; here {np.median(values):.2f}, and smaller tables need a larger share"
        return judge(float("nan"), seeds=values.size, runs=runs, note=note)
    return judge(float(np.median(values)), interval, least=0.18, most=0.33, seeds=values.size, runs=runs)


def critical_shares(results: Results) -> np.ndarray:
    """For each seed, where the best test accuracy over norms crosses one half; NaN where it does not."""
    best = (1 - minima(results)["test_error"].min(ALPHA)).transpose("seed", SHARE).values
    shares = results["landscape"][SHARE].values
    found = []
    for row in best:
        above = np.flatnonzero(row >= 0.5)
        if not above.size or above[0] == 0:
            found.append(np.nan)
            continue
        first = above[0]
        part = (0.5 - row[first - 1]) / (row[first] - row[first - 1])
        found.append(shares[first - 1] + part * (shares[first] - shares[first - 1]))
    return np.array(found)


def _row(results: Results) -> "xarray.Dataset":
    return minima(results).sel({SHARE: MIDDLE[results.scale]}, method="nearest")


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "training loss is an L",
        "The training loss is high at small norms and zero from 0.8 times the standard norm on, up to 4.",
        "appendix B, Figure 8",
        "L for alpha from 0.1 to 4",
        training_is_an_l,
    ),
    Claim(
        "a shell generalises",
        "Networks generalise in a shell around the standard norm, and not at four times of it.",
        "appendix B, Figure 8",
        "U",
        test_is_a_shell,
    ),
    Claim(
        "critical share",
        "Below about a quarter of the table no norm generalises.",
        "appendix B, Figure 8",
        "about 0.25",
        critical_share,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Maps of training and test error over norm and share, and a row of losses."""
    figure, axes = panels(1, 3, width=3.3, height=2.8)
    found = minima(results)
    for ax, split, label in ((axes[0, 0], "train", "training"), (axes[0, 1], "test", "test")):
        shown = draw_map(ax, found[f"{split}_error"], place=SHARE, levels=(0.1, 0.5), most=1.0)
        ax.set(ylabel="share of the table", title=f"{label} error")
        figure.colorbar(shown, ax=ax)
    draw_row(axes[0, 2], _row(results), "loss", floor=1e-8)
    axes[0, 2].set(yscale="log", ylabel="cross-entropy + 1e-8", title=f"share {MIDDLE[results.scale]}")
    axes[0, 2].legend(frameon=False)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Values of every cell."""
    return cells(minima(results), ("train_loss", "train_error", "test_loss", "test_error"))


FIGURE = Figure("fig8", "landscape of modular addition over norm and data", sweeps, CLAIMS, chart, table)
