"""Figure 10a and c of Liu et al. 2023: a transformer's times against decay, on planted times."""

import math

import numpy as np
import pytest

from afterfit.studies.omnigrok import fig10ac

from ..planted import check, DECAY, judged, planted, step_up


FIGURE = fig10ac.FIGURE
DECAYS = fig10ac.DECAYS["laptop"]
_CHANCE = np.exp(0.05 * np.random.default_rng(0).normal(size=(2, len(DECAYS))))


def _law(*exponents, factor=(2000, 3000)):
    """Times of two seeds, each with a law of its own, and some chance."""

    def time(decay, seed):
        return factor[seed] * decay ** -exponents[seed] * _CHANCE[seed, DECAYS.index(decay)]

    return time


def _results(*, late=_law(1, 1), fitted=lambda decay, seed: 200):
    def rule(steps, place):
        decay, seed = place[DECAY], place["seed"]
        test = step_up(steps, late(decay, seed))
        return {"train_accuracy": step_up(steps, fitted(decay, seed)), "test_accuracy": test}

    return planted(FIGURE, {"decays": rule})


@pytest.mark.parametrize(
    ("claim", "curves", "verdict", "value"),
    [
        ("inverse law", {"late": _law(1, 1, factor=(2500, 2500))}, "holds", 1),
        ("inverse law", {"late": _law(0.5, 0.5)}, "fails", 0.5),
        ("inverse law", {"late": _law(0.7, 0.9, factor=(2500, 2500))}, "undecided", 0.8),
        ("inverse law", {"late": lambda decay, seed: 5000 / decay}, "undecided", None),  # not at 0.3
        ("inverse law", {"late": lambda decay, seed: math.inf}, "undecided", None),
        ("for each seed", {}, "holds", 1),
        ("for each seed", {"late": _law(1, 0.5)}, "undecided", 0.75),
        ("for each seed", {"late": _law(0.5, 0.5)}, "fails", 0.5),
        ("for each seed", {"late": lambda decay, seed: math.inf}, "undecided", None),
        ("training time", {}, "holds", 0),
        ("training time", {"fitted": lambda decay, seed: 200 * decay**-0.5}, "fails", 0.5),
        ("training time", {"fitted": lambda decay, seed: math.inf}, "undecided", None),
    ],
)
def test_the_claims(claim, curves, verdict, value):
    check(FIGURE, claim, _results(**curves), verdict, value, rel=0.07)


def test_each_seed_is_told():
    note = judged(FIGURE, "for each seed", _results(late=_law(1, 0.5))).note
    first, second = (float(one) for one in note.split(";")[0].removeprefix("exponents ").split(", "))
    assert first == pytest.approx(1, abs=0.07) and second == pytest.approx(0.5, abs=0.07)


def test_the_table_has_all_runs():
    rows = fig10ac.table(_results(late=lambda decay, seed: 6000 / decay))
    assert len(rows) == 10 and [row["censored"] for row in rows if row["weight_decay"] == 0.3] == [True] * 2
    assert {row["generalised"] for row in rows if row["censored"]} == {12_000}
