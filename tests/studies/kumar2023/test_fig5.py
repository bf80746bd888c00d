"""Figure 5 of Kumar et al. 2023: eigenvectors as labels, on planted curves."""

import pytest

from afterfit.ensemble._pack import packs
from afterfit.studies.kumar2023 import fig5

from ..planted import check, diverged, planted, step_up, sweeps_of
from .drawn import drawn, never_holds


FIGURE = fig5.FIGURE


def _results(ends=None, twins=None, rise=1.2, unit=0.2, scale="laptop"):
    """For each index where the network ends, and where its twin does; a rise at j = 70 before."""
    ends = {1: 0.01, 70: 0.1, 100: 1.2} | (ends or {})
    twins = {1: 0.01, 70: 0.4, 100: 1.2} | (twins or {})

    def rule(steps, place, factor=1.0):
        index = place["task.index"]
        value = lambda told: told(place["seed"]) if callable(told) else told
        test = step_up(steps, 1000, rise if index == 70 else 1.0, factor * value(ends[index]))
        test[0] = 1.0
        return {
            "test_loss": test,
            "train_loss": step_up(steps, 100, 1.0, 1e-3),
            "twin/test_loss": step_up(steps, 1000, 1.0, twins[index]),
            "twin/train_loss": step_up(steps, 100, 1.0, 1e-3),
            "relative_change": step_up(steps, 10, 0.0, 0.09),
        }

    return planted(
        FIGURE,
        {"length 1": rule, "variance 1": lambda steps, place: rule(steps, place, factor=unit)},
        scale,
    )


@pytest.mark.parametrize(
    ("claim", "told", "verdict", "value"),
    [
        ("j = 1 together", {}, "holds", 0.01),
        ("j = 1 together", {"ends": {1: 0.5}}, "fails", 0.5),
        ("j = 1 together", {"ends": {1: lambda seed: 0.5 if seed < 2 else 0.01}}, "undecided", 0.01),
        ("j = 70 groks", {}, "holds", 0.1),
        ("j = 70 groks", {"ends": {70: 0.7}}, "fails", 0.7),
        ("j = 70 groks", {"rise": 1.0}, "fails", 0.1),
        ("j = 100 fails", {}, "holds", 1.2),
        ("j = 100 fails", {"ends": {100: 0.5}}, "fails", 0.5),
        ("features explain j = 70", {}, "holds", 0.25),
        ("features explain j = 70", {"twins": {70: 0.1}}, "fails", 1),
        ("features explain j = 70", {"ends": {70: lambda seed: 0.4 if seed < 2 else 0.1}}, "undecided", 0.25),
        ("features explain j = 70, labels of variance 1", {}, "holds", 0.05),
        ("features explain j = 70, labels of variance 1", {"unit": 8.0}, "fails", 2),
    ],
)
def test_the_claims(claim, told, verdict, value):
    check(FIGURE, claim, _results(**told), verdict, value)


def test_the_chart_says_whether_features_are_needed():
    told = lambda results: FIGURE.chart(results).get_suptitle()
    assert "features lower it" in told(_results())
    assert "no features are needed" in told(_results(twins={70: 0.1}))


def test_runs_that_diverge():
    results = _results()
    for name in results.data:
        results = diverged(results, name, slice(None), 0)
    never_holds(FIGURE, results)
    for claim in FIGURE.claims:
        check(FIGURE, claim.name, results, "undecided", None)
    drawn(FIGURE, results)


def test_chart_and_table():
    rows = drawn(FIGURE, _results())
    assert len(rows) == 2 * 3 * 5
    assert rows[5]["final"] == pytest.approx(0.1) and rows[5]["final_of_twin"] == pytest.approx(0.4)


def test_indices_are_labels_alone():
    for plan in sweeps_of(FIGURE, "laptop").values():
        assert len(packs(plan.runs)) == 1 and plan.experiment.twin
