"""Figure 5: labels are eigenvectors of the initial kernel, and the index decides whether training groks.

Kumar et al. 2023, section 6.1. D = 100 inputs, P = 100 training and as many test examples; labels are the
j-th eigenvector of the initial kernel over all of them, in falling order of eigenvalues. j = 1: training and
test loss fall together; j = 70: the test loss rises, then falls (grokking, by features that are learned late,
the paper says); j = 100: it does not fall.

epsilon = 0.25, eta = N / 2 and 25,000 steps as in the authors' code, where an eigenvector has length 1, so
labels are small, and the network need not leave its linearisation to fit them. Each network is therefore
trained beside its linearised twin, which learns no features at all: where both have the same curve, no
feature explains it. The same labels scaled to unit variance show a network that does leave it. Five seeds.

N = 150, as the eigenvectors are those of a wide network. (The authors' code has two units, and the kernel of
these two.) In miniature four times the rate for a quarter of the steps, which is as far.
"""

import typing

import numpy as np

from ...ensemble import Sweep, sweep
from ...statistics import Judgement
from .._draw import panels
from .._judging import agreed, middle
from .._study import Claim, Figure, Results, Scale
from ._eigenvectors import APART, draw_pair, eigenvector, INDEX, NETWORK, over_twin, remains, TWIN
from ._losses import rise
from ._scales import sound


# --- the experiment and its axes at each scale ----------------------------------------------------

INDICES = {"smoke": (1, 4, 6), "laptop": (1, 70, 100), "paper": (1, 70, 100)}
SEEDS = {"smoke": 2, "laptop": 5, "paper": 5}
PACE: dict[Scale, dict[str, typing.Any]] = {
    "smoke": dict(rate=0.5, steps=20),
    "laptop": dict(rate=2.0, steps=6250),
    "paper": dict(rate=0.5, steps=25_000),
}
SWEEPS = {"length 1": False, "variance 1": True}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Networks and twins over indices, with labels of length 1 and of variance 1."""
    axes = {INDEX: INDICES[scale], "seed": range(SEEDS[scale])}
    return {
        name: sweep(
            eigenvector(
                scale,
                inputs=100,
                train=100,
                unit_variance=unit,
                width=150,
                **PACE[scale],
            ),
            axes,
        )
        for name, unit in SWEEPS.items()
    }


# --- the statistics -------------------------------------------------------------------------------


def together(results: Results) -> Judgement:
    """Final over first test loss at j = 1."""
    values = _at(results, remains(results["length 1"]), 0)
    return _by_seed(values, values <= 0.1, "at most 0.1")


def groks(results: Results) -> Judgement:
    """Final over first test loss at j = 70; that it rose before is judged with it."""
    data = results["length 1"]
    values, highest = _at(results, remains(data), 1), _at(results, sound(data, rise(data, NETWORK)), 1)
    note = f"at most 0.5; largest {middle(highest):.2f}, at least 1.05"
    return _by_seed(values + 0 * highest, (values <= 0.5) & (highest >= 1.05), note)


def never(results: Results) -> Judgement:
    """Final over first test loss at j = 100."""
    values = _at(results, remains(results["length 1"]), 2)
    return _by_seed(values, values >= 1, "at least 1")


def features_explain(results: Results) -> Judgement:
    """Final test loss of the network at j = 70 over that of its linear twin."""
    values = _at(results, over_twin(results["length 1"]), 1)
    return _by_seed(values, values <= APART, _explained(results, "length 1"))


def features_explain_unit_variance(results: Results) -> Judgement:
    """The same with labels of variance 1."""
    values = _at(results, over_twin(results["variance 1"]), 1)
    return _by_seed(values, values <= APART, _explained(results, "variance 1"))


def _explained(results: Results, name: str) -> str:
    data = results[name]
    moved = sound(data, data["relative_change"].max("step"))
    return (
        f"at most {APART}; the twin ends at {middle(_at(results, remains(data, TWIN), 1)):.2g} of its start, "
        f"the network moved {middle(_at(results, moved, 1)):.2g} of its first norm"
    )


def _at(results: Results, values: typing.Any, place: int) -> np.ndarray:
    return values.sel({INDEX: INDICES[results.scale][place]}).transpose("seed").values.astype(float)


def _by_seed(values: np.ndarray, held: np.ndarray, note: str) -> Judgement:
    answers = [None if np.isnan(value) else bool(one) for value, one in zip(values, held, strict=True)]
    return agreed(answers, middle(values), runs=values.size, note=note)


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "j = 1 together",
        "Where the kernel is aligned with the labels, the test loss falls to a tenth.",
        "section 6.1, Figure 5a",
        "learning curves move together",
        together,
    ),
    Claim(
        "j = 70 groks",
        "At the seventieth eigenvector the test loss rises, then falls at least by half.",
        "section 6.1, Figure 5b",
        "the network groks",
        groks,
    ),
    Claim(
        "j = 100 fails",
        "At the hundredth eigenvector the test loss does not get below its start.",
        "section 6.1, Figure 5c",
        "cannot generalise",
        never,
    ),
    Claim(
        "features explain j = 70",
        "Features explain the fall at j = 70: the network ends at half the loss of its linear twin at most.",
        "section 6.1, Figure 5b",
        "learning features reduces the test loss",
        features_explain,
    ),
    Claim(
        "features explain j = 70, labels of variance 1",
        "With labels of variance 1, which make the network leave its linearisation, the same.",
        "section 6.1, Figure 5b",
        "learning features reduces the test loss",
        features_explain_unit_variance,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Losses of networks and linear twins for each index, with labels of length 1 and of variance 1."""
    indices = INDICES[results.scale]
    figure, axes = panels(len(SWEEPS), len(indices), width=3.1, height=2.5)
    for row, name in enumerate(SWEEPS):
        for column, index in enumerate(indices):
            ax = axes[row, column]
            draw_pair(ax, results[name].sel({INDEX: index}))
            ax.set_title(f"j = {index}: {ax.get_title()}", fontsize=8)
        axes[row, 0].set_ylabel(f"labels of {name}\nloss / first loss")
    axes[0, 0].legend(frameon=False, fontsize=6.5)
    share = middle(_at(results, over_twin(results["length 1"]), 1))
    what = "features lower it" if share <= APART else "no features are needed for that curve"
    figure.suptitle(
        f"j = {indices[1]}, labels of length 1: the network ends at {share:.2f} times the test loss of its "
        f"linear twin ({what})",
        fontsize=9,
    )
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Ends of networks and twins of each run."""
    rows = []
    for name in SWEEPS:
        data = results[name]
        columns = {
            "final": remains(data),
            "largest": rise(data, NETWORK),
            "final_of_twin": remains(data, TWIN),
            "largest_of_twin": rise(data, TWIN),
            "relative_change": data["relative_change"].max("step"),
        }
        for index in data[INDEX].values:
            for seed in data["seed"].values:
                place = {INDEX: index, "seed": seed}
                row: dict[str, typing.Any] = {"labels": name, "j": int(index), "seed": int(seed)}
                rows.append(row | {key: float(one.sel(place)) for key, one in columns.items()})
    return rows


FIGURE = Figure("fig5", "labels that are eigenvectors of the initial kernel", sweeps, CLAIMS, chart, table)
