"""Figure 15: Hermite polynomials of degree 2, 3 and 4 as targets.

Kumar et al. 2023, section 15.2 (the captions of Figures 14 and 15 are swapped). The target is `He_k(beta .
x)`, the activation `z + (epsilon / 2) He_k(z)`; more data are used for higher degrees. The text gives no
settings; all here are our choice, at all scales but smoke.

A remark that the text does not make: units of unit variance carry `He_k` with an amplitude of at most about
epsilon / 2, and for even k longer weights do not help: they add terms of lower even degree, which little
takes back (for odd k the linear term does). So the even targets are scaled down, by 0.05 and 0.2, to
what the activation can say. Degree 3: D = 20, P = 160, epsilon = 0.03, eta = N / 5, 8,000 steps (larger
steps are unstable late). Degree 2: D = 20, P = 180, epsilon = 0.1, eta = 2 N. Degree 4: D = 8, P = 150,
epsilon = 0.1, eta = N / 5. N = 100 in all.
"""

import typing
from collections.abc import Callable

from ... import probes, tasks
from ...ensemble import Sweep, sweep
from ...statistics import Judgement
from ...training import Experiment
from .._draw import panels
from .._study import Claim, Figure, Results, Scale
from ._decomposition import draw_losses, rows
from ._recipe import machine
from .fig14 import grokked_by_seed


# --- the experiment and its axes at each scale ----------------------------------------------------

SEEDS = {"smoke": 2, "laptop": 5, "paper": 10}
LATE = 2.0  # how many times later the test loss falls: our choice, as training is slow at small steps


class Setting(typing.NamedTuple):
    """Of one degree."""

    inputs: int
    train: int
    nonlinearity: float
    rate: float
    steps: int
    factor: float


SETTINGS = {
    2: Setting(inputs=20, train=180, nonlinearity=0.1, rate=2.0, steps=15_000, factor=0.05),
    3: Setting(inputs=20, train=160, nonlinearity=0.03, rate=0.2, steps=8000, factor=1.0),
    4: Setting(inputs=8, train=150, nonlinearity=0.1, rate=0.2, steps=20_000, factor=0.2),
}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Machines over seeds, for each degree."""
    return {_name(k): sweep(_hermite(scale, k), {"seed": range(SEEDS[scale])}) for k in SETTINGS}


def _name(degree: int) -> str:
    return f"degree {degree}"


def _hermite(scale: Scale, degree: int) -> Experiment:
    one = SETTINGS[degree]
    inputs, train, test = (6, 12, 50) if scale == "smoke" else (one.inputs, one.train, 4000)
    return machine(
        scale,
        task=tasks.Polynomial(inputs=inputs, train=train, test=test, degree=degree, factor=one.factor),
        width=100,
        nonlinearity=one.nonlinearity,
        rate=one.rate,
        steps=one.steps,
        model=dict(degree=degree, reduced=False),
        probes=(probes.relative_change,),  # the exact loss is one of squares
    )


# --- the statistics -------------------------------------------------------------------------------


def _groks(degree: int) -> Callable[[Results], Judgement]:
    def statistic(results: Results) -> Judgement:
        """As `grokked_by_seed`, twice as late at least."""
        return grokked_by_seed(results[_name(degree)], "test_loss", LATE)

    return statistic


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = tuple(
    Claim(
        _name(degree),
        f"A Hermite polynomial of degree {degree} is grokked.",
        "section 15.2, Figure 15",
        "grokking persists for higher degrees",
        _groks(degree),
    )
    for degree in SETTINGS
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Losses for each degree, over that of an answer of 0."""
    figure, axes = panels(1, len(SETTINGS), width=3.1, height=2.6)
    for ax, (degree, one) in zip(axes[0], SETTINGS.items(), strict=True):
        data = results[_name(degree)]
        first = data["test_loss"].isel(step=0)
        draw_losses(
            ax,
            data.assign({name: data[name] / first for name in ("train_loss", "test_loss")}),
            test="test_loss",
        )
        ax.set(
            title=rf"$He_{degree}$: D = {one.inputs}, P = {one.train}, $\epsilon$ = {one.nonlinearity:g}",
            ylabel="loss over the first test loss",
        )
        ax.axhline(1, color="black", linewidth=0.6, linestyle=":")
    axes[0, 0].legend(frameon=False, fontsize=6.5)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Times and losses of each run."""
    return [row for name, data in results.data.items() for row in rows(data, test="test_loss", target=name)]


FIGURE = Figure(
    "fig15",
    "Hermite polynomials as targets",
    sweeps,
    CLAIMS,
    chart,
    table,
    note="Even degrees are scaled down to what the activation can represent.",
)
