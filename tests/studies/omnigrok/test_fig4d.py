"""Figure 4d of Liu et al. 2023: reviews that are generalised late, on planted curves."""

import typing

import numpy as np
import pytest

from afterfit.studies.omnigrok import fig4d

from ..planted import ALPHA, check, diverged, judged, planted, step_up


FIGURE = fig4d.FIGURE


def _results(*, fitted=200, before=0.5, late=1500, after=0.65, others=None, lucky=False):
    """From alpha = 6 with decay a rise from `before` to `after`; `others` gain so much, by (alpha, decay)."""
    others = others or {}

    def rule(steps, place):
        where = (place[ALPHA], place[fig4d.DECAY])
        if where == (6.0, 1.0):
            low, high, at, fit = before, after, late, fitted
        else:
            low, high, at, fit = 0.65, 0.65 + others.get(where, 0.0), 1000, 150
        values: dict[str, typing.Any] = {
            one: (value(place["seed"]) if callable(value) else value)
            for one, value in (("low", low), ("high", high), ("at", at), ("fit", fit))
        }
        test = step_up(steps, values["at"], values["low"], values["high"])
        if lucky:  # two records of 5 are no rise
            test = np.where(steps % 250 < 50, 0.9, test)
        return {"train_accuracy": step_up(steps, values["fit"], low=0.6), "test_accuracy": test}

    return planted(FIGURE, {"runs": rule})


@pytest.mark.parametrize(
    ("claim", "curves", "verdict", "value"),
    [
        ("late from a large norm", {}, "holds", 0.15),
        ("late from a large norm", {"fitted": 600, "late": 3000}, "fails", 0),
        ("late from a large norm", {"before": 0.6, "after": 0.75}, "fails", 0.15),  # not poor when fitted
        ("late from a large norm", {"after": 0.58}, "fails", 0.08),
        ("late from a large norm", {"late": 700}, "fails", 0.15),  # too soon
        ("late from a large norm", {"after": lambda seed: 0.5 + 0.11 * seed}, "undecided", 0.11),
        ("late from a large norm", {"fitted": 1e6}, "undecided", None),
        ("late from a large norm", {"fitted": lambda seed: 1e6 if seed else 200}, "undecided", 0.15),
        ("nothing late from the standard norm", {}, "holds", 0),
        ("nothing late from the standard norm", {"lucky": True}, "holds", 0),
        ("nothing late from the standard norm", {"others": {(1.0, 0.0): 0.06}}, "fails", 0.06),
        ("nothing late from the standard norm", {"others": {(1.0, 0.0): 0.03}}, "holds", 0.03),
        ("norm alone", {}, "holds", 0),
        ("norm alone", {"others": {(6.0, 0.0): 0.1}}, "fails", 0.1),
        ("decay alone", {"others": {(6.0, 0.0): 0.1}}, "holds", 0),
        ("decay alone", {"others": {(1.0, 1.0): 0.1}}, "fails", 0.1),
    ],
)
def test_the_claims(claim, curves, verdict, value):
    check(FIGURE, claim, _results(**curves), verdict, value)


def test_the_rise_of_one_run():
    found = fig4d.rise(_results(fitted=200, late=1500), 6.0, 1.0, 0)
    # Medians of five records of 25 steps do not move a step.
    assert found == pytest.approx((200, 0.5, 0.15, 1500))


def test_a_run_that_diverged_leaves_its_seed_open():
    results = _results()
    early, late = (diverged(results, "runs", 0, records) for records in (3, 90))
    for broken in (early, late):  # before the fit, and before the end
        found = judged(FIGURE, "late from a large norm", broken)
        assert found.verdict == "undecided" and found.note.endswith("2 of 3 seeds")
    assert fig4d.rise(late, 6.0, 1.0, 0).fitted == 200
