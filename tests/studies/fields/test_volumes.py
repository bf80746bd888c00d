"""Shares of random networks and of tempered ones, on planted counts; teachers; and the mean over them."""

import math

import numpy as np
import pytest

from afterfit.studies.fields import guesses, tempered
from afterfit.studies.fields._volumes import mean_over_teachers, student, TEACHERS

from ..planted import ALPHA, check, planted


def test_teachers_give_both_answers():
    task = student(8).task
    for seed in TEACHERS:
        signs = np.asarray(task.data(seed).targets)[:, 0] > 0
        assert 0.25 <= signs[:8].mean() <= 0.75
        assert 0.35 <= signs[8:].mean() <= 0.65


def _counts(fitting, goodness, accuracy=0.8):
    samples = 1_000_000
    fits = round(samples * fitting)
    return {
        "random_networks/samples": samples,
        "random_networks/fits": fits,
        "random_networks/good": round(fits * goodness),
        "random_networks/test_accuracy": accuracy,
    }


def _guesses(
    *,
    goodness=lambda width, alpha, seed: 0.2,
    fitting=lambda width: 0.01,
    accuracy=lambda width: 0.8,
    padded=lambda name, seed: (0.01, 0.2),
):
    def guessed(steps, place):
        width = int(place["width"])
        return _counts(fitting(width), goodness(width, place[ALPHA], place["seed"]), accuracy(width))

    def dead(steps, place):
        return _counts(*padded(place["padding"], place["seed"]))

    return planted(guesses.FIGURE, {"guesses": guessed, "padded": dead})


@pytest.mark.parametrize(
    ("per_width", "verdict", "value"), [(0.02, "holds", 0.1), (0.001, "fails", 0.005), (-0.02, "fails", -0.1)]
)
def test_the_good_share_grows(per_width, verdict, value):
    results = _guesses(
        goodness=lambda width, alpha, seed: 0.3 + per_width * math.log2(width) + 0.001 * (seed % 2)
    )
    check(guesses.FIGURE, "the good share grows", results, verdict, value)
    assert guesses.chart(results).axes
    assert len(guesses.table(results)) == 7 * 5 * 6 + 4 * 6


def test_cells_with_few_networks_are_left_open():
    results = _guesses(fitting=lambda width: 1e-4)
    check(guesses.FIGURE, "the good share grows", results, "undecided", None)
    check(guesses.FIGURE, "the good share falls with the norm", results, "undecided", None)


@pytest.mark.parametrize(("gain", "verdict"), [(0.02, "holds"), (0.0, "fails")])
def test_what_fits_is_more_accurate(gain, verdict):
    results = _guesses(accuracy=lambda width: 0.7 + gain * (width == 128))
    check(guesses.FIGURE, "what fits is more accurate", results, verdict, gain)


@pytest.mark.parametrize(("gain", "verdict"), [(1.5, "holds"), (1.0, "fails")])
def test_the_fitting_share_grows(gain, verdict):
    results = _guesses(fitting=lambda width: 0.01 * (gain if width == 128 else 1))
    check(guesses.FIGURE, "the fitting share grows", results, verdict, gain)


@pytest.mark.parametrize(("power", "verdict"), [(-0.5, "holds"), (0.5, "fails")])
def test_the_good_share_falls_with_the_norm(power, verdict):
    results = _guesses(goodness=lambda width, alpha, seed: 0.2 * alpha**power)
    check(guesses.FIGURE, "the good share falls with the norm", results, verdict, 2 * power)


@pytest.mark.parametrize(
    ("fitting", "goodness", "verdicts"),
    [
        (0.01, 0.02, ("holds", "holds")),
        (0.01, 0.01, ("fails", "holds")),  # half of a small share, which is little in itself
        (0.02, 0.02, ("holds", "fails")),
    ],
)
def test_dead_parameters(fitting, goodness, verdicts):
    results = _guesses(padded=lambda name, seed: (fitting, goodness) if name == "10 times" else (0.01, 0.02))
    moved = (abs(math.log(goodness / 0.02)), abs(math.log(fitting / 0.01)))
    for which, verdict, value in zip(("good", "fitting"), verdicts, moved, strict=True):
        check(guesses.FIGURE, f"dead parameters leave the {which} share", results, verdict, value)


def test_a_mean_over_teachers_needs_three_of_them():
    found = mean_over_teachers(np.array([0.1, np.nan, 0.2, np.nan]), least=0, runs=4)
    assert found.verdict == "undecided" and "2 teachers" in found.note
    found = mean_over_teachers(np.array([0.1, np.nan, 0.2, 0.3]), least=0, runs=4)
    assert (
        found.verdict == "holds" and found.value == pytest.approx(0.2) and "1 teachers left out" in found.note
    )


def test_a_ladder_that_says_nothing_does_not_agree():
    check(tempered.FIGURE, "both ways agree", _tempered(shift=1.0, spread=5.0), "fails", 0.0)


def _tempered(*, shift=0.0, spread=0.05, good=lambda width: 0.1):
    replicas = spread * np.array([[-1.0, 1.0, -1.0, 1.0]])

    def rule(steps, place):
        width = int(place["width"])
        return _counts(0.01, 0.1) | {
            "tempered_volume/log_fraction": math.log(0.01) + shift + replicas,
            "tempered_volume/good": good(width) + 0 * replicas,
        }

    return planted(tempered.FIGURE, rule)


@pytest.mark.parametrize(
    ("shift", "verdict", "value"), [(0.0, "holds", 1.0), (0.05, "holds", 1.0), (0.5, "fails", 0.0)]
)
def test_both_ways_agree(shift, verdict, value):
    results = _tempered(shift=shift)
    check(tempered.FIGURE, "both ways agree", results, verdict, value)
    assert tempered.chart(results).axes and len(tempered.table(results)) == 2 * 3 * 5


@pytest.mark.parametrize(("gain", "verdict"), [(0.03, "holds"), (0.0, "fails")])
def test_the_good_share_of_many_examples_grows(gain, verdict):
    results = _tempered(good=lambda width: 0.1 + gain * math.log2(width))
    check(tempered.FIGURE, "the good share grows", results, verdict, 3 * gain)
