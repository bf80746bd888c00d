"""The same numbers as sentences: what a reader should know before looking at any chart."""

from collections.abc import Callable

import numpy as np

from ..statistics import median_time, Phase
from ._runs import Axis, Runs


_CONTRAST = 1.25  # a smaller factor between two medians is not worth a headline
_LONG = 40  # characters of a name in a sentence


def step_text(step: float) -> str:
    """A step as it is read aloud: 1,400."""
    return "–" if np.isnan(step) else f"{round(step):,}"


def ratio_text(ratio: float) -> str:
    """How many times later: 15, 4.4."""
    return f"{round(ratio):,}" if ratio >= 9.95 else f"{ratio:.2g}"


def time_text(
    median: float, at_most: bool | np.bool_, budget: float, text: Callable[[float], str] = step_text
) -> str:
    """A median time (or ratio); where it was never reached, the time until which nobody had got there."""
    if np.isnan(median):
        return "–"
    if np.isinf(median):
        return f"> {text(budget)}"
    return ("≤ " if at_most else "") + text(median)


def budget_of(times: np.ndarray, censored: np.ndarray) -> float:
    """How long the runs that never got there were watched: the median of their last steps."""
    ended = times[np.asarray(censored, bool) & ~np.isnan(times)]
    return float(np.median(ended)) if ended.size else np.nan


def headline(runs: Runs) -> str:
    """One or two sentences that say what happened, made from the numbers alone."""
    count = int(runs.present.sum())
    body = _one_run(runs) if count == 1 else f"{count:,} runs: {_fitted(runs)}; {_generalised(runs)}."
    phases = runs.times["phase"].values.ravel()
    diverged = int((phases == Phase.DIVERGED).sum())
    if diverged and count > 1:
        body += f" {diverged:,} diverged."
    missing = phases.size - count
    if missing:
        body += f" {missing:,} more {'has' if missing == 1 else 'have'} no record."
    return body


def shape(runs: Runs) -> str:
    """What was swept: "2 values of weight decay × 3 seeds, 5,000 steps"."""
    parts = []
    for axis in runs.axes:
        count = len(axis.labels)
        if axis.is_seed:
            parts.append(f"{count} {axis.title if count == 1 else axis.title + 's'}")
        elif count == 1:
            parts.append(f"{axis.title} {axis.labels[0]}")
        else:
            parts.append(f"{count} values of {axis.title}")
    lead = " × ".join(parts)
    steps = f"{step_text(runs.last_step())} steps"
    return f"{lead}, {steps}" if lead else steps


def phase_counts(runs: Runs) -> list[tuple[Phase, int]]:
    """The phases that occur, in the order of the enumeration."""
    found = runs.times["phase"].values.ravel().tolist()
    return [(phase, found.count(phase)) for phase in Phase if phase in found]


def _column(runs: Runs, name: str) -> np.ndarray:
    """A column of the times, over the runs that have a record."""
    return runs.times[name].values.ravel()[runs.present]


def _one_run(runs: Runs) -> str:
    row = {name: _column(runs, name)[0] for name in map(str, runs.times.data_vars)}
    last = step_text(runs.last_step())
    fitted = f"This run fitted its training set {_at(row['memorised'], row['memorised_before'])}"
    generalised = _at(row["generalised"], row["generalised_before"])
    later = _later(row["ratio"], at_least=row["memorised_before"])
    match Phase(row["phase"]):
        case Phase.GROKKED:
            return f"{fitted} and generalised only {generalised}{later}: it grokked."
        case Phase.GENERALISED if row["memorised_censored"]:
            return f"This run generalised {generalised} without fitting its training set."
        case Phase.GENERALISED:
            return f"{fitted} and generalised {generalised}{later}."
        case Phase.MEMORISED_ONLY:
            return f"{fitted} and had not generalised by its last step, {last}."
        case Phase.DIVERGED:
            last_seen = step_text(row["generalised"])
            after = "at its first record" if np.isnan(row["generalised"]) else f"after step {last_seen}"
            return f"This run diverged {after}, before it generalised."
        case _:
            return f"This run had not fitted its training set by its last step, {last}."


def _fitted(runs: Runs) -> str:
    memorised, censored = _column(runs, "memorised"), _column(runs, "memorised_censored").astype(bool)
    if not censored.any():
        return f"all fitted their training set by step {step_text(memorised.max())}"
    if censored.all():
        return f"none fitted its training set by step {step_text(_last(memorised))}"
    return (
        f"{(~censored).sum():,} of {censored.size:,} fitted their training set, "
        f"the last at step {step_text(memorised[~censored].max())}"
    )


def _generalised(runs: Runs) -> str:
    if runs.colour is not None:
        sentence = _contrast(runs, runs.colour)
        if sentence:
            return sentence
    generalised, censored = _column(runs, "generalised"), _column(runs, "generalised_censored").astype(bool)
    if censored.all():
        return f"none had generalised by step {step_text(_last(generalised))}"
    over = [axis.name for axis in runs.axes]
    found = median_time(runs.times, over=over)
    median, bound = found["median"].item(), "at most " if found["at_most"].item() else ""
    ratio = median_time(runs.times, "ratio", over)["median"].item()
    at = "" if np.isinf(median) else f" at a median step of {bound}{step_text(median)}{_later(ratio)}"
    if not censored.any():
        return f"all generalised,{at}"
    return f"{(~censored).sum():,} of {censored.size:,} generalised{',' + at if at else ''}"


def _pooled(runs: Runs, axis: Axis) -> str:
    """What the medians of a sentence about an axis are taken over, where it is not seeds alone."""
    others = [other for other in runs.varying if other.name != axis.name]
    if all(other.is_seed for other in others):
        return ""
    return f", medians over {' and '.join(other.values for other in others)}"


def _contrast(runs: Runs, axis: Axis) -> str:
    """The slowest value of an axis against its fastest; "" where they hardly differ."""
    others = [other.name for other in runs.axes if other.name != axis.name]
    found = median_time(runs.times, over=others)
    medians, bounds = found["median"].values, found["at_most"].values
    ratios = median_time(runs.times, "ratio", others)["median"].values
    if np.isnan(medians).all():
        return ""
    slow, fast = int(np.nanargmax(medians)), int(np.nanargmin(medians))
    if medians[slow] < _CONTRAST * medians[fast] or np.isinf(medians[fast]):
        return ""
    slow_name, fast_name = _short(axis.labels[slow]), _short(axis.labels[fast])
    there = _later(ratios[fast])
    if np.isinf(medians[slow]):
        budget = step_text(_last(_column(runs, "generalised")))
        censored = _column(runs, "generalised_censored").astype(bool)[axis.index[runs.present] == slow]
        there_not = "none had generalised" if censored.all() else "most had not generalised"
        return (
            f"with {axis.title} {slow_name} {there_not} by step {budget}, with {fast_name} they generalised "
            f"{_at(medians[fast], bounds[fast])}{there}{_pooled(runs, axis)}"
        )
    only = "only " if ratios[slow] >= 2 else ""
    return (
        f"with {axis.title} {slow_name} they generalised {only}{_at(medians[slow], bounds[slow])}"
        f"{_later(ratios[slow])}, with {fast_name} {_at(medians[fast], bounds[fast], '')}{there}"
        f"{_pooled(runs, axis)}"
    )


def _last(times: np.ndarray) -> float:
    """The latest time; 0 if all runs diverged before their first finite record."""
    return float(times[~np.isnan(times)].max(initial=0))


def _short(text: str) -> str:
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"


def _at(step: float, before: bool | np.bool_, noun: str = "step ") -> str:
    """When something happened; `before`: then, or earlier."""
    return f"{'by' if before else 'at'} {noun}{step_text(step)}"


def _later(ratio: float, *, at_least: bool | np.bool_ = False) -> str:
    if not np.isfinite(ratio) or (at_least and ratio < 1.05):
        return ""
    bound = "at least " if at_least else ""
    return f" ({bound}{ratio_text(ratio)} times later)" if ratio >= 1.05 else " (no later)"
