"""Figure 15 of Kumar et al. 2023: Hermite polynomials as targets, on planted curves."""

import math

import pytest

from afterfit.models import CommitteeMachine
from afterfit.studies.kumar2023 import fig15
from afterfit.tasks import Polynomial

from ..planted import check, diverged, judged, planted, sweeps_of
from .drawn import drawn, never_holds
from .machines import course


FIGURE = fig15.FIGURE
DEGREES = ("degree 2", "degree 3", "degree 4")


def _results(plant=None):
    def rule(steps, place):
        found = course(steps, **(plant(place["seed"]) if callable(plant) else plant or {}))
        return {name: values for name, values in found.items() if not name.startswith("committee")}

    return planted(FIGURE, dict.fromkeys(DEGREES, rule))


@pytest.mark.parametrize("claim", DEGREES)
@pytest.mark.parametrize(
    ("plant", "verdict", "value"),
    [
        ({}, "holds", 1.3),
        ({"high": 1.0}, "fails", 1.0),
        ({"end": 0.5}, "fails", 1.3),
        ({"fitted": 2000}, "fails", 1.3),
        (lambda seed: {"fall": 2000 if seed < 3 else math.inf}, "undecided", 1.3),
    ],
)
def test_the_claims(claim, plant, verdict, value):
    check(FIGURE, claim, _results(plant), verdict, value, rel=1e-3)


def test_even_targets_are_within_reach_of_the_activation():
    """He_k has at most epsilon / 2 of its amplitude in units of unit variance."""
    for k, one in fig15.SETTINGS.items():
        within = one.factor / math.sqrt(math.factorial(k)) <= one.nonlinearity / 2
        assert within or k % 2, k


def test_activation_and_target_are_of_one_degree():
    for plan in sweeps_of(FIGURE, "laptop").values():
        model, task = plan.experiment.model, plan.experiment.task
        assert isinstance(model, CommitteeMachine) and isinstance(task, Polynomial)
        assert model.degree == task.degree


def test_diverged_runs_decide_nothing():
    results = _results()
    for name in results.data:
        results = diverged(results, name, slice(None), 0)
    never_holds(FIGURE, results)
    some = diverged(diverged(_results(), "degree 3", 0, 0), "degree 3", 1, 10)
    assert judged(FIGURE, "degree 3", some).verdict == "undecided"
    assert len(drawn(FIGURE, some)) == 3 * 5
