"""Figure 5a to c of Liu et al. 2023: the landscape of molecules, on planted losses."""

import pytest

from afterfit.studies.omnigrok import fig5abc

from ..planted import ALPHA, check, on_spheres, planted


FIGURE = fig5abc.FIGURE


def _results(*, many=lambda alpha: 0.1, few=lambda alpha: 0.0, train=lambda alpha: 1.0, scale="laptop"):
    """Test losses of these decades above the training loss, with the most molecules and with fewer."""
    largest = fig5abc.SIZES[scale][-1]

    def told(place):
        alpha = place[ALPHA]
        gap = many(alpha) if place[fig5abc.SIZE] == largest else few(alpha)
        return {"train_loss": train(alpha), "test_loss": train(alpha) * 10**gap}

    return planted(FIGURE, on_spheres(told), scale)


def _l(alpha):
    return 5.0 if alpha < 0.7 else 0.01


@pytest.mark.parametrize(
    ("claim", "landscape", "verdict", "value"),
    [
        ("one U with many molecules", {}, "holds", 0.1),
        ("one U with many molecules", {"many": lambda alpha: 0.5 if alpha == 1.4 else 0.1}, "fails", 0.5),
        ("one U with many molecules", {"many": lambda alpha: -0.5 if alpha == 1.4 else 0.1}, "fails", 0.5),
        ("mismatch with few molecules", {"few": lambda alpha: 2.0 if alpha == 1.4 else 0.2}, "holds", 2),
        ("mismatch with few molecules", {"few": lambda alpha: 2.0 if alpha > 2.5 else 0.2}, "fails", 0.2),
        ("mismatch with few molecules", {}, "fails", 0),
        ("training loss is an L", {"train": _l}, "holds", 1),
        ("training loss is an L", {"train": lambda alpha: 1e3 if alpha == 3 else _l(alpha)}, "fails", 1e5),
        ("training loss is an L", {}, "fails", 1),  # it never was high
    ],
)
def test_the_claims(claim, landscape, verdict, value):
    check(FIGURE, claim, _results(**landscape), verdict, value, rel=1e-4)


def test_only_the_useful_norms_count_on_the_papers_grid():
    results = _results(many=lambda alpha: 0.1 if 0.39 < alpha < 3.01 else 2.0, scale="paper")
    check(FIGURE, "one U with many molecules", results, "holds", 0.1, rel=1e-4)
