"""Figure 16 of Kumar et al. 2023: accuracy and loss of one run, on planted curves."""

import math

import numpy as np
import pytest

from afterfit.studies.kumar2023 import fig16

from ..planted import check, diverged, planted, step_up
from .drawn import drawn, never_holds


FIGURE = fig16.FIGURE


def _results(*, fit=700, half=1300, fall=1300, then=0.06, peak=0.09, before=0.05, end=0.02, accuracy=1.0):
    """A training loss that is at a level at the fit, and a test loss that rises and falls."""

    def rule(steps, place):
        train = np.where(steps < fit, 0.077, then)
        test = np.where(steps < 100, 0.077, np.where(steps < fall, peak, end))
        return {
            "train_loss": np.where(steps < 2 * fit, train, 1e-5),
            "test_loss": test,
            "train_accuracy": step_up(steps, fit),
            "test_accuracy": step_up(steps, half, low=before, high=accuracy),
            "twin/test_loss": 0.1,
        }

    return planted(FIGURE, {"runs": rule})


@pytest.mark.parametrize(
    ("claim", "curves", "verdict", "value"),
    [
        ("loss moves while accuracy is flat", {}, "holds", 0.09 / 0.077),
        ("loss moves while accuracy is flat", {"peak": 0.077}, "fails", 1),
        ("loss moves while accuracy is flat", {"peak": 0.2}, "fails", 0.2 / 0.077),
        ("loss moves while accuracy is flat", {"before": 0.5, "half": 701}, "fails", 0.09 / 0.077),
        ("loss moves while accuracy is flat", {"fit": math.inf}, "undecided", 0.09 / 0.077),
        ("fitted at a high loss", {}, "holds", 0.06),
        ("fitted at a high loss", {"then": 0.01}, "fails", 0.01),
        ("fitted at a high loss", {"fit": math.inf}, "undecided", None),
        ("one event in both", {}, "holds", 1),
        ("one event in both", {"fall": 5000}, "fails", 5000 / 1300),
        ("one event in both", {"fall": 100, "end": 0.01}, "fails", 100 / 1300),
        ("one event in both", {"end": 0.07}, "undecided", None),
        ("one event in both", {"accuracy": 0.4}, "undecided", None),
        ("test loss is not zero in the end", {}, "holds", 0.02 / 0.077),
        ("test loss is not zero in the end", {"end": 1e-5}, "fails", 1e-5 / 0.077),
        ("test loss is not zero in the end", {"accuracy": 0.8}, "fails", 0.02 / 0.077),
        ("test loss is not zero in the end", {"fit": math.inf}, "undecided", 0.02 / 0.077),
    ],
)
def test_the_claims(claim, curves, verdict, value):
    check(FIGURE, claim, _results(**curves), verdict, value, rel=0.06)


def test_guessing_is_a_matter_of_the_test_set():
    # 17 test equations and p = 13: three right are had by chance in a draw of a hundred or so, not five.
    assert 3 / 17 <= fig16.guessing(_results()) < 5 / 17


def test_diverged_runs_decide_nothing():
    results = diverged(_results(), "runs", slice(None), 1)
    never_holds(FIGURE, results)
    drawn(FIGURE, results)
    one = diverged(_results(), "runs", 0, 0)
    check(FIGURE, "one event in both", one, "holds", 1, rel=0.06)


def test_chart_and_table():
    rows = drawn(FIGURE, _results())
    assert [row["seed"] for row in rows] == list(range(5))
    assert rows[0]["loss_then"] == pytest.approx(0.06) and rows[0]["accuracy_end"] == 1
