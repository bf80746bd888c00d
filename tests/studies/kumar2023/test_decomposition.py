"""Climbs of the test loss and what they are made of."""

import math

import numpy as np
import pytest
import xarray

from afterfit.ensemble import Run
from afterfit.models import CommitteeMachine
from afterfit.studies.kumar2023 import _decomposition as decomposition
from afterfit.tasks import Polynomial
from afterfit.training import Experiment, Seeds

from .machines import course


STEPS = np.array([0, 1, 5, 10, 20, 50, 100, 200, 500, 1000, 1500, 2000, 5000])


def _data(*courses):
    stacked = {name: np.stack([one[name] for one in courses]) for name in courses[0]}
    data = xarray.Dataset(
        {name: (("seed", "step"), values.astype(np.float32)) for name, values in stacked.items()},
        coords={"seed": range(len(courses)), "step": STEPS},
    )
    return data.assign(outcome=("seed", ["done"] * len(courses)))


def test_the_largest_climb_is_measured_from_the_low_before_it():
    found = decomposition.climbs(_data(course(STEPS, low=0.6, high=0.9), course(STEPS, high=1.3, share=0.5)))
    assert (found[0].low, found[0].peak) == (10, 50)
    assert found[0].ratio == pytest.approx(1.5) and found[0].share == pytest.approx(1.0, rel=1e-5)
    assert (found[1].low, found[1].peak, found[1].share) == (0, 50, pytest.approx(0.5, rel=1e-5))


def test_a_climb_of_a_fitted_network_is_none():
    thrown_off = np.where(STEPS == 1000, 5.0, course(STEPS)["committee_loss/total"])
    (found,) = decomposition.climbs(_data(course(STEPS) | {"committee_loss/total": thrown_off}))
    assert found.peak == 50


def test_no_climb_and_no_record():
    falls = course(STEPS, high=0.9)
    nothing = {name: np.full(STEPS.size, np.nan) for name in falls}
    one, other = decomposition.climbs(_data(falls, nothing))
    assert one.ratio == 1 and math.isnan(one.share)
    assert math.isnan(other.ratio) and math.isnan(other.peak)


def test_a_run_that_ends_early_climbs_as_far_as_it_got():
    cut = {name: np.where(STEPS <= 100, values, np.nan) for name, values in course(STEPS).items()}
    assert decomposition.climbs(_data(cut))[0].peak == 50
    assert decomposition.all_vanish(_data(cut)).verdict == "undecided"


@pytest.mark.parametrize(
    ("plant", "verdict"),
    [({}, "holds"), ({"apart": 0.05}, "holds"), ({"apart": 0.12}, "fails"), ({"gap": 1e-4}, "fails")],
)
def test_measured_and_summed_losses_are_the_exact_one(plant, verdict):
    assert decomposition.adds_up(_data(course(STEPS, **plant)), 10_000).verdict == verdict


def test_alignment_that_never_comes_is_undecided():
    found = decomposition.aligns_after_the_climb(_data(course(STEPS, turned=math.inf)))
    assert found.verdict == "undecided" and found.note


def test_rows_name_what_is_censored():
    (row,) = decomposition.rows(_data(course(STEPS, fall=math.inf)), sweep="one")
    assert row["sweep"] == "one" and row["generalised_censored"] and not row["memorised_censored"]
    assert row["highest_over_first"] == pytest.approx(1.3) and row["last_over_first"] == pytest.approx(1.3)


def test_the_kernel_over_all_inputs_is_that_of_many_pairs():
    """Against pairs of independent inputs, with the kernel as a product of gradients."""
    generator = np.random.default_rng(0)
    size, width, epsilon, pairs = 6, 10, 0.8, 400_000
    hidden = generator.normal(size=(width, size)) + 0.4 + 2 * np.eye(width, size)
    beta = np.sqrt(size) * np.eye(size)[0]
    x, other = generator.normal(size=(2, pairs, size)) / math.sqrt(size)
    y, y_other = 0.5 * (x @ beta) ** 2, 0.5 * (other @ beta) ** 2
    slopes = [1 + epsilon * one @ hidden.T for one in (x, other)]
    kernel = np.einsum("pi,pi->p", *slopes) * np.einsum("pd,pd->p", x, other)
    expected = np.mean(y * kernel * y_other) / np.sqrt(np.mean(kernel**2)) / np.mean(y**2)

    task = Polynomial(inputs=size, train=8, test=8)
    run = Run(Experiment(task, CommitteeMachine(width=width, nonlinearity=epsilon), steps=1), Seeds.of(0))
    moment = run.moment({".hidden": hidden.astype(np.float32)}, 0)
    # Products of four Gaussian variables: 1% after so many pairs.
    assert float(decomposition.kernel_fit(moment)) == pytest.approx(expected, rel=0.03)
