"""Figure 6: outliers in the training data.

Power et al. 2022, appendix A.4. k training equations get the answers of k other training equations; the
validation set stays clean. Best validation accuracy within 1e5 updates against the fraction of the table
that trains, for k up to 3000: all runs fit their training set, outliers included, about as soon as without
outliers; up to 1000 outliers hardly matter, and more shrink the range of fractions that generalises.

The paper says "a binary op"; S5 is our choice, as there 3000 outliers are a fifth of the table. Cells
with more outliers than training equations are left out.

The miniature is a cut: addition mod 31 at 70% (673 equations), where 10, 30 and 100 outliers are 1.5%, 4.5%
and 15% of the training set. There the time to generalise is judged for the data needed.
"""

import dataclasses
import typing

import numpy as np
from jaxtyping import Float

from ...ensemble import Sweep, sweep
from ...models import Transformer
from ...probes import group_scores
from ...statistics import bootstrap, combined, grokking_time, judge, Judgement
from .._draw import COLOURS, curves, panels, with_seeds
from .._study import Claim, Figure, Results, Scale
from ._efficiency import best_accuracy, excess, fraction_needed, FRACTIONS, GRID_STEP, rows, time_ratio
from ._recipe import permutations, residues


if typing.TYPE_CHECKING:
    import xarray


# --- the experiment and its axes at each scale ----------------------------------------------------

AXIS = "task.outliers"
OUTLIERS = {
    "smoke": (0, 5),
    "laptop": (0, 10, 30, 100),  # our choice: the paper's shares of a larger table
    "paper": (0, 10, 100, 1000, 2000, 3000),  # caption of Figure 6
}
EQUATIONS = 120**2
"""Equations of S5, from which the fractions that have room for k outliers follow."""


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Numbers of outliers over fractions, a sweep for each number where not all have all fractions."""
    if scale == "paper":  # appendix A.4; optimiser and budget as by default, the grid is ours
        base, seeds = permutations(scale, "x.y", 0.5, probes=(group_scores,)), [0, 1, 2]
        return {f"{k} outliers": _sweep(base, [k], _with_room(k), seeds) for k in OUTLIERS[scale]}
    base, seeds = residues(scale, "x+y", 0.7, steps=8000, probes=(group_scores,)), [0, 1]  # our choice
    if scale == "smoke":
        tiny = Transformer(layers=1, width=16, heads=4)
        base = dataclasses.replace(base, model=tiny, steps=40)
    return {"outliers": _sweep(base, list(OUTLIERS[scale]), [0.7], seeds)}


def _sweep(base: typing.Any, outliers: list[int], fractions: list[float], seeds: list[int]) -> Sweep:
    return sweep(base, {AXIS: outliers, "task.fraction": fractions, "seed": seeds})


def _with_room(outliers: int) -> list[float]:
    return [fraction for fraction in FRACTIONS if round(fraction * EQUATIONS) >= outliers]


def by_outliers(results: Results) -> "dict[int, xarray.Dataset]":
    """The data of each number of outliers, which stays an axis."""
    return {
        int(k): data.sel({AXIS: [k]}) for data in results.data.values() for k in data[AXIS].values.tolist()
    }


# --- the statistics -------------------------------------------------------------------------------


def memorised(results: Results) -> Judgement:
    """Lowest over runs of the highest accuracy on outliers (scored against their false answers)."""
    groups = by_outliers(results)
    trained = [data["train_accuracy"].max("step").fillna(0).values.ravel() for data in groups.values()]
    fooled = [outlier_accuracy(data).ravel() for k, data in groups.items() if k]
    lowest = [float(np.concatenate(values).min()) for values in (trained, fooled)]
    both = combined([judge(lowest[0], least=0.99), judge(lowest[1], least=0.95)])
    note = f"at least 95% in every run, with training accuracy at least 99% (lowest {lowest[0]:.4g})"
    runs = sum(values.size for values in trained)
    return dataclasses.replace(both, value=lowest[1], seeds=_seeds(results), runs=runs, note=note)


def as_soon(results: Results) -> Judgement:
    """Time to fit the training set against that without outliers: the factor furthest from 1."""
    groups = by_outliers(results)
    fractions = [data["task.fraction"].values for data in groups.values()]
    shared = [np.isin(fractions[0], own) for own in fractions]

    def furthest(*times: Float[np.ndarray, "seed _"]) -> float:
        clean = np.median(times[0], axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):  # nobody fitted, or only one of the two
            ratios = np.array(
                [
                    np.median(np.median(own, axis=0) / clean[there])
                    for own, there in zip(times[1:], shared[1:], strict=True)
                ]
            )
            return float(np.max(np.maximum(ratios, 1 / ratios)))

    times = [_times(data, "memorised") for data in groups.values()]
    interval, runs = bootstrap(furthest, *times), sum(one.size for one in times)
    note = "medians over seeds, then over fractions; at most 2 either way"
    return judge(furthest(*times), interval, most=2, seeds=_seeds(results), runs=runs, note=note)


def few_are_mild(results: Results) -> Judgement:
    """Data needed with up to 1000 outliers against none; in miniature, time with 10 against none."""
    if results.scale != "paper":
        return _later(results, OUTLIERS[results.scale][1], 0, most=2, note=f"{CUT}: at most twice as long")
    parts = [_more_data(results, 100, 0, most=GRID_STEP), _more_data(results, 1000, 0, most=2 * GRID_STEP)]
    return combined(parts, note=f"5 points allowed for 100, 10 for 1000; {_told(parts)}")


def many_hinder(results: Results) -> Judgement:
    """Data needed with 3000 outliers against none; in miniature, time with 100 against none."""
    most = OUTLIERS[results.scale][-1]
    if results.scale != "paper":
        return _later(results, most, 0, least=2, note=f"{CUT}: at least twice as long")
    return _more_data(results, most, 0, least=3 * GRID_STEP, note="at least 15 points more")


def more_is_worse(results: Results) -> Judgement:
    """From each number of outliers to the next, more data are needed; in miniature, more time."""
    ks = OUTLIERS[results.scale]
    if results.scale != "paper":
        parts = [_later(results, k, before, least=1) for before, k in zip(ks, ks[1:])]
        return combined(parts, note=f"{CUT}, each at least as long as the one before: {_told(parts)}")
    # One step of the grid of tolerance.
    parts = [_more_data(results, k, before, least=-GRID_STEP) for before, k in zip(ks, ks[1:])]
    return combined(parts, note=f"differences {_told(parts)}, a grid step of tolerance")


CUT = "adapted: times to generalise at one fraction"


def outlier_accuracy(data: "xarray.Dataset") -> Float[np.ndarray, "seed outliers fraction"]:
    """Highest accuracy of each run on its outliers at any step; 0 where there is none."""
    best = data["group_scores/outlier_accuracy"].max("step").fillna(0)
    return best.transpose("seed", AXIS, "task.fraction").values.astype(float)


def _later(results: Results, more: int, less: int, **criterion: typing.Any) -> Judgement:
    data = results["outliers"]
    fraction = float(data["task.fraction"][0])
    places = [{AXIS: k, "task.fraction": fraction} for k in (more, less)]
    return time_ratio(data, *places, **criterion)


def _more_data(results: Results, more: int, less: int, **criterion: typing.Any) -> Judgement:
    """Judges by how much the fraction grows at which the mean of the best accuracies reaches 50%."""
    groups = by_outliers(results)
    chosen = [groups[k] for k in (more, less)]
    grids = [data["task.fraction"].values for data in chosen]

    def difference(*best: Float[np.ndarray, "seed _"]) -> float:
        needs = [fraction_needed(one.mean(axis=0), grid, 0.5) for one, grid in zip(best, grids, strict=True)]
        return excess(*needs)

    best = [best_accuracy(data, AXIS)[:, 0] for data in chosen]
    limits = {
        name: value + (1e-9 if name == "most" else -1e-9)
        for name, value in criterion.items()
        if name != "note"
    }
    return judge(
        difference(*best),
        bootstrap(difference, *best),
        **limits,
        note=criterion.get("note", ""),
        seeds=len(best[0]),
        runs=sum(one.size for one in best),
    )


def _times(data: "xarray.Dataset", which: str) -> Float[np.ndarray, "seed fraction"]:
    """Steps, +inf where not reached."""
    found = grokking_time(data)
    times = found[which].where(~found[f"{which}_censored"], np.inf)
    return times.isel({AXIS: 0}).transpose("seed", "task.fraction").values.astype(float)


def _told(parts: list[Judgement]) -> str:
    return ", ".join("-" if part.value is None else f"{part.value:.3g}" for part in parts)


def _seeds(results: Results) -> int:
    return next(iter(results.data.values())).sizes["seed"]


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "memorised",
        "No run ignores its outliers: all fit the training set, false answers included.",
        "appendix A.4",
        "all experiments reach 100% training accuracy",
        memorised,
    ),
    Claim(
        "as soon",
        "Outliers do not considerably change when the training set is fitted.",
        "appendix A.4",
        "not considerably affected",
        as_soon,
    ),
    Claim(
        "few are mild",
        "A small number of outliers hardly affects generalisation.",
        "appendix A.4, Figure 6",
        "up to 1000: not very pronounced",
        few_are_mild,
    ),
    Claim(
        "many hinder",
        "A large number of outliers hinders generalisation significantly.",
        "caption of Figure 6",
        "significantly",
        many_hinder,
    ),
    Claim(
        "more is worse",
        "The more outliers, the smaller the range of fractions at which networks generalise.",
        "appendix A.4, Figure 6",
        "increasing k decreases the range",
        more_is_worse,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Validation accuracy for each number of outliers, against data or steps; accuracy on the outliers."""
    figure, axes = panels(1, 2)
    left, right = axes[0]
    for colour, (k, data) in zip(COLOURS, by_outliers(results).items(), strict=False):
        fractions = data["task.fraction"].values
        name = f"{k} outliers"
        if fractions.size > 1:
            with_seeds(left, 100 * fractions, best_accuracy(data, AXIS)[:, 0], colour=colour, label=name)
            left.set(xlabel="training data (% of the table)", ylabel="best validation accuracy")
        else:
            curves(left, data["test_accuracy"].isel({AXIS: 0, "task.fraction": 0}), colour=colour, label=name)
            left.set(ylabel="validation accuracy")
        if k:
            middle = data.isel({AXIS: 0, "task.fraction": fractions.size // 2})
            curves(right, middle["group_scores/outlier_accuracy"], colour=colour, label=name)
    plan = next(iter(results.sweeps.values()))
    left.set(ylim=(0, 1.03), title=plan.experiment.task.title)
    right.set(ylim=(0, 1.03), ylabel="accuracy on outliers", title="against their false answers")
    for ax in (left, right):
        ax.legend(frameon=False, fontsize=6)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Best accuracies and median steps of each number of outliers and fraction."""
    found = []
    for k, data in by_outliers(results).items():
        lowest = outlier_accuracy(data)[:, 0].min(axis=0)
        for row, fooled in zip(rows(data, AXIS), lowest, strict=True):
            found.append({**row, "outlier_accuracy_least": round(float(fooled), 4) if k else None})
    return found


FIGURE = Figure(
    "fig6",
    "outliers in the training data",
    sweeps,
    CLAIMS,
    chart,
    table,
    note="Colours: numbers of outliers. In miniature 100 outliers are 15% of the training set.",
)
