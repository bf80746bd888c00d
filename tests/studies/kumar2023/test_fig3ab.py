"""Figure 3a and b of Kumar et al. 2023: trends over alpha and epsilon, on planted curves."""

import math

import pytest

from afterfit.ensemble._pack import packs
from afterfit.studies.kumar2023 import fig3ab

from ..planted import check, diverged, planted, step_up, sweeps_of
from .drawn import drawn, never_holds


FIGURE = fig3ab.FIGURE
ALPHA, EPSILON = fig3ab.ALPHA, fig3ab.EPSILON


def _run(steps, *, fit, late, end, rise=1.0):
    total = step_up(steps, late, rise, end)
    total[0] = 1.0
    return {
        "train_loss": step_up(steps, fit, 1.0, 0.01),
        "test_loss": total,
        "committee_loss/total": total,
    }


def _results(scale="laptop", **told):
    """Over alpha delays and ends grow; over epsilon both times fall, the training time faster."""
    told = {
        "fit": lambda epsilon: 20 / epsilon,
        "late": lambda epsilon: 100 / epsilon,
        "delay": lambda alpha: 60 * alpha if alpha <= 4 else math.inf,
        "alpha end": lambda alpha: 0.02 * alpha,
        "epsilon end": lambda epsilon: 0.05 * epsilon,
        "rise": lambda epsilon: 1.2 if epsilon < 0.5 else 1.0,
    } | told

    def alphas(steps, place):
        alpha = place[ALPHA]
        return _run(steps, fit=10, late=10 + told["delay"](alpha), end=told["alpha end"](alpha))

    def epsilons(steps, place):
        epsilon = place[EPSILON]
        times = dict(fit=told["fit"](epsilon), late=told["late"](epsilon))
        return _run(steps, **times, end=told["epsilon end"](epsilon), rise=told["rise"](epsilon))

    return planted(FIGURE, {"alphas": alphas, "epsilons": epsilons}, scale)


LEARNED = {"alpha end": lambda alpha: 0.01}


@pytest.mark.parametrize(
    ("claim", "told", "verdict", "value"),
    [
        ("delay grows with alpha", {}, "holds", 0.99103),
        ("delay grows with alpha", {"delay": lambda alpha: 4000 / alpha, **LEARNED}, "fails", -1),
        ("delay grows with alpha", {"delay": lambda alpha: math.inf}, "undecided", None),
        ("final loss grows with alpha", {}, "holds", 1),
        (
            "final loss grows with alpha",
            {"delay": lambda alpha: 60, "alpha end": lambda alpha: 0.01 / alpha},
            "fails",
            -1,
        ),
        ("final loss grows with alpha", {"delay": lambda alpha: 60, **LEARNED}, "undecided", None),
        ("little delay at small alpha", {}, "holds", 15 / 2e4),
        ("little delay at small alpha", {"delay": lambda alpha: 1000 + alpha, **LEARNED}, "fails", 1),
        ("little delay at small alpha", {"delay": lambda alpha: math.inf}, "undecided", None),
        (
            "poor when lazy",
            {"delay": lambda alpha: 60, "alpha end": lambda alpha: 0.02 * alpha},
            "holds",
            0.32,
        ),
        (
            "poor when lazy",
            {"delay": lambda alpha: 60, "alpha end": lambda alpha: 0.01 * alpha},
            "fails",
            0.16,
        ),
        ("delay falls with epsilon", {}, "holds", -1),
        ("delay falls with epsilon", {"late": lambda epsilon: 100 + 2000 * epsilon}, "fails", 1),
        ("delay falls with epsilon", {"late": lambda epsilon: math.inf}, "undecided", None),
        ("delay falls with epsilon, as a ratio", {"late": lambda epsilon: 20 / epsilon**2}, "holds", -1),
        ("delay falls with epsilon, as a ratio", {"fit": lambda epsilon: 2 / epsilon**1.5}, "fails", 1),
        ("delay falls with epsilon, as a ratio", {"fit": lambda epsilon: math.inf}, "undecided", None),
        ("final loss grows with epsilon", {}, "holds", 1),
        ("final loss grows with epsilon", {"epsilon end": lambda epsilon: 0.1 - 0.01 * epsilon}, "fails", -1),
        ("test loss rises where the kernel is misaligned", {}, "holds", 1.2),
        ("test loss rises where the kernel is misaligned", {"rise": lambda epsilon: 1.2}, "fails", 1.2),
        ("test loss rises where the kernel is misaligned", {"rise": lambda epsilon: 1.0}, "fails", 1.0),
    ],
)
def test_the_claims(claim, told, verdict, value):
    check(FIGURE, claim, _results(**told), verdict, value, rel=0.15)


def test_seeds_that_disagree_leave_a_trend_open():
    def alphas(steps, place):
        alpha = place[ALPHA] if place["seed"] else 1 / place[ALPHA]
        return _run(steps, fit=10, late=10 + 60 * alpha, end=0.02 * alpha)

    results = planted(
        FIGURE, {"alphas": alphas, "epsilons": lambda steps, place: _run(steps, fit=1, late=2, end=0.1)}
    )
    check(FIGURE, "delay grows with alpha", results, "undecided", 1)
    check(FIGURE, "final loss grows with alpha", results, "undecided", 1)


def test_runs_that_diverge_decide_nothing_in_favour():
    results = _results()
    one = diverged(results, "alphas", 0, 5)
    for claim in ("delay grows with alpha", "final loss grows with alpha", "little delay at small alpha"):
        assert check(FIGURE, claim, one, "undecided", None) is None
    for name in results.data:
        results = diverged(results, name, slice(None), 0)
    never_holds(FIGURE, results)
    small = _results("smoke")
    for name in small.data:
        small = diverged(small, name, slice(None), 0)
    drawn(FIGURE, small)


def test_each_axis_is_one_program():
    for plan in sweeps_of(FIGURE, "laptop").values():
        assert len(packs(plan.runs)) == 1


def test_chart_and_table():
    rows = drawn(FIGURE, _results())
    assert len(rows) == (7 + 6) * 3
    assert sum(row["censored"] for row in rows) == 2 * 3
    assert rows[0]["delay"] == pytest.approx(15, rel=0.15)
