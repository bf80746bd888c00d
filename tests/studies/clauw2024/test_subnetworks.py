"""Figures 6 and 7 of Clauw et al. 2024: which neurons are taken, and claims on planted courses."""

import dataclasses
import pathlib

import numpy as np
import pytest

from afterfit.studies import Results
from afterfit.studies.clauw2024 import fig6, fig7
from afterfit.studies.clauw2024._networks import INIT
from afterfit.studies.clauw2024._subnetworks import chosen, INITS, PEAK, START

from ..planted import judged, planted, sweeps_of
from .courses import course


NEURONS = np.arange(250) < 200
STORY = dict(synergy=((0, 9.0), (20, 4.0), (140, 7.0), (300, 2.0)), generalised=(110.0, 180.0, 400.0))


def whole(figure):
    """Results of the first stage; neurons are no number a record, so they are planted by hand."""
    rules = {name: lambda steps, place: course(steps, **STORY) for name in sweeps_of(figure.FIGURE, "laptop")}
    results = planted(figure.FIGURE, rules)
    data = {}
    for name, one in results.data.items():
        steps = one["step"].values
        sets = np.where(steps[:, None] < 100, ~NEURONS[None], NEURONS[None])
        shape = (*one["train_loss"].shape[:-1], *sets.shape)
        dims = (*one["train_loss"].dims, "neuron")
        data[name] = one.assign({"average/synergy_neurons": (dims, np.broadcast_to(sets, shape).copy())})
    return dataclasses.replace(results, data=data)


@pytest.fixture(scope="module", params=[fig6, fig7])
def stages(request):
    """A figure, its first stage, and the sweeps that follow."""
    figure = request.param
    first = whole(figure)
    return figure, first, figure.FIGURE.then(first)


def test_the_peak_after_memorisation_is_taken(stages):
    figure, first, _ = stages
    run = figure.SETTINGS[0].select(first).isel({INIT: 0})
    neurons, step = chosen(run)
    assert neurons.tolist() == NEURONS.tolist() and 140 <= step < 160


def test_sets_are_the_neurons_all_others_and_random_ones_of_that_size(stages):
    figure, _, sweeps = stages
    assert len(sweeps) == 2 * len(figure.SETTINGS)
    for name, plan in sweeps.items():
        for place, run in zip(plan.coordinates, plan.runs, strict=True):
            constraint = run.experiment.constraint
            keep = constraint.constraints[-1] if figure is fig7 else constraint
            kind = place["network"].split(" ", 1)[1]
            mask = np.array(keep.mask, bool)
            assert mask.sum() == (50 if kind == "inverse" else 200)
            if kind == "synergistic":
                assert mask.tolist() == NEURONS.tolist()
            assert (run.experiment.fork is not None) == name.endswith(PEAK)
            if run.experiment.fork is not None:
                assert run.experiment.fork.parent.constraint != constraint
                assert 140 <= run.experiment.fork.step < 160
        assert len({run.seeds.init for run in plan.runs}) == INITS["laptop"]


def second_stage(stages, times):
    """Results in which sets of a kind answer 98% of the test set at a step (infinite: they reach 70%)."""
    figure, first, sweeps = stages

    def rule(steps, place):
        kind = place["network"].split(" ")[1]
        end = times[kind]
        if kind == "random":
            end = end + 40 * int(place["network"].split(" ")[2])
        found = course(steps, generalised=(0.3 * end, 0.5 * end, end))
        if not np.isfinite(end):
            found["test_accuracy"] = np.full(steps.shape, 0.7)
        return {name: values for name, values in found.items() if "/" not in name}

    more = planted(figure.FIGURE, dict.fromkeys(sweeps, rule), sweeps=sweeps)
    return Results("laptop", {**first.sweeps, **sweeps}, {**first.data, **more.data}, pathlib.Path("none"))


@pytest.mark.parametrize("way", [START, PEAK])
@pytest.mark.parametrize(
    ("times", "verdicts"),
    [
        ({"synergistic": 300.0, "inverse": 900.0, "random": 600.0}, ("holds", "holds", "holds")),
        ({"synergistic": 660.0, "inverse": np.inf, "random": 600.0}, ("holds", "fails", "fails")),
        ({"synergistic": np.inf, "inverse": np.inf, "random": 600.0}, ("fails", "fails", "fails")),
        ({"synergistic": 600.0, "inverse": np.inf, "random": np.inf}, ("holds", "holds", "fails")),
    ],
)
def test_claims_on_sets(stages, way, times, verdicts):
    figure = stages[0]
    here = second_stage(stages, times)
    for claim, verdict in zip(("generalises", "random", "inverse"), verdicts, strict=True):
        name = f"{figure.SETTINGS[-1].name}, {way}: {claim}"
        assert judged(figure.FIGURE, name, here).verdict == verdict, name


def test_speed_beside_the_whole_network(stages):
    figure = stages[0]
    name = f"{figure.SETTINGS[0].name}: speed"
    for time, verdict in ((450.0, "holds"), (1500.0, "fails")):
        here = second_stage(stages, {"synergistic": time, "inverse": 900.0, "random": 600.0})
        assert judged(figure.FIGURE, name, here).verdict == verdict


def test_chart_and_table(stages):
    figure = stages[0]
    here = second_stage(stages, {"synergistic": 300.0, "inverse": np.inf, "random": 600.0})
    figure.FIGURE.chart(here).draw_without_rendering()
    rows = figure.FIGURE.table(here)
    assert {row["neurons"] for row in rows} == {250, 200, 50}
