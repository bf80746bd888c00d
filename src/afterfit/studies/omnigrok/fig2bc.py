"""Figure 2b and c: weight decay decides when a student of large initial norm generalises.

Liu et al. 2023 ("Omnigrok"), section 3. From alpha = 2 a student fits its training set at once; it
generalises never without weight decay, late with little and soon with much, and the time goes as one over
the decay. From alpha = 0.5 there is no delay. An answer counts as correct where the squared error, averaged
over outputs, is below 0.001: this is the authors' code; their text says 0.01, at which most answers are right
without any decay.

Five seeds where the paper has one; runs end soon after they got to 95% on the test set. All scales but
`smoke` are of the paper's size (1e5 steps), the grid of decays is ours.
"""

import typing

import numpy as np
from jaxtyping import Float

from ...ensemble import Sweep, sweep
from ...statistics import bootstrap, grokking_time, judge, Judgement, Verdict
from ...training import Parametrisation, Sustained
from .._draw import COLOURS, curves, panels
from .._judging import agreed, middle
from .._laws import DECAY, draw_times, norms_at, Times, times, variation
from .._study import Claim, Figure, Results, Scale
from ._recipe import teacher_student


# --- the experiment and its axes at each scale ----------------------------------------------------

LEVEL = 0.95
DECAYS = (0.03, 0.05, 0.1, 0.17, 0.3, 0.55, 1.0)  # the paper's range, our grid
RATE = 3e-4


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Students of large and of small norm over decays and seeds."""
    steps, seeds, decays = 100_000, range(5), DECAYS
    if scale == "smoke":
        steps, seeds, decays = 20, range(2), (0.1, 1.0)
    large, small = (
        teacher_student(
            parametrisation=Parametrisation(init_scale=alpha),
            steps=steps,
            stop=Sustained("test_accuracy", LEVEL, records=3),
        )
        for alpha in (2.0, 0.5)
    )
    return {
        "large": sweep(large, {DECAY: [0.0, *decays], "seed": seeds}),
        "small": sweep(small, {DECAY: [0.0, decays[0], 1.0], "seed": seeds}),
    }


# --- the statistics -------------------------------------------------------------------------------


def never_without(results: Results) -> Judgement:
    """Highest test accuracy without decay from alpha = 2, median over seeds; a run must not have diverged."""
    data = results["large"].sel({DECAY: 0.0})
    best = data["test_accuracy"].max("step").where(data["outcome"] != "diverged").values.astype(float)
    note = "criterion: below 50% for all steps"
    return judge(
        float(np.median(best)),
        bootstrap(np.median, best),
        most=0.5,
        seeds=best.size,
        runs=best.size,
        note=note,
    )


def late_with_little(results: Results) -> Judgement:
    """Ratio of the times to 95% on test and training set at decay 0.03, median over seeds."""
    ratio, censored = _ratio(results, "large", DECAYS[0])
    found = judge(
        float(np.median(ratio)),
        bootstrap(np.median, ratio),
        least=10,
        seeds=ratio.size,
        runs=ratio.size,
        note=f"{censored} runs had not generalised (their ratio is a lower bound)",
    )
    return found


def soon_with_much(results: Results) -> Judgement:
    """Steps to generalise at decay 1 over those at decay 0.03, median over seeds."""
    found = times(results["large"], "generalised", LEVEL)
    share = found.steps[:, -1] / found.steps[:, 0]
    note = "an upper bound where the run with little decay had not generalised"
    if found.censored[:, -1].any():
        return Judgement(
            Verdict.UNDECIDED, seeds=found.seeds, runs=share.size, note="not all generalise at decay 1"
        )
    return judge(
        float(np.median(share)),
        bootstrap(np.median, share),
        most=0.1,
        seeds=found.seeds,
        runs=share.size,
        note=note,
    )


def no_delay_from_small(results: Results) -> Judgement:
    """The largest ratio of both times from alpha = 0.5, over decays."""
    decays = results["small"][DECAY].values.tolist()
    ratios = np.stack([_ratio(results, "small", decay)[0] for decay in decays], axis=1)
    censored = grokking_time(results["small"], LEVEL)["generalised_censored"].transpose("seed", DECAY).values
    held = [
        None if np.isnan(row).any() else bool((row <= 5).all() and not late.any())
        for row, late in zip(ratios, censored, strict=True)
    ]
    return agreed(held, float(ratios.max()), runs=ratios.size, note="at most 5 for every decay")


def inverse_law(results: Results) -> Judgement:
    """k of `t ~ decay^-k` for the time to generalise from alpha = 2."""
    return times(results["large"], "generalised", LEVEL).judged(0.75, 1.2)


def train_law(results: Results) -> Judgement:
    """k of the same law for the time to fit the training set."""
    return times(results["large"], "memorised", LEVEL).judged(-0.2, 0.2)


def same_norm(results: Results) -> Judgement:
    """Coefficient of variation of the norm at which runs generalise, over decays and seeds."""
    norms = crossing_norms(results)
    known = int(np.isfinite(norms).sum())
    return judge(variation(norms), bootstrap(variation, norms), most=0.2, seeds=len(norms), runs=known)


def drift_time(results: Results) -> Judgement:
    """Time to generalise over `ln(w0 / w_c) / (rate * decay)`, the time of pure decay; median over runs."""
    found, norms = times(results["large"], "generalised", LEVEL), crossing_norms(results)
    first = results["large"]["weight_norm"].transpose("seed", DECAY, "step").values[:, 1:, 0].astype(float)
    with np.errstate(divide="ignore"):
        ratio = found.steps * RATE * found.decay / np.log(first / norms)
    known = np.where(found.censored, np.nan, ratio)
    note = "criterion: 0.8 to 1.25"
    return judge(
        middle(known),
        bootstrap(middle, known),
        least=0.8,
        most=1.25,
        seeds=found.seeds,
        runs=int((~np.isnan(known)).sum()),
        note=note,
    )


def crossing_norms(results: Results) -> Float[np.ndarray, "seed decay"]:
    """Weight norms at the record at which runs from alpha = 2 generalise; NaN where they do not."""
    return norms_at(times(results["large"], "generalised", LEVEL), results["large"])


def _ratio(results: Results, name: str, decay: float) -> tuple[Float[np.ndarray, " seed"], int]:
    found = grokking_time(results[name], LEVEL).sel({DECAY: decay}, method="nearest")
    return found["ratio"].values.astype(float), int(found["ratio_censored"].sum())


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "none without decay",
        "From alpha = 2 a student without weight decay does not generalise.",
        "section 3, Figure 2b",
        "no generalisation",
        never_without,
    ),
    Claim(
        "late with little decay",
        "From alpha = 2 and with little decay it groks.",
        "section 3, Figure 2b",
        "grokking at decay 0.03",
        late_with_little,
    ),
    Claim(
        "soon with much decay",
        "From alpha = 2 and with decay 1 it generalises at least ten times sooner.",
        "section 3, Figure 2b",
        "fast generalisation at decay 1",
        soon_with_much,
    ),
    Claim(
        "no delay from small norm",
        "From alpha = 0.5 it generalises soon at any decay.",
        "section 3, Figure 2b",
        "always fast",
        no_delay_from_small,
    ),
    Claim(
        "inverse law",
        "The time to generalise is proportional to one over the weight decay.",
        "section 3, Figure 2c",
        "an exponent of 1",
        inverse_law,
    ),
    Claim(
        "training time",
        "The time to fit the training set does not depend on the weight decay.",
        "section 3, Figure 2c",
        "an exponent of 0",
        train_law,
    ),
    Claim(
        "one critical norm",
        "Runs generalise when their norm has fallen to one critical value.",
        "section 3, Figure 2c",
        "the same norm for all decays",
        same_norm,
    ),
    Claim(
        "drift",
        "Until then their norm decays as exp(-rate decay t).",
        "section 3",
        "t = ln(w0 / w_c) / (rate decay)",
        drift_time,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Accuracies from both norms for some decays, and the times against decay."""
    figure, axes = panels(1, 3, width=3.3, height=2.8)
    for ax, name, alpha in ((axes[0, 0], "large", 2), (axes[0, 1], "small", 0.5)):
        data = results[name]
        decays = data[DECAY].values
        shown = decays if name == "small" else decays[[0, 1, len(decays) // 2, -1]]
        for colour, decay in zip(COLOURS, shown, strict=False):
            for split, dashed in (("test", False), ("train", True)):
                values = data[f"{split}_accuracy"].sel({DECAY: decay})
                label = "" if dashed else rf"$\gamma$ = {decay:g}"
                curves(ax, values, colour=colour, label=label, dashed=dashed)
        ax.set(title=rf"$\alpha$ = {alpha} (dashed: training)", ylabel="accuracy")
        ax.legend(frameon=False, fontsize=7)
    for which, colour in (("generalised", COLOURS[2]), ("memorised", COLOURS[1])):
        draw_times(axes[0, 2], times(results["large"], which, LEVEL), label=which, colour=colour)
    axes[0, 2].set(title=r"$\alpha$ = 2")
    axes[0, 2].legend(frameon=False, fontsize=7)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Times of each run, and its norm when it generalised."""
    found: dict[str, Times] = {
        which: times(results["large"], which, LEVEL) for which in ("memorised", "generalised")
    }
    norms, rows = crossing_norms(results), []
    for seed, place in np.ndindex(*norms.shape):
        row: dict[str, typing.Any] = {"seed": seed, "weight_decay": float(found["memorised"].decay[place])}
        for which, column in found.items():
            row[which] = float(column.steps[seed, place])
            row[f"{which}_censored"] = bool(column.censored[seed, place])
        rows.append(row | {"norm": float(norms[seed, place])})
    return rows


FIGURE = Figure(
    "fig2bc", "weight decay and the time to generalise of a student", sweeps, CLAIMS, chart, table
)
