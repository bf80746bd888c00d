"""Figure 19: more data make harder eigenvectors learnable.

Kumar et al. 2023, last section of the appendix. The task of Figure 5 over the number of training examples P
and the index j of the eigenvector: for a given j, more data let the network generalise; for given data, a
larger j is harder; where data just suffice, it groks, the paper says, by features that are learned late.

The grid is not stated. D = 100 with N = 150 at paper scale, D = 40 with N = 60 in miniature (our choice), and
j = 1, 0.7 D, D and 2 D. Labels have length 1 over all examples, as in the authors' code, and each network has
its linearised twin beside it: where both have the same curves, more data make a linear model learn more.
"""

import typing

import numpy as np

from ...ensemble import Sweep, sweep
from ...statistics import Judgement
from .._draw import panels
from .._judging import agreed, by_median, middle
from .._study import Claim, Figure, Results, Scale
from ._eigenvectors import APART, draw_pair, eigenvector, INDEX, NETWORK, over_twin, pairs, remains, TWIN
from ._losses import rise
from ._scales import SEEDS


if typing.TYPE_CHECKING:
    import xarray

# --- the experiment and its axes at each scale ----------------------------------------------------

INPUTS = {"smoke": 6, "laptop": 40, "paper": 100}
INDICES = {"smoke": (1, 4, 6, 12), "laptop": (1, 28, 40, 80), "paper": (1, 70, 100, 200)}
SIZES = {"smoke": (6, 12), "laptop": (40, 80, 160), "paper": (100, 200, 400, 800)}
SIZE = "examples"


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Networks and twins over indices and numbers of examples: as many for training as for testing."""
    inputs = INPUTS[scale]
    base = eigenvector(
        scale,
        inputs=inputs,
        train=SIZES[scale][-1],
        width=3 * inputs // 2,
        rate=0.5,  # eta = N / 2, as for Figure 5
        steps={"smoke": 20, "laptop": 8000, "paper": 25_000}[scale],
    )
    sizes = {str(size): {"task.train": size, "task.test": size} for size in SIZES[scale]}
    return {"grid": sweep(base, {SIZE: sizes, INDEX: INDICES[scale], "seed": range(SEEDS[scale])})}


# --- the statistics -------------------------------------------------------------------------------


def more_data_help(results: Results) -> Judgement:
    """Share of neighbours in P, at each j up to D, whose final test loss falls; median over seeds."""
    values = remains(results["grid"])
    easy = values.where(values[INDEX] <= INPUTS[results.scale], drop=True)
    return _shares(-easy.transpose("seed", INDEX, SIZE).values)


def larger_index_is_harder(results: Results) -> Judgement:
    """Share of neighbours in j, at each P, whose final test loss grows; median over seeds."""
    return _shares(remains(results["grid"]).transpose("seed", SIZE, INDEX).values)


def data_remove_the_delay(results: Results) -> Judgement:
    """Largest over first test loss at the largest P, for j up to D: the largest of a seed, median over seeds.

    That it rises with the fewest data is judged with it.
    """
    data = results["grid"]
    highest = rise(data, NETWORK).where(data["outcome"] != "diverged")
    easy = highest.where(highest[INDEX] <= INPUTS[results.scale], drop=True)
    few, many = (easy.isel({SIZE: place}).max(INDEX, skipna=False).values for place in (0, -1))
    held = [
        None if np.isnan(low + high) else bool(low >= 1.05 and high <= 1.05)
        for low, high in zip(few, many, strict=True)
    ]
    note = f"at most 1.05; with the fewest data {middle(few):.2f}, at least 1.05"
    return agreed(held, middle(many), runs=int(easy.size), note=note)


def features_explain(results: Results) -> Judgement:
    """Final test loss of the network over that of its twin, median over cells in which it generalises.

    That is: ends at half of the first test loss at most. The number is the median over seeds.
    """
    data = results["grid"]
    kept = remains(data)
    ratio = over_twin(data).where(kept <= 0.5).transpose("seed", ...).values
    held: list[bool | None] = []
    for one in ratio.reshape(len(ratio), -1):
        known = one[np.isfinite(one)]
        held.append(bool(np.median(known) <= APART) if known.size else None)
    values = [middle(one) for one in ratio]
    count = int(np.isfinite(ratio).sum())
    note = f"median over {count} runs that generalise; at most {APART}"
    return agreed(held, middle(values), runs=int(ratio.size), note=note)


def _shares(table: np.ndarray) -> Judgement:
    """The share of growing neighbours along the last axis, against 80%."""
    found = [pairs(one) for one in table]
    note = f"of {middle([count for _, count in found]):.0f} pairs a seed"
    return by_median(np.array([share for share, _ in found]), runs=int(table.size), least=0.8, note=note)


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "more data help",
        "At a given eigenvector up to the number of inputs, more data lower the final test loss.",
        "appendix, Figure 19",
        "from left to right: suffices to generalise",
        more_data_help,
    ),
    Claim(
        "larger index is harder",
        "With given data, a larger index of the eigenvector means a higher final test loss.",
        "appendix, Figure 19",
        "from top to bottom: harder",
        larger_index_is_harder,
    ),
    Claim(
        "data remove the delay",
        "With enough data the test loss falls without a rise, up to an index of the number of inputs.",
        "appendix, Figure 19",
        "suffices to eliminate grokking",
        data_remove_the_delay,
    ),
    Claim(
        "features explain it",
        "Where the network generalises, features do it: it ends at half of its linear twin's loss at most.",
        "appendix, Figure 19",
        "where rich learning is enough to generalise",
        features_explain,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Losses of networks and linear twins: rows are indices, columns numbers of examples."""
    data = results["grid"]
    indices, sizes = INDICES[results.scale], [str(size) for size in SIZES[results.scale]]
    figure, axes = panels(len(indices), len(sizes), width=3.0, height=2.0)
    for row, index in enumerate(indices):
        for column, size in enumerate(sizes):
            ax = axes[row, column]
            draw_pair(ax, data.sel({SIZE: size, INDEX: index}))
            ax.set_title(f"j = {index}, P = {size}: {ax.get_title()}", fontsize=7)
            if row < len(indices) - 1:
                ax.set_xlabel("")
        axes[row, 0].set_ylabel("loss / first loss")
    axes[0, 0].legend(frameon=False, fontsize=6)
    ratio = over_twin(data).where(remains(data) <= 0.5).values
    figure.suptitle(
        f"runs that generalise end at {middle(ratio):.2f} times the test loss of their linear twins "
        f"(median; features at work: at most {APART})",
        fontsize=9,
    )
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Ends of networks and twins, median over seeds."""
    data = results["grid"]
    columns: dict[str, xarray.DataArray] = {
        "final": remains(data),
        "final_of_twin": remains(data, TWIN),
        "largest": rise(data, NETWORK),
        "relative_change": data["relative_change"].max("step"),
    }
    rows = []
    for size in SIZES[results.scale]:
        for index in INDICES[results.scale]:
            cell = {SIZE: str(size), INDEX: index}
            row: dict[str, typing.Any] = {"examples": size, "j": index}
            rows.append(row | {key: middle(one.sel(cell).values) for key, one in columns.items()})
    return rows


FIGURE = Figure("fig19", "eigenvectors of the kernel over data and index", sweeps, CLAIMS, chart, table)
