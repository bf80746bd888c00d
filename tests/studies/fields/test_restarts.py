"""Constrained restarts: planted minima, and a real small run for what needs weights."""

import math

import numpy as np
import pytest

from afterfit.ensemble import silent
from afterfit.studies import run_figure
from afterfit.studies.fields import restarts

from ..planted import ALPHA, check, planted


FIGURE = restarts.FIGURE


def _restarts(
    *,
    zone=lambda width: 0.3,
    angle=lambda width: 0.5,
    radius=lambda width, good: -3.0,
    good=lambda width, alpha, start: alpha < 1.7,
    test=None,
):
    """Test losses that are parabolas in log-log of some width, and minima that all fit."""

    def rule(steps, place):
        width, alpha, start = int(place["width"]), place[ALPHA], place["seeds.init"]
        right = good(width, alpha, start)
        loss = 1e-4 * 10 ** ((math.log10(alpha / 1.2) / zone(width)) ** 2) if test is None else test(right)
        return {
            "train_loss": 1e-7,
            "test_loss": loss,
            "angle_from_initial": angle(width),
            "local_volume/log_radius": radius(width, right),
        }

    return planted(FIGURE, rule)


@pytest.mark.parametrize(("power", "verdict"), [(0.2, "holds"), (-0.2, "fails")])
def test_the_zone_widens(power, verdict):
    results = _restarts(zone=lambda width: 0.3 * (width / 30) ** power)
    check(FIGURE, "the zone widens", results, verdict, 1.0 if power > 0 else -1.0)
    assert FIGURE.chart(results).axes


@pytest.mark.parametrize(("power", "verdict"), [(-0.2, "holds"), (0.2, "fails")])
def test_the_way_shortens(power, verdict):
    good = {"test": lambda right: 1e-4}
    results = _restarts(angle=lambda width: width**power, **good)
    check(FIGURE, "the way shortens", results, verdict, -1.0 if power < 0 else 1.0)
    # Bad minima are not on the way to a good one.
    check(FIGURE, "the way shortens", _restarts(test=lambda right: 1.0), "undecided", None)


@pytest.mark.parametrize(
    ("gain", "verdict", "value"),
    [(lambda width: 0.01, "holds", 1.0), (lambda width: -0.01, "fails", -1.0)],
)
def test_good_minima_gain_volume(gain, verdict, value):
    """At each norm half of the starts are good, and these have more room by so much a parameter."""
    results = _restarts(
        good=lambda width, alpha, start: start % 2 == 0,
        test=lambda right: 1e-4 if right else 1.0,
        radius=lambda width, right: -3.0 + (gain(width) if right else 0.0),
    )
    check(FIGURE, "good minima gain volume", results, verdict, value)
    # 10-10 to 300-300 hidden units on 5 inputs and outputs, counted by hand.
    parameters = [(5 * w + w) + (w * w + w) + (5 * w + 5) for w in (10, 30, 100, 300)]
    np.testing.assert_allclose(
        restarts.volume_gains(results), [gain(0) * count for count in parameters], rtol=1e-3
    )


def test_norms_with_one_kind_of_minima_tell_nothing():
    check(FIGURE, "good minima gain volume", _restarts(), "undecided", None)


@pytest.mark.parametrize(("sign", "verdict"), [(-1, "holds"), (1, "fails")])
def test_volume_goes_with_goodness(sign, verdict):
    results = _restarts(
        good=lambda width, alpha, start: alpha,
        test=lambda right: 10.0**right,
        radius=lambda width, right: sign * right,
    )
    check(FIGURE, "volume goes with goodness", results, verdict, sign)


@pytest.mark.parametrize(("sign", "verdict"), [(-1, "holds"), (1, "fails")])
def test_volume_and_goodness_at_one_norm(sign, verdict):
    """Norms are all alike here; that of starts is all that is left to see."""
    results = _restarts(
        good=lambda width, alpha, start: start,
        test=lambda right: 10.0**right,
        radius=lambda width, right: sign * right,
    )
    check(FIGURE, "volume goes with goodness at one norm", results, verdict, sign)


def test_minima_are_compared_by_weights_and_by_function(tmp_path):
    results = run_figure(FIGURE, "smoke", store=tmp_path / "store", display=silent)
    rows = {(row["width"], row[ALPHA]): row for row in restarts.clusters(results)}
    assert len(rows) == 2 * 4
    # Two starts of a small network at its standard norm: nearly orthogonal, and two functions or one.
    for row in rows.values():
        assert 0.2 < row["pairwise_angle"] < math.pi / 2 + 0.6
        assert row["functions"] in (1, 2) and row["pairwise_difference"] >= 0
        assert (row["functions"] == 1) == (row["pairwise_difference"] < 0.1)
    assert len(restarts.table(results)) == 2 * 4
