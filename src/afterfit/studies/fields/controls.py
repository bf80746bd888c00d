"""What else might make a physics-informed network late: where its points lie, and how edges are weighed.

With fresh points at each step nothing can be fitted that is not solved, so that the delay must go: an epoch
of 4096 random points takes 256 steps of 16 points, which stands for an endless supply.
"""

import typing
from collections.abc import Callable

from ...ensemble import Sweep, sweep
from ...tasks import PhysicsInformed
from .._draw import COLOURS, curves, panels
from .._study import Claim, Figure, Results, Scale
from .._trends import Delays
from ._fates import DECAY, fates, late, prompt, told
from ._problem_figure import QUESTION
from ._problems import POISSON


# --- the experiment and its axes at each scale ----------------------------------------------------

KINDS: dict[str, dict[str, typing.Any]] = {
    "16 even points": {},
    "16 random points": {"task": PhysicsInformed(points=16, placement="random")},
    "fresh points": {"task": PhysicsInformed(points=4096, placement="random"), "batch": 16},
    "edges x 10": {"task": PhysicsInformed(points=16, boundary=10.0)},
    "edges x 100": {"task": PhysicsInformed(points=16, boundary=100.0)},
}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """The same network and decay under other points and weights."""
    base = POISSON.experiment(scale, alpha=POISSON.large)
    axes = {"kind": KINDS, DECAY: (POISSON.late,), "seed": range(2 if scale == "smoke" else 5)}
    return {"controls": sweep(base, axes)}


# --- the claims -----------------------------------------------------------------------------------


def _of(results: Results, kind: str) -> Delays:
    return fates(POISSON, results["controls"].sel(kind=kind).isel({DECAY: 0}))


def _beside_plain(results: Results, kind: str) -> Delays:
    """Times to solve beside those to fit of the plain network: with heavy edges a loss says less of a fit."""
    return Delays(_of(results, "16 even points").fit, _of(results, kind).late)


def _late(kind: str, sentence: str, found: Callable[[Results, str], Delays]) -> Claim:
    return Claim(
        f"late: {kind}",
        sentence,
        QUESTION,
        "at least 10 times later",
        lambda results: late(found(results, kind), 10),
    )


CLAIMS = (
    Claim(
        "fresh points",
        "With fresh points at each step there is no delay.",
        QUESTION,
        "at most 2 times later",
        lambda results: prompt(_of(results, "fresh points"), 2, float(results["controls"]["step"][-1])),
    ),
    _late("16 random points", "Random points grok as even ones do.", _of),
    _late(
        "edges x 10",
        "With edges weighed 10 times the problem is solved long after the plain network fits.",
        _beside_plain,
    ),
    _late(
        "edges x 100",
        "With edges weighed 100 times the problem is solved long after the plain network fits.",
        _beside_plain,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Training loss and error of the solution under each."""
    figure, axes = panels(1, len(KINDS), width=2.5, height=2.5)
    for ax, kind in zip(axes[0], KINDS, strict=True):
        data = results["controls"].sel(kind=kind).isel({DECAY: 0})
        curves(ax, data["train_loss"], colour=COLOURS[1], label="training loss")
        curves(ax, data["solution_error"], colour=COLOURS[2], label=POISSON.called)
        ax.set(yscale="log", title=kind, ylim=(1e-6, 1e3))
    axes[0, 0].legend(frameon=False, fontsize=7)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Times of each run."""
    return [row for kind in KINDS for row in told(_of(results, kind), kind=kind)]


FIGURE = Figure(
    "controls",
    "points, fresh points and edges of a network that solves u'' = f",
    sweeps,
    CLAIMS,
    chart,
    table,
)
