"""Figure 6a of Kumar et al. 2023: digits over alpha, on planted curves."""

import math

import pytest

from afterfit.studies.kumar2023 import fig6a

from ..planted import check, diverged, planted, step_up
from .drawn import drawn, never_holds


FIGURE = fig6a.FIGURE


def _results(*, gap=lambda alpha: 4000 * (alpha - 0.01), fit=lambda alpha: 1000 * (1 + alpha), best=0.9):
    """A fit, and a best test accuracy so many steps later."""

    def rule(steps, place):
        alpha = float(place["alpha"])
        return {
            "train_accuracy": step_up(steps, fit(alpha)),
            "test_accuracy": step_up(steps, fit(alpha) + gap(alpha), high=best),
        }

    return planted(FIGURE, {"alphas": rule})


@pytest.mark.parametrize(
    ("claim", "curves", "verdict", "value"),
    [
        ("delay grows with alpha", {}, "holds", 1),
        ("delay grows with alpha", {"gap": lambda alpha: 2000 * (1.1 - alpha)}, "fails", -1),
        ("delay grows with alpha", {"fit": lambda alpha: math.inf}, "undecided", None),
        ("small alpha removes the delay", {}, "holds", 0),
        ("small alpha removes the delay", {"gap": lambda alpha: -500 + 4000 * alpha}, "holds", -460 / 3500),
        ("small alpha removes the delay", {"gap": lambda alpha: 1000 + 4000 * alpha}, "fails", 1040 / 5000),
        # A delay of nothing is no delay that could be removed.
        ("small alpha removes the delay", {"gap": lambda alpha: -500}, "fails", 1),
        ("small alpha removes the delay", {"fit": lambda alpha: math.inf}, "undecided", None),
        ("grokking at large alpha", {}, "holds", 2.98),
        ("grokking at large alpha", {"gap": lambda alpha: 10.0}, "fails", 1),
        ("grokking at large alpha", {"fit": lambda alpha: math.inf}, "undecided", None),
    ],
)
def test_the_claims(claim, curves, verdict, value):
    check(FIGURE, claim, _results(**curves), verdict, value, rel=0.25)


def test_generalised_is_nine_tenths_of_the_best():
    """Not of one: runs that get to 0.5 at most, and late, are late."""
    check(FIGURE, "grokking at large alpha", _results(best=0.5), "holds", 2.98, rel=0.1)


def test_diverged_runs_decide_nothing():
    results = diverged(_results(), "alphas", slice(None), 1)
    never_holds(FIGURE, results)
    drawn(FIGURE, results)


def test_chart_and_table():
    rows = drawn(FIGURE, _results())
    assert len(rows) == 4 * 3 and rows[0]["alpha"] == 0.01
    assert rows[0]["best_test_accuracy"] == pytest.approx(0.9)
    assert rows[-1]["steps_to_fit"] == pytest.approx(1000 * (1 + rows[-1]["alpha"]), rel=0.06)
