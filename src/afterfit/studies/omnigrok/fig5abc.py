"""Figure 5a to c: the landscape of molecules over weight norm and number of molecules.

Liu et al. 2023 ("Omnigrok"), section 4. A graph network learns the polarizability of QM9 molecules on
spheres of constant norm. With many molecules training and test loss are the same U; with few they differ at
norms above the standard one. Its output grows as about the sixth power of the norm, so the useful range is
narrow, and in the authors' own runs the training loss rises again by orders of magnitude: it is no L.

Molecules are the first of the file, the smallest, as in the authors' code; "data" counts training and test
molecules together, half each. In miniature a network of half the width, and the molecules of a sample.
"""

import typing

import numpy as np

from ...ensemble import Sweep
from ...landscape import spheres
from ...statistics import bootstrap, judge, Judgement
from ...tasks import QM9
from .._draw import panels, short_log_axis
from .._maps import ALPHA, ALPHA_LABEL, by_seed, cells, draw_row, edges, falls_to_an_l, minima
from .._study import Claim, Figure, Results, Scale
from ._molecules import molecular
from ._recipe import spread


if typing.TYPE_CHECKING:
    import xarray

# --- the experiment and its axes at each scale ----------------------------------------------------

SIZE = "task.molecules"
ALPHAS = {
    "smoke": (0.5, 1.0, 2.0),
    "laptop": (0.4, 0.6, 0.8, 1.0, 1.4, 2.0, 3.0),
    "paper": spread(0.1, 10, 21),
}
SIZES = {
    "smoke": (20, 40),
    "laptop": (20, 50, 100, 300, 1000, 3000),
    "paper": (10, 26, 50, 100, 268, 718, 1930, 5178, 10_000),
}
STEPS = {"smoke": 20, "laptop": 2000, "paper": 10_000}
SMALL = 100


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """One recipe over norms, sizes and seeds."""
    task = QM9(molecules=SIZES[scale][-1], room=SIZES[scale][-1])
    axes = {SIZE: SIZES[scale], "seed": range(2 if scale == "smoke" else 3)}
    return {"landscape": spheres(molecular(scale, task, steps=STEPS[scale]), ALPHAS[scale], axes)}


# --- the statistics -------------------------------------------------------------------------------


def same_with_many(results: Results) -> Judgement:
    """Largest |log10 of test over training loss| over alpha from 0.4 to 3, with the most molecules."""
    alpha = minima(results)[ALPHA].values
    values = np.abs(_log_ratio(results, None))[:, (alpha >= 0.39) & (alpha <= 3.01)].max(axis=1)
    return judge(
        float(np.median(values)), bootstrap(np.median, values), most=0.3, seeds=values.size, runs=values.size
    )


def differs_with_few(results: Results) -> Judgement:
    """Largest log10 of test over training loss for alpha from 1 to 2, with 100 molecules."""
    alpha = minima(results)[ALPHA].values
    values = _log_ratio(results, SMALL)[:, (alpha >= 0.99) & (alpha <= 2.01)].max(axis=1)
    return judge(
        float(np.median(values)), bootstrap(np.median, values), least=1, seeds=values.size, runs=values.size
    )


def training_is_an_l(results: Results) -> Judgement:
    """Training loss at the largest norm over the least one, with 100 molecules; cells must have converged."""
    found = minima(results).sel({SIZE: SMALL}, method="nearest")

    def holds(one: "xarray.Dataset") -> bool | None:
        return falls_to_an_l(one, "loss", "loss")

    last = found["train_loss"].isel({ALPHA: -1}) / found["train_loss"].min(ALPHA)
    unsettled = int((~found["converged"]).sum())
    count = found["converged"].size
    note = f"value: loss at the largest alpha over the least; {unsettled} of {count} cells had not converged"
    return by_seed(found, holds, float(last.median()), note)


def _log_ratio(results: Results, size: float | None) -> np.ndarray:
    """log10 of test over training loss, "seed alpha", at a size (`None`: the largest)."""
    found = minima(results)
    row = found.isel({SIZE: -1}) if size is None else found.sel({SIZE: size}, method="nearest")
    ratio = (row["test_loss"] / row["train_loss"]).transpose("seed", ALPHA)
    return np.log10(ratio.values.astype(float))


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "one U with many molecules",
        "With many molecules training and test loss are the same U.",
        "section 4, Figure 5c",
        "coincident at 3,000",
        same_with_many,
    ),
    Claim(
        "mismatch with few molecules",
        "With 100 molecules the test loss is at least ten times the training loss at some alpha from 1 to 2.",
        "section 4, Figure 5c",
        "mismatch above alpha = 1",
        differs_with_few,
    ),
    Claim(
        "training loss is an L",
        "With 100 molecules the training loss is an L in the norm.",
        "section 2 (the LU mechanism); the authors' own curve is none",
        "L",
        training_is_an_l,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Maps of log losses, and rows of 100 and of most molecules."""
    figure, axes = panels(1, 4, width=3.2, height=2.8)
    found = minima(results)
    for ax, split, label in ((axes[0, 0], "train", "training"), (axes[0, 1], "test", "test")):
        loss = found[f"{split}_loss"].mean("seed").transpose(SIZE, ALPHA)
        places = edges(found[ALPHA].values), edges(found[SIZE].values)
        shown = ax.pcolormesh(*places, np.log10(loss.values), rasterized=True)
        ax.set(
            xscale="log", yscale="log", xlabel=ALPHA_LABEL, ylabel="molecules", title=f"log10 of {label} loss"
        )
        short_log_axis(ax.xaxis)
        figure.colorbar(shown, ax=ax)
    for ax, size in ((axes[0, 2], SMALL), (axes[0, 3], float(found[SIZE].max()))):
        row = found.sel({SIZE: size}, method="nearest")
        draw_row(ax, row, "loss")
        ax.set(yscale="log", ylabel="loss", title=f"{float(row[SIZE]):,.0f} molecules")
        ax.legend(frameon=False)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Losses of every cell."""
    return cells(minima(results), ("train_loss", "test_loss", "train_loss_best", "test_loss_best"))


FIGURE = Figure("fig5abc", "landscape of molecules over norm and data", sweeps, CLAIMS, chart, table)
