"""Figure 1 (b, c): a network leaves its linearisation, and the test loss falls late, while weights grow.

Kumar et al. 2023, section 1. The test loss rises, then falls long after the training loss; the linearised
network does not generalise; the best kernel regression with the initial kernel is a line far above the end;
the weight norm rises, and the kernel aligns with the targets. Panel (a) is a sketch. The text gives no
settings; those of the authors' code are D = 100, P = 550, N = 500, epsilon = 0.02, eta = N, 1e5 steps,
centred.

In miniature D = 40, P = 200, N = 200, epsilon = 0.05, eta = 2 N, 20,000 steps (our choice). The linearised
network is a twin trained beside each network with the same steps. Kernel alignment (Eq. 19) is taken over
all inputs: on a sample, as in the authors' code, an example's product with itself hides most of it. It is
shown beside, as the equation has it, with the mean of each column off (the code), and with all means off.
"""

import typing

import numpy as np
from jaxtyping import Float

from ... import probes, tasks
from ...ensemble import Sweep, sweep
from ...statistics import Judgement
from ...training import LogSpaced
from .._draw import COLOURS, curves, panels
from .._judging import agreed, by_median, middle
from .._study import Claim, Figure, Results, Scale
from ._decomposition import climbs, draw_losses, kernel_fit, lasting, mark_peak, rows
from ._losses import grokked, remainder, rise, TOTAL
from ._recipe import machine


if typing.TYPE_CHECKING:
    import xarray

# --- the experiment and its axes at each scale ----------------------------------------------------

SEEDS = {"smoke": 2, "laptop": 5, "paper": 5}
TWIN = "twin/test_loss"
KERNEL = "kernel_fit"
TRACE = "committee_loss/trace"

POINTS = 100
SAMPLED = {"uncentred": "as in Eq. 19", "column_centred": "means of columns off", "centred": "all means off"}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Networks with their twins, and regression with the kernels of their first weights."""
    settings: dict[str, typing.Any] = dict(nonlinearity=0.05)
    size: dict[str, typing.Any] = dict(inputs=40, train=200, test=1000)
    if scale == "paper":  # the authors' code
        settings = dict(nonlinearity=0.02, width=500, rate=1.0, steps=100_000)
        size = dict(inputs=100, train=550, test=1000)
    if scale == "smoke":
        size = dict(inputs=6, train=12, test=50)
    task = tasks.Polynomial(**size)
    measured = (
        probes.committee_loss,
        probes.relative_change,
        probes.twin,
        kernel_fit,
        probes.KernelAlignment(points=POINTS),
    )
    record = LogSpaced(per_decade=20)  # a record costs as much as a hundred steps
    axes = {"seed": range(SEEDS[scale])}
    # The kernel at step 0 is all that the line needs: it is dear to measure at each record.
    line: dict[str, typing.Any] = settings | dict(
        steps=1, probes=(probes.KernelRegression(points=size["test"]),)
    )
    return {
        "runs": sweep(machine(scale, task=task, twin=True, probes=measured, record=record, **settings), axes),
        "kernel": sweep(machine(scale, task=task, **line), axes),
    }


# --- the statistics -------------------------------------------------------------------------------


def groks(results: Results) -> Judgement:
    """Highest over first test loss; that it falls to a fifth, late, is judged with it. Median over seeds."""
    data = results["runs"]
    highest, left = lasting(data, rise(data, TOTAL)), lasting(data, remainder(data, TOTAL))
    late = grokked(data, test=TOTAL).transpose("seed").values
    held = [
        None if np.isnan(one) else bool(one >= 1.1 and answer)
        for one, answer in zip(highest, late, strict=True)
    ]
    note = f"at least 1.1; final over first test loss {middle(left):.2g}, at most 0.2, reached late"
    return agreed(held, middle(highest), runs=highest.size, note=note)


def linear_does_not(results: Results) -> Judgement:
    """Final over first test loss of the linearised twin."""
    data = results["runs"]
    return by_median(
        lasting(data, remainder(data, TWIN)), runs=data.sizes["seed"], least=0.7, note="at least 0.7"
    )


def linear_at_first(results: Results) -> Judgement:
    """Test loss at its peak, over that of the twin at that step; median over seeds."""
    data = results["runs"]
    ratios = np.array(
        [
            float(one["test_loss"].sel(step=climb.peak) / one[TWIN].sel(step=climb.peak))
            if np.isfinite(climb.peak)
            else np.nan
            for one, climb in zip(_each(data), climbs(data), strict=True)
        ]
    )
    held = [None if np.isnan(one) else bool(1 / 1.25 <= one <= 1.25) for one in ratios]
    return agreed(held, middle(ratios), runs=ratios.size, note="from 0.8 to 1.25")


def below_the_kernel(results: Results) -> Judgement:
    """Final test loss over that of regression with the initial kernel, median over seeds."""
    data = results["runs"]
    left = lasting(data, remainder(data, TOTAL) * data[TOTAL].isel(step=0, drop=True))
    return by_median(left / _line(results), runs=2 * left.size, most=0.5, note="at most a half")


def norm_rises(results: Results) -> Judgement:
    """Squared norm of the weights at the end over that at the start, median over seeds."""
    data = results["runs"]
    found = lasting(data, data[TRACE].isel(step=-1))
    return by_median(found, runs=found.size, least=5, note="at least 5")


def kernel_aligns(results: Results) -> Judgement:
    """Alignment of the kernel with the target at the end over that at the start, over all inputs.

    Median over seeds; what a sample of examples says is told beside it.
    """
    data = results["runs"]
    sampled = "; ".join(
        f"{middle(lasting(data, _grown(data[f'kernel_alignment/{form}']))):.3g} times {label}"
        for form, label in SAMPLED.items()
    )
    ends = middle(data[KERNEL].isel(step=-1).values)
    note = f"at least 5; it ends at {ends:.2g}; on {POINTS} examples: {sampled}"
    return by_median(lasting(data, _grown(data[KERNEL])), runs=data.sizes["seed"], least=5, note=note)


def weights_align(results: Results) -> Judgement:
    """Alignment of the weights with beta at the end over that at the start, median over seeds."""
    data = results["runs"]
    found = lasting(data, _grown(data["committee_loss/alignment"]))
    return by_median(found, runs=found.size, least=5, note="at least 5")


def _grown(values: "xarray.DataArray") -> "xarray.DataArray":
    return values.isel(step=-1) / values.isel(step=0)


def _line(results: Results) -> Float[np.ndarray, " seed"]:
    """Test loss of regression with the kernel at step 0."""
    return (
        results["kernel"]["kernel_regression/test_loss"].isel(step=0).transpose("seed").values.astype(float)
    )


def _each(data: "xarray.Dataset") -> "list[xarray.Dataset]":
    return [data.isel(seed=place) for place in range(data.sizes["seed"])]


# --- the claims -----------------------------------------------------------------------------------

WHERE = "section 1, Figure 1b"

CLAIMS = (
    Claim(
        "groks",
        "The test loss rises, and falls long after the training loss, without any weight decay.",
        WHERE,
        "grokking with vanilla gradient descent and zero regularisation",
        groks,
    ),
    Claim(
        "linear at first",
        "Up to its peak the test loss is that of the linearised network.",
        WHERE,
        "initially tracking the linearised network",
        linear_at_first,
    ),
    Claim(
        "the linearised network does not",
        "The linearised network does not generalise.",
        WHERE,
        "lazy training converges to another solution (read from the figure)",
        linear_does_not,
    ),
    Claim(
        "below kernel regression",
        "The network ends far below the best regression with its initial kernel.",
        WHERE,
        "the horizontal line is the best kernel regression",
        below_the_kernel,
    ),
    Claim(
        "norm rises",
        "The weight norm rises while the network groks.",
        "section 1, Figure 1c",
        "parameter weight norm increases",
        norm_rises,
    ),
    Claim(
        "kernel aligns",
        "The kernel aligns with the targets.",
        "section 1, Figure 1c",
        "features get aligned",
        kernel_aligns,
    ),
    Claim(
        "weights align",
        "The weights align with the direction of the target.",
        "section 5.3, Figure 1c",
        "M aligns with the target",
        weights_align,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Losses of networks and twins with the line of kernel regression; weight norm and alignment."""
    figure, axes = panels(1, 3, width=3.4, height=2.8)
    data = results["runs"]
    losses, norm, kernel = axes[0]
    draw_losses(losses, data)
    curves(losses, data["twin/train_loss"], colour=COLOURS[2], label="linearised: training", dashed=True)
    curves(losses, data[TWIN], colour=COLOURS[2], label="linearised: test")
    losses.axhline(middle(_line(results)), color="black", linewidth=1, label="kernel regression")
    losses.set_title("losses")
    losses.legend(frameon=False, fontsize=6.5)
    curves(norm, data[TRACE] ** 0.5, colour=COLOURS[4], label="norm")
    norm.set(ylabel="weight norm over its first", title="weight norm", ylim=(0, None))
    curves(kernel, data[KERNEL], colour=COLOURS[5], label="over all inputs")
    for (form, label), colour in zip(SAMPLED.items(), (COLOURS[4], COLOURS[3], COLOURS[7]), strict=True):
        name = f"{POINTS} examples, {label}"
        curves(kernel, data[f"kernel_alignment/{form}"], colour=colour, label=name, dashed=True)
    kernel.set(ylabel="alignment of kernel and targets", title="kernel alignment")
    kernel.set_yscale("log")
    kernel.legend(frameon=False, fontsize=6, loc="lower right")
    for ax in axes[0]:
        mark_peak(ax, climbs(data)[0].peak)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Each run: times, losses, those of twin and kernel regression, and how norm and alignment grew."""
    data = results["runs"]
    more = {
        "twin_last_over_first": remainder(data, TWIN).transpose("seed").values,
        "kernel_regression": _line(results),
        "squared_norm_over_first": data[TRACE].isel(step=-1).transpose("seed").values,
        "alignment_first": data[KERNEL].isel(step=0).transpose("seed").values,
        "alignment_last": data[KERNEL].isel(step=-1).transpose("seed").values,
    }
    return [
        row | {name: float(values[place]) for name, values in more.items()}
        for place, row in enumerate(rows(data))
    ]


FIGURE = Figure(
    "fig1", "leaving the linearisation: losses, weight norm and alignment", sweeps, CLAIMS, chart, table
)
