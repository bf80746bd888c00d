"""Figure 12 of Kumar et al. 2023: weight decay against alpha, on planted curves."""

import math

import pytest

from afterfit.studies.kumar2023 import fig12

from ..planted import check, diverged, planted, step_up, sweeps_of
from .drawn import drawn, never_holds


FIGURE = fig12.FIGURE
GAPS = {fig12.LONG: 5000, fig12.GONE: 500, fig12.BACK: 6000, fig12.SLOW: 900, fig12.STEADY: 4000}
REMOVES, BACK = "decay removes the delay", "alpha brings it back"
RATE_HELD, PRODUCT_HELD = "alpha brings it back, rate held", "alpha brings it back, rate times decay held"


def _results(fit=100, **gaps):
    """Losses that fall, the test loss so many steps later; `gaps` by the names of constants."""
    known = GAPS | {getattr(fig12, name): value for name, value in gaps.items()}

    def rule(steps, place):
        return {
            "train_loss": step_up(steps, fit, 3.0, 0.01),
            "test_loss": step_up(steps, fit + known[place["setting"]], 5.0, 0.01),
        }

    return planted(FIGURE, {"settings": rule})


@pytest.mark.parametrize(
    ("claim", "gaps", "verdict", "value"),
    [
        (REMOVES, {}, "holds", 0.1),
        (REMOVES, {"GONE": 2500}, "fails", 0.5),
        (REMOVES, {"GONE": math.inf}, "fails", 7900 / 5000),
        (REMOVES, {"LONG": math.inf, "GONE": math.inf}, "undecided", 1),
        # A delay (a) that is longer than the run bounds the share from above.
        (REMOVES, {"LONG": math.inf}, "holds", 500 / 7900),
        (REMOVES, {"LONG": math.inf, "GONE": 6000}, "undecided", 6000 / 7900),
        (REMOVES, {"fit": math.inf}, "undecided", None),
        (BACK, {}, "holds", 1.2),
        (BACK, {"BACK": 1000}, "fails", 0.2),
        (BACK, {"BACK": math.inf}, "holds", 7900 / 5000),
        (BACK, {"LONG": math.inf}, "undecided", 6000 / 7900),
        (BACK, {"LONG": math.inf, "BACK": 1000}, "fails", 1000 / 7900),
        (BACK, {"LONG": math.inf, "BACK": math.inf}, "undecided", 1),
        (RATE_HELD, {}, "fails", 0.18),
        (RATE_HELD, {"SLOW": 5000}, "holds", 1),
        (PRODUCT_HELD, {}, "holds", 0.8),
        (PRODUCT_HELD, {"STEADY": 500}, "fails", 0.1),
        (PRODUCT_HELD, {"fit": math.inf}, "undecided", None),
    ],
)
def test_the_claims(claim, gaps, verdict, value):
    check(FIGURE, claim, _results(**gaps), verdict, value, rel=0.08)


def test_the_settings():
    fields = sweeps_of(FIGURE, "laptop")["settings"].axes["setting"]
    assert isinstance(fields, dict)
    rate, decay = (
        {name: one[f"optimiser.{field}"] for name, one in fields.items()}
        for field in ("learning_rate", "weight_decay")
    )
    assert (decay[fig12.LONG], decay[fig12.GONE], decay[fig12.BACK]) == (1, 5, 5)
    assert rate[fig12.LONG] == rate[fig12.GONE] == pytest.approx(7.84 * rate[fig12.BACK])
    assert rate[fig12.SLOW] == rate[fig12.GONE] and decay[fig12.SLOW] == 5
    product = rate[fig12.STEADY] * decay[fig12.STEADY]
    assert product == pytest.approx(rate[fig12.GONE] * 5) and rate[fig12.STEADY] == rate[fig12.BACK]


def test_diverged_runs_decide_nothing():
    results = diverged(_results(), "settings", slice(None), 1)
    never_holds(FIGURE, results)
    drawn(FIGURE, results)


def test_chart_and_table():
    rows = drawn(FIGURE, _results(BACK=math.inf))
    assert len(rows) == 5 * 3 and rows[0]["setting"] == "(a)"
    assert rows[2]["steps_to_test_loss"] is None
