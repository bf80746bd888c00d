"""Figure 14: targets of one, two and three directions are grokked alike.

Kumar et al. 2023, section 15.1 (the captions of Figures 14 and 15 are swapped). The target is printed as
`beta_1 . x + beta_2 . x`; that is a linear function, which any network learns at once, and it is trained
here as a control. What is meant, the sum of squares of the projections, is learned by machines of N = 100,
with D = 40, epsilon = 0.1, eta = 2 N and 20,000 steps. Each direction more takes more data: P = 200, 250,
300. The text gives no settings, these are our choice at all scales but smoke; five seeds, ten at paper
scale.
"""

import typing
from collections.abc import Callable

import numpy as np

from ... import tasks
from ...ensemble import Sweep, sweep
from ...statistics import Judgement
from .._draw import panels
from .._judging import agreed, middle
from .._study import Claim, Figure, Results, Scale
from ._decomposition import draw_losses, lasting, rows
from ._losses import grokked, loss_times, remainder, rise, TOTAL
from ._recipe import machine


if typing.TYPE_CHECKING:
    import xarray

# --- the experiment and its axes at each scale ----------------------------------------------------

SEEDS = {"smoke": 2, "laptop": 5, "paper": 10}
NAMES = {1: "one direction", 2: "two directions", 3: "three directions"}
PRINTED = "as printed"


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Machines over seeds, for one to three directions, and for the target as it is printed."""
    axes = {"seed": range(SEEDS[scale])}
    found = {
        name: sweep(machine(scale, task=_task(scale, many), width=100), axes) for many, name in NAMES.items()
    }
    # Linear: without the squares, there is no exact loss to take apart.
    found[PRINTED] = sweep(
        machine(scale, task=_task(scale, 2, degree=1, factor=1.0), width=100, steps=2000, probes=()), axes
    )
    return found


def _task(scale: Scale, directions: int, **changes: typing.Any) -> tasks.Polynomial:
    if scale == "smoke":
        return tasks.Polynomial(inputs=6, train=12, test=50, directions=directions, **changes)
    return tasks.Polynomial(train=150 + 50 * directions, directions=directions, **changes)


# --- the statistics -------------------------------------------------------------------------------


def _groks(many: int) -> Callable[[Results], Judgement]:
    def statistic(results: Results) -> Judgement:
        """As `grokked_by_seed`, three times as late at least."""
        return grokked_by_seed(results[NAMES[many]], TOTAL)

    return statistic


def grokked_by_seed(data: "xarray.Dataset", test: str, ratio: float = 3.0) -> Judgement:
    """Highest over first test loss of runs that must grok, `ratio` times later; median over seeds."""
    highest, left = lasting(data, rise(data, test)), lasting(data, remainder(data, test))
    found = grokked(data, test=test, ratio=ratio).transpose("seed").values
    times = loss_times(data, test=test)
    held = [None if np.isnan(one) else bool(answer) for one, answer in zip(highest, found, strict=True)]
    later = lasting(data, times["ratio"])
    bound = "at least " if bool(times["ratio_censored"].any()) else ""
    note = (
        f"at least 1.05; final over first test loss {middle(left):.2g}, at most 0.2; test loss at a tenth "
        f"{bound}{middle(later):.3g} times later"
    )
    return agreed(held, middle(highest), runs=highest.size, note=note)


def printed_is_learned_at_once(results: Results) -> Judgement:
    """Test over training time of the linear target, median over seeds."""
    data = results[PRINTED]
    times = loss_times(data)
    ratio = lasting(data, times["ratio"])
    open_ = times["ratio_censored"].transpose("seed").values
    held = [
        None if np.isnan(one) else bool(one <= 2 and not censored)
        for one, censored in zip(ratio, open_, strict=True)
    ]
    return agreed(held, middle(ratio), runs=ratio.size, note="at most 2")


# --- the claims -----------------------------------------------------------------------------------

WHERE = "section 15.1, Figure 14"

CLAIMS = (
    *(
        Claim(
            name,
            f"A target of {name} is grokked.",
            WHERE,
            "grokking persists for targets of several directions",
            _groks(many),
        )
        for many, name in NAMES.items()
    ),
    Claim(
        PRINTED,
        "Taken as printed, without squares, the target is linear, and learned without delay.",
        "section 15.1 (our control)",
        "beta_1 . x + beta_2 . x",
        printed_is_learned_at_once,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Losses for each number of directions, and of the linear control."""
    figure, axes = panels(1, 4, width=2.9, height=2.5)
    for ax, (name, data) in zip(axes[0], results.data.items(), strict=True):
        task = typing.cast(tasks.Polynomial, results.sweeps[name].experiment.task)
        draw_losses(ax, data, test="test_loss" if name == PRINTED else TOTAL)
        ax.set_title("as printed: linear" if name == PRINTED else f"{name}, P = {task.train}")
    axes[0, 0].legend(frameon=False, fontsize=6.5)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Times and losses of each run."""
    return [
        row
        for name, data in results.data.items()
        for row in rows(data, test="test_loss" if name == PRINTED else TOTAL, target=name)
    ]


FIGURE = Figure(
    "fig14",
    "targets of several directions",
    sweeps,
    CLAIMS,
    chart,
    table,
    note="The printed target lacks its squares; sums of squares are learned, the printed one as a control.",
)
