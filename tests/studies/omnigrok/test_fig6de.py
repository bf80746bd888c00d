"""Figure 6d and e of Liu et al. 2023: boundaries over data, on planted landscapes and planted training."""

import math

import numpy as np
import pytest

from afterfit.studies.omnigrok import _toy, fig6de
from afterfit.studies.omnigrok._toy import MESSINESS, SIZE

from ..planted import ALPHA, check, judged, on_spheres, planted, step_up


FIGURE = fig6de.FIGURE
STAR = 2.5  # where the test loss is least
START = {25: 1.5, 35: 2.0, 45: 2.5, 54: 2.6}  # of the boundaries, at m = 0
SLOPE = {25: 0.3, 35: 0.3, 45: 0.5, 54: 0.9}  # of ln alpha on m


@pytest.fixture(scope="module")
def sweeps():
    """The figure's sweeps on a coarser grid."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(_toy.ALPHAS, "laptop", (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 9.0))
        patch.setitem(_toy.MESSY, "laptop", (0.0, 0.05, 0.1, 0.2))
        return fig6de.sweeps("laptop")


@pytest.fixture
def results(sweeps):
    """Landscapes with boundaries `start * exp(slope * m)`, and times of free training."""

    def plant(
        start=lambda size, seed: START[size],
        slope=lambda size, seed: SLOPE[size],
        star=lambda seed: STAR,
        late=lambda size, seed: 3000 if size >= 45 else math.inf,
        floor=0.0,
    ):
        def told(place):
            alpha, m, size, seed = place[ALPHA], 5 * place[MESSINESS], place[SIZE], place["seed"]
            edge = start(size, seed) * math.exp(slope(size, seed) * m)
            return {
                "train_loss": 0.02 * (edge / alpha) ** 8 + floor,
                "test_loss": 0.3 + (alpha - star(seed)) ** 2 + m,
            }

        def free(steps, place):
            return {"test_accuracy": step_up(steps, late(place[SIZE], place["seed"]))}

        return planted(FIGURE, {"landscape": on_spheres(told), "free": free}, sweeps=sweeps)

    return plant


def _turn(first, second):
    """How much steeper one boundary is than another, in degrees."""
    return math.degrees(math.atan2(1, first) - math.atan2(1, second))


@pytest.mark.parametrize(
    ("claim", "landscape", "verdict", "value"),
    [
        ("gradients on the boundary", {}, "holds", 1.0),
        ("gradients on the boundary", {"slope": lambda size, seed: -0.5}, "fails", 0.0),
        ("gradients on the boundary", {"floor": 0.1}, "undecided", None),
        ("further out with more data", {}, "holds", 1.0),
        (
            "further out with more data",
            {"start": lambda size, seed: 2.0, "slope": lambda size, seed: 0.3},
            "fails",
            0,
        ),
        ("further out with more data", {"start": lambda size, seed: max(START[size], 2.0)}, "fails", 2 / 3),
        ("further out with more data", {"floor": 0.1}, "undecided", None),
        ("ends at the star", {}, "holds", 0.0),
        ("ends at the star", {"star": lambda seed: 2.0}, "fails", 0.5),  # 35 pairs end there
        ("ends at the star", {"star": lambda seed: 4.0}, "fails", -1.5),
        ("ends at the star", {"star": lambda seed: 2.5 if seed else 4.0}, "undecided", 0.0),
        ("ends at the star", {"start": lambda size, seed: 2.6}, "fails", 0.1),  # all do
        ("steeper with less data", {}, "holds", _turn(0.5, 0.9)),
        (
            "steeper with less data",
            {"slope": lambda size, seed: 0.9 - size / 100},
            "fails",
            _turn(0.45, 0.36),
        ),
        ("steeper with less data", {"floor": 0.1}, "undecided", None),
        ("free training agrees", {}, "holds", 1.0),
        ("free training agrees", {"late": lambda size, seed: 3000}, "fails", 0.0),
        (
            "free training agrees",
            {"late": lambda size, seed: 3000 if seed < size / 12 else 1e6},
            "undecided",
            0.3,
        ),
    ],
)
def test_the_claims(results, claim, landscape, verdict, value):
    check(FIGURE, claim, results(**landscape), verdict, value, rel=1e-3)


def test_the_star_is_found_between_the_points_of_the_grid(results):
    there = results(star=lambda seed: (2.2, 3.4, 2.0)[seed])
    assert [fig6de.star(there, 45, seed) for seed in range(3)] == pytest.approx([2.2, 3.4, 2.0], rel=1e-4)


def test_angles_are_those_of_the_boundaries(results):
    planted_here = results()
    for size, slope in SLOPE.items():
        assert fig6de.angle(planted_here, size, 1) == pytest.approx(math.atan2(1, slope), rel=1e-4)
    assert math.isnan(fig6de.angle(results(floor=0.1), 45, 0))


def test_the_shares_that_generalise_are_told(results):
    note = judged(FIGURE, "free training agrees", results()).note
    assert note.startswith("25: 0%, 35: 0%, 45: 100%, 54: 100%")
    lucky = results()
    lucky["free"]["test_accuracy"][..., -3] = 1.0  # one record is not enough
    assert judged(FIGURE, "free training agrees", lucky).note == note


def test_the_table_has_the_boundaries(results):
    rows = fig6de.table(results())
    assert len(rows) == 4 * 3 * 4
    for row in rows:
        expected = START[row["pairs"]] * np.exp(SLOPE[row["pairs"]] * 5 * row["messiness"])
        assert row["alpha"] == pytest.approx(expected, rel=1e-4)
