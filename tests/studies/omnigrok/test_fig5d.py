"""Figure 5d of Liu et al. 2023: late drops of the test loss, on planted curves."""

import math

import numpy as np
import pytest

from afterfit.studies.omnigrok import fig5d

from ..planted import ALPHA, check, diverged, judged, planted, step_up


FIGURE = fig5d.FIGURE
VARIANCE = 60.0  # of the targets: a run has fitted below a loss of 0.6


@pytest.fixture(autouse=True)
def molecules(monkeypatch):
    """Targets of one variance, for the molecules themselves may not be at hand."""
    monkeypatch.setattr(fig5d, "_variance", lambda results, size, seed: VARIANCE)


def _results(
    *,
    fitted=300,
    at=lambda size, seed: 12_000,
    decades=lambda size, seed: 1.5,
    norm=0.9,
    standard=0.0,
    extra=None,
):
    """From alpha = 3 a test loss of 5 that drops at a step, before which the norm has fallen to a share."""

    def rule(steps, place):
        size, seed = place[fig5d.SIZE], place["seed"]
        train = step_up(steps, fitted, low=100, high=0.1)
        if place[ALPHA] == 1:
            test = step_up(steps, 12_000, low=1.0, high=10**-standard)
            return {"train_loss": train, "test_loss": test}
        drop = at(size, seed)
        test = step_up(steps, drop, low=5.0, high=5 * 10 ** -decades(size, seed))
        if extra is not None:
            test = extra(steps, test)
        return {
            "train_loss": train,
            "test_loss": test,
            "weight_norm": 50 * step_up(steps, drop / 3, 1.0, norm),
        }

    return planted(FIGURE, {"runs": rule})


def _only(size):
    return lambda one, seed: 1.5 if one == size else 0.2


@pytest.mark.parametrize(
    ("claim", "curves", "verdict", "value"),
    [
        ("late drop", {}, "holds", 1.5),
        ("late drop", {"decades": _only(100)}, "holds", 1.5),
        ("late drop", {"decades": _only(400)}, "fails", 0.2),
        ("late drop", {"at": lambda size, seed: 2000}, "fails", 0),  # not ten times later
        ("late drop", {"fitted": math.inf}, "undecided", None),
        ("late drop", {"decades": lambda size, seed: 1.5 * seed}, "undecided", 1.5),
        ("late drop with 200", {"decades": _only(400)}, "holds", 1.5),
        ("late drop with 200", {"decades": _only(100)}, "fails", 0.2),
        ("no drop from the standard norm", {}, "holds", 0),
        ("no drop from the standard norm", {"standard": 0.5}, "holds", 0.5),
        ("no drop from the standard norm", {"standard": 1.2}, "fails", 1.2),
        (
            "no drop from the standard norm",
            {"standard": 1.2, "fitted": 2000},
            "holds",
            0,
        ),  # soon after the fit
        ("the norm falls first", {}, "holds", 0.9),
        ("the norm falls first", {"norm": 0.97}, "fails", 0.97),
        ("the norm falls first", {"decades": lambda size, seed: 0.2}, "undecided", None),
        ("the norm falls first", {"decades": lambda size, seed: 0.2 if seed else 1.5}, "undecided", 0.9),
        ("the norm falls first", {"decades": _only(400)}, "holds", 0.9),
    ],
)
def test_the_claims(claim, curves, verdict, value):
    check(FIGURE, claim, _results(**curves), verdict, value, rel=1e-3)


def test_where_a_drop_is_found():
    found = fig5d.drop(_results(), 3.0, 100, 0)
    assert found.step == pytest.approx(12_000, rel=0.06) and found.fitted == pytest.approx(300, rel=0.06)
    assert (found.decades, found.norm) == pytest.approx((1.5, 0.9), rel=1e-4)


def test_a_slow_fall_and_a_single_record_are_no_drops():
    slow = _results(extra=lambda steps, test: 5 * np.minimum(1, (300 / np.maximum(steps, 1)) ** 0.7))
    assert fig5d.drop(slow, 3.0, 100, 0).decades < 1  # 1.4 decades in all, over two decades of steps
    for spike in (0.01, 1000.0):
        single = _results(
            decades=lambda size, seed: 0.0,
            extra=lambda steps, test: np.where(np.arange(len(steps)) == 150, spike, test),
        )
        assert fig5d.drop(single, 3.0, 100, 0).decades == pytest.approx(0)


def test_a_drop_before_a_run_diverged_is_found():
    results = _results()
    steps = results["runs"]["step"].values
    after = int(np.searchsorted(steps, 20_000))
    assert fig5d.drop(diverged(results, "runs", 0, after), 3.0, 100, 0).decades == pytest.approx(
        1.5, rel=1e-4
    )
    assert judged(FIGURE, "late drop", diverged(results, "runs", 0, 10)).note.endswith("2 of 3 seeds")
