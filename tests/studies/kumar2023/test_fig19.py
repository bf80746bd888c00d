"""Figure 19 of Kumar et al. 2023: eigenvectors over data and index, on planted curves."""

import pytest

from afterfit.ensemble._pack import packs
from afterfit.studies.kumar2023 import fig19

from ..planted import check, diverged, planted, step_up, sweeps_of
from .drawn import drawn, never_holds


FIGURE = fig19.FIGURE


def _results(
    end=lambda size, index: 0.4 * index / size, twin=lambda end: 4 * end, high=lambda size: 80 / size
):
    """Ends that fall with data and grow with the index; twins that end higher; a rise with few data."""

    def rule(steps, place):
        size, index = float(place["examples"]), place["task.index"]
        last = end(size, index)
        test = step_up(steps, 1000, max(high(size), 1.0), last)
        test[0] = 1.0
        return {
            "test_loss": test,
            "train_loss": step_up(steps, 100, 1.0, 1e-3),
            "twin/test_loss": step_up(steps, 1000, 1.0, twin(last)),
            "twin/train_loss": step_up(steps, 100, 1.0, 1e-3),
            "relative_change": step_up(steps, 10, 0.0, 0.09),
        }

    return planted(FIGURE, {"grid": rule})


@pytest.mark.parametrize(
    ("claim", "told", "verdict", "value"),
    [
        ("more data help", {}, "holds", 1),
        ("more data help", {"end": lambda size, index: 0.001 * size}, "fails", 0),
        ("larger index is harder", {}, "holds", 1),
        ("larger index is harder", {"end": lambda size, index: 0.1 / index}, "fails", 0),
        ("data remove the delay", {}, "holds", 1),
        ("data remove the delay", {"high": lambda size: 1.5}, "fails", 1.5),
        ("data remove the delay", {"high": lambda size: 1.0}, "fails", 1.0),
        ("features explain it", {}, "holds", 0.25),
        ("features explain it", {"twin": lambda end: end}, "fails", 1),
        ("features explain it", {"end": lambda size, index: 0.9}, "undecided", None),
    ],
)
def test_the_claims(claim, told, verdict, value):
    check(FIGURE, claim, _results(**told), verdict, value)


def test_pairs_of_large_indices_are_no_matter_of_data():
    """Above the number of inputs the paper says that no amount of data helps."""
    results = _results(end=lambda size, index: 0.4 * index / size if index <= 40 else 0.01 * size)
    check(FIGURE, "more data help", results, "holds", 1)


def test_runs_that_diverge():
    results = diverged(_results(), "grid", slice(None), 0)
    never_holds(FIGURE, results)
    drawn(FIGURE, results)


def test_chart_and_table():
    results = _results(twin=lambda end: end)
    rows = drawn(FIGURE, results)
    assert len(rows) == 3 * 4 and rows[0]["final"] == pytest.approx(0.4 / 40)
    assert "1.00 times" in FIGURE.chart(results).get_suptitle()


def test_numbers_of_examples_have_programs_of_their_own():
    (plan,) = sweeps_of(FIGURE, "laptop").values()
    assert len(plan.runs) == 3 * 4 * 3 and len(packs(plan.runs)) == 3
