"""Planted results: what the sweeps of a figure would bring if every run did as it is told."""

import dataclasses
import functools
import math
import pathlib
import typing
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from afterfit.ensemble import Sweep
from afterfit.statistics import Judgement
from afterfit.store import RunRecords, to_dataset
from afterfit.studies import Figure, Results, Scale


ALPHA = "parametrisation.init_scale"
DECAY = "optimiser.weight_decay"
SIZE = "task.train"

Place = dict[str, typing.Any]
Measures = dict[str, typing.Any]
Rule = Callable[[np.ndarray, Place], Measures]
"""From the recorded steps and the place of a run on the axes to what it records."""

_CONSTANT = {
    "train_loss": 1.0,
    "test_loss": 1.0,
    "train_accuracy": 0.1,
    "test_accuracy": 0.1,
    "weight_norm": 1.0,
}


@functools.cache
def sweeps_of(figure: Figure, scale: Scale) -> dict[str, Sweep]:
    """The sweeps of a figure, made once: those of some take a second."""
    return figure.sweeps(scale)


def planted(
    figure: Figure,
    rules: Rule | Mapping[str, Rule],
    scale: Scale = "laptop",
    sweeps: dict[str, Sweep] | None = None,
) -> Results:
    """Results in which all runs follow a rule, or each sweep's runs one of their own.

    Runs end where their stop rule ends them, and numbers are float32, as those of the ensemble.
    """
    sweeps = sweeps or sweeps_of(figure, scale)
    data = {}
    for name, plan in sweeps.items():
        rule = rules[name] if isinstance(rules, Mapping) else rules
        steps = np.asarray(plan.experiment.record.steps(plan.experiment.steps))
        runs = [
            _run(plan, f"{name} {i}", steps, rule(steps, place)) for i, place in enumerate(plan.coordinates)
        ]
        data[name] = to_dataset(
            runs, plan.coordinates, {axis: list(values) for axis, values in plan.axes.items()}
        )
    return Results(scale, sweeps, data, pathlib.Path("none"))


def _run(plan: Sweep, name: str, steps: np.ndarray, measures: Measures) -> RunRecords:
    values = {
        measure: np.broadcast_to(np.asarray(value, np.float32), (*steps.shape, *np.shape(value)[1:]))
        for measure, value in (_CONSTANT | measures).items()
    }
    stop, end = plan.experiment.stop, None
    if stop is not None:
        end = stop.first_end(values[stop.measure])
    kept = slice(None) if end is None else slice(end + 1)
    values = {measure: value[kept] for measure, value in values.items()}
    return RunRecords(name, {}, steps[kept], values, "done", int(steps[kept][-1]))


# --- rules ----------------------------------------------------------------------------------------


def on_spheres(told: Callable[[Place], Measures]) -> Rule:
    """Runs whose training loss falls to what is told, with what is told of the test set there.

    `told` gives `train_loss`, `test_loss`, `train_error` and `test_error`, 0 where it is silent, the
    `standard_norm` (10), and whether a run is `unsettled`, its loss still falling at the end. Before the
    minimum the test set is answered best: a claim that chose records by the test set would see that.
    """

    def rule(steps: np.ndarray, place: Place) -> Measures:
        values, there = told(place), steps >= steps[-1] / 2
        known = lambda name, before: np.where(there, values.get(name, 0.0), before)
        train = known("train_loss", values.get("train_loss", 0.0) + 1)
        if values.get("unsettled"):
            train = np.where(steps < steps[-1], 2 * train, train)
        return {
            "weight_norm": values.get("standard_norm", 10.0) * place[ALPHA],
            "train_loss": train,
            "test_loss": known("test_loss", 1e-6),
            "train_accuracy": 1 - known("train_error", 0.9),
            "test_accuracy": 1 - known("test_error", 0.0),
        }

    return rule


def step_up(steps: np.ndarray, at: float, low: float = 0.1, high: float = 1.0) -> np.ndarray:
    """A curve that jumps at a step (infinite: never)."""
    return np.where(steps >= at, high, low)


def grid(steps: np.ndarray, at: float) -> float:
    """The first recorded step at or after another one."""
    return float(steps[np.searchsorted(steps, at)])


# --- runs that diverge ----------------------------------------------------------------------------


def diverged(results: Results, name: str, runs: int | slice, records: int) -> Results:
    """The same results, but that these runs of a sweep ended after so many records.

    With 0 records there is one all the same, and its losses are NaN: they diverged before the first step.
    """
    data = results[name].copy(deep=True)
    for measure in data.data_vars:
        if data[measure].dims[-1:] != ("step",):
            continue
        table = data[measure].values.reshape(-1, data.sizes["step"])  # a view
        table[runs, max(records, 1) :] = np.nan
        if records == 0 and "loss" in str(measure):
            table[runs, 0] = np.nan
    outcome = data["outcome"].values.astype("<U8")
    outcome.reshape(-1)[runs] = "diverged"
    data["outcome"] = (data["outcome"].dims, outcome)
    return dataclasses.replace(results, data={**results.data, name: data})


# --- looking at judgements ------------------------------------------------------------------------


def judged(figure: Figure, claim: str, results: Results) -> Judgement:
    """The judgement of a claim, by its name."""
    (found,) = (one for one in figure.claims if one.name == claim)
    return found.judge(results)


def check(figure: Figure, claim: str, results: Results, verdict: str, value: float | None, rel: float = 1e-3):
    """Asserts a verdict and its number (`None`: there is none), and that the number lies in its interval."""
    found = judged(figure, claim, results)
    assert found.verdict == verdict, found
    if value is None:
        assert found.value is None or math.isnan(found.value), found
        assert found.note, "an undecided claim says why"
        return
    assert found.value is not None and found.value == pytest.approx(value, rel=rel, abs=1e-6), found
    if found.interval is not None:
        low, high = found.interval
        assert low - 1e-9 <= found.value <= high + 1e-9, found
    assert found.seeds > 0 and found.runs > 0, found
