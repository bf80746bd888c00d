"""Figure 8 of Kumar et al. 2023: students over alpha, on planted curves."""

import math

import pytest

from afterfit.studies.kumar2023 import fig8

from ..planted import check, diverged, planted, step_up
from .drawn import drawn, never_holds


FIGURE = fig8.FIGURE


def _results(*, delay=lambda alpha: 1 + 10 * alpha, exact=lambda alpha: 1 + 2 * alpha, fit=60):
    """Students that answer the test set so many times later, under both meanings."""

    def rule(steps, place):
        alpha = place[fig8.ALPHA]
        fits = fit * (1 + alpha)
        measures = {}
        for name, ratio in (("below_0.001", delay), ("exact", exact)):
            measures[f"within/train_{name}"] = step_up(steps, fits)
            measures[f"within/test_{name}"] = step_up(steps, fits * ratio(alpha))
        return measures

    return planted(FIGURE, {"alphas": rule})


@pytest.mark.parametrize(
    ("claim", "curves", "verdict", "value"),
    [
        ("delay grows with alpha", {}, "holds", 1),
        ("delay grows with alpha", {"delay": lambda alpha: 1 + 1 / alpha}, "fails", -1),
        ("delay grows with alpha", {"delay": lambda alpha: math.inf}, "undecided", None),
        ("delay grows with alpha", {"delay": lambda a: 1 + 10 * a if a < 3 else math.inf}, "holds", 1),
        ("delay grows with alpha, by the text's measure", {}, "holds", 1),
        ("delay grows with alpha, by the text's measure", {"exact": lambda a: 30 / a}, "fails", -1),
        ("delay grows with alpha, by the text's measure", {"exact": lambda a: math.inf}, "undecided", None),
        ("small alpha removes the delay", {"delay": lambda alpha: 1.2}, "holds", 1.2),
        ("small alpha removes the delay", {}, "fails", 2),
        ("small alpha removes the delay", {"fit": math.inf}, "undecided", None),
        ("grokking at alpha = 1", {}, "holds", 11),
        ("grokking at alpha = 1", {"delay": lambda alpha: 2}, "fails", 2),
        # What never came is at least as late as the end, and that must be late enough.
        ("grokking at alpha = 1", {"delay": lambda alpha: math.inf}, "holds", 20_000 / 120),
        ("grokking at alpha = 1", {"delay": lambda alpha: math.inf, "fit": 3000}, "undecided", 20 / 6),
        ("grokking at alpha = 1", {"fit": math.inf}, "undecided", None),
    ],
)
def test_the_claims(claim, curves, verdict, value):
    check(FIGURE, claim, _results(**curves), verdict, value, rel=0.07)


def test_diverged_runs_decide_nothing():
    results = diverged(_results(), "alphas", slice(None), 1)
    results["alphas"]["within/train_exact"][:] = float("nan")
    results["alphas"]["within/train_below_0.001"][:] = float("nan")
    never_holds(FIGURE, results)
    drawn(FIGURE, results)


def test_chart_and_table():
    rows = drawn(FIGURE, _results(exact=lambda alpha: math.inf))
    assert len(rows) == 2 * len(fig8.ALPHAS) * 5
    assert rows[0]["steps_to_half_test"] == pytest.approx(2 * 66, rel=0.07)
    assert rows[-1]["steps_to_half_test"] is None
