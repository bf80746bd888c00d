"""Figure 3e of Kumar et al. 2023: a phase diagram of delays, on planted curves."""

import math

import numpy as np
import pytest

from afterfit.ensemble._pack import packs
from afterfit.studies.kumar2023 import fig3e

from ..planted import check, diverged, grid, judged, planted, step_up, sweeps_of
from .drawn import drawn, never_holds


FIGURE = fig3e.FIGURE
ALPHA, EPSILON = fig3e.ALPHA, fig3e.EPSILON


def _results(
    late=lambda fit, alpha, epsilon: 2 * fit + 100 * alpha / epsilon**0.5, fit=lambda a, e: 20 * a / e
):
    """By default both times grow with alpha and fall with epsilon, and so does the delay; the ratio grows."""

    def rule(steps, place):
        alpha, epsilon = place[ALPHA], place[EPSILON]
        fitted = fit(alpha, epsilon)
        total = step_up(steps, late(fitted, alpha, epsilon), 0.75, 0.05)
        return {
            "train_loss": step_up(steps, fitted, 0.75, 0.01),
            "test_loss": total,
            "committee_loss/total": total,
        }

    return planted(FIGURE, {"phases": rule})


def test_the_diagram_is_one_pack_of_one_program():
    (plan,) = sweeps_of(FIGURE, "laptop").values()
    assert len(plan.runs) == 14 * 14 * 3
    assert len(packs(plan.runs)) == 1
    alphas, epsilons = (list(plan.axes[axis]) for axis in (ALPHA, EPSILON))
    assert alphas == pytest.approx([0.4 * k for k in range(1, 15)])
    assert epsilons == pytest.approx([0.02 * k for k in range(1, 15)])


STEEP = {"late": lambda fit, alpha, epsilon: fit + 20 * alpha / epsilon, "fit": lambda a, e: 10.0}


@pytest.mark.parametrize(
    ("claim", "told", "verdict", "value"),
    [
        ("delay grows with alpha", {}, "holds", 1),
        ("delay grows with alpha", {"late": lambda fit, a, e: fit + 5000 / a}, "fails", 0),
        ("delay grows with alpha", {"late": lambda fit, a, e: math.inf}, "undecided", None),
        ("delay falls with epsilon", {}, "holds", 1),
        ("delay falls with epsilon", {"late": lambda fit, a, e: fit + 1000 + 5e4 * e}, "fails", 0),
        ("delay falls with epsilon", {"fit": lambda a, e: math.inf}, "undecided", None),
        ("ratio grows with alpha", STEEP, "holds", 1),
        (
            "ratio grows with alpha",
            {"late": lambda fit, a, e: fit * (1 + 100 / a), "fit": lambda a, e: 10.0},
            "fails",
            0,
        ),
        ("ratio falls with epsilon", STEEP, "holds", 1),
        (
            "ratio falls with epsilon",
            {"late": lambda fit, a, e: fit * 300 * e, "fit": lambda a, e: 10.0},
            "fails",
            0,
        ),
        ("longest in the corner", {}, "holds", 5.6),
        ("longest in the corner", {"late": lambda fit, a, e: fit + 5000 / a}, "fails", 0.4),
        ("longest in the corner", {"late": lambda fit, a, e: math.inf}, "undecided", None),
    ],
)
def test_the_claims(claim, told, verdict, value):
    # A record is 3% of a step: cells whose neighbours fall on one record count as not moved.
    check(FIGURE, claim, _results(**told), verdict, value, rel=0.15)


def test_a_cell_that_does_not_generalise_is_no_cell_without_delay():
    """The lazy half never generalises: only pairs of the other half are judged, and nothing is 0."""
    results = _results(late=lambda fit, a, e: math.inf if a > 2.9 else fit + 500 * a / e**0.5)
    delay = fig3e.phases(results)["delay"]
    assert np.isnan(delay.where(delay[ALPHA] > 2.9, drop=True)).all() and float(delay.min()) > 0
    found = judged(FIGURE, "delay grows with alpha", results)
    assert found.verdict == "holds" and "of 84 pairs a seed, without 294 of 588 runs" in found.note
    # As the authors read it, with 0 for these cells, the trend along alpha would break.
    shares, pairs = fig3e.neighbours(delay.fillna(0), ALPHA, 1)
    assert (pairs == 13 * 14).all() and (shares < 0.6).all()


def test_times_are_read_at_a_fifth_and_at_the_level_of_the_authors():
    results = _results(late=lambda fit, a, e: 500, fit=lambda a, e: 100)
    steps = results["phases"]["step"].values
    for level in (None, fig3e.LEVEL):
        found = fig3e.phases(results, level)
        assert (found["delay"] == grid(steps, 500) - grid(steps, 100)).all()


def test_runs_that_diverge():
    results = _results()
    every = diverged(results, "phases", slice(None), 0)
    never_holds(FIGURE, every)
    drawn(FIGURE, every)
    one = diverged(results, "phases", 0, 20)
    assert int(fig3e.phases(one)["delay"].isnull().sum()) == 1


def test_chart_and_table():
    rows = drawn(FIGURE, _results())
    assert len(rows) == 14 * 14 and all(row["censored_seeds"] == 0 for row in rows)
    blank = drawn(FIGURE, _results(late=lambda fit, a, e: math.inf))
    assert all(row["censored_seeds"] == 3 and np.isnan(row["delay"]) for row in blank)
