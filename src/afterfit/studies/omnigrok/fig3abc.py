"""Figure 3a to c: the landscape of images over weight norm and size of the training set.

Liu et al. 2023 ("Omnigrok"), section 4. On spheres of constant norm a network of large norm fits few images
and answers others wrongly; with many images it has no such solutions. The contours of test error form a
thumb; its tip is a critical size, below which no norm generalises. At 200 images training error is an L and
test error a U in the norm, at 8,000 both are nearly one curve.

The paper's maps are smoothed, and its rows "200" and "8000" are blends of others (about 230 and 6,200); here
the raw grid is drawn and judged. In miniature: 14 x 14 pixels, width 100, 2,000 steps, up to 5,000 images.
"""

import typing

import numpy as np

from ...ensemble import Sweep
from ...landscape import critical_size, mismatch, spheres, u_shape
from ...statistics import judge, Judgement
from .._draw import panels
from .._judging import agreed, by_median
from .._maps import ALPHA, at, by_seed, cells, draw_map, draw_row, falls_to_an_l, minima
from .._study import Claim, Figure, Results, Scale
from ._images import constrained
from ._recipe import spread


if typing.TYPE_CHECKING:
    import xarray

# --- the experiment and its axes at each scale ----------------------------------------------------

SIZE = "task.train"
ALPHAS = {
    "smoke": (0.1, 1.0, 6.31, 10.0),
    "laptop": (0.1, 0.25, 0.63, 1.0, 1.58, 2.51, 3.98, 6.31, 10.0),
    "paper": spread(0.1, 10, 21),
}
SIZES = {
    "smoke": (20, 100),
    "laptop": (20, 50, 138, 268, 600, 1500, 5000),
    "paper": (10, 19, 37, 71, 138, 268, 517, 1000, 1930, 3727, 7196, 13894, 26826, 60000),
}
SMALL, LARGE = 268, 7196  # the rows of the paper nearest to its labels "200" and "8000"


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """One recipe over norms, sizes and seeds."""
    seeds = range(2 if scale == "smoke" else 3)
    return {"landscape": spheres(constrained(scale), ALPHAS[scale], {SIZE: SIZES[scale], "seed": seeds})}


# --- the statistics -------------------------------------------------------------------------------


def norm_harms(results: Results) -> Judgement:
    """Test error at B (alpha 6.31, 138 images) less that at A (alpha 1), with B fitted."""
    found, size = minima(results), {SIZE: 138}
    rise = at(found["test_error"], alpha=6.31, **size) - at(found["test_error"], alpha=1, **size)
    fitted = at(found["train_error"], alpha=6.31, **size)
    note = f"training error at B {np.median(fitted):.3f}, at most 0.02"
    if np.median(fitted) > 0.02:
        return judge(float("nan"), seeds=rise.size, runs=rise.size, note=f"B is not fitted; {note}")
    return by_median(rise, least=0.3, runs=2 * rise.size, note=note)


def data_help(results: Results) -> Judgement:
    """Test error at B less that at C: the same norm, 7,196 images or as many as there are."""
    error = minima(results)["test_error"]
    fall = at(error, alpha=6.31, **{SIZE: 138}) - at(error, alpha=6.31, **{SIZE: LARGE})
    note = f"C has {float(error[SIZE].sel({SIZE: LARGE}, method='nearest')):,.0f} images, 7,196 in the paper"
    return by_median(fall, least=0.3, runs=2 * fall.size, note=note)


def thumb(results: Results) -> Judgement:
    """The critical size for 40% test error; that it grows as the error asked for falls is judged too.

    The grid of sizes is coarse: equal sizes for neighbouring errors are allowed, and errors that no size of
    the grid gets to.
    """
    levels = (0.4, 0.3, 0.2, 0.1)
    tips = critical_sizes(results, levels)

    def holds(tip: np.ndarray) -> bool:
        finite = tip[np.isfinite(tip)]
        return bool(finite.size > 1 and finite[-1] > finite[0] and (np.diff(tip[: finite.size]) >= 0).all())

    note = "for 40, 30, 20, 10%: " + ", ".join(
        f"{size:,.0f}" if np.isfinite(size) else "more than all" for size in np.median(tips, axis=0)
    )
    found = minima(results)
    return agreed(
        [holds(tip) for tip in tips],
        float(np.median(tips[:, 0])),
        runs=int(found["train_loss"].size),
        note=f"{note} images",
    )


def critical_sizes(results: Results, levels: tuple[float, ...]) -> np.ndarray:
    """Critical sizes "seed level": the fewest images with which some norm has at most this test error."""
    least = minima(results)["test_error"].min(ALPHA)
    sizes = least[SIZE].values.astype(float)
    rows = least.transpose("seed", SIZE).values
    return np.array([[critical_size(sizes, row, level) for level in levels] for row in rows])


def l_and_u(results: Results) -> Judgement:
    """At 268 images: training error is an L, test error a U."""
    found = minima(results).sel({SIZE: SMALL}, method="nearest")

    def holds(one: "xarray.Dataset") -> bool | None:
        if not u_shape(one[ALPHA].values, one["test_error"].values, kind="error").holds:
            return False
        return falls_to_an_l(one, "error", "error")

    least = float(np.median(found["test_error"].min(ALPHA)))
    return by_seed(found, holds, least, "value: the least test error")


def closes_with_data(results: Results) -> Judgement:
    """Mismatch of test and training error over alpha from 1 to 10: 268 images over 7,196 (or most)."""
    return shrinking(results, SMALL, least=4)


def shrinking(results: Results, small: float, least: float, high: float = 10.0) -> Judgement:
    """The ratio of mismatches of a small and of a large training set, median over seeds."""
    found = minima(results)
    large = float(found[SIZE].sel({SIZE: LARGE}, method="nearest"))
    ratios = np.array(
        [
            _mismatch(found, seed, small, high) / max(_mismatch(found, seed, large, high), 1e-3)
            for seed in range(found.sizes["seed"])
        ]
    )
    note = f"at {small:,.0f} over that at {large:,.0f}"
    return by_median(ratios, least=least, runs=int(found["train_loss"].size), note=note)


def _mismatch(found: "xarray.Dataset", seed: int, size: float, high: float) -> float:
    row = found.isel(seed=seed).sel({SIZE: size}, method="nearest")
    if not np.isfinite(row["train_loss"]).all():
        return float("nan")
    return mismatch(
        row[ALPHA].values, row["train_error"].values, row["test_error"].values, low=1.0, high=high
    )


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "norm harms",
        "With few images a larger norm raises the test error while the training set stays fitted (A to B).",
        "section 4, Figure 3a, b",
        "low to high test error",
        norm_harms,
    ),
    Claim(
        "data help",
        "At a large norm more images lower the test error (B to C).",
        "section 4, Figure 3a, b",
        "high to low test error",
        data_help,
    ),
    Claim(
        "thumb",
        "Below a critical size no norm generalises, and the size grows as the error asked for falls.",
        "section 4, Figure 3b",
        "about 30 images for 40%, 600 to 1,000 for 10% (read from the figure)",
        thumb,
    ),
    Claim(
        "L and U",
        "With few images training error is an L and test error a U in the norm.",
        "section 4, Figure 3c",
        "LU at 200 images; least test error about 0.18",
        l_and_u,
    ),
    Claim(
        "mismatch closes with data",
        "With many images the mismatch of training and test error at large norms is much smaller.",
        "section 4, Figure 3c",
        "nearly the same curves at 8,000",
        closes_with_data,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Maps of training and test error, and rows of few and of many images."""
    return maps_and_rows(results, SMALL, "images")


def maps_and_rows(results: Results, small: float, what: str) -> typing.Any:
    """The two maps of a landscape over sizes, and its rows at a small and at the largest size."""
    figure, axes = panels(1, 4, width=3.2, height=2.8)
    found = minima(results)
    for ax, split, label in ((axes[0, 0], "train", "training"), (axes[0, 1], "test", "test")):
        shown = draw_map(ax, found[f"{split}_error"], place=SIZE, levels=(0.1, 0.2, 0.3, 0.4), most=1.0)
        ax.set(yscale="log", ylabel=f"training {what}", title=f"{label} error")
        figure.colorbar(shown, ax=ax)
    for ax, size in ((axes[0, 2], small), (axes[0, 3], float(found[SIZE].max()))):
        row = found.sel({SIZE: size}, method="nearest")
        draw_row(ax, row, "error")
        ax.set(ylabel="error", ylim=(0, 1), title=f"{float(row[SIZE]):,.0f} {what}")
        ax.legend(frameon=False)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Errors of every cell: at the best training step, and the authors' best of each."""
    return cells(minima(results), ("train_error", "test_error", "train_error_best", "test_error_best"))


FIGURE = Figure("fig3abc", "landscape of images over norm and data", sweeps, CLAIMS, chart, table)
