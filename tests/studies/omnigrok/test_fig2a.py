"""Figure 2a of Liu et al. 2023: L and U of a student, on planted landscapes."""

import math

import pytest

from afterfit.studies.omnigrok import fig2a

from ..planted import ALPHA, check, on_spheres, planted


FIGURE = fig2a.FIGURE


def _results(*, best=lambda seed: 1.0, left=2.0, right=5.0, inside=1e-2, outside=lambda alpha, seed: 1e-7):
    """Test losses that rise from 1e-4 by so many decades to alpha = 0.1 and 10; two training losses."""

    def told(place):
        alpha, seed = place[ALPHA], place["seed"]
        away = math.log10(alpha / best(seed))
        rise = -left * away / (1 + math.log10(best(seed))) if away < 0 else right * away
        train = outside(alpha, seed) if alpha >= 0.99 else inside
        return {"train_loss": train, "test_loss": 1e-4 * 10**rise}

    return planted(FIGURE, on_spheres(told))


@pytest.mark.parametrize(
    ("landscape", "verdict", "value"),
    [
        ({}, "holds", 1.0),
        ({"best": lambda seed: 0.631}, "holds", 0.631),
        ({"best": lambda seed: 3.98}, "fails", 3.98),
        ({"best": lambda seed: 0.251}, "fails", 0.251),
        ({"right": 2.9}, "fails", 1.0),
        ({"left": 0.9}, "fails", 1.0),
        ({"best": lambda seed: 3.98 if seed == 0 else 1.0}, "holds", 1.0),  # one seed of five
        ({"best": lambda seed: 3.98 if seed < 2 else 1.0}, "undecided", 1.0),
    ],
)
def test_the_u(landscape, verdict, value):
    check(FIGURE, "test loss is a U", _results(**landscape), verdict, value)


@pytest.mark.parametrize(
    ("landscape", "verdict", "value"),
    [
        ({}, "holds", 1e-7),
        ({"inside": 5e-4}, "fails", 1e-7),
        ({"outside": lambda alpha, seed: 1e-4 if alpha == 10 else 1e-7}, "fails", 1e-4),
        ({"outside": lambda alpha, seed: 1e-4 if alpha == 10 and seed < 2 else 1e-7}, "undecided", 1e-7),
    ],
)
def test_the_l(landscape, verdict, value):
    check(FIGURE, "training loss is an L", _results(**landscape), verdict, value, rel=0.01)


def test_the_table_has_both_readings():
    rows = fig2a.table(_results())
    assert [row[ALPHA] for row in rows] == pytest.approx(sorted(row[ALPHA] for row in rows))
    assert len(rows) == 11 and all(row["seeds"] == row["converged"] == 5 for row in rows)
    assert rows[-1]["test_loss"] == rows[-1]["test_loss_last"] == pytest.approx(10, rel=1e-3)
