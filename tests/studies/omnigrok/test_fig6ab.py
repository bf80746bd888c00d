"""Figure 6a and b of Liu et al. 2023: the toy's landscape, on planted losses."""

import numpy as np
import pytest

from afterfit.studies.omnigrok import fig6ab
from afterfit.studies.omnigrok._toy import MESSINESS, SHOWN

from ..planted import ALPHA, check, judged, on_spheres, planted


FIGURE = fig6ab.FIGURE
MOST = 0.2  # the largest messiness


def _results(*, spread=0.0, test=lambda m: 0.2 + m, edge=lambda m, seed: 2 + m, floor=0.0):
    """Training losses that fall as a power of the norm through 0.02 at an edge, with a spread over m inside.

    `test` and `edge` are functions of messiness as labelled in the paper, from 0 to 1.
    """

    def told(place):
        alpha, m, seed = place[ALPHA], place[MESSINESS] / MOST, place["seed"]
        train = 0.02 * (edge(m, seed) / alpha) ** 8 + floor
        return {"train_loss": train + spread * m * (alpha > 4.4), "test_loss": test(m)}

    return planted(FIGURE, on_spheres(told))


@pytest.mark.parametrize(
    ("claim", "landscape", "verdict", "value"),
    [
        ("training loss does not care", {"spread": 0.02, "edge": lambda m, seed: 1.0}, "holds", 0.02),
        ("training loss does not care", {"spread": 0.08, "edge": lambda m, seed: 1.0}, "fails", 0.08),
        ("test loss does", {}, "holds", 1.0),
        ("test loss does", {"test": lambda m: 0.2 + 0.3 * m}, "fails", 0.3),
        ("test loss does", {"test": lambda m: 2.0 if m == 1 else 0.5 - 0.3 * m}, "fails", 1.5),  # in no order
        ("test loss does", {"test": lambda m: 1 - m}, "fails", -1.0),
        ("messier needs more norm", {}, "holds", 1.0),
        ("messier needs more norm", {"edge": lambda m, seed: 3 - m}, "fails", 0.0),
        ("messier needs more norm", {"edge": lambda m, seed: 2 + m if seed else 3 - m}, "undecided", 2 / 3),
        ("messier needs more norm", {"floor": 0.1}, "undecided", None),  # nothing is ever fitted
    ],
)
def test_the_claims(claim, landscape, verdict, value):
    check(FIGURE, claim, _results(**landscape), verdict, value)


def test_the_edge_of_what_is_fitted_is_interpolated():
    results = _results(edge=lambda m, seed: (1.7 + m) * (1 + 0.1 * seed))
    m = results["landscape"][MESSINESS].values / MOST
    expected = (1.7 + m) * np.array([[1.0], [1.1], [1.2]])
    np.testing.assert_allclose(fig6ab.edge(results, SHOWN), expected, rtol=1e-5)
    assert "alpha from 1.87 at m = 0 to 2.97" in judged(FIGURE, "messier needs more norm", results).note
