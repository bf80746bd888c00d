"""Figure 6b of Kumar et al. 2023: transformers over alpha, on planted curves."""

import math

import pytest

from afterfit.studies.kumar2023 import fig6b
from afterfit.studies.kumar2023._transformer import RATE, setting

from ..planted import check, diverged, judged, planted, step_up
from .drawn import drawn, never_holds


FIGURE = fig6b.FIGURE
CLAIMS = {
    "nothing": "delay grows with alpha",
    "rate times decay": "delay grows, rate times decay held",
    "rate": "delay grows, rate held",
}


def _results(fit=100, **gaps):
    """Losses that fall, the test loss so many steps later; a rule for each choice of what is held."""

    def of(held):
        def rule(steps, place):
            gap = gaps.get(held.replace(" ", "_"), lambda alpha: 3000 * alpha**2)(float(place["alpha"]))
            return {
                "train_loss": step_up(steps, fit, 3.0, 0.01),
                "test_loss": step_up(steps, fit + gap, 5.0, 0.01),
            }

        return rule

    return planted(FIGURE, {held: of(held) for held in fig6b.HELD})


@pytest.mark.parametrize("held", fig6b.HELD)
def test_each_way_is_judged_by_its_own_runs(held):
    name = held.replace(" ", "_")
    check(FIGURE, CLAIMS[held], _results(), "holds", 1)
    against = _results(**{name: lambda alpha: 300 / alpha})
    check(FIGURE, CLAIMS[held], against, "fails", -1)
    for other in set(CLAIMS) - {held}:
        assert judged(FIGURE, CLAIMS[other], against).verdict == "holds"
    check(FIGURE, CLAIMS[held], _results(**{name: lambda alpha: math.inf}), "undecided", None)
    late = _results(**{name: lambda alpha: 3000 * alpha if alpha < 1 else math.inf})
    check(FIGURE, CLAIMS[held], late, "holds", 1)


@pytest.mark.parametrize(
    ("claim", "curves", "verdict", "value"),
    [
        ("delay grows in units of the rate", {"nothing": lambda alpha: 3000 * alpha**3}, "holds", 1),
        # Delays that grow as one over the rate or slower are those of slower steps.
        ("delay grows in units of the rate", {"nothing": lambda alpha: 3000 * alpha}, "fails", -1),
        ("delay grows in units of the rate", {"nothing": lambda alpha: math.inf}, "undecided", None),
        ("small alpha removes the delay", {}, "holds", 1 / 16),
        ("small alpha removes the delay", {"nothing": lambda alpha: 3000 * alpha}, "fails", 1 / 4),
        ("small alpha removes the delay", {"nothing": lambda a: 10 if a < 0.3 else math.inf}, "holds", 1e-3),
        ("small alpha removes the delay", {"nothing": lambda alpha: math.inf}, "undecided", None),
        ("small alpha removes the delay", {"fit": math.inf}, "undecided", None),
    ],
)
def test_the_claims(claim, curves, verdict, value):
    results = _results(**curves)
    if claim.startswith("small") and value == 1e-3:
        found = judged(FIGURE, claim, results)
        assert found.verdict == verdict and found.value is not None and 0 < found.value < 0.01
    else:
        check(FIGURE, claim, results, verdict, value, rel=0.15)


def test_what_is_held():
    scale = "laptop"
    product = lambda fields: fields["optimiser.learning_rate"] * fields["optimiser.weight_decay"]
    free, held, fixed = (
        {alpha: setting(scale, alpha, 3.0, one) for alpha in (0.25, 0.5, 1.0)} for one in fig6b.HELD
    )
    assert product(free[0.25]) == pytest.approx(16 * product(free[1.0]))
    assert product(held[0.25]) == pytest.approx(product(held[1.0])) == pytest.approx(product(free[0.5]))
    assert held[0.25]["optimiser.learning_rate"] == free[0.25]["optimiser.learning_rate"]
    assert fixed[0.25]["optimiser.learning_rate"] == fixed[1.0]["optimiser.learning_rate"] == 4 * RATE[scale]
    assert free[0.5] == held[0.5] == fixed[0.5]
    assert {one["parametrisation.output_scale"] for one in held.values()} == {0.25, 0.5, 1.0}


def test_diverged_runs_decide_nothing():
    results = _results()
    for held in fig6b.HELD:
        results = diverged(results, held, slice(None), 1)
    never_holds(FIGURE, results)
    drawn(FIGURE, results)


def test_chart_and_table():
    rows = drawn(FIGURE, _results(rate=lambda alpha: math.inf))
    assert len(rows) == 3 * 5 * 3
    assert rows[0]["held"] == "nothing" and rows[0]["alpha"] == 0.25
    assert rows[-1]["held"] == "rate" and rows[-1]["steps_to_test_loss"] is None
