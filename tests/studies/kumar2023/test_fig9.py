"""Figure 9 of Kumar et al. 2023: sizes of the training set, on planted curves."""

import math

import pytest

from afterfit.studies.kumar2023 import fig9

from ..planted import check, diverged, judged, planted
from .drawn import drawn, never_holds
from .machines import course


FIGURE = fig9.FIGURE
REGIMES = {
    50: {"fall": math.inf, "high": 1.4},
    120: {"end": 0.4},
    200: {},
    500: {"high": 1.04, "fall": 250, "end": 0.001},
}


def _results(authors=None, **plant):
    """The three regimes, or others: `at_200={...}` changes one, for all seeds or told for each."""

    def sizes(steps, place):
        size = place[fig9.TRAIN]
        told = plant.get(f"at_{size}", {})
        return course(steps, **(REGIMES[size] | (told(place["seed"]) if callable(told) else told)))

    return planted(FIGURE, {"sizes": sizes, "authors": lambda steps, place: course(steps, **(authors or {}))})


@pytest.mark.parametrize(
    ("claim", "plant", "verdict", "value"),
    [
        ("few fail", {}, "holds", 1.4),
        ("few fail", {"at_50": {"fall": 2000}}, "fails", 0.02),
        ("few fail by linear power", {}, "holds", 0.45),
        ("few fail by linear power", {"at_50": {"share": 0.2}}, "fails", 0.13),
        ("middle groks", {}, "holds", 1.3),
        ("middle groks", {"at_200": {"high": 1.0}}, "fails", 1.0),
        ("middle groks", {"at_200": {"fitted": 2000}}, "fails", 1.3),
        ("middle groks", {"at_200": lambda seed: {"end": 0.5 if seed < 2 else 0.01}}, "undecided", 1.3),
        ("120 examples grok", {}, "fails", 1.3),
        ("120 examples grok", {"at_120": {"end": 0.1}}, "holds", 1.3),
        ("120 examples rise in the authors' setting", {}, "holds", 1.3),
        ("120 examples rise in the authors' setting", {"authors": {"high": 0.9}}, "fails", 1.0),
        ("linear power rises, then falls", {}, "holds", 1.0),
        ("linear power rises, then falls", {"at_200": {"share": 0.3}}, "fails", 0.3),
        ("linear power rises, then falls", {"at_200": {"fall": math.inf}}, "fails", 1.0),
        ("many generalise at once", {}, "holds", 1.25),
        ("many generalise at once", {"at_500": {"fall": 2000}}, "fails", 10),
        ("many generalise at once", {"at_500": {"fall": math.inf}}, "fails", 100),
        ("many generalise at once", {"at_500": {"fitted": math.inf}}, "undecided", None),
        ("no power left with many", {}, "holds", 0.00056),
        ("no power left with many", {"at_500": {"end": 0.2}}, "fails", 0.112),
    ],
)
def test_the_claims(claim, plant, verdict, value):
    check(FIGURE, claim, _results(**plant), verdict, value, rel=0.08)


def test_diverged_runs_decide_nothing():
    results = _results()
    for name in results.data:
        results = diverged(results, name, slice(None), 0)
    never_holds(FIGURE, results)
    # Runs of all sizes: two seeds of five are open.
    some = diverged(diverged(_results(), "sizes", slice(0, None, 5), 0), "sizes", slice(1, None, 5), 10)
    for claim in ("few fail", "middle groks", "many generalise at once"):
        assert judged(FIGURE, claim, some).verdict == "undecided", claim
    assert len(drawn(FIGURE, some)) == 4 * 5 + 3


def test_all_sizes_are_one_program():
    from afterfit.ensemble._pack import packs

    assert len(packs(fig9.sweeps("laptop")["sizes"].runs)) == 1
