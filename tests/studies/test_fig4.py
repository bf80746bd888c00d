"""Figure 4 of Power et al. 2022: the double descent of the loss, on planted curves and a tiny run."""

import math
import pathlib

import numpy as np
import pytest
import xarray
from hypothesis import given, strategies as st

from afterfit.statistics import Verdict
from afterfit.studies import Results
from afterfit.studies.power2022 import fig1_left, fig4
from afterfit.training import LogSpaced


STEPS = LogSpaced().steps(1_000_000)
CLAIMS = {claim.name: claim for claim in fig4.CLAIMS}


def _curve(*points):
    """A loss through (step, nats), straight in logarithms."""
    at, nats = np.log(np.maximum(points, 1e-12)).T
    return np.exp(np.interp(np.log(np.maximum(STEPS, 1)), at, nats))


def _accuracy(reached):
    """An accuracy that jumps at a step; a share of it early on, if two steps are given."""
    return np.where(STEPS >= reached, 1.0, 0.05)


# --- landmarks ------------------------------------------------------------------------------------


def test_landmarks_of_a_planted_curve():
    found = fig4.descents(STEPS, _curve((1, 4), (100, 3), (1e5, 30), (1e6, 0.1)))
    # Smoothing moves a corner by two records of 6% at most, towards its flatter side, and rounds it off.
    assert found.low_step == pytest.approx(100, rel=0.13) and found.peak_step == pytest.approx(1e5, rel=0.13)
    assert found.low == pytest.approx(3, rel=0.03) and found.peak == pytest.approx(30, rel=0.12)
    assert found.rise == pytest.approx(10, rel=0.12) and found.fall == pytest.approx(0.1 / 30, rel=0.5)


@pytest.mark.parametrize(
    ("points", "rise", "fall", "peak_step"),
    [
        (((1, 4), (1e6, 0.1)), 1, 1, 1e6),  # it only falls: no peak after a low
        (((1, 4), (1e6, 40)), 10, 1, 1e6),  # it still climbs at the end
        (((1, 4), (1e4, 40), (1e6, 4)), 10, 0.1, 1e4),  # it climbs from the start
        (
            ((1, 4), (1e2, 3), (1e4, 6), (1e5, 0.01), (7e5, 5), (1e6, 5)),
            2,
            5 / 6,
            1e4,
        ),  # a late accident is no peak
    ],
)
def test_landmarks_of_other_shapes(points, rise, fall, peak_step):
    found = fig4.descents(STEPS, _curve(*points))
    assert found.rise == pytest.approx(rise, rel=0.1) and found.fall == pytest.approx(fall, rel=0.1)
    assert found.peak_step == pytest.approx(peak_step, rel=0.13)


def test_landmarks_of_runs_that_end_badly():
    loss = _curve((1, 4), (100, 3), (1e5, 30), (1e6, 0.1))
    cut = np.where(STEPS > 1000, np.where(STEPS > 2000, np.nan, np.inf), loss)
    found = fig4.descents(STEPS, cut)
    assert found.fall == 1 and found.peak_step <= 1000 and found.rise > 1.5
    nothing = fig4.descents(STEPS, np.full(len(STEPS), np.nan))
    assert math.isnan(nothing.rise) and math.isnan(nothing.fall)
    assert fig4.descents(STEPS[:1], np.array([2.0])).rise == 1
    assert fig4.descents(STEPS, np.where(STEPS > 1e5, 0.0, loss)).fall < 1e-6  # a loss of 0 has no logarithm


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12), st.sampled_from([1, 3, 5]))
def test_smoothing_is_the_mean_of_the_neighbours(values, window):
    half = window // 2
    naive = [np.mean(values[max(0, i - half) : i + half + 1]) for i in range(len(values))]
    np.testing.assert_allclose(fig4.smoothed(np.array(values), window), naive, atol=1e-12)


def test_the_largest_fall_of_an_accuracy():
    rises = np.linspace(0, 1, 50)
    assert fig4.largest_fall(rises) == pytest.approx(0)
    assert fig4.largest_fall(np.concatenate([rises, rises[::-1]])) == pytest.approx(1, abs=0.1)
    assert fig4.largest_fall(np.concatenate([rises, np.full(9, 0.7), rises])) == pytest.approx(1, abs=0.1)
    dip = np.ones(50)
    dip[20] = 0.5  # one record counts for a fifth
    assert fig4.largest_fall(dip) == pytest.approx(0.1)
    assert fig4.largest_fall(np.concatenate([rises, np.full(9, np.nan)])) == pytest.approx(0)
    assert math.isnan(fig4.largest_fall(np.full(3, np.nan)))


# --- claims ---------------------------------------------------------------------------------------

PEAKED = _curve((1, 4), (100, 3), (1e5, 30), (1e6, 0.1))
CLIMBING = _curve((1, 4), (100, 3), (1e6, 80))
FALLING = _curve((1, 4), (1e6, 0.1))


def _results(scale, losses, memorised=500, generalised=5e5, accuracy=None):
    """Results of runs with these validation losses, one seed each; all in both sweeps."""
    count = len(losses)
    test = _accuracy(generalised) if accuracy is None else accuracy
    data = xarray.Dataset(
        {
            "test_loss": (("seed", "step"), np.stack(losses)),
            "train_loss": (("seed", "step"), np.ones((count, len(STEPS)))),
            "train_accuracy": (("seed", "step"), np.tile(_accuracy(memorised), (count, 1))),
            "test_accuracy": (("seed", "step"), np.tile(test, (count, 1))),
            "outcome": (("seed",), ["done"] * count),
        },
        {"seed": range(count), "step": STEPS},
    )
    plans = fig4.sweeps(scale)
    return Results(scale, plans, {name: data for name in plans}, pathlib.Path("none"))


def _verdict(name, results):
    return CLAIMS[name].judge(results).verdict


@pytest.mark.parametrize(
    ("claim", "losses", "options", "verdict"),
    [
        ("rise", [PEAKED] * 3, {}, "holds"),
        ("rise", [PEAKED, PEAKED, FALLING], {}, "undecided"),
        ("rise", [FALLING] * 3, {}, "fails"),
        ("second descent", [PEAKED] * 3, {}, "holds"),
        ("second descent", [CLIMBING] * 3, {"generalised": 5e5}, "fails"),  # generalised with a high loss
        ("second descent", [CLIMBING] * 3, {"generalised": 2e6}, "undecided"),  # it may still come
        ("long climb", [PEAKED] * 3, {}, "holds"),
        ("long climb", [PEAKED] * 3, {"memorised": 5e4}, "fails"),
        ("long climb", [PEAKED] * 3, {"memorised": 2e6}, "undecided"),  # never fitted
        ("peak first", [PEAKED] * 3, {}, "holds"),
        ("peak first", [PEAKED] * 3, {"generalised": 1e4}, "fails"),
        ("peak first", [PEAKED] * 3, {"generalised": 2e6}, "holds"),  # it peaked, and was not there yet
        ("peak first", [CLIMBING] * 3, {"generalised": 2e6}, "undecided"),
        ("steady accuracy", [PEAKED] * 3, {}, "holds"),
        ("steady accuracy", [PEAKED] * 3, {"accuracy": _accuracy(1e3) * (STEPS < 3e5)}, "fails"),
        ("steady climb", [PEAKED] * 3, {"accuracy": _accuracy(1e3) * (STEPS < 3e5)}, "holds"),
        ("steady climb", [PEAKED] * 3, {"accuracy": _accuracy(1e3) * (STEPS < 1e4)}, "fails"),
        ("span", [PEAKED] * 3, {}, "holds"),
        ("span", [_curve((1, 4), (100, 3), (2e4, 30), (1e6, 0.1))] * 3, {}, "fails"),
    ],
)
def test_verdicts_at_the_scale_of_the_paper(claim, losses, options, verdict):
    found = CLAIMS[claim].judge(_results("paper", losses, **options))
    assert found.verdict == verdict and (found.seeds, found.runs) == (3, 3)


def test_the_miniature_has_its_own_thresholds_and_says_so():
    flat = _curve((1, 4), (100, 3), (1e5, 4.3), (1e6, 1.6))
    laptop, paper = (_results(scale, [flat] * 3) for scale in ("laptop", "paper"))
    assert (_verdict("rise", laptop), _verdict("rise", paper)) == ("holds", "fails")
    assert (_verdict("second descent", laptop), _verdict("second descent", paper)) == ("fails", "holds")
    assert "criterion of the miniature" in CLAIMS["rise"].judge(laptop).note
    assert CLAIMS["rise"].judge(paper).note == ""
    span = CLAIMS["span"].judge(laptop)
    assert span.verdict == Verdict.UNDECIDED and "needs the paper's size" in span.note


def test_how_long_the_climb_lasts_is_judged_without_decay_as_in_the_paper():
    results = _results("laptop", [FALLING] * 3)
    assert _verdict("long climb", results) == "holds"  # a loss that only falls ends at its own peak
    steep = _results("laptop", [_curve((1, 4), (1e3, 40), (1e6, 1))] * 3)
    data = {"delayed": results["delayed"], "no decay": steep["delayed"]}
    mixed = Results("laptop", results.sweeps, data, results.store)
    assert _verdict("long climb", mixed) == "fails" and _verdict("rise", mixed) == "fails"


def test_one_seed_has_no_interval():
    found = CLAIMS["rise"].judge(_results("paper", [PEAKED]))
    assert found.verdict == "holds" and found.interval is None and "one seed" in found.note


# --- the figure -----------------------------------------------------------------------------------


def test_it_rests_on_the_runs_of_figure_1():
    for scale in ("smoke", "laptop", "paper"):
        mine, theirs = fig4.sweeps(scale), fig1_left.sweeps(scale)
        assert {name: [run.id for run in plan.runs] for name, plan in mine.items()} == {
            name: [run.id for run in plan.runs] for name, plan in theirs.items()
        }


def test_smoke(reproduced, tmp_path):
    rows = reproduced(fig4.FIGURE)
    assert [row["verdict"] for row in rows] == ["undecided"] * len(CLAIMS)
    assert {file.name for file in (tmp_path / "out").glob("fig4.*")} == {
        f"fig4.{kind}" for kind in ("svg", "png", "pdf", "csv")
    }
    assert len((tmp_path / "out" / "fig4.csv").read_text().splitlines()) == 1 + 4
