"""Figure 9: too few examples, just enough, and many: failure, grokking, and no delay.

Kumar et al. 2023, section 8.3.2. With P = 50 the network fails, as linear functions fit the training set;
with 120 it groks; with 500 training and test loss fall together. Those settings are stated in the authors'
code: D = 40, N = 100, epsilon = 0.5, eta = N / 2, one draw, 50,000 steps. Run so (from the same keys) P =
120 does not rise before it falls: at that epsilon features come too soon.

Regimes are therefore judged on machines with epsilon = 0.1 (N = 200, eta = 2 N, five seeds: our choice),
where the middle is at P = 200; the paper's P = 120 is judged beside it. Both are of the paper's size at all
scales but smoke.
"""

import typing

import numpy as np

from ... import tasks
from ...ensemble import Sweep, sweep
from ...statistics import judge, Judgement
from .._draw import panels
from .._judging import agreed, middle
from .._study import Claim, Figure, Results, Scale
from ._decomposition import all_vanish, climbs, draw_losses, draw_stack, lasting, rows
from ._losses import grokked, loss_times, remainder, rise, TOTAL
from ._recipe import machine, TRAIN
from .fig4 import TESTED


if typing.TYPE_CHECKING:
    import xarray

# --- the experiment and its axes at each scale ----------------------------------------------------

SIZES = {"smoke": (4, 8, 12, 20), "laptop": (50, 120, 200, 500), "paper": (50, 120, 200, 500)}
"""The fewest, the paper's middle, ours, and the most."""

SEEDS = {"smoke": 2, "laptop": 5, "paper": 10}
KEYS = (10, 11, 12)  # training inputs, test inputs, beta: the authors' code


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Machines with epsilon = 0.1 over sizes and seeds, and the authors' draws."""
    sizes = SIZES[scale]
    inputs, test = (6, 50) if scale == "smoke" else (40, TESTED)
    # Room for the largest: one program for all sizes.
    task = tasks.Polynomial(
        inputs=inputs, train=sizes[0], test=test, pool=sizes[-1] + test, most_train=sizes[-1]
    )
    theirs = tasks.Polynomial(inputs=inputs, train=sizes[0], test=min(test, 1000), beta="normal", keys=KEYS)
    return {
        "sizes": sweep(machine(scale, task=task), {TRAIN: sizes, "seed": range(SEEDS[scale])}),
        "authors": sweep(
            machine(
                scale, task=theirs, width=100, nonlinearity=0.5, rate=0.5, steps=50_000, model=dict(key=0)
            ),
            {TRAIN: (sizes[0], sizes[1], sizes[3]), "seed": [0]},
        ),
    }


# --- the statistics -------------------------------------------------------------------------------


def few_fail(results: Results) -> Judgement:
    """Final over first test loss with the fewest examples, median over seeds."""
    data = _at(results, 0)
    left = lasting(data, remainder(data, TOTAL))
    held = [None if np.isnan(one) else bool(one >= 0.8) for one in left]
    return agreed(held, middle(left), runs=left.size, note="at least 0.8")


def by_linear_power(results: Results) -> Judgement:
    """Largest linear term with the fewest examples, over the first test loss; median over seeds."""
    data = _at(results, 0)
    share = lasting(data, data["committee_loss/linear"].max("step") / data[TOTAL].isel(step=0, drop=True))
    held = [None if np.isnan(one) else bool(one >= 0.2) for one in share]
    return agreed(held, middle(share), runs=share.size, note="at least 0.2")


def middle_groks(results: Results) -> Judgement:
    """Highest over first test loss with 200 examples; that it falls to a fifth, late, is judged with it."""
    return _groks(_at(results, 2))


def their_middle_groks(results: Results) -> Judgement:
    """The same with the paper's 120 examples."""
    return _groks(_at(results, 1))


def their_draw_rises(results: Results) -> Judgement:
    """Highest over first test loss of the authors' draw of 120 examples; 1 where it never rises."""
    data = results["authors"].isel({TRAIN: 1})
    highest = lasting(data, rise(data, TOTAL))
    note = f"at least 1.05; it ends at {middle(remainder(data, TOTAL).values):.2f} of its start"
    return judge(float(highest[0]), least=1.05, seeds=1, runs=1, note=note)


def middle_rises_linearly(results: Results) -> Judgement:
    """What the linear term adds over what the loss does while it climbs, with 200 examples.

    Median over seeds; that this term falls to 5% of the first loss in the end is judged with it.
    """
    data = _at(results, 2)
    diverged = (data["outcome"] == "diverged").transpose("seed").values
    shares = np.where(diverged, np.nan, [one.share for one in climbs(data)])
    ends = data["committee_loss/linear"].isel(step=-1) / data[TOTAL].isel(step=0, drop=True)
    ends = ends.transpose("seed").values
    held = [
        None if np.isnan(one) else bool(one >= 0.6 and end < 0.05)
        for one, end in zip(shares, ends, strict=True)
    ]
    note = f"at least 0.6; in the end the term is {middle(ends):.2g} of the first loss"
    return agreed(held, middle(shares), runs=shares.size, note=note)


def many_generalise(results: Results) -> Judgement:
    """Test over training time with the most examples, median over seeds; that the loss ends at 1% is judged
    with it."""
    data = _at(results, 3)
    times = loss_times(data, test=TOTAL)
    ratio, left = lasting(data, times["ratio"]), lasting(data, remainder(data, TOTAL))
    open_ = times["ratio_censored"].transpose("seed").values
    held = [
        None if np.isnan(one) or np.isnan(last) else bool(one <= 2 and last <= 0.01 and not censored)
        for one, last, censored in zip(ratio, left, open_, strict=True)
    ]
    note = f"at most 2; final over first test loss {middle(left):.2g}, at most 0.01"
    return agreed(held, middle(ratio), runs=ratio.size, note=note)


def many_vanish(results: Results) -> Judgement:
    """As `all_vanish`, with the most examples."""
    return all_vanish(_at(results, 3))


def _groks(data: "xarray.Dataset") -> Judgement:
    highest, left = lasting(data, rise(data, TOTAL)), lasting(data, remainder(data, TOTAL))
    found = grokked(data, test=TOTAL).transpose("seed").values
    held = [None if np.isnan(one) else bool(answer) for one, answer in zip(highest, found, strict=True)]
    note = f"at least 1.05; final over first test loss {middle(left):.2g}, at most 0.2, reached late"
    return agreed(held, middle(highest), runs=highest.size, note=note)


def _at(results: Results, place: int) -> "xarray.Dataset":
    return results["sizes"].isel({TRAIN: place})


# --- the claims -----------------------------------------------------------------------------------

WHERE = "section 8.3.2, Figure 9"

CLAIMS = (
    Claim("few fail", "With 50 examples the network fails.", WHERE, "too little (a, d)", few_fail),
    Claim(
        "few fail by linear power",
        "It fails because it puts power into linear functions.",
        WHERE,
        "failure to generalise comes from power in linear modes",
        by_linear_power,
    ),
    Claim(
        "middle groks",
        "In between the test loss rises and falls late.",
        WHERE,
        "just right (b, e)",
        middle_groks,
    ),
    Claim(
        "120 examples grok",
        "It does so with the 120 examples of the figure.",
        WHERE,
        "P = 120 groks",
        their_middle_groks,
    ),
    Claim(
        "120 examples rise in the authors' setting",
        "With 120 examples and the authors' epsilon of 0.5 the test loss rises first.",
        WHERE,
        "P = 120 groks",
        their_draw_rises,
    ),
    Claim(
        "linear power rises, then falls",
        "In between the power in linear functions makes the rise, and is gone in the end.",
        WHERE,
        "a rise then fall in power in linear modes",
        middle_rises_linearly,
    ),
    Claim(
        "many generalise at once",
        "With 500 examples training and test loss fall together.",
        WHERE,
        "too much (c, f)",
        many_generalise,
    ),
    Claim(
        "no power left with many",
        "With 500 examples all terms are gone in the end.",
        WHERE,
        "zero at end time",
        many_vanish,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Losses and terms for all sizes, and losses of the authors' draws."""
    sizes = results["sizes"][TRAIN].values
    figure, axes = panels(3, len(sizes), width=2.7, height=2.1)
    for place, size in enumerate(sizes):
        data = _at(results, place)
        draw_losses(axes[0, place], data)
        draw_stack(axes[1, place], data)
        axes[0, place].set_title(f"P = {size}")
        axes[1, place].set_title("terms, stacked (seed 0)")
    theirs = results["authors"]
    for place, size in enumerate(theirs[TRAIN].values):
        draw_losses(axes[2, place], theirs.isel({TRAIN: place}))
        axes[2, place].set_title(rf"authors' setting ($\epsilon$ = 0.5), P = {size}")
    draw_stack(axes[2, 3], theirs.isel({TRAIN: 1}))
    axes[2, 3].set_title(f"its terms, P = {theirs[TRAIN].values[1]}")
    for ax in (axes[0, 0], axes[1, 2]):
        ax.legend(frameon=False, fontsize=6.5)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Times and losses of each run."""
    return [
        row
        for name, data in results.data.items()
        for place, size in enumerate(data[TRAIN].values.tolist())
        for row in rows(data.isel({TRAIN: place}), sweep=name, train=size)
    ]


FIGURE = Figure(
    "fig9",
    "failure, grokking and no delay over sizes of the training set",
    sweeps,
    CLAIMS,
    chart,
    table,
    note="In the authors' setting (epsilon = 0.5) 120 examples do not rise first; regimes are judged at 0.1.",
)
