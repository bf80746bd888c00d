"""How many points, pixels or views it takes: with more of them the delay shrinks.

Liu et al. 2023 ("Omnigrok"), Figure 3, for data that are fields: above a critical size of the training set
every network that fits it is right, so that nothing is left to wait for.
"""

import typing

import numpy as np

from ...ensemble import Sweep, sweep
from ...statistics import Judgement
from .._draw import panels
from .._study import Claim, Figure, Results, Scale
from .._trends import Delays, draw_delays, falls
from ._fates import DECAY, fates, prompt, told
from ._problem_figure import QUESTION
from ._problems import FLATLAND, IMAGE, POISSON, Problem


# --- the experiment and its axes at each scale ----------------------------------------------------

AXES: dict[str, tuple[Problem, str, tuple[int, ...]]] = {
    "points": (POISSON, "task.points", (8, 12, 16, 24, 32, 64)),
    "pixels": (IMAGE, "task.train", (50, 100, 200, 300, 450)),
    "views": (FLATLAND, "task.views", (2, 4, 8, 16)),
}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Each problem at its large norm and one decay, over sizes of its training set and seeds."""
    made = {}
    for name, (problem, axis, sizes) in AXES.items():
        seeds, sizes = (2, sizes[::3]) if scale == "smoke" else (3, sizes)
        base = problem.experiment(scale, alpha=problem.large)
        made[name] = sweep(base, {axis: sizes, DECAY: (problem.late,), "seed": range(seeds)})
    return made


# --- the statistics -------------------------------------------------------------------------------


def delays(results: Results, name: str) -> Delays:
    """Times to fit and to solve, "seed size"."""
    problem, axis, _ = AXES[name]
    return fates(problem, results[name].isel({DECAY: 0}), axis)


def shrinks(results: Results, name: str) -> Judgement:
    """Spearman's correlation of the delay with the size, of each seed.

    Runs that do not solve the problem are the latest. Seeds with fewer than three that do are open.
    """
    sizes, ratio = results[name][AXES[name][1]].values.astype(float), delays(results, name).ratio
    enough = np.isfinite(ratio).sum(axis=1) >= 3
    note = (
        f"{int((~enough).sum())} seeds with fewer than three sizes that are solved" if not all(enough) else ""
    )
    return falls(sizes, np.where(enough[:, None], ratio, np.nan), least=0.7, note=note)


def none_with_many(results: Results, name: str) -> Judgement:
    """How many times later with the largest training set."""
    found = delays(results, name)
    return prompt(Delays(found.fit[:, -1:], found.late[:, -1:]), 2, float(results[name]["step"][-1]))


# --- the claims -----------------------------------------------------------------------------------


def _claims(name: str) -> tuple[Claim, ...]:
    problem, _, sizes = AXES[name]
    return (
        Claim(
            f"{name}: the delay shrinks",
            f"The more {name}, the shorter the delay: {problem.title}.",
            QUESTION,
            "as with examples in Liu et al. 2023, Figure 3",
            lambda results: shrinks(results, name),
        ),
        Claim(
            f"{name}: none with many",
            f"With {sizes[-1]} {name} there is no delay.",
            QUESTION,
            "at most 2 times later",
            lambda results: none_with_many(results, name),
        ),
    )


CLAIMS = tuple(claim for name in AXES for claim in _claims(name))


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Times to fit and to solve against the size of the training set, one panel a problem."""
    figure, axes = panels(1, len(AXES), width=3.2, height=2.7)
    for ax, name in zip(axes[0], AXES, strict=True):
        sizes = results[name][AXES[name][1]].values.astype(float)
        draw_delays(ax, sizes, delays(results, name), budget=float(results[name]["step"].values[-1]))
        ax.set(xlabel=name, title=f"{AXES[name][0].title.split(' from ')[0].split(' at ')[0]}")
        ax.legend(frameon=False, fontsize=7)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Times of each run."""
    found = []
    for name, (_, axis, _) in AXES.items():
        for index, size in enumerate(results[name][axis].values.tolist()):
            one = Delays(*(times[:, index : index + 1] for times in delays(results, name)))
            found += told(one, what=name, size=size)
    return found


FIGURE = Figure(
    "sizes", "the delay against the number of points, pixels and views", sweeps, CLAIMS, chart, table
)
