"""Figure 2 of Kumar et al. 2023: modular addition without decay, on planted curves."""

import math

import numpy as np
import pytest

from afterfit.studies.kumar2023 import fig2
from afterfit.studies.kumar2023._modular import ALPHA, output_scale

from ..planted import check, diverged, judged, planted, step_up
from .drawn import drawn, never_holds


FIGURE = fig2.FIGURE
ALPHAS = np.array(fig2.GRID["laptop"])


def _results(
    *,
    fit=lambda seed: 700,
    late=lambda seed: 1700,
    end=1.0,
    norm=lambda seed: 2.7,
    its=0.0,
    fitted=1.0,
    delay=lambda alpha, seed: 900 * alpha,
):
    """Runs that fit and generalise, their twins, and delays over alpha."""

    def runs(steps, place):
        seed = place["seed"]
        return {
            "train_accuracy": step_up(steps, fit(seed)),
            "test_accuracy": step_up(steps, late(seed), low=0.05, high=end),
            "weight_norm": np.linspace(60, 60 * norm(seed), steps.size),
            "twin/train_accuracy": step_up(steps, 900, high=fitted),
            "twin/test_accuracy": its,
            "twin/test_loss": 0.1,
        }

    def over_alpha(steps, place):
        alpha = place[ALPHA] / output_scale("laptop", 1.0)
        fits = 700 * alpha
        return {
            "train_accuracy": step_up(steps, fits),
            "test_accuracy": step_up(steps, fits + delay(alpha, place["seed"])),
        }

    return planted(FIGURE, {"runs": runs, "alphas": over_alpha})


@pytest.mark.parametrize(
    ("claim", "curves", "verdict", "value"),
    [
        ("grokking without weight decay", {}, "holds", 1700 / 700),
        ("grokking without weight decay", {"late": lambda seed: 700}, "fails", 1),
        ("grokking without weight decay", {"end": 0.9}, "fails", math.inf),
        # A fit that never comes is no grokking and no refutation of it.
        ("grokking without weight decay", {"fit": lambda seed: math.inf}, "undecided", None),
        (
            "grokking without weight decay",
            {"late": lambda seed: 700 + 1000 * (seed > 1)},
            "undecided",
            17 / 7,
        ),
        ("the norm rises", {}, "holds", 2.7),
        ("the norm rises", {"norm": lambda seed: 0.8}, "fails", 0.8),
        ("the norm rises", {"norm": lambda seed: 1 + 0.3 * seed}, "undecided", 1.6),
        ("the linearised network only memorises", {}, "holds", 0.0),
        ("the linearised network only memorises", {"its": 0.9}, "fails", 0.9),
        ("the linearised network only memorises", {"fitted": 0.4}, "undecided", 0.0),
        ("delay grows with alpha", {}, "holds", 1),
        (
            "delay grows with alpha",
            {"delay": lambda alpha, seed: 900 if alpha < 2 else math.inf},
            "fails",
            0.87,
        ),
        ("delay grows with alpha", {"delay": lambda alpha, seed: 900 / alpha}, "fails", -1),
        ("delay grows with alpha", {"delay": lambda alpha, seed: math.inf}, "undecided", None),
        ("small alpha removes the delay", {}, "holds", 0.25),
        ("small alpha removes the delay", {"delay": lambda alpha, seed: 900}, "fails", 1),
        (
            "small alpha removes the delay",
            {"delay": lambda alpha, seed: math.inf if alpha < 0.3 else 900},
            "undecided",
            None,
        ),
    ],
)
def test_the_claims(claim, curves, verdict, value):
    results = _results(**curves)
    if value is None:
        assert judged(FIGURE, claim, results).verdict == verdict
    else:
        check(FIGURE, claim, results, verdict, value, rel=0.08)


def test_runs_that_never_generalise_are_the_latest():
    results = _results(delay=lambda alpha, seed: 900 * alpha if alpha < 4 else math.inf)
    check(FIGURE, "delay grows with alpha", results, "holds", 1)
    # Delays that are open count as longer than that at alpha = 1, whatever it is.
    results = _results(delay=lambda alpha, seed: 900 if alpha < 1 else math.inf)
    check(FIGURE, "small alpha removes the delay", results, "holds", 0)


def test_diverged_runs_decide_nothing():
    results = _results()
    for name in ("runs", "alphas"):
        results = diverged(results, name, slice(None), 1)
    never_holds(FIGURE, results)
    drawn(FIGURE, results)


def test_chart_and_table():
    rows = drawn(FIGURE, _results(delay=lambda alpha, seed: 900 * alpha if alpha < 4 else math.inf))
    assert len(rows) == len(ALPHAS) * 5 and rows[0]["alpha"] == 0.25
    assert rows[4]["alpha"] == 4 and rows[4]["steps_to_95_test"] is None
    assert rows[2]["steps_to_95_train"] == pytest.approx(700, rel=0.06)
