"""Figure 14 of Kumar et al. 2023: targets of several directions, on planted curves."""

import math

import pytest

from afterfit.studies.kumar2023 import fig14

from ..planted import check, diverged, judged, planted
from .drawn import drawn, never_holds
from .machines import course


FIGURE = fig14.FIGURE


def _results(plant=None, printed=None):
    def grokked(steps, place):
        return course(steps, **(plant(place["seed"]) if callable(plant) else plant or {}))

    def linear(steps, place):
        found = course(steps, **({"high": 1.0, "fall": 250} | (printed or {})))
        return {name: values for name, values in found.items() if not name.startswith("committee")}

    return planted(FIGURE, dict.fromkeys(fig14.NAMES.values(), grokked) | {fig14.PRINTED: linear})


@pytest.mark.parametrize("claim", fig14.NAMES.values())
@pytest.mark.parametrize(
    ("plant", "verdict", "value"),
    [
        ({}, "holds", 1.3),
        ({"high": 1.02}, "fails", 1.02),
        ({"end": 0.5}, "fails", 1.3),
        ({"fall": math.inf}, "fails", 1.3),
        ({"fitted": 2000}, "fails", 1.3),
        (lambda seed: {"high": 1.2 if seed < 3 else 1.0}, "undecided", 1.2),
    ],
)
def test_the_claims(claim, plant, verdict, value):
    check(FIGURE, claim, _results(plant), verdict, value, rel=1e-3)


@pytest.mark.parametrize(
    ("printed", "verdict", "value"),
    [
        ({}, "holds", 1.25),
        ({"fall": 900}, "fails", 4.5),
        ({"fall": math.inf}, "fails", 10),
        ({"fitted": math.inf}, "undecided", None),
    ],
)
def test_the_printed_target(printed, verdict, value):
    check(FIGURE, "as printed", _results(printed=printed), verdict, value, rel=0.08)


def test_diverged_runs_decide_nothing():
    results = _results()
    for name in results.data:
        results = diverged(results, name, slice(None), 0)
    never_holds(FIGURE, results)
    some = diverged(diverged(_results(), "two directions", 0, 0), "two directions", 1, 10)
    assert judged(FIGURE, "two directions", some).verdict == "undecided"
    assert len(drawn(FIGURE, some)) == 4 * 5
