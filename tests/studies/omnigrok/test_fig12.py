"""Figure 12 of Liu et al. 2023: mild grokking with cross-entropy, on planted curves."""

import math

import numpy as np
import pytest

from afterfit.studies.omnigrok import fig12

from ..planted import check, DECAY, diverged, judged, planted, step_up


FIGURE = fig12.FIGURE


def _results(*, fitted=200, plateau=lambda seed: 0.35, rise=lambda decay: 0.4, late=8000, squared=0.15):
    """A plateau from the fit on, and a rise from it at a step."""

    def entropy(steps, place):
        low = plateau(place["seed"])
        test = step_up(steps, late, low, low + rise(place[DECAY]))
        return {"train_accuracy": step_up(steps, fitted), "test_accuracy": test}

    def error(steps, place):
        return {"train_accuracy": step_up(steps, 500), "test_accuracy": step_up(steps, 5000, squared, 0.7)}

    return planted(FIGURE, {"cross-entropy": entropy, "squared error": error})


@pytest.mark.parametrize(
    ("claim", "curves", "verdict", "value"),
    [
        ("low when fitted", {}, "holds", 0.35),
        ("low when fitted", {"plateau": lambda seed: 0.15}, "fails", 0.15),
        ("low when fitted", {"plateau": lambda seed: 0.55}, "fails", 0.55),
        ("low when fitted", {"plateau": lambda seed: 0.35 + 0.1 * seed}, "undecided", 0.45),
        ("low when fitted", {"fitted": math.inf}, "undecided", None),
        ("plateau", {}, "holds", math.log10(8000 / 200)),
        ("plateau", {"late": 1000}, "fails", math.log10(1000 / 200)),
        ("plateau", {"rise": lambda decay: 0.04}, "holds", math.log10(50_000 / 200)),  # it never ends
        ("plateau", {"fitted": math.inf}, "undecided", None),
        ("late rise", {}, "holds", 0.4),
        ("late rise", {"rise": lambda decay: 0.4 if decay == 0.1 else 0.0}, "holds", 0.4),
        ("late rise", {"rise": lambda decay: 0.4 if decay == 0.01 else 0.0}, "fails", 0.0),
        ("late rise", {"rise": lambda decay: 0.2}, "fails", 0.2),
        ("late rise", {"late": 100}, "fails", 0.0),  # it rose before
        ("late rise", {"fitted": math.inf}, "undecided", None),
        ("lower with squared error", {}, "holds", 0.15),
        ("lower with squared error", {"squared": 0.3}, "fails", 0.3),
    ],
)
def test_the_claims(claim, curves, verdict, value):
    check(FIGURE, claim, _results(**curves), verdict, value, rel=0.02)


def test_runs_that_diverged_before_the_fit_say_nothing_of_it():
    broken = diverged(_results(), "cross-entropy", 3, 10)  # decay 0.1, seed 0
    assert judged(FIGURE, "low when fitted", broken).verdict == "undecided"
    assert judged(FIGURE, "late rise", broken).verdict == "undecided"
    assert judged(FIGURE, "plateau", broken).note.endswith("2 of 3 seeds")
    rows = fig12.table(broken)
    assert len(rows) == 9 and np.isnan([row["test_when_fitted"] for row in rows]).sum() == 1
