"""Figure 18 of Kumar et al. 2023: losses of a student, on planted curves."""

import numpy as np
import pytest

from afterfit.studies.kumar2023 import fig18

from ..planted import check, diverged, planted
from .drawn import drawn, never_holds


FIGURE = fig18.FIGURE


def _results(*, above=lambda steps, seed: 0.01, factor=1.0, peak=0.0):
    """A training loss that falls as one over time, and a test loss above it."""

    def rule(steps, place):
        train = 0.3 / (1 + steps)
        test = factor * train + above(steps, place["seed"]) + peak * (steps == 10)
        return {"train_loss": train, "test_loss": test}

    return planted(FIGURE, {"runs": rule})


def _step(steps, seed):
    """A difference above the bound for some seeds alone."""
    return np.where(seed > 2, 0.06, 0.01)


@pytest.mark.parametrize(
    ("claim", "curves", "verdict", "value"),
    [
        ("losses track on a linear axis", {}, "holds", 0.01 / 0.3),
        ("losses track on a linear axis", {"above": lambda steps, seed: 0.06}, "fails", 0.2),
        ("losses track on a linear axis", {"above": _step}, "undecided", 0.01 / 0.3),
        ("losses track on a logarithmic axis", {"above": lambda steps, seed: 0.0, "factor": 3}, "holds", 3),
        ("losses track on a logarithmic axis", {}, "fails", 1 + 0.01 * 100_001 / 0.3),
        ("no grokking in loss", {}, "holds", 1),
        ("no grokking in loss", {"peak": 0.5}, "fails", (0.3 / 11 + 0.51) / 0.31),
    ],
)
def test_the_claims(claim, curves, verdict, value):
    check(FIGURE, claim, _results(**curves), verdict, value)


@pytest.mark.parametrize("records", [0, 1, 20])
def test_diverged_runs_decide_nothing(records):
    results = diverged(_results(above=lambda steps, seed: 0.0), "runs", slice(None), records)
    never_holds(FIGURE, results)
    drawn(FIGURE, results)
    one = diverged(_results(), "runs", 0, records)
    check(FIGURE, "losses track on a linear axis", one, "holds", 0.01 / 0.3)


def test_chart_and_table():
    rows = drawn(FIGURE, _results())
    assert len(rows) == 5
    assert rows[0]["largest_difference"] == pytest.approx(0.01 / 0.3, rel=1e-3)
    assert rows[0]["rise"] == pytest.approx(1)
