"""Output scale, centring and the scaled rate, against the same training written by hand."""

import dataclasses

import numpy as np
import pytest

import afterfit as af
from afterfit.ensemble import silent
from afterfit.ensemble._pack import packs
from afterfit.models import MLP
from afterfit.tasks import TeacherStudent
from afterfit.training import Separate, Sustained


BASE = af.Experiment(
    TeacherStudent(inputs=3, hidden=(4,), outputs=2, train=12, test=12),
    MLP(hidden=(5,), activation="tanh"),
    af.GradientDescent(0.2),
    steps=40,
    record=af.Every(10),
    precision="float64",
)
MEASURES = ("train_loss", "test_loss", "weight_norm")


def curves(experiment):
    data = af.sweep(experiment).run(display=silent)
    return {measure: data[measure].values for measure in MEASURES}


@pytest.mark.parametrize(
    "optimiser",
    [
        af.GradientDescent,
        lambda rate: af.SGD(rate, momentum=0.8, weight_decay=0.01),
        lambda rate: af.AdamW(rate / 100, weight_decay=0.1, warmup=5),
        lambda rate: Separate(".readout", af.SGD(rate), af.GradientDescent(rate / 2)),
    ],
    ids=["GradientDescent", "SGD", "AdamW", "Separate"],
)
def test_a_scaled_rate_is_the_rate_divided_by_hand(optimiser):
    """By 2.5^2: in float64 the two differ by the rounding of one division."""
    scale = 2.5
    scaled, by_hand = (
        curves(
            dataclasses.replace(
                BASE,
                optimiser=optimiser(rate),
                parametrisation=af.Parametrisation(output_scale=scale, scaled_rate=scaled_rate),
            )
        )
        for rate, scaled_rate in ((0.2, True), (0.2 / scale**2, False))
    )
    for measure in MEASURES:
        assert scaled[measure][-1] != scaled[measure][0]
        np.testing.assert_allclose(scaled[measure], by_hand[measure], rtol=1e-11, err_msg=measure)


def test_a_scale_that_is_not_centred_multiplies_the_function():
    """For a linear model it is an initial scale, but for the rate: `s f(w)` is `f(s w)`."""
    linear = dataclasses.replace(BASE, model=MLP(hidden=()))
    outside = dataclasses.replace(
        linear, parametrisation=af.Parametrisation(output_scale=3.0, centred=False, scaled_rate=True)
    )
    inside = dataclasses.replace(linear, parametrisation=af.Parametrisation(init_scale=3.0))
    one, other = curves(outside), curves(inside)
    np.testing.assert_allclose(one["train_loss"], other["train_loss"], rtol=1e-11)
    np.testing.assert_allclose(one["test_loss"], other["test_loss"], rtol=1e-11)
    np.testing.assert_allclose(3 * one["weight_norm"], other["weight_norm"], rtol=1e-11)


def test_a_scale_of_one_that_is_not_centred_changes_nothing():
    one = curves(
        dataclasses.replace(BASE, parametrisation=af.Parametrisation(output_scale=1.0, centred=False))
    )
    for measure, values in curves(BASE).items():
        np.testing.assert_allclose(one[measure], values, rtol=1e-12, err_msg=measure)


def test_a_centred_function_is_zero_at_the_start_and_another_is_not():
    """So its first loss is the mean square of the targets."""
    data = BASE.task.data(0)
    targets = data.targets[data.rows[: int(data.train_count)]].astype(float)
    plan = {"parametrisation.centred": [True, False]}
    base = dataclasses.replace(BASE, parametrisation=af.Parametrisation(output_scale=3.0))
    centred, other = af.sweep(base, plan).run(display=silent)["train_loss"].values[:, 0]
    assert centred == pytest.approx((targets**2).mean(), rel=1e-12)
    assert abs(other - centred) > 0.1 * centred


def test_output_scales_share_a_program_and_centring_does_not():
    base = dataclasses.replace(BASE, parametrisation=af.Parametrisation(output_scale=1.0, scaled_rate=True))
    assert len(packs(af.sweep(base, {"parametrisation.output_scale": [0.1, 1.0, 10.0]}).runs)) == 1
    for field in ("centred", "scaled_rate"):
        assert len(packs(af.sweep(base, {f"parametrisation.{field}": [True, False]}).runs)) == 2


@pytest.mark.parametrize("scale", [0, 0.0, -0.0])
def test_an_output_scale_of_zero(scale):
    with pytest.raises(ValueError, match="`output_scale` must not be 0: the function would be constant"):
        af.Parametrisation(output_scale=scale)


def test_a_scaled_rate_needs_a_scale():
    with pytest.raises(ValueError, match="`scaled_rate` needs an `output_scale` to divide by"):
        af.Parametrisation(scaled_rate=True)


def test_a_run_ends_once_a_measure_has_stayed_below_a_level():
    """Its records are those of the longer run, up to the third in a row at or below the level."""
    base = dataclasses.replace(BASE, steps=400)
    whole = af.sweep(base).run(display=silent)["train_loss"].values
    level = float(whole[15])
    assert (np.diff(whole) < 0).all(), "a loss that falls all the time"
    rule = Sustained("train_loss", level=level, records=3, below=True)
    short = af.sweep(dataclasses.replace(base, stop=rule)).run(display=silent)["train_loss"].values
    np.testing.assert_array_equal(short, whole[: 15 + 3])


def test_below_a_level_needs_an_unbroken_streak_and_nan_breaks_it():
    rule = Sustained(level=0.1, records=2, below=True)
    assert rule.first_end(np.array([0.05, 0.2, 0.1, 0.05, 1.0])) == 3
    assert rule.first_end(np.array([0.05, np.nan, 0.05, 0.2, 0.1])) is None
    assert rule.first_end(np.array([0.2, 0.3, 0.5])) is None
