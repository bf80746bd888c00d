"""Figure 1 of Kumar et al. 2023: a network that leaves its linearisation, on planted curves."""

import math
import typing

import numpy as np
import pytest

from afterfit.studies.kumar2023 import fig1

from ..planted import check, diverged, judged, planted, step_up
from .drawn import drawn, never_holds
from .machines import course


FIGURE = fig1.FIGURE


def _results(plant=None, *, twin=1.3, twin_end=1.1, line=0.9, grown=20.0, norm=11.0):
    """A climb with a twin beside it, and a kernel that aligns by a factor of `grown`."""

    def runs(steps, place):
        told = plant(place["seed"]) if callable(plant) else plant or {}
        end: typing.Any = twin_end(place["seed"]) if callable(twin_end) else twin_end
        kernel = {
            f"kernel_alignment/{form}": step_up(steps, 1500, 0.01, 0.01 * grown)
            for form in ("uncentred", "column_centred", "centred")
        }
        kernel["kernel_fit"] = step_up(steps, 1500, 1e-4, 1e-4 * grown)
        beside = {
            "twin/train_loss": step_up(steps, 200, 1.0, 0.3),
            "twin/test_loss": np.where(steps >= 1000, end, step_up(steps, 50, 1.0, twin)),
        }
        trace = {"committee_loss/trace": step_up(steps, 1500, 1.0, norm)}
        return course(steps, **told) | kernel | beside | trace

    kernel = lambda steps, place: {"kernel_regression/test_loss": line}
    return planted(FIGURE, {"runs": runs, "kernel": kernel})


@pytest.mark.parametrize(
    ("claim", "plant", "verdict", "value"),
    [
        ("groks", {}, "holds", 1.3),
        ("groks", {"plant": {"high": 1.08}}, "fails", 1.08),
        ("groks", {"plant": {"fall": math.inf}}, "fails", 1.3),
        ("groks", {"plant": lambda seed: {"end": 0.02 if seed < 3 else 0.5}}, "undecided", 1.3),
        ("linear at first", {}, "holds", 1.0),
        ("linear at first", {"twin": 2.0}, "fails", 0.65),
        ("the linearised network does not", {}, "holds", 1.1),
        ("the linearised network does not", {"twin_end": 0.3}, "fails", 0.3),
        ("the linearised network does not", {"twin_end": lambda seed: 0.3 + 0.3 * seed}, "undecided", 0.9),
        ("below kernel regression", {}, "holds", 0.0222),
        ("below kernel regression", {"line": 0.03}, "fails", 0.667),
        ("norm rises", {}, "holds", 11),
        ("norm rises", {"norm": 0.9}, "fails", 0.9),
        ("kernel aligns", {}, "holds", 20),
        ("kernel aligns", {"grown": 3.0}, "fails", 3),
        ("weights align", {}, "holds", 30),
        ("weights align", {"plant": {"turned": math.inf}}, "fails", 1),
    ],
)
def test_the_claims(claim, plant, verdict, value):
    check(FIGURE, claim, _results(**plant), verdict, value, rel=0.01)


def test_diverged_runs_decide_nothing():
    results = _results()
    for name in results.data:
        results = diverged(results, name, slice(None), 0)
    never_holds(FIGURE, results)
    some = diverged(diverged(_results(), "runs", 0, 0), "runs", 1, 10)
    for claim in ("groks", "norm rises", "below kernel regression"):
        assert judged(FIGURE, claim, some).verdict == "undecided", claim
    assert len(drawn(FIGURE, some)) == 5
