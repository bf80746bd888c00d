"""Figure 7: images need no representation to be found, so they do not grok from standard weights.

Liu et al. 2023 ("Omnigrok"), section 5.2. Inputs are blends of the image and of a constant image that stands
for its class, `m * image + (1 - m) * template` (Eq. 7). Unlike in the toy of Figure 6, reduced training and
test losses are nearly the same, and depend little on m, so a path from large norm and m = 1 to m = 0 sees no
delay. Losses are squared errors summed over the ten outputs, as in the paper.

In miniature 6,000 steps with 8,000 images of 14 x 14 pixels instead of 60,000.
"""

import typing

import jax
import jax.numpy as jnp
import numpy as np

from ...ensemble import Sweep
from ...landscape import Plane, spheres
from ...statistics import bootstrap, judge, Judgement
from ...tasks import LinearRepresentation, MeanSquaredError
from .._draw import COLOURS, panels
from .._judging import agreed, middle
from .._maps import ALPHA, cells, draw_map, minima
from .._study import Claim, Figure, Results, Scale
from ._images import constrained, images


# --- the experiment and its axes at each scale ----------------------------------------------------

MESSINESS = "task.objective.messiness"
ALPHAS = {
    "smoke": (0.5, 2.0, 4.0),
    "laptop": (0.5, 1.0, 2.0, 2.5, 3.0, 4.0, 7.0),
    "paper": tuple(np.linspace(0.5, 10, 20).tolist()),
}
STEPS_OF_M = {
    "smoke": (0.0, 0.5, 1.0),
    "laptop": (0.0, 0.25, 0.5, 0.75, 1.0),
    "paper": tuple(np.linspace(0, 1, 21).tolist()),
}
SIZE = {"smoke": 100, "laptop": 8000, "paper": 60_000}
STEPS = {"smoke": 20, "laptop": 6000, "paper": 10_000}
OUTPUTS = 10  # the paper's losses are sums over them

# From A over B to C, as drawn in the paper (alpha, m).
PATH = ((1.0, 1.0), (3.0, 0.975), (2.5, 0.0))


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """One recipe over norms, blends and seeds."""
    task = images(scale, train=SIZE[scale], objective=LinearRepresentation(1.0, MeanSquaredError()))
    axes = {MESSINESS: STEPS_OF_M[scale], "seed": range(2 if scale == "smoke" else 3)}
    return {
        "landscape": spheres(
            constrained(scale, task=task, steps=STEPS[scale]),
            ALPHAS[scale],
            axes,
        )
    }


# --- the statistics -------------------------------------------------------------------------------


def same_curves(results: Results) -> Judgement:
    """Largest over alpha from 1 to 4 of |test - training loss|, median over m and seeds."""
    found = _between(results)
    gap = np.abs(found["test_loss"] - found["train_loss"]).median(MESSINESS) * OUTPUTS
    values = gap.max(ALPHA).values.astype(float)
    return judge(
        float(np.median(values)),
        bootstrap(np.median, values),
        most=0.03,
        seeds=values.size,
        runs=int(gap.size),
    )


def blend_matters_little(results: Results) -> Judgement:
    """Range of the test loss over m, the largest over alpha from 1 to 4."""
    loss = _between(results)["test_loss"] * OUTPUTS
    values = (loss.max(MESSINESS) - loss.min(MESSINESS)).max(ALPHA).values.astype(float)
    note = "at most 0.1 (in the toy of Figure 6: at least 0.8)"
    return judge(
        float(np.median(values)),
        bootstrap(np.median, values),
        most=0.1,
        seeds=values.size,
        runs=int(loss.size),
        note=note,
    )


def no_delay(results: Results) -> Judgement:
    """Along A, B, C: the largest test - training loss; that test loss never rises is judged with it."""
    gaps, held = [], []
    for seed in range(results["landscape"].sizes["seed"]):
        _, train, test = along_path(results, seed)
        rise = float(np.max(test - np.minimum.accumulate(test)))
        gaps.append(float(np.max(test - train)))
        held.append(None if np.isnan(gaps[-1]) else gaps[-1] <= 0.02 and rise < 0.01)
    note = "at most 0.02, and no rise of 0.01"
    return agreed(held, middle(gaps), runs=int(results["landscape"]["outcome"].size), note=note)


def along_path(results: Results, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Place on the way from A over B to C, and training and test loss there (summed over outputs)."""
    found = minima(results).isel(seed=seed).transpose(ALPHA, MESSINESS)
    alpha, m = found[ALPHA].values, found[MESSINESS].values
    way = [np.linspace(first, last, 200) for first, last in zip(PATH, PATH[1:])]
    places = np.concatenate(way)
    curves = []
    for split in ("train", "test"):
        if not np.isfinite(found[f"{split}_loss"]).all():  # a hole: there is no surface
            curves.append(np.full(len(places), np.nan))
            continue
        plane = Plane.fit(np.log(alpha), m, np.log(found[f"{split}_loss"].values * OUTPUTS + 1e-4))
        curves.append(
            np.exp(np.asarray(jax.vmap(plane)(jnp.log(places[:, 0]), jnp.asarray(places[:, 1])))) - 1e-4
        )
    return np.linspace(0, 2, len(places)), curves[0], curves[1]


def _between(results: Results) -> typing.Any:
    found = minima(results)
    return found.sel({ALPHA: (found[ALPHA] >= 0.99) & (found[ALPHA] <= 4.01)})


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "one curve",
        "Reduced training and test losses are nearly the same.",
        "section 5.2, Figure 7a",
        "similar",
        same_curves,
    ),
    Claim(
        "the representation matters little",
        "They hardly depend on how messy the representation is.",
        "section 5.2, Figure 7a",
        "weak dependence on m",
        blend_matters_little,
    ),
    Claim(
        "no delay",
        "On the way from A over B to C test loss falls with training loss.",
        "section 5.2, Figure 7c",
        "no grokking",
        no_delay,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Both maps with the way, and the losses along it."""
    figure, axes = panels(1, 3, width=3.4, height=2.8)
    found = minima(results)
    for ax, split, label in ((axes[0, 0], "train", "training"), (axes[0, 1], "test", "test")):
        shown = draw_map(ax, found[f"{split}_loss"] * OUTPUTS, place=MESSINESS, levels=(0.01, 0.05, 0.2))
        ax.plot(*np.array(PATH).T, "o-", color="white", markersize=4)
        ax.set(ylabel="messiness m", title=f"{label} loss")
        figure.colorbar(shown, ax=ax)
    for seed in range(found.sizes["seed"]):
        place, *curves = along_path(results, seed)
        for values, label, colour in zip(curves, ("training", "test"), COLOURS[1:], strict=False):
            axes[0, 2].plot(place, values, color=colour, label=label if seed == 0 else "", linewidth=1)
    axes[0, 2].set(xlabel="way", ylabel="loss", title="from A over B to C")
    axes[0, 2].set_xticks([0, 1, 2], ["A", "B", "C"])
    axes[0, 2].legend(frameon=False)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Losses of every cell (means over outputs)."""
    return cells(minima(results), ("train_loss", "test_loss", "train_error", "test_error"))


FIGURE = Figure("fig7", "images with a representation made simple", sweeps, CLAIMS, chart, table)
