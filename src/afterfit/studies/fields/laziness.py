"""Is the delay of a field that of a lazy network turning rich? Twins and kernels beside two problems.

Kumar et al. 2023 say that a late network first fits as its linearisation would, with a kernel that is not
aligned with the answer, and is right once its features have moved. So while it fits it should be close to its
linearised twin, the twin should not solve the problem, and the alignment of the kernel with the answer
(here the field itself, on the training places) should grow between fitting and solving.
"""

import typing

import numpy as np

from ...ensemble import Sweep, sweep
from ...probes import KernelAlignment, twin
from ...statistics import Judgement
from .._draw import COLOURS, curves, panels
from .._judging import by_median
from .._maps import ALPHA
from .._study import Claim, Figure, Results, Scale
from ._fates import DECAY, fates, told
from ._problem_figure import QUESTION
from ._problems import IMAGE, POISSON, Problem


# --- the experiment and its axes at each scale ----------------------------------------------------

PROBLEMS: dict[str, Problem] = {"points": POISSON, "pixels": IMAGE}
DIFFERENCE, ALIGNED, TWIN = "twin/difference", "kernel_alignment/uncentred", "twin/test_loss"


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Both problems with a twin, from the standard and from a large norm."""
    made = {}
    for name, problem in PROBLEMS.items():
        probes = (*problem.probes, twin, KernelAlignment(points=100, split="train"))
        steps = 30 if scale == "smoke" else problem.steps[1] // 2
        base = problem.experiment(scale, twin=True, probes=probes, steps=steps)
        axes = {
            ALPHA: (1.0, problem.large),
            DECAY: (problem.late,),
            "seed": range(2 if scale == "smoke" else 3),
        }
        made[name] = sweep(base, axes)
    return made


def _late(results: Results, name: str) -> typing.Any:
    """The runs from a large norm."""
    return results[name].isel({DECAY: 0, ALPHA: 1})


def _at(results: Results, name: str, measure: str, which: typing.Literal["fit", "late"]) -> np.ndarray:
    """A measure at the record at which each seed has fitted, or solved; NaN where it has not."""
    data = _late(results, name)
    when = getattr(fates(PROBLEMS[name], data), which)[:, 0]
    steps, values = data["step"].values, data[measure].transpose("seed", "step").values.astype(float)
    place = np.searchsorted(steps, np.where(np.isfinite(when), when, 0))
    return np.where(np.isfinite(when), values[np.arange(len(values)), place], np.nan)


# --- the statistics -------------------------------------------------------------------------------


def close_to_its_twin(results: Results, name: str) -> Judgement:
    """Difference from the twin where the training set is fitted, over the size of the twin's outputs."""
    found = _at(results, name, DIFFERENCE, "fit")
    return by_median(found, runs=found.size, most=0.5, note="at most half of the twin's outputs")


def twin_fails(results: Results, name: str) -> Judgement:
    """The twin's test loss at the end over the network's."""
    data = _late(results, name).isel(step=-1)
    found = (data[TWIN] / data["test_loss"]).values.astype(float)
    return by_median(found, runs=found.size, least=10, note="at least 10 times that of the network")


def alignment_grows(results: Results, name: str) -> Judgement:
    """Alignment of the kernel with the field where it is solved over that where it was fitted."""
    found = _at(results, name, ALIGNED, "late") / _at(results, name, ALIGNED, "fit")
    return by_median(found, runs=found.size, least=1.5, note="at least 1.5 times")


# --- the claims -----------------------------------------------------------------------------------


def _claims(name: str) -> tuple[Claim, ...]:
    title = PROBLEMS[name].title
    return (
        Claim(
            f"{name}: lazy while it fits",
            f"Where it has fitted, the network is close to its linearised twin: {title}.",
            QUESTION,
            "lazy, as in Kumar et al. 2023",
            lambda results: close_to_its_twin(results, name),
        ),
        Claim(
            f"{name}: the twin does not solve it",
            f"The linearised twin ends with a much larger test loss: {title}.",
            QUESTION,
            "rich, as in Kumar et al. 2023",
            lambda results: twin_fails(results, name),
        ),
        Claim(
            f"{name}: the kernel aligns",
            f"Between fitting and solving the kernel aligns with the field: {title}.",
            QUESTION,
            "rich, as in Kumar et al. 2023",
            lambda results: alignment_grows(results, name),
        ),
    )


CLAIMS = tuple(claim for name in PROBLEMS for claim in _claims(name))


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Losses of the network and its twin, their difference, and the alignment, from a large norm."""
    figure, axes = panels(len(PROBLEMS), 3, width=3.2, height=2.4)
    for row, (name, problem) in zip(axes, PROBLEMS.items(), strict=True):
        data = _late(results, name)
        for measure, colour, label, dashed in (
            ("train_loss", COLOURS[1], "training", False),
            ("test_loss", COLOURS[2], "test", False),
            ("twin/train_loss", COLOURS[1], "twin, training", True),
            (TWIN, COLOURS[2], "twin, test", True),
        ):
            curves(row[0], data[measure], colour=colour, label=label, dashed=dashed)
        row[0].set(yscale="log", ylim=(1e-6, 1e4), ylabel="loss", title=problem.title)
        for ax, measure, label in (
            (row[1], DIFFERENCE, "difference from the twin"),
            (row[2], ALIGNED, "alignment"),
        ):
            for colour, alpha in zip(COLOURS, results[name][ALPHA].values, strict=False):
                values = results[name].isel({DECAY: 0}).sel({ALPHA: alpha})[measure]
                curves(ax, values, colour=colour, label=rf"$\alpha$ = {alpha:g}")
            ax.set(ylabel=label)
            ax.legend(frameon=False, fontsize=7)
        row[1].set(yscale="log")
    axes[0, 0].legend(frameon=False, fontsize=7)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Times of each run, and what was measured at them."""
    found = []
    for name, problem in PROBLEMS.items():
        measured = {
            f"{measure} where {when}": _at(results, name, measure, which)
            for measure in (DIFFERENCE, ALIGNED)
            for when, which in (("fitted", "fit"), ("solved", "late"))
        }
        for row in told(fates(problem, _late(results, name)), what=name):
            found.append(row | {key: float(values[row["seed"]]) for key, values in measured.items()})
    return found


FIGURE = Figure("laziness", "twins and kernels beside fields", sweeps, CLAIMS, chart, table)
