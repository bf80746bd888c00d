"""Figure 16: one run of modular addition groks in accuracy and in loss.

Kumar et al. 2023, appendix 16.1. While test accuracy is flat at zero the test loss moves: it rises as the
network memorises. Training accuracy is perfect when the training loss is still about 0.06, near the loss of
its start, and the test loss falls below that value just when the network generalises. In the end accuracy
is perfect and the test loss is not zero. The numbers of the text fit p = 13, which is also what is trained
in miniature; these are the runs of Figure 2.
"""

import typing

import numpy as np
import scipy.stats

from ...ensemble import Sweep
from ...statistics import crossing_time, Judgement
from .._draw import COLOURS, curves, panels
from .._judging import agreed, by_median, middle
from .._study import Claim, Figure, Results, Scale
from ._modular import grokked, MODULUS


# --- the experiment and its axes at each scale ----------------------------------------------------

LEVEL = 0.95  # what counts as fitted
HALF = 0.5  # where test accuracy is on its way


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """The runs of Figures 2a and 2b."""
    return {"runs": grokked(scale)}


# --- the statistics -------------------------------------------------------------------------------


class Run(typing.NamedTuple):
    """What is read off one run; NaN where it did not get there."""

    fitted: float  # step at which the training set is fitted
    loss_then: float  # training loss there
    highest_before: float  # test accuracy up to there
    rise: float  # largest test loss over the first
    crossing: float  # step from which on the test loss is below `loss_then`
    half: float  # step to 50% on the test set
    train_end: float
    test_end: float
    test_start: float
    accuracy_end: float


def loss_moves_first(results: Results) -> Judgement:
    """The largest test loss over the first, median; test accuracy up to the fit is judged with it."""
    found, most = read(results), guessing(results)
    held = [
        None
        if np.isnan(one.fitted + one.rise)
        else bool(1.03 <= one.rise <= 1.3 and one.highest_before <= most)
        for one in found
    ]
    before = middle(one.highest_before for one in found)
    note = f"1.03 to 1.3; test accuracy until the fit {before:.2f}, at most {most:.2f} as guessing has it"
    return agreed(held, middle(one.rise for one in found), runs=len(held), note=note)


def fits_early(results: Results) -> Judgement:
    """Training loss at the first record with 95% on the training set, median."""
    losses = np.array([one.loss_then for one in read(results)])
    # In units of the first loss, 1 / p, which the text's number is next to.
    return by_median(losses * MODULUS[results.scale] / 13, runs=losses.size, least=0.045, most=0.075)


def two_times_agree(results: Results) -> Judgement:
    """Step from which the test loss is below the training loss at the fit, over that to 50% of the tests."""
    found = read(results)
    ratio = np.array([one.crossing / one.half for one in found])
    held = [None if np.isnan(one) else bool(0.7 <= one <= 1.3) for one in ratio]
    return agreed(held, middle(ratio), runs=len(held), note="0.7 to 1.3")


def loss_stays(results: Results) -> Judgement:
    """Test loss at the end over the first, median; accuracy and training loss are judged with it."""
    found = read(results)
    share = np.array([one.test_end / one.test_start for one in found])
    held = []
    for one, rest in zip(found, share, strict=True):
        known = not np.isnan(rest + one.accuracy_end + one.loss_then)
        perfect = one.accuracy_end >= 0.95 and one.train_end <= 0.1 * one.loss_then
        held.append(bool(perfect and rest >= 0.02) if known else None)
    fallen = middle(one.train_end / one.loss_then for one in found)
    note = f"at least 0.02 with 95% right; the training loss falls to {fallen:.1e} of its value at the fit"
    return agreed(held, middle(share), runs=len(held), note=note)


def read(results: Results) -> list[Run]:
    """The numbers of each run."""
    found = []
    for seed in range(results["runs"].sizes["seed"]):
        data = results["runs"].isel(seed=seed)
        steps = data["step"].values
        values = {
            name: data[name].values.astype(float)
            for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
        }
        fitted, half = (
            _step(crossing_time(data[f"{split}_accuracy"], level - 1e-6))
            for split, level in (("train", LEVEL), ("test", HALF))
        )
        known = not np.isnan(fitted)
        then = values["train_loss"][steps == fitted][0] if known else np.nan
        below = _step(crossing_time(data["test_loss"], then, below=True, lasting=True)) if known else np.nan
        found.append(
            Run(
                fitted=fitted,
                loss_then=then,
                highest_before=float(np.nanmax(values["test_accuracy"][steps <= fitted]))
                if known
                else np.nan,
                rise=float(np.nanmax(values["test_loss"], initial=0) / values["test_loss"][0]),
                crossing=below,
                half=half,
                train_end=values["train_loss"][-1],
                test_end=values["test_loss"][-1],
                test_start=values["test_loss"][0],
                accuracy_end=values["test_accuracy"][-1],
            )
        )
    return found


def guessing(results: Results) -> float:
    """The test accuracy that guessing exceeds in one draw of a hundred: the test set is small."""
    count = int(results.sweeps["runs"].experiment.task.data(0).test_count)
    chance = 1 / MODULUS[results.scale]
    return float(scipy.stats.binom.ppf(0.99, count, chance)) / count + 1e-6


def _step(found: typing.Any) -> float:
    return np.nan if bool(found["time_censored"]) else float(found["time"])


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "loss moves while accuracy is flat",
        "Test loss rises while test accuracy is flat, no better than guessing.",
        "appendix 16.1, Figure 16",
        "test accuracy is flat early in training, but test loss moves",
        loss_moves_first,
    ),
    Claim(
        "fitted at a high loss",
        "Training accuracy is perfect at a training loss of about 0.06 (for p = 13: it starts at 0.077).",
        "appendix 16.1, Figure 16",
        "0.06",
        fits_early,
    ),
    Claim(
        "one event in both",
        "The test loss falls below the training loss of the fit when the network generalises in accuracy.",
        "appendix 16.1, Figure 16",
        "precisely when the network generalises in accuracy",
        two_times_agree,
    ),
    Claim(
        "test loss is not zero in the end",
        "Accuracy is perfect in the end, the training loss goes to zero, and the test loss does not.",
        "appendix 16.1, Figure 16",
        "the loss at end-time is nonzero",
        loss_stays,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Accuracies and losses of the same runs, with the loss at which the training set is fitted."""
    figure, axes = panels(1, 2, width=3.6, height=2.7)
    data, found = results["runs"], read(results)
    for ax, measure in zip(axes[0], ("accuracy", "loss"), strict=True):
        for split, label, colour in (("train", "training", COLOURS[1]), ("test", "test", COLOURS[2])):
            curves(ax, data[f"{split}_{measure}"], colour=colour, label=label)
        for which, style in (("fitted", ":"), ("half", "--")):
            at = middle(getattr(one, which) for one in found)
            if np.isfinite(at):
                ax.axvline(max(at, 1), color=COLOURS[5], linestyle=style, linewidth=0.8)
    level = middle(one.loss_then for one in found)
    if np.isfinite(level):
        axes[0, 1].axhline(level, color=COLOURS[3], linewidth=0.9, label="training loss at the fit")
    axes[0, 0].set(ylabel="accuracy", title="accuracy")
    axes[0, 1].set(ylabel="mean squared error", title="loss of the same runs", ylim=(0, None))
    axes[0, 0].plot([], [], ":", color=COLOURS[5], label="fit (95%)")
    axes[0, 0].plot([], [], "--", color=COLOURS[5], label="half of the test set")
    for ax in axes.flat:
        ax.legend(frameon=False, fontsize=7)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """The numbers of each run."""
    return [{"seed": seed} | _plain(one) for seed, one in enumerate(read(results))]


def _plain(one: Run) -> dict[str, float]:
    return {name: float(value) for name, value in one._asdict().items()}


FIGURE = Figure("fig16", "accuracy and loss of one run of modular addition", sweeps, CLAIMS, chart, table)
