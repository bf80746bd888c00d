"""Figure 13: momentum and adaptive optimisers.

Kumar et al. 2023, appendix 14, called speculative there. Each network is trained beside its linearised twin,
with the same optimiser. (a) The machine of Figure 1 with heavy-ball momentum 0.95 groks as it does without.
(b) A student of a tanh teacher under AdamW: the twin follows the network until the loss has halved. (c) The
transformer of Nanda et al. (2023) under AdamW groks, although it leaves its linearisation long before its
test loss falls.

(b) has the paper's size: 5-100-100-5 without biases, all weights N(0, 1), rate 3e-3, decay 0.1, as in the
authors' code. In miniature (a) has D = 40, N = 100, P = 200, epsilon = 0.1, eta = 0.4 N, and 8 N without
momentum (that is, of what is stable, about the share of the authors' rate with momentum), and (c) p = 23,
width 32 and two heads, with 80% of the table (our choice: smaller tables need a larger share); rate 1e-3 and
decay 2 are those of the authors' code. Network and twin are compared by their training losses.
"""

import dataclasses
import typing

import numpy as np
from jaxtyping import Float

from ... import models, probes, tasks, training
from ...ensemble import Sweep, sweep
from ...statistics import crossing_time, Judgement
from .._draw import COLOURS, curves, panels
from .._judging import agreed, by_median, middle
from .._study import Claim, Figure, Results, Scale
from .._trends import log_values
from ._losses import grokked, loss_times, remainder, rise, TOTAL
from ._recipe import machine
from ._scales import SEEDS, sound


if typing.TYPE_CHECKING:
    import xarray

# --- the experiment and its axes at each scale ----------------------------------------------------

TWIN = "twin/train_loss"
APART = 0.1  # relative difference of losses from which on network and twin are told apart
MOMENTUM = 0.95


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Three networks with their twins, and the first without momentum, over seeds."""
    seeds = {"seed": range(SEEDS[scale])}
    return {
        "momentum": sweep(with_momentum(scale), seeds),
        "plain": sweep(plain(scale), seeds),
        "student": sweep(student(scale), seeds),
        "transformer": sweep(transformer(scale), seeds),
    }


def plain(scale: Scale) -> training.Experiment:
    """(a) A committee machine under gradient descent.

    In miniature its rate is what momentum makes of the other's: eta / (1 - momentum).
    """
    size: dict[str, typing.Any] = dict(width=100, nonlinearity=0.1, rate=8.0, steps=5000)
    if scale == "paper":
        size = dict(inputs=100, train=550, width=500, nonlinearity=0.02, rate=1.0, steps=100_000)
    if scale == "smoke":
        size |= dict(rate=0.5)  # few inputs are less stable
    return machine(scale, **size)


def with_momentum(scale: Scale) -> training.Experiment:
    """(a) The same under heavy-ball momentum, with a twin; at paper scale the rate is that of Figure 1."""
    base = plain(scale)
    rate = base.optimiser.learning_rate  # ty: ignore[missing-attribute]
    if scale != "paper":
        rate = round(rate * (1 - MOMENTUM), 6)
    return dataclasses.replace(
        base,
        optimiser=training.SGD(learning_rate=rate, momentum=MOMENTUM),
        twin=True,
        probes=(*base.probes, probes.twin),
    )


def student(scale: Scale) -> training.Experiment:
    """(b) A student of a teacher, full batch."""
    hidden = (8, 8) if scale == "smoke" else (100, 100)
    return training.Experiment(
        tasks.TeacherStudent(),
        models.MLP(hidden=hidden, activation="tanh", bias=False, output_bias=False, init="unit"),
        training.AdamW(learning_rate=3e-3, weight_decay=0.1, b1=0.9, b2=0.999, warmup=0),
        steps={"smoke": 20, "laptop": 10_000, "paper": 20_000}[scale],
        twin=True,
        probes=(probes.twin, probes.relative_change),
    )


def transformer(scale: Scale) -> training.Experiment:
    """(c) Modular addition, full batch, centred logits."""
    modulus = {"smoke": 7, "laptop": 23, "paper": 113}[scale]
    width, heads = {"smoke": (8, 2), "laptop": (32, 2), "paper": (128, 4)}[scale]
    return training.Experiment(
        tasks.BinaryOperation("x+y", modulus=modulus, fraction=0.4 if scale == "paper" else 0.8),
        models.nanda_transformer(width=width, heads=heads),
        training.AdamW(learning_rate=1e-3, weight_decay=2.0, b1=0.9, b2=0.98, warmup=10),
        steps={"smoke": 20, "laptop": 4000, "paper": 15_000}[scale],
        parametrisation=training.Parametrisation(output_scale=1.0, scaled_rate=True),
        twin=True,
        probes=(probes.twin, probes.relative_change),
    )


# --- the statistics -------------------------------------------------------------------------------


def momentum_groks(results: Results) -> Judgement:
    """Largest over first exact test loss; that runs grok (a late fall to a fifth at most) is judged."""
    data = results["momentum"]
    late, ratio = grokked(data, test=TOTAL), loss_times(data, test=TOTAL)["ratio"]
    highest, ends = (sound(data, one).values for one in (rise(data, TOTAL), remainder(data, TOTAL)))
    held = [
        None if np.isnan(one) else bool(answer)
        for one, answer in zip(highest + ends, late.values, strict=True)
    ]
    note = (
        f"at least 1.05; ends at {middle(ends):.3g} of the start, "
        f"{middle(ratio.values):.1f} times later than the training loss"
    )
    return agreed(held, middle(highest), runs=len(held), note=note)


def twin_of_momentum_fails(results: Results) -> Judgement:
    """Final over first test loss of the linear twin, median over seeds."""
    data = results["momentum"]
    values = sound(data, remainder(data, "twin/test_loss")).values
    return by_median(values, runs=values.size, least=0.5, note="criterion: at least 0.5 (ours)")


def bumps(results: Results) -> Judgement:
    """How often the training loss rises from record to record with momentum, more than without; median."""
    most, least = _rises(results["momentum"]), _rises(results["plain"])
    note = f"rises by more than 0.1%; {middle(least):.0f} without momentum"
    return by_median(most - least, runs=2 * most.size, least=1, note=note)


def _rises(data: "xarray.Dataset") -> Float[np.ndarray, " seed"]:
    losses = data["train_loss"].transpose("seed", "step").values
    counts = (np.diff(losses, axis=1) > 1e-3 * losses[:, :-1]).sum(axis=1)
    return np.where(data["outcome"].values == "diverged", np.nan, counts)


def together_until_half(results: Results) -> Judgement:
    """Step at which the losses of network and twin differ by 10%, over that at which the loss has halved."""
    data = results["student"]
    half = crossing_time(data["train_loss"], 0.5 * data["train_loss"].isel(step=0), below=True)
    ratio = leaves(data).values / np.where(half["time_censored"], np.nan, half["time"])
    note = f"within a factor of 2; halved at step {middle(half['time'].values):.0f}"
    return by_median(ratio, runs=ratio.size, least=0.5, most=2, note=note)


def leaves_early(results: Results) -> Judgement:
    """Step at which network and twin differ by 10%, over that at which the test loss is at a tenth."""
    data = results["transformer"]
    found = loss_times(data)
    fallen = np.where(found["generalised_censored"], np.nan, found["generalised"])
    ratio = sound(data, leaves(data) / fallen).values
    note = (
        f"leaves at step {middle(leaves(data).values):.0f}; {int(np.isnan(fallen).sum())} of {ratio.size} "
        "runs ended before their test loss fell"
    )
    # A run whose test loss never falls has no such share, but it only lies further off.
    return agreed(
        [None if np.isnan(one) else bool(one < 0.1) for one in ratio],
        middle(ratio),
        runs=ratio.size,
        note=note,
    )


def transformer_groks(results: Results) -> Judgement:
    """Ratio of the steps at which test and training loss have fallen to a tenth of the first one."""
    found = loss_times(results["transformer"])
    open_end = found["ratio_censored"].values
    held = [
        None if late else bool(ratio >= 3)
        for ratio, late in zip(found["ratio"].values, open_end, strict=True)
    ]
    note = f"at least 3; {int(open_end.sum())} of {open_end.size} runs ended before their test loss fell"
    return agreed(held, middle(np.where(open_end, np.nan, found["ratio"])), runs=len(held), note=note)


def leaves(data: "xarray.Dataset") -> "xarray.DataArray":
    """Step from which the training losses of network and twin are told apart; NaN where they never are."""
    apart = abs(data["train_loss"] - data[TWIN]) / data[TWIN]
    found = crossing_time(apart, APART)
    return sound(data, found["time"].where(~found["time_censored"]))


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "momentum groks",
        "With momentum the machine groks as it does without: its test loss rises, and falls late.",
        "appendix 14, Figure 13a",
        "the same pattern",
        momentum_groks,
    ),
    Claim(
        "linear training with momentum fails",
        "Its linear twin does not generalise.",
        "appendix 14, Figure 13a",
        "linear, then feature learning",
        twin_of_momentum_fails,
    ),
    Claim(
        "bumps",
        "With momentum the learning curve has more bumps than without.",
        "appendix 14, Figure 13a",
        "more bumps",
        bumps,
    ),
    Claim(
        "together until the loss halves",
        "Under AdamW the linear twin follows a student until the loss has halved.",
        "appendix 14, Figure 13b",
        "until the loss halves",
        together_until_half,
    ),
    Claim(
        "transformer groks",
        "The transformer groks: its test loss falls at least three times later than its training loss.",
        "appendix 14, Figure 13c",
        "grokking",
        transformer_groks,
    ),
    Claim(
        "transformer leaves its linearisation early",
        "The transformer leaves its linear twin in less than a tenth of the time until its test loss falls.",
        "appendix 14, Figure 13c",
        "quickly deviates",
        leaves_early,
    ),
)


# --- the chart ------------------------------------------------------------------------------------

TITLES = {
    "momentum": f"(a) momentum {MOMENTUM}",
    "student": "(b) student, AdamW",
    "transformer": "(c) transformer, AdamW",
}


def chart(results: Results) -> typing.Any:
    """Losses of the three networks and of their linear twins; where both part."""
    figure, axes = panels(1, 3, width=3.4, height=2.9)
    for ax, (name, title) in zip(axes[0], TITLES.items(), strict=True):
        data = results[name]
        for split, label, colour in (("train", "training", COLOURS[1]), ("test", "test", COLOURS[0])):
            for measure, dashed in ((f"{split}_loss", False), (f"twin/{split}_loss", True)):
                text = f"{label}, linear twin" if dashed else label
                curves(ax, data[measure], colour=colour, label=text, dashed=dashed)
        log_values(ax)
        parted: Float[np.ndarray, " seed"] = leaves(data).values
        if np.isfinite(parted).any():
            ax.axvline(middle(parted), color=COLOURS[5], linestyle=":", linewidth=1)
        ax.set(title=f"{title} (dotted: twin 10% off)", ylabel="loss")
        ax.title.set_fontsize(8)
    axes[0, 0].legend(frameon=False, fontsize=7)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Times and ends of each run."""
    rows = []
    for name in TITLES:
        data = results[name]
        found, parted = loss_times(data), leaves(data)
        half = crossing_time(data["train_loss"], 0.5 * data["train_loss"].isel(step=0), below=True)
        ends, twin = remainder(data), remainder(data, "twin/test_loss")
        for seed in data["seed"].values:
            row: dict[str, typing.Any] = {
                "network": name,
                "seed": int(seed),
                "twin_10_percent_off": float(parted.sel(seed=seed)),
                "training_loss_halved": float(half["time"].sel(seed=seed)),
            }
            for which in ("memorised", "generalised", "ratio"):
                row[which] = float(found[which].sel(seed=seed))
                row[f"{which}_censored"] = bool(found[f"{which}_censored"].sel(seed=seed))
            row["final_test_loss"] = float(ends.sel(seed=seed))
            row["final_test_loss_of_twin"] = float(twin.sel(seed=seed))
            rows.append(row)
    return rows


FIGURE = Figure(
    "fig13", "momentum and adaptive optimisers, beside linear twins", sweeps, CLAIMS, chart, table
)
