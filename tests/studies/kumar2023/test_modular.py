"""The quadratic network on modular addition: trained for real, against numbers measured with other code."""

import dataclasses

import pytest

from afterfit.ensemble import sweep
from afterfit.studies.kumar2023 import _modular
from afterfit.training import At, GradientDescent


def test_it_groks_at_the_steps_measured_elsewhere():
    # Measured by direct gradient descent on three other draws: p = 13, rate 1,000.
    base = _modular.modular("laptop", steps=700, record=At((0, 200, 234, 400, 644)))
    rate = 1000 * _modular.output_scale("laptop", 1.0) ** 2
    base = dataclasses.replace(base, optimiser=GradientDescent(learning_rate=rate))
    data = sweep(base, {"seed": range(3)}).run()
    at = lambda measure, step: data[measure].sel(step=step).values
    # Losses at the start are the mean square of a one-hot vector of 13: outputs are small.
    assert at("train_loss", 0) == pytest.approx(1 / 13, rel=0.03)
    # Of 152 training equations 0.88 to 0.95 are right at step 200 in those draws: 0.04 more room for others.
    assert ((at("train_accuracy", 200) > 0.84) & (at("train_accuracy", 200) < 0.99)).all()
    assert (at("test_accuracy", 200) < 0.07).all() and (at("test_accuracy", 234) < 0.07).all()
    assert (at("train_accuracy", 234) > 0.93).all()
    assert (at("train_accuracy", 400) == 1).all()
    assert (at("test_accuracy", 644) > 0.99).all()
    # Test loss first: it rises by some percent while no test equation is right.
    assert (at("test_loss", 200) > 1.05 * at("test_loss", 0)).all()
    # The norm grows without decay.
    assert (at("weight_norm", 644) > 2.4 * at("weight_norm", 0)).all()


def test_alpha_is_the_factor_over_the_standard_one_and_divides_the_rate():
    data = sweep(
        _modular.modular("smoke", steps=20),
        {_modular.ALPHA: [_modular.output_scale("smoke", alpha) for alpha in (0.25, 4.0)]},
    ).run()
    assert _modular.alphas(data, "smoke").tolist() == [0.25, 4.0]
    # One speed at the start, 1 / alpha in the output: gradients are times alpha, rates over alpha squared.
    start, end = (data["train_loss"].isel(step=place).values for place in (0, 1))
    assert (end < start).all()
    assert _rate(_modular.modular("paper", steps=10), 1 / (2 * 23 * 100)) == pytest.approx(100)


def _rate(experiment, factor):
    """The rate of a run, which is divided by the square of the factor of the output."""
    assert experiment.parametrisation.output_scale == pytest.approx(factor)
    assert experiment.parametrisation.scaled_rate and not experiment.parametrisation.centred
    return experiment.optimiser.learning_rate / factor**2


def test_the_runs_have_a_twin_and_their_seeds():
    plan = _modular.grokked("laptop")
    assert plan.experiment.twin and list(plan.axes["seed"]) == list(range(5))
    assert _rate(plan.experiment, 1 / 2600) == pytest.approx(300)
