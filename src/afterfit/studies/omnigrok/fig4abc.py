"""Figure 4a to c: the landscape of film reviews over weight norm and number of reviews.

Liu et al. 2023 ("Omnigrok"), section 4. An LSTM reads IMDb reviews on spheres of constant norm. With many
reviews training and test error are similar U's, with few they differ at large norms. In the authors' own
runs the training error rises at large norms, so it is no L: optimisation fails there (they give few steps).

In miniature an LSTM of 32 units reads the last 80 known words of up to 2,798 reviews for 600 steps. The half
of the claims that is about 50,000 reviews needs the whole file.
"""

import typing

import numpy as np

from ...ensemble import Sweep
from ...landscape import spheres
from ...statistics import bootstrap, judge, Judgement, spearman
from ...tasks import Reviews
from .._draw import panels
from .._maps import ALPHA, at, cells, draw_map, draw_row, minima
from .._study import Claim, Figure, Results, Scale
from ._recipe import spread
from ._reviews import LENGTH, recurrent


# --- the experiment and its axes at each scale ----------------------------------------------------

SIZE = "task.reviews"
ALPHAS = {"smoke": (0.3, 1.0, 6.0), "laptop": (0.1, 0.3, 1.0, 3.0, 6.0, 10.0), "paper": spread(0.1, 10, 11)}
SIZES = {
    "smoke": (40, 80),
    "laptop": (100, 300, 1000, 2798),
    "paper": (100, 251, 630, 1000, 2511, 6309, 15848, 50_000),
}
STEPS = {"smoke": 10, "laptop": 600, "paper": 5000}
SMALL = 1000


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """One recipe over norms, sizes and seeds."""
    task = Reviews(
        reviews=SIZES[scale][-1],
        length=LENGTH[scale],
        keep="first" if scale == "paper" else "last",
        room=SIZES[scale][-1],
    )
    axes = {SIZE: SIZES[scale], "seed": range(2 if scale == "smoke" else 3)}
    return {"landscape": spheres(recurrent(scale, task, rate=1e-3, steps=STEPS[scale]), ALPHAS[scale], axes)}


# --- the statistics -------------------------------------------------------------------------------


def mismatch(results: Results) -> Judgement:
    """Largest test less training error, 1,000 reviews, where alpha of at least 1 fits the training set."""
    found = _small(results)
    fitted = (found["train_error"] <= 0.02) & (found[ALPHA] >= 0.99)
    gap = (found["test_error"] - found["train_error"]).where(fitted).max(ALPHA).values.astype(float)
    return judge(
        float(np.median(gap)),
        bootstrap(np.median, gap),
        least=0.25,
        seeds=gap.size,
        runs=int(found["train_loss"].size),
    )


def rises_at_large_norm(results: Results) -> Judgement:
    """Test error at alpha of 6 and more less the least one, 1,000 reviews; alpha = 3 must be fitted."""
    found = _small(results)
    rise = (
        found["test_error"].where(found[ALPHA] >= 5.9).min(ALPHA) - found["test_error"].min(ALPHA)
    ).values.astype(float)
    fitted = at(found["train_error"], alpha=3)
    failed = found["train_error"].where(found[ALPHA] >= 5.9).max(ALPHA).values
    note = f"training error {np.median(fitted):.3f} at alpha 3, {np.median(failed):.3f} beyond 6"
    if np.median(fitted) > 0.02:
        note = f"not fitted at alpha 3 (at most 0.02); {note}"
        return judge(float("nan"), seeds=rise.size, runs=int(found["train_loss"].size), note=note)
    return judge(
        float(np.median(rise)),
        bootstrap(np.median, rise),
        least=0.08,
        seeds=rise.size,
        runs=int(found["train_loss"].size),
        note=note,
    )


def same_u_with_many(results: Results) -> Judgement:
    """Rank correlation over alpha of training and test error with the most reviews."""
    found = minima(results).isel({SIZE: -1}).median("seed")
    correlation, p = spearman(
        found["train_error"].values.astype(float), found["test_error"].values.astype(float)
    )
    size = int(minima(results)[SIZE].max())
    note = f"{size:,} reviews, p = {p:.2g}"
    if size < 10_000:
        return judge(
            float("nan"),
            seeds=results["landscape"].sizes["seed"],
            note=f"needs the whole file; here {correlation:.2f} with {note}",
        )
    seeds = results["landscape"].sizes["seed"]
    return judge(correlation, least=0.9, seeds=seeds, runs=found["train_error"].size * seeds, note=note)


def _small(results: Results) -> typing.Any:
    return minima(results).sel({SIZE: SMALL}, method="nearest")


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "mismatch with few reviews",
        "With 1,000 reviews some large norm fits the training set and answers others much worse.",
        "section 4, Figure 4a, b",
        "mismatch at large norm and small data",
        mismatch,
    ),
    Claim(
        "test error rises",
        "With 1,000 reviews the test error is larger at large norms than at its least.",
        "section 4, Figure 4c",
        "0.43 against 0.275 (read from the figure)",
        rises_at_large_norm,
    ),
    Claim(
        "similar U's with many reviews",
        "With many reviews training and test error are similar U's.",
        "section 4, Figure 4c",
        "similar U's at 50,000",
        same_u_with_many,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Maps of training and test error, and rows of 1,000 and of most reviews."""
    figure, axes = panels(1, 4, width=3.2, height=2.8)
    found = minima(results)
    for ax, split, label in ((axes[0, 0], "train", "training"), (axes[0, 1], "test", "test")):
        shown = draw_map(ax, found[f"{split}_error"], place=SIZE, levels=(0.1, 0.2, 0.3, 0.4), most=0.5)
        ax.set(yscale="log", ylabel="reviews", title=f"{label} error")
        figure.colorbar(shown, ax=ax)
    for ax, size in ((axes[0, 2], SMALL), (axes[0, 3], float(found[SIZE].max()))):
        row = found.sel({SIZE: size}, method="nearest")
        draw_row(ax, row, "error")
        ax.set(ylabel="error", ylim=(0, 0.6), title=f"{float(row[SIZE]):,.0f} reviews")
        ax.legend(frameon=False)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Errors of every cell."""
    return cells(minima(results), ("train_error", "test_error", "train_error_best", "test_error_best"))


FIGURE = Figure("fig4abc", "landscape of film reviews over norm and data", sweeps, CLAIMS, chart, table)
