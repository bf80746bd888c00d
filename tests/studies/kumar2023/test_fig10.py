"""Figure 10 of Kumar et al. 2023: first weights that are a little aligned, on planted curves."""

import math

import numpy as np
import pytest

from afterfit.models import CommitteeMachine
from afterfit.studies.kumar2023 import fig10

from ..planted import check, diverged, judged, planted, sweeps_of
from .drawn import drawn, never_holds
from .machines import course


FIGURE = fig10.FIGURE
RISES = {0.0: 1.3, 0.05: 1.2, 0.2: 1.0, 0.5: 1.0, 0.75: 1.0, 0.95: 1.0}


def _results(*, authors=None, wide=None, end=0.005):
    """A rise that shrinks as the share grows, or other rises by share, for all seeds or told for each."""

    def rule(told):
        def follow(steps, place):
            rises = told(place["seed"]) if callable(told) else told or {}
            return course(steps, high=(RISES | rises)[place[fig10.ALIGNED]], end=end)

        return follow

    return planted(FIGURE, {"authors": rule(authors), "wide": rule(wide)})


@pytest.mark.parametrize(
    ("claim", "plant", "verdict", "value"),
    [
        ("rises less", {}, "holds", 0),
        ("rises less", {"wide": {0.5: 1.2}}, "fails", 0.2),
        ("rises less", {"wide": lambda seed: {0.5: 1.2 if seed else 1.0}}, "undecided", 0.2),
        ("no rise in the authors' draw", {}, "holds", 1),
        ("no rise in the authors' draw", {"authors": {0.2: 1.1}}, "fails", 1.1),
        ("no rise in the authors' draw", {"end": 0.3}, "fails", 1),
        ("no rise in wide networks", {}, "holds", 1),
        ("no rise in wide networks", {"wide": {0.95: 1.1}}, "fails", 1.1),
        ("a little is enough in the authors' draw", {}, "fails", 1.2),
        ("a little is enough in the authors' draw", {"authors": {0.05: 1.01}}, "holds", 1.01),
        ("a little is enough in wide networks", {}, "fails", 1.2),
        ("a little is enough in wide networks", {"wide": {0.05: 1.0}}, "holds", 1.0),
        (
            "a little is enough in wide networks",
            {"wide": lambda seed: {0.05: 1 + seed / 10}},
            "undecided",
            1.1,
        ),
    ],
)
def test_the_claims(claim, plant, verdict, value):
    check(FIGURE, claim, _results(**plant), verdict, value, rel=0.01)


def test_diverged_runs_decide_nothing():
    results = _results(authors={0.05: 1.0}, wide={0.05: 1.0})
    for name in results.data:
        results = diverged(results, name, slice(None), 0)
    never_holds(FIGURE, results)
    some = diverged(_results(), "wide", slice(0, None, 3), 10)
    assert judged(FIGURE, "no rise in wide networks", some).verdict == "undecided"
    assert len(drawn(FIGURE, some)) == 6 + 6 * 3


def test_two_units_along_the_solution_are_one():
    """At a share of 1 the first weights have no test loss: M = beta beta^T / (alpha epsilon), and no mean."""
    for name, plan in sweeps_of(FIGURE, "laptop").items():
        model, task = plan.experiment.model, plan.experiment.task
        assert isinstance(model, CommitteeMachine)
        beta = task.data(0).truth["beta"][0].astype(float)
        both = np.stack([model.direction, np.negative(model.direction)]) * math.sqrt(model.width / 2)
        second = both.T @ both / model.width
        np.testing.assert_allclose(model.nonlinearity * second, np.outer(beta, beta), atol=1e-6, err_msg=name)
