"""Figure 11 of Liu et al. 2023: the landscape of images with cross-entropy, on planted errors."""

import math

import pytest

from afterfit.studies.omnigrok import fig11

from ..planted import ALPHA, check, judged, on_spheres, planted, SIZE


FIGURE = fig11.FIGURE
FEW, SOME, MANY = fig11.SIZES["laptop"]


def _valley(slope, at_most=1.0):
    """An error of 0.2 at alpha = 1 that grows with each decade."""
    return lambda alpha, size, seed: min(0.2 + slope * abs(math.log10(alpha)), at_most)


def _results(*, ours=_valley(0.12), squared=_valley(0.24), many=0.05):
    """Test errors of both losses; with the most images one value. Training sets are fitted."""

    def rule(error):
        def told(place):
            most = place[SIZE] == MANY
            return {"test_error": many if most else error(place[ALPHA], place[SIZE], place["seed"])}

        return on_spheres(told)

    return planted(FIGURE, {"landscape": rule(ours), "squared error": rule(squared)})


def _width(slope):
    """Of what lies at most 0.05 above the least error, in decades."""
    return 0.1 / slope


@pytest.mark.parametrize(
    ("claim", "landscape", "verdict", "value"),
    [
        ("wider zone", {}, "holds", _width(0.12) - _width(0.24)),
        ("wider zone", {"ours": _valley(0.24)}, "fails", 0),
        (
            "wider zone",
            {"ours": _valley(0.24), "squared": _valley(0.12)},
            "fails",
            _width(0.24) - _width(0.12),
        ),
        (
            "wider zone",
            {"ours": lambda alpha, size, seed: _valley(0.12 if seed else 0.24)(alpha, size, seed)},
            "undecided",
            _width(0.12) - _width(0.24),
        ),
        ("a U all the same", {}, "holds", 0.24),
        ("a U all the same", {"ours": _valley(0.12, at_most=0.28)}, "fails", 0.08),
        ("a U all the same", {"ours": lambda alpha, size, seed: 0.2 if alpha < 1 else 0.5}, "fails", 0.3),
        # the mean of both ends' errors over two decades
        ("mismatch closes with data", {}, "holds", (0.2 + 0.44) / 0.1),
        ("mismatch closes with data", {"many": 0.3}, "fails", (0.2 + 0.44) / 0.6),
    ],
)
def test_the_claims(claim, landscape, verdict, value):
    check(FIGURE, claim, _results(**landscape), verdict, value)


def test_the_two_smaller_sizes_are_compared():
    note = judged(FIGURE, "wider zone", _results()).note
    assert note == f"{_width(0.12):.2f} decades against {_width(0.24):.2f}"
    only_few = _results(
        ours=lambda alpha, size, seed: _valley(0.12 if size == FEW else 0.24)(alpha, size, seed)
    )
    assert judged(FIGURE, "wider zone", only_few).value == pytest.approx(
        (_width(0.12) - _width(0.24)) / 2, rel=1e-4
    )
