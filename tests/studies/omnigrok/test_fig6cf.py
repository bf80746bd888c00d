"""Figure 6c and f of Liu et al. 2023: ways over a landscape in closed form, and planted times.

The training loss is `0.02 (edge / alpha)^8` with `edge = 2.2 exp(0.8 m)`: its contours are straight lines in
(ln alpha, m), and every slope is known. The star lies where the contour of 0.02 ends. On the small grid all
alphas are smaller by 32, so that w is about 1.
"""

import math
import types

import numpy as np
import pytest
import scipy.integrate

from afterfit.landscape import Path
from afterfit.studies.omnigrok import _toy, fig6cf
from afterfit.studies.omnigrok._toy import MESSINESS

from ..planted import ALPHA, check, judged, on_spheres, planted


FIGURE = fig6cf.FIGURE
STAR, SLOPE, POWER = 2.2, 0.8, 8
STARTS = ((4.0, 0.5), (8.5, 0.9))
NORM = 32 / 3  # of a decoder's standard start
SMALL = 1 / 32


@pytest.fixture(scope="module")
def sweeps():
    """One landscape on a fine grid, and the same on the small one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(_toy.MESSY, "laptop", tuple(np.linspace(0, 0.2, 9).tolist()))
        patch.setitem(_toy.SEEDS, "laptop", 1)
        found = {}
        for unit in (1, SMALL):
            patch.setitem(_toy.ALPHAS, "laptop", tuple((unit * np.geomspace(0.8, 9, 30)).tolist()))
            found[unit] = fig6cf.sweeps("laptop")
        return found


@pytest.fixture
def results(sweeps, monkeypatch):
    """Plants the landscape on one of both grids, and sets starts on it and decays."""

    def plant(unit=1, decays=(2.8e-4, 2.9e-4, 3.0e-4), test=lambda m: 0.2):
        monkeypatch.setattr(fig6cf, "DECAYS", decays)
        monkeypatch.setattr(fig6cf, "STARTS", tuple((unit * alpha, m) for alpha, m in STARTS))

        def told(place):
            alpha, m = place[ALPHA] / unit, 5 * place[MESSINESS]
            away = 0.01 * (alpha - STAR) ** 2
            return {"train_loss": _loss(alpha, m), "test_loss": test(m) + away, "standard_norm": NORM}

        return planted(FIGURE, on_spheres(told), sweeps=sweeps[unit])

    return plant


def _loss(alpha, m):
    return 0.02 * (STAR * math.exp(SLOPE * m) / alpha) ** POWER


def _inner_end(decay):
    """alpha at rest at m = 0, where the slope of the loss and decay are in balance."""
    return (0.02 * POWER * STAR**POWER / (decay * NORM**2)) ** (1 / (POWER + 2))


def _until_near(length):
    """Time to come within 0.05 of rest from so far away in ln w, by `dx/dt = -(1 - exp(-10 x))`."""
    k = POWER + 2
    return length - 0.05 + math.log((1 - math.exp(-k * length)) / (1 - math.exp(-0.05 * k))) / k


def _slope(expected, measured):
    return np.dot(expected, measured) / np.dot(expected, expected)


def test_at_the_decoders_norm_only_the_drift_takes_time(results):
    """There m is fast, and the norm falls at the speed eta gamma: the height h counts for nothing."""
    here = results(test=lambda m: 0.2 + 0.6 * math.exp(-(((m - 0.25) / 0.2) ** 2)))
    assert fig6cf.standard_norm(here) == pytest.approx(NORM, rel=1e-5)
    runs = [(start, decay) for start in STARTS for decay in fig6cf.DECAYS]
    arrived, formula, exact = [], [], []
    for way, (start, decay) in zip(fig6cf.ways(here, 0), runs, strict=True):
        end, distance = _inner_end(decay), math.log(start[0] / STAR)
        arrived.append(_until_near(math.log(start[0] / end)))
        formula.append(distance + start[1] / SLOPE)
        exact.append(distance)  # of which the slope dM/dw takes less than a thousandth
        assert (way.decay, way.alpha[0], way.path.messiness[0]) == pytest.approx((decay, *start))
        assert (way.alpha[-1], way.path.messiness[-1]) == pytest.approx((end, 0), rel=0.01, abs=1e-6)
        assert way.arrived == pytest.approx(arrived[-1], rel=0.03)
        assert way.formula == pytest.approx(formula[-1], rel=0.01)
        assert way.exact == pytest.approx(exact[-1], rel=0.01)
    check(FIGURE, "time formula", here, "fails", _slope(formula, arrived), rel=0.03)
    check(FIGURE, "exact time", here, "holds", _slope(exact, arrived), rel=0.03)
    # On its way from A the network passes the hill of the test loss at m = 0.25.
    check(FIGURE, "multiple descent", here, "holds", 1.0)


def test_near_norm_one_the_formula_is_right(results):
    """There the boundary drags m along at the cost of the norm."""
    norm, decay = NORM * SMALL, 0.1  # the norm where alpha would be 1
    here = results(SMALL, (0.09, decay, 0.11))
    for claim in ("time formula", "exact time"):
        found = judged(FIGURE, claim, here)
        assert found.verdict == "holds" and found.value == pytest.approx(0.9, abs=0.1) and found.runs == 6
    way = fig6cf.ways(here, 0)[1]

    def velocity(time, place):
        w, m = math.exp(place[0]), place[1]
        fall = POWER * _loss(w / norm, m)  # of the loss, over ln w
        return [-fig6cf.RATE * (decay - fall / w**2), -fig6cf.RATE * SLOPE * fall]

    def arrives(time, place):
        return place[1] - 0.02

    setattr(arrives, "terminal", True)  # m = 0 is an end of the range, which the way does not cross
    start = (math.log(STARTS[0][0] * norm), STARTS[0][1])
    reference = scipy.integrate.solve_ivp(
        velocity, (0, 3e4), start, "Radau", events=arrives, rtol=1e-7, atol=1e-9
    )
    w, m = (np.interp(reference.t, way.path.time, one) for one in (way.path.norm, way.path.messiness))
    assert reference.status == 1 and reference.t[-1] > 5000
    np.testing.assert_allclose(w, np.exp(reference.y[0]), rtol=0.01)
    np.testing.assert_allclose(m, reference.y[1], atol=0.01)


def test_without_a_hill_there_is_no_second_descent(results):
    check(FIGURE, "multiple descent", results(), "fails", 0.0)


def test_landscapes_with_a_hole_or_too_rough_have_no_ways(results, monkeypatch):
    def refuse(*_, **__):
        raise ValueError("the flow got stuck")

    monkeypatch.setattr(fig6cf, "flow", refuse)
    rough, holed = results(), results()
    holed["landscape"]["train_loss"][3, 3] = np.nan
    for here in (rough, holed):
        assert {claim.judge(here).verdict for claim in FIGURE.claims} == {"undecided"}
        assert fig6cf.table(here) == []


# --- planted ways ---------------------------------------------------------------------------------


@pytest.fixture
def on_ways(monkeypatch, results):
    """Judges a claim on ways with these expected and measured times."""

    def judge_them(claim, which, pairs):
        ways = [types.SimpleNamespace(**{which: one}, arrived=other) for one, other in pairs]
        monkeypatch.setattr(fig6cf, "ways", lambda results, seed: ways)
        monkeypatch.setattr(fig6cf, "_seeds", lambda results: 1)
        return judged(FIGURE, claim, results())

    return judge_them


@pytest.mark.parametrize(("claim", "which"), [("time formula", "formula"), ("exact time", "exact")])
@pytest.mark.parametrize(
    ("ratios", "verdict", "slope"),
    [
        ((1.0, 1.0, 1.0, 1.0), "holds", 1.0),
        ((2.0, 2.0, 2.0, 2.0), "fails", 2.0),
        ((0.6, 0.6, 0.6, 0.6), "fails", 0.6),
        ((1.5, 1.5, 1.5, 0.5), "fails", 0.716),  # on no line
    ],
)
def test_times_are_judged_by_their_slope_and_its_fit(on_ways, claim, which, ratios, verdict, slope):
    times = (1.0, 3.0, 10.0, 20.0)
    found = on_ways(claim, which, [(time, ratio * time) for time, ratio in zip(times, ratios, strict=True)])
    assert found.verdict == verdict and found.value == pytest.approx(slope, rel=0.01) and found.runs == 4


def test_ways_that_do_not_arrive_decide_nothing(on_ways):
    pairs = [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (4.0, math.inf), (math.nan, 5.0)]
    found = on_ways("time formula", "formula", pairs)
    assert found.verdict == "undecided" and found.note == "3 of 5 ways arrive"
    assert on_ways("time formula", "formula", []).note == "0 of 0 ways arrive"


@pytest.mark.parametrize(
    ("bumps", "whole", "verdict"),
    [
        ((1, 2, 1), 1, "holds"),
        ((0, 0, 0), 0, "fails"),
        ((1, 1, 1), 0, "undecided"),  # the mean landscape has none
        ((1, 0, 1), 1, "undecided"),
        ((1, None, 1), 1, "undecided"),
        ((1, 1, 1), None, "undecided"),
    ],
)
def test_a_descent_must_show_in_seeds_and_in_their_mean(monkeypatch, results, bumps, whole, verdict):
    place = np.linspace(0, 1, 400)

    def way(count):
        if count is None:
            return None
        test = 0.3 + 0.2 * np.sin(2 * np.pi * count * place)  # as many maxima
        train = np.where(place < 0.1, 1, 0.01)
        path = Path(place, place, place, train, place, place)
        return fig6cf.Way(path, place, test, 1.0, 1.0, 1.0, 1.0)

    monkeypatch.setattr(fig6cf, "_seeds", lambda results: 3)
    monkeypatch.setattr(
        fig6cf, "from_high_loss", lambda results, seed: way(whole if seed is None else bumps[seed])
    )
    found = judged(FIGURE, "multiple descent", results())
    assert found.verdict == verdict, found
