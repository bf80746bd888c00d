"""Figure 18: the losses of a student that groks in accuracy.

Kumar et al. 2023, appendix 16.3: the training loss tracks the test loss throughout, and nothing particular
is to be seen. So it looks on a linear axis, as the paper draws it; a logarithmic one may show that the two
part by orders of magnitude. Both readings are judged. These are the runs of Figure 17.
"""

import typing

import numpy as np

from ...ensemble import Sweep
from ...statistics import Judgement
from .._draw import COLOURS, curves, panels
from .._judging import agreed, middle
from .._study import Claim, Figure, Results, Scale
from .._trends import log_values
from ._losses import rise
from ._student import grokked


# --- the experiment and its axes at each scale ----------------------------------------------------


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """The runs of Figure 17."""
    return {"runs": grokked(scale)}


# --- the statistics -------------------------------------------------------------------------------


def tracks_on_a_linear_axis(results: Results) -> Judgement:
    """The largest difference of both losses over the first training loss, median."""
    train, test = _losses(results)
    apart = np.max(np.abs(test - train), axis=1) / train[:, 0]
    return _judged(apart, 0.1, note="at most 0.1")


def tracks_on_a_log_axis(results: Results) -> Judgement:
    """The largest ratio of test to training loss, median."""
    train, test = _losses(results)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.max(test / train, axis=1)
    return _judged(ratio, 10, note="at most 10")


def never_rises(results: Results) -> Judgement:
    """The largest test loss over the first, median."""
    train, _ = _losses(results)
    values = rise(results["runs"]).transpose("seed").values.astype(float)
    return _judged(np.where(np.isnan(train).any(axis=1), np.nan, values), 1.05, note="at most 1.05")


def _judged(values: np.ndarray, most: float, note: str) -> Judgement:
    held = [None if np.isnan(one) else bool(one <= most) for one in values]
    return agreed(held, middle(values), runs=len(held), note=note)


def _losses(results: Results) -> tuple[np.ndarray, np.ndarray]:
    """Losses "seed step"; what a run that diverged lacks is NaN."""
    data = results["runs"]
    train, test = (data[f"{split}_loss"].transpose("seed", "step").values.astype(float) for split in _SPLITS)
    return train, test


_SPLITS = ("train", "test")


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "losses track on a linear axis",
        "Training and test loss differ by less than a tenth of the first loss throughout.",
        "appendix 16.3, Figure 18",
        "the train loss tracks the test loss throughout",
        tracks_on_a_linear_axis,
    ),
    Claim(
        "losses track on a logarithmic axis",
        "Training and test loss stay within a factor of ten.",
        "appendix 16.3, Figure 18 (the other reading of the same words, ours)",
        "the train loss tracks the test loss throughout",
        tracks_on_a_log_axis,
    ),
    Claim(
        "no grokking in loss",
        "The test loss never rises above its start.",
        "appendix 16.3",
        "grokking in accuracy does not imply grokking in loss",
        never_rises,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Both losses on a linear axis, as in the paper, and on a logarithmic one."""
    figure, axes = panels(1, 2, width=3.6, height=2.7)
    for ax, scale in zip(axes[0], ("linear", "log"), strict=True):
        for split, label, colour in (("train", "training", COLOURS[1]), ("test", "test", COLOURS[2])):
            curves(ax, results["runs"][f"{split}_loss"], colour=colour, label=label)
        if scale == "log":
            log_values(ax)
        ax.set(ylabel="mean squared error")
        ax.legend(frameon=False, fontsize=7)
    axes[0, 0].set_title("linear axis, as in the paper")
    axes[0, 1].set_title("the same, logarithmic axis")
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """What is judged of each run."""
    train, test = _losses(results)
    risen = rise(results["runs"]).values
    return [
        {
            "seed": seed,
            "largest_difference": float(np.max(np.abs(b - a)) / a[0]),
            "largest_ratio": float(np.max(b / a)),
            "rise": float(risen[seed]),
            "last_train_loss": float(a[-1]),
            "last_test_loss": float(b[-1]),
        }
        for seed, (a, b) in enumerate(zip(train, test, strict=True))
    ]


FIGURE = Figure("fig18", "losses of a student that groks in accuracy", sweeps, CLAIMS, chart, table)
