"""Figure 17 of Kumar et al. 2023: thresholds of accuracy, on planted curves."""

import math

import pytest

from afterfit.studies.kumar2023 import fig17
from afterfit.studies.kumar2023._student import THRESHOLDS

from ..planted import check, diverged, planted, step_up
from .drawn import drawn, never_holds


FIGURE = fig17.FIGURE


def _results(*, fit=lambda threshold: 1 / threshold, ratio=lambda threshold: 1 + 0.02 / threshold):
    """Both sets are answered at a time of each threshold."""

    def rule(steps, place):
        measures = {}
        for one in THRESHOLDS:
            measures[f"within/train_below_{one:g}"] = step_up(steps, fit(one))
            measures[f"within/test_below_{one:g}"] = step_up(steps, fit(one) * ratio(one))
        return measures

    return planted(FIGURE, {"runs": rule})


@pytest.mark.parametrize(
    ("claim", "curves", "verdict", "value"),
    [
        # No ratio is above that of the last record: 1e5 steps over those to the strictest fit.
        ("the delay depends on the threshold", {"ratio": lambda t: 1.0 if t > 1e-3 else 20}, "holds", 1.301),
        ("the delay depends on the threshold", {"ratio": lambda t: 3.0}, "fails", 0.025),
        (
            "the delay depends on the threshold",
            {"ratio": lambda t: math.inf if t < 1e-3 else 1.0},
            "holds",
            math.log10(1e5 / 2000),
        ),
        (
            "the delay depends on the threshold",
            {"fit": lambda t: 2e4, "ratio": lambda t: math.inf if t < 1e-3 else 1.0},
            "undecided",
            math.log10(5),
        ),
        ("the delay depends on the threshold", {"fit": lambda t: math.inf}, "undecided", None),
        ("no delay at a loose threshold", {}, "holds", 1.2),
        ("no delay at a loose threshold", {"ratio": lambda t: 5.0}, "fails", 5),
        ("no delay at a loose threshold", {"fit": lambda t: math.inf}, "undecided", None),
    ],
)
def test_the_claims(claim, curves, verdict, value):
    check(FIGURE, claim, _results(**curves), verdict, value, rel=0.08)


def test_a_threshold_that_is_met_at_once_says_nothing():
    results = _results(fit=lambda t: 0 if t == 0.1 else 1 / t, ratio=lambda t: 4.0)
    check(FIGURE, "no delay at a loose threshold", results, "fails", 4, rel=0.1)


def test_diverged_runs_decide_nothing():
    results = diverged(_results(), "runs", slice(None), 1)
    for name in results["runs"]:
        if str(name).startswith("within/train"):
            results["runs"][name][:] = float("nan")
    never_holds(FIGURE, results)
    drawn(FIGURE, results)


def test_chart_and_table():
    rows = drawn(FIGURE, _results(ratio=lambda t: math.inf if t < 1e-3 else 1.0))
    assert len(rows) == len(THRESHOLDS) * 5
    assert rows[0]["threshold"] == 1e-4 and rows[0]["steps_to_half_test"] is None
