"""Figure 7 of Liu et al. 2023: images with a simple representation, on planted losses."""

import numpy as np
import pytest

from afterfit.studies.omnigrok import fig7

from ..planted import ALPHA, check, diverged, judged, on_spheres, planted


FIGURE = fig7.FIGURE


def _results(*, train=lambda alpha: 0.015 / alpha**2, gap=lambda alpha, m: 0.001):
    """Mean losses over the ten outputs; the paper's, and the judged ones, are sums."""

    def told(place):
        alpha, m = place[ALPHA], place[fig7.MESSINESS]
        return {"train_loss": train(alpha), "test_loss": train(alpha) + gap(alpha, m)}

    return planted(FIGURE, on_spheres(told))


@pytest.mark.parametrize(
    ("claim", "landscape", "verdict", "value"),
    [
        ("one curve", {}, "holds", 0.01),
        ("one curve", {"gap": lambda alpha, m: 0.005}, "fails", 0.05),
        ("one curve", {"gap": lambda alpha, m: 0.001 if 0.9 < alpha < 5 else 0.1}, "holds", 0.01),
        ("one curve", {"gap": lambda alpha, m: 0.1 if m == 1 else 0.001}, "holds", 0.01),  # median over m
        ("the representation matters little", {}, "holds", 0.0),
        ("the representation matters little", {"gap": lambda alpha, m: 0.02 * m}, "fails", 0.2),
        ("the representation matters little", {"gap": lambda alpha, m: 0.005 * m}, "holds", 0.05),
        ("no delay", {}, "holds", 0.01),
        ("no delay", {"gap": lambda alpha, m: 0.003}, "fails", 0.03),
        ("no delay", {"gap": lambda alpha, m: 0.0002 + 0.0016 * (1 - m)}, "fails", 0.018),  # test loss rises
    ],
)
def test_the_claims(claim, landscape, verdict, value):
    check(FIGURE, claim, _results(**landscape), verdict, value, rel=0.01)


def test_the_way_from_a_over_b_to_c():
    place, train, test = fig7.along_path(_results(), 0)
    a, b, c = 0, int(np.searchsorted(place, 1)), -1
    np.testing.assert_allclose(train[[a, b, c]], [0.15, 0.15 / 9, 0.15 / 6.25], rtol=0.02)
    np.testing.assert_allclose(test - train, 0.01, rtol=0.02)


def test_a_hole_leaves_its_seed_open():
    broken = diverged(_results(), "landscape", 1, 0)
    found = judged(FIGURE, "no delay", broken)
    assert found.verdict == "undecided" and found.note.endswith("2 of 3 seeds")
    assert np.isnan(fig7.along_path(broken, 1)[1]).all()
