"""Figure 3a to c of Liu et al. 2023: the landscape of images, on planted thumbs."""

import math

import numpy as np
import pytest

from afterfit.studies.omnigrok import fig3abc

from ..planted import ALPHA, check, diverged, judged, on_spheres, planted, SIZE


FIGURE = fig3abc.FIGURE
LEAST = {20: 0.45, 50: 0.35, 138: 0.25, 268: 0.18, 600: 0.13, 1500: 0.09, 5000: 0.05}


def _results(
    *,
    least=lambda size, seed: LEAST[size],
    rise=0.6,
    many=lambda size: 0.1 if size == 5000 else 1.0,
    train=lambda alpha, size: 0.0,
    near_zero=0.9,
):
    """Test errors that rise linearly in log10 alpha from 1 on, by a share for many images."""

    def told(place):
        alpha, size, seed = place[ALPHA], place[SIZE], place["seed"]
        if alpha < 0.3:
            return {"train_error": near_zero, "test_error": near_zero}
        test = least(size, seed) + rise * many(size) * max(math.log10(alpha), 0)
        return {"train_error": train(alpha, size), "test_error": test}

    return planted(FIGURE, on_spheres(told))


FAR = 0.6 * math.log10(6.31)  # how much the test error rises up to B


@pytest.mark.parametrize(
    ("claim", "landscape", "verdict", "value"),
    [
        ("norm harms", {}, "holds", FAR),
        ("norm harms", {"rise": 0.3}, "fails", FAR / 2),
        (
            "norm harms",
            {"train": lambda alpha, size: 0.1 if alpha > 4 else 0},
            "undecided",
            None,
        ),  # B not fitted
        ("norm harms", {"train": lambda alpha, size: 0.1 if size > 1000 else 0}, "holds", FAR),
        ("data help", {}, "holds", 0.2 + 0.9 * FAR),
        ("data help", {"many": lambda size: 1.0, "least": lambda size, seed: 0.25}, "fails", 0),
        ("thumb", {}, "holds", 50),
        ("thumb", {"least": lambda size, seed: 0.5}, "fails", math.inf),  # no size is enough
        ("thumb", {"least": lambda size, seed: 0.35}, "fails", 20),  # from the first size on, and never less
        ("thumb", {"least": lambda size, seed: LEAST[size] if seed else 0.5}, "undecided", 50),
        ("L and U", {}, "holds", 0.18),
        ("L and U", {"rise": 0.09}, "fails", 0.18),
        ("L and U", {"near_zero": 0.2}, "fails", 0.18),
        ("L and U", {"train": lambda alpha, size: 0.1 if alpha == 10 else 0}, "fails", 0.18),
        # (least + rise / 2) of one row over that of the other
        ("mismatch closes with data", {}, "holds", (0.18 + 0.3) / (0.05 + 0.03)),
        ("mismatch closes with data", {"many": lambda size: 1.0}, "fails", (0.18 + 0.3) / (0.05 + 0.3)),
    ],
)
def test_the_claims(claim, landscape, verdict, value):
    check(FIGURE, claim, _results(**landscape), verdict, value)


def test_seeds_that_differ_leave_it_open():
    results = _results(least=lambda size, seed: LEAST[size] + (0.4 if seed == 2 and size == 5000 else 0))
    found = judged(FIGURE, "data help", results)
    assert found.verdict == "undecided" and found.value == pytest.approx(0.2 + 0.9 * FAR)
    assert found.interval == pytest.approx((0.2 + 0.9 * FAR - 0.4, 0.2 + 0.9 * FAR))


def test_critical_sizes_are_those_of_the_grid():
    tips = fig3abc.critical_sizes(_results(), (0.4, 0.3, 0.2, 0.1, 0.01))
    np.testing.assert_array_equal(tips, [[50, 138, 268, 1500, math.inf]] * 3)


def test_a_hole_at_the_edge_leaves_the_mismatch_open():
    results = _results()
    shape = results["landscape"]["outcome"].shape
    broken = diverged(results, "landscape", int(np.ravel_multi_index((8, 3, 1), shape)), 0)  # alpha 10, 268
    assert judged(FIGURE, "mismatch closes with data", broken).verdict == "undecided"
    assert judged(FIGURE, "norm harms", broken).verdict == "holds"
    assert judged(FIGURE, "L and U", broken).note.endswith("2 of 3 seeds")
