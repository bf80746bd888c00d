"""Figure 13 of Kumar et al. 2023: momentum and adaptive optimisers, on planted curves."""

import math

import numpy as np
import pytest

from afterfit.studies.kumar2023 import fig13

from ..planted import check, diverged, planted, step_up, sweeps_of
from .drawn import drawn, never_holds


FIGURE = fig13.FIGURE


def _results(
    high=1.3, end=0.02, late=2000, linear=0.7, bumps=1, leaves=20, half=20, parted=100, fallen=3000, fit=200
):
    """A machine that groks while its twin does not; twins that part at given steps."""
    value = lambda told, place: told(place["seed"]) if callable(told) else told

    def machine(steps, place, swing=0):
        total = np.where(steps >= value(late, place), end, np.where(steps >= 50, high, 1.0)).astype(float)
        train = step_up(steps, 200, 1.0, 0.01)
        for one in range(swing):
            train[60 + 2 * one] = 1.1
        return {
            "train_loss": train,
            "test_loss": total,
            "committee_loss/total": total,
            "twin/train_loss": step_up(steps, 200, 1.0, 0.02),
            "twin/test_loss": step_up(steps, 2000, 1.0, value(linear, place)),
        }

    def beside(steps, place, *, fall, apart, test):
        train = step_up(steps, value(fall, place), 1.0, 0.05)
        off = step_up(steps, value(apart, place), 1.0, 2.0)
        test = step_up(steps, value(test, place), 1.0, 0.05)
        return {
            "train_loss": train,
            "twin/train_loss": train * off,
            "test_loss": test,
            "twin/test_loss": np.ones(len(steps)),
        }

    return planted(
        FIGURE,
        {
            "momentum": lambda steps, place: machine(steps, place, value(bumps, place)),
            "plain": lambda steps, place: machine(steps, place),
            "student": lambda steps, place: beside(steps, place, fall=half, apart=leaves, test=math.inf),
            "transformer": lambda steps, place: beside(steps, place, fall=fit, apart=parted, test=fallen),
        },
    )


BY_SEED = {"late": lambda seed: (2000, 250, math.inf)[seed]}


@pytest.mark.parametrize(
    ("claim", "told", "verdict", "value"),
    [
        ("momentum groks", {}, "holds", 1.3),
        ("momentum groks", {"high": 1.0}, "fails", 1),
        ("momentum groks", {"end": 0.5}, "fails", 1.3),
        ("momentum groks", {"late": lambda seed: 2000 if seed else math.inf}, "undecided", 1.3),
        ("linear training with momentum fails", {}, "holds", 0.7),
        ("linear training with momentum fails", {"linear": 0.1}, "fails", 0.1),
        ("linear training with momentum fails", {"linear": lambda seed: 0.3 * seed + 0.1}, "undecided", 0.4),
        ("bumps", {}, "holds", 1),
        ("bumps", {"bumps": 0}, "fails", 0),
        ("bumps", {"bumps": lambda seed: seed}, "undecided", 1),
        ("together until the loss halves", {}, "holds", 1),
        ("together until the loss halves", {"leaves": 4}, "fails", 0.2),
        ("together until the loss halves", {"leaves": 100}, "fails", 5),
        ("together until the loss halves", {"leaves": math.inf}, "undecided", None),
        ("together until the loss halves", {"half": math.inf}, "undecided", None),
        ("transformer groks", {}, "holds", 15),
        ("transformer groks", {"fallen": 300}, "fails", 1.5),
        ("transformer groks", {"fallen": math.inf}, "undecided", None),
        ("transformer leaves its linearisation early", {}, "holds", 1 / 30),
        ("transformer leaves its linearisation early", {"parted": 1500}, "fails", 0.5),
        ("transformer leaves its linearisation early", {"parted": math.inf}, "undecided", None),
        ("transformer leaves its linearisation early", {"fallen": math.inf}, "undecided", None),
    ],
)
def test_the_claims(claim, told, verdict, value):
    check(FIGURE, claim, _results(**told), verdict, value, rel=0.08)


def test_runs_that_diverge():
    results = _results()
    for name in results.data:
        results = diverged(results, name, slice(None), 0)
    never_holds(FIGURE, results)
    drawn(FIGURE, results)


def test_chart_and_table():
    rows = drawn(FIGURE, _results())
    assert len(rows) == 3 * 3
    assert rows[3]["training_loss_halved"] == pytest.approx(20, rel=0.06)


def test_networks_have_twins_and_momentum_the_pace_of_plain_descent():
    plans = sweeps_of(FIGURE, "laptop")
    assert [plan.experiment.twin for plan in plans.values()] == [True, False, True, True]
    heavy, plain = (vars(plans[name].experiment.optimiser) for name in ("momentum", "plain"))
    assert heavy["learning_rate"] / (1 - heavy["momentum"]) == pytest.approx(plain["learning_rate"])
