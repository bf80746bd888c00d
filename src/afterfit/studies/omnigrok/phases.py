"""Phases of learning over decay and learning rate of the decoder: what an earlier version only mentions.

The first version of Liu et al. 2023 ("Omnigrok") refers to a phase diagram that it does not contain; after
Liu et al. 2022 ("Towards Understanding Grokking") the phases are comprehension (both sets learned, with
little delay), grokking (both, with a delay of more than 1,000 steps), memorisation (the training set alone)
and confusion (neither). Here it is drawn for the toy of section 5 with trained representations: learning
rate and weight decay of the decoder, the representation's rate fixed at 1e-3.
"""

import typing

import numpy as np

from ...ensemble import Sweep, sweep
from ...models import AdditionDecoder
from ...statistics import grokking_time, Judgement
from ...training import Adam, AdamW, Separate
from .._draw import panels
from .._judging import agreed
from .._study import Claim, Figure, Results, Scale
from ._recipe import spread
from ._toy import toy


# --- the experiment and its axes at each scale ----------------------------------------------------

RATE, DECAY = "optimiser.rest.learning_rate", "optimiser.rest.weight_decay"
PHASES = ("confusion", "memorisation", "grokking", "comprehension")
LEVEL, LATE = 0.9, 1000  # accuracy, and steps of delay, of Liu et al. 2022
RATES = {"smoke": (1e-3, 1e-2), "laptop": spread(1e-4, 1e-2, 7), "paper": spread(1e-5, 1e-1, 17)}
DECAYS = {
    "smoke": (0.1, 1.0),
    "laptop": (0.0, 0.3, 1.0, 3.0, 6.0, 10.0),
    "paper": (0.0, *spread(0.03, 20, 16)),
}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Rates and decays of the decoder over seeds."""
    optimiser = Separate(
        part=".representation",
        optimiser=Adam(learning_rate=1e-3, b2=0.999, warmup=0),
        rest=AdamW(learning_rate=1e-3, weight_decay=1.0, b2=0.999, warmup=0),
    )
    steps = {"smoke": 30, "laptop": 8000, "paper": 100_000}[scale]
    base = toy(
        scale,
        model=AdditionDecoder(hidden=(16, 16) if scale == "smoke" else (200, 200)),
        optimiser=optimiser,
        steps=steps,
    )
    axes = {RATE: RATES[scale], DECAY: DECAYS[scale], "seed": range(2 if scale == "smoke" else 3)}
    return {"phases": sweep(base, axes)}


# --- the statistics -------------------------------------------------------------------------------


def phases(results: Results) -> np.ndarray:
    """The phase of each run, as an index of `PHASES`, "seed decay rate"."""
    found = grokking_time(results["phases"], LEVEL).transpose("seed", DECAY, RATE)
    fitted, learned = ~found["memorised_censored"].values, ~found["generalised_censored"].values
    late = found["delay"].values > LATE
    return np.select([learned & fitted & late, learned & fitted, fitted], [2, 3, 1], default=0)


def all_phases(results: Results) -> Judgement:
    """How many of the four phases a seed shows."""
    found = [len(np.unique(one)) for one in phases(results)]
    shares = [f"{name} {np.mean(phases(results) == index):.0%}" for index, name in enumerate(PHASES)]
    return agreed(
        [count == len(PHASES) for count in found],
        float(np.median(found)),
        runs=phases(results).size,
        note=", ".join(shares),
    )


def decay_helps(results: Results) -> Judgement:
    """Share of learning rates that generalise, median over decays, less that without decay."""
    learned = (phases(results) >= 2).mean(axis=2)
    gain = np.median(learned[:, 1:], axis=1) - learned[:, 0]
    held = [bool(one > 0) for one in gain]
    return agreed(held, float(np.median(gain)), runs=phases(results).size)


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "four phases",
        "Over decay and learning rate of the decoder all four phases occur.",
        "first version, section 5 (a reference to a missing figure); Liu et al. 2022, Figure 6",
        "comprehension, grokking, memorisation, confusion",
        all_phases,
    ),
    Claim(
        "decay helps",
        "More learning rates generalise with weight decay than without.",
        "Liu et al. 2022",
        "decay avoids memorisation",
        decay_helps,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """The commonest phase of each cell."""
    import matplotlib.colors

    figure, axes = panels(1, 1, width=4.6, height=3.4)
    found = phases(results)
    commonest = np.argmax([(found == index).sum(axis=0) for index in range(len(PHASES))], axis=0)
    colours = matplotlib.colors.ListedColormap(["#4a4a4a", "#c8553d", "#e0b040", "#2a8f6d"])
    ax, (rows, columns) = axes[0, 0], commonest.shape
    shown = ax.pcolormesh(
        np.arange(columns), np.arange(rows), commonest, cmap=colours, vmin=-0.5, vmax=3.5, shading="nearest"
    )
    rates = [f"{rate:.2g}" for rate in results["phases"][RATE].values]
    ax.set_xticks(np.arange(columns), rates, rotation=45)
    ax.set_yticks(np.arange(rows), [f"{decay:g}" for decay in results["phases"][DECAY].values])
    ax.set(xlabel="learning rate of the decoder", ylabel="weight decay of the decoder")
    bar = figure.colorbar(shown, ax=ax, ticks=range(4))
    bar.ax.set_yticklabels(PHASES)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """The phase of every run, with its times."""
    found, times = phases(results), grokking_time(results["phases"], LEVEL).transpose("seed", DECAY, RATE)
    return [
        {
            "learning_rate": float(times[RATE].values[rate]),
            "weight_decay": float(times[DECAY].values[decay]),
            "seed": seed,
            "phase": PHASES[found[seed, decay, rate]],
            "memorised": float(times["memorised"].values[seed, decay, rate]),
            "generalised": float(times["generalised"].values[seed, decay, rate]),
        }
        for seed, decay, rate in np.ndindex(*found.shape)
    ]


FIGURE = Figure(
    "phases", "phases of learning over decay and rate of the decoder", sweeps, CLAIMS, chart, table
)
