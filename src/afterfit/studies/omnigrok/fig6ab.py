"""Figure 6a and b: in the toy the training loss depends on the norm, the test loss on the representation.

Liu et al. 2023 ("Omnigrok"), section 5.1 and appendix E. Digits are embedded, added and decoded; embeddings
lie between a line and chaos, R = m R_random + (1 - m) R_linear (Eq. 4), and are frozen while the decoder is
trained on spheres of constant norm. Where the training set is fitted (region II) the training loss is
nearly the same for all m, the test loss is not; and a messier representation needs a larger norm to be
fitted (Eq. 2).

The authors' axis says m from 0 to 1 where their code has 0 to 0.2, and so it is here. One landscape in the
paper, three with other splits and templates here.
"""

import dataclasses
import typing

import numpy as np

from ...ensemble import Sweep
from ...landscape import boundary
from ...statistics import bootstrap, judge, Judgement, spearman, Verdict
from .._draw import COLOURS, panels
from .._judging import middle
from .._maps import ALPHA, cells, draw_map, minima
from .._study import Claim, Figure, Results, Scale
from ._toy import LABELLED, landscapes, MESSINESS, SHOWN, SIZE, surface


# --- the experiment and its axes at each scale ----------------------------------------------------

FITTED = 0.02  # of the training loss, at the boundary of region II
INSIDE = 4.45  # alpha from which on all of it is fitted


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Norms and messiness for 45 of the 55 pairs."""
    return {"landscape": landscapes(scale, [SHOWN])}


# --- the statistics -------------------------------------------------------------------------------


def training_does_not_care(results: Results) -> Judgement:
    """Range over m of the training loss, median over seeds, the largest over alpha from 4.5 on."""
    loss = _inside(results)["train_loss"].transpose("seed", ALPHA, MESSINESS).values

    def spread(sample: np.ndarray) -> float:
        half = np.median(sample, axis=0)
        return float((half.max(axis=-1) - half.min(axis=-1)).max())

    return judge(
        spread(loss),
        bootstrap(spread, loss),
        most=0.05,
        seeds=_seeds(results),
        runs=_runs(results),
        note="over alpha from 4.5 to 9",
    )


def test_does(results: Results) -> Judgement:
    """Rise of the test loss from m = 0 to the largest, medians over seeds, the least over alpha from 4.5."""
    loss = _inside(results)["test_loss"].transpose("seed", ALPHA, MESSINESS).values

    def rise(sample: np.ndarray) -> float:
        half = np.median(sample, axis=0)
        return float((half[:, -1] - half[:, 0]).min())

    rows = np.median(loss, axis=0)
    correlation = min(spearman(np.arange(row.size, dtype=float), row)[0] for row in rows)
    note = f"at least 0.5 (targets have mean square 1); least rank correlation with m {correlation:.2f} (0.8)"
    found = judge(
        rise(loss), bootstrap(rise, loss), least=0.5, seeds=_seeds(results), runs=_runs(results), note=note
    )
    if correlation < 0.8 and found.verdict == Verdict.HOLDS:
        return dataclasses.replace(found, verdict=Verdict.FAILS)
    return found


def messier_needs_more_norm(results: Results) -> Judgement:
    """Share of steps of m on which the norm needed for a training loss of 0.02 does not fall, over seeds."""
    edges = edge(results, SHOWN)

    def share(sample: np.ndarray) -> float:
        steps = np.diff(sample, axis=1)
        known = steps[np.isfinite(steps)]
        return float(np.mean(known >= 0)) if known.size else float("nan")

    ends = [middle(edges[:, place]) for place in (0, -1)]
    note = f"alpha from {ends[0]:.2f} at m = 0 to {ends[1]:.2f} at the largest m"
    return judge(
        share(edges),
        bootstrap(share, edges),
        least=0.9,
        seeds=_seeds(results),
        runs=_runs(results),
        note=note,
    )


def edge(results: Results, size: int, level: float = FITTED) -> np.ndarray:
    """The norm "seed messiness" beyond which the training loss is below a level."""
    found = []
    for seed in range(_seeds(results)):
        alpha, _, loss = surface(results, size, seed, "train")
        found.append(boundary(alpha, loss.T, level))
    return np.array(found)


def _inside(results: Results) -> typing.Any:
    found = minima(results).sel({SIZE: SHOWN})
    return found.sel({ALPHA: found[ALPHA] >= (INSIDE if results.scale != "smoke" else 0)})


def _seeds(results: Results) -> int:
    return results["landscape"].sizes["seed"]


def _runs(results: Results) -> int:
    return int(results["landscape"]["outcome"].size)


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "training loss does not care",
        "Where the training set is fitted, the training loss hardly depends on the representation.",
        "section 5.1, Figure 6a",
        "weak dependence on m",
        training_does_not_care,
    ),
    Claim(
        "test loss does",
        "There the test loss rises strongly as the representation becomes messy.",
        "section 5.1, Figure 6b",
        "strong dependence on m",
        test_does,
    ),
    Claim(
        "messier needs more norm",
        "The messier the representation, the larger the norm that fits the training set.",
        "section 5.1, Eq. 2",
        "w_c(bad) > w_c(good)",
        messier_needs_more_norm,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Maps of training and test loss over norm and messiness, with the boundary of each seed."""
    figure, axes = panels(1, 2, width=3.8, height=3.0)
    found = minima(results).sel({SIZE: SHOWN})
    found = found.assign_coords({MESSINESS: found[MESSINESS] * LABELLED})
    for ax, split, label in ((axes[0, 0], "train", "training"), (axes[0, 1], "test", "test")):
        shown = draw_map(ax, found[f"{split}_loss"], place=MESSINESS)
        for one in edge(results, SHOWN):
            ax.plot(one, found[MESSINESS], color=COLOURS[1], linewidth=1)
        ax.set(ylabel="messiness m (as labelled in the paper)", title=f"{label} loss")
        figure.colorbar(shown, ax=ax)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Losses of every cell."""
    return cells(minima(results), ("train_loss", "test_loss", "train_error", "test_error"))


FIGURE = Figure("fig6ab", "the toy's landscape over norm and representation", sweeps, CLAIMS, chart, table)
