"""Figure 11 of Kumar et al. 2023: the terms with trained readouts, on planted curves."""

import math

import pytest

from afterfit.studies.kumar2023 import fig11

from ..planted import check, diverged, judged, planted
from .drawn import drawn, never_holds
from .machines import course


FIGURE = fig11.FIGURE


def _results(*, authors=None, wide=None):
    """Two units whose loss dips before it climbs, and wide networks; both may be told for each seed."""

    def rule(told, first):
        def follow(steps, place):
            return course(steps, **(first | (told(place["seed"]) if callable(told) else told or {})))

        return follow

    return planted(FIGURE, {"authors": rule(authors, {"low": 0.7, "high": 0.9}), "wide": rule(wide, {})})


@pytest.mark.parametrize(
    ("claim", "plant", "verdict", "value"),
    [
        ("terms add up", {}, "holds", 0),
        ("terms add up", {"wide": {"gap": 1e-3}}, "fails", 0),
        ("the climb is linear", {}, "holds", 1),
        ("the climb is linear", {"authors": {"high": 0.75}}, "fails", 1),
        (
            "the climb is linear",
            {"authors": lambda seed: {"share": 0.9 if seed < 2 else 0.4}},
            "undecided",
            0.4,
        ),
        ("the climb is linear in wide networks", {}, "holds", 1),
        ("the climb is linear in wide networks", {"wide": {"high": 1.08}}, "fails", 1),
        ("alignment comes after", {}, "holds", 30),
        ("alignment comes after", {"authors": {"turned": 5}}, "fails", 0.1),
        ("alignment comes after in wide networks", {"wide": {"turned": math.inf}}, "undecided", None),
        ("alignment comes after in wide networks", {}, "holds", 30),
        ("all terms vanish", {}, "holds", 0.0112),
        ("all terms vanish", {"authors": {"fall": math.inf}}, "fails", 0.45),
        ("all terms vanish in wide networks", {}, "holds", 0.0112),
        ("all terms vanish in wide networks", {"wide": {"end": 0.2}}, "fails", 0.112),
    ],
)
def test_the_claims(claim, plant, verdict, value):
    check(FIGURE, claim, _results(**plant), verdict, value, rel=0.08)


def test_diverged_runs_decide_nothing():
    results = _results()
    for name in results.data:
        results = diverged(results, name, slice(None), 0)
    never_holds(FIGURE, results)
    some = diverged(diverged(_results(), "wide", 0, 0), "wide", 1, 10)
    assert judged(FIGURE, "all terms vanish in wide networks", some).verdict == "undecided"
    assert len(drawn(FIGURE, some)) == 2 * 5
