"""The exact test loss of a committee machine against Monte Carlo, and what it is made of by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import afterfit as af
from afterfit.ensemble import silent
from afterfit.models import CommitteeMachine, MLP
from afterfit.probes import committee_loss
from afterfit.store import Store
from afterfit.tasks import KernelEigenvector, Polynomial


STEPS = 150
DRAWS = 200_000
TERMS = ("power", "misalignment", "linear")


def moments(folder, plan):
    """The moments of each run at its start and end, in float64, and the records of its probe there."""
    data = plan.run(folder, display=silent)
    kept = Store(folder).load([run.id for run in plan.runs])
    found = []
    for run, records in zip(plan.runs, kept, strict=True):
        recorded = {name: values for name, values in records.values.items() if "/" in name}
        for index, step in enumerate((0, STEPS)):
            moment = run.moment(records.snapshots[step], step, "float64")
            found.append((run, moment, {name: float(v[index]) for name, v in recorded.items()}))
    return data, found


CASES = {
    f"{readout}, {directions} directions, {'centred' if centred else 'not centred'}, factor {factor}": {
        "model.readout": readout,
        "task.directions": directions,
        "task.factor": factor,
        "task.beta": "fixed" if directions == 1 else "normal",
        "parametrisation.centred": centred,
    }
    for readout, directions, factor, centred in (
        ("ones", 1, 0.5, True),
        ("ones", 1, 0.5, False),
        ("ones", 3, 1.0, True),
        ("normal", 1, 0.5, True),
        ("normal", 2, 0.3, False),
    )
}
MACHINE = CommitteeMachine(width=12, nonlinearity=0.3)
BASE = af.Experiment(
    Polynomial(inputs=6, train=20, test=10),
    MACHINE,
    af.GradientDescent(3.0),
    steps=STEPS,
    parametrisation=af.Parametrisation(output_scale=1.5, scaled_rate=True),
    record=af.Every(STEPS),
    snapshots=af.Every(STEPS),
    probes=(committee_loss,),
    precision="float64",
)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return moments(tmp_path_factory.mktemp("store"), af.sweep(BASE, {"case": CASES}))[1]


@pytest.mark.parametrize("case", range(len(CASES)), ids=list(CASES))
@pytest.mark.parametrize("end", [0, 1], ids=["start", "end"])
def test_the_total_is_the_mean_over_fresh_inputs(found, case, end):
    """Within three standard errors of a mean over 200 000 inputs (about half a percent of it)."""
    run, moment, recorded = found[2 * case + end]
    data = run.experiment.task.data(0)
    x = np.random.default_rng(case).normal(size=(DRAWS, 6)) / 6**0.5
    targets = float(data.truth["factor"]) * ((x @ data.truth["beta"].T.astype(float)) ** 2).sum(axis=1)
    with jax.enable_x64(True):
        outputs = np.asarray(moment.predict(jnp.asarray(x)))[:, 0]
    losses = (outputs - targets) ** 2
    error = losses.std() / DRAWS**0.5
    assert error < 0.02 * losses.mean()
    assert abs(losses.mean() - recorded["committee_loss/total"]) < 3 * error


def test_its_terms_sum_to_the_total(found):
    for _, _, recorded in found:
        total = recorded["committee_loss/total"]
        assert sum(recorded[f"committee_loss/{term}"] for term in TERMS) == pytest.approx(total, rel=1e-13)


def test_terms_by_hand(found):
    """From the weights that were stored, unit by unit, in NumPy."""
    for (run, start, _), (_, end, recorded) in zip(found[::2], found[1::2], strict=True):
        alpha, epsilon, centred = 1.5, 0.3, run.experiment.parametrisation.centred
        data = run.experiment.task.data(0)
        beta, factor = data.truth["beta"].astype(float), float(data.truth["factor"])
        (wbar0, m0), (wbar, m) = (by_units(moment.model) for moment in (start, end))
        target = sum(2 * factor * np.outer(one, one) for one in beta)
        excess = alpha * epsilon * (m - m0 * centred) - target
        expected = {
            "power": (np.trace(excess) / 6) ** 2 / 4,
            "misalignment": np.linalg.norm(excess) ** 2 / (2 * 6**2),
            "linear": alpha**2 * np.linalg.norm(wbar - wbar0 * centred) ** 2 / 6,
            "trace": np.trace(m) / np.trace(m0),
            "alignment": 6 * np.trace(target @ m) / np.trace(target) / np.trace(m),
        }
        for name, value in expected.items():
            assert recorded[f"committee_loss/{name}"] == pytest.approx(value, rel=1e-9, abs=1e-12), name


def by_units(model):
    hidden, signs = np.asarray(model.hidden), np.asarray(model.signs)
    mean, second = np.zeros(6), np.zeros((6, 6))
    for w, v in zip(hidden, signs, strict=True):
        mean += v * w / len(hidden)
        second += v * np.outer(w, w) / len(hidden)
    return mean, second


def test_a_centred_machine_starts_at_the_mean_square_of_the_targets(found):
    """3/4 for one fixed direction; all of it is due to the targets, none to a linear function."""
    run, _, recorded = found[0]
    assert run.experiment.parametrisation.centred
    total = recorded["committee_loss/total"]
    # beta and the factor are float32 numbers: the root of 6 is known to 1e-7.
    assert total == pytest.approx(0.75, rel=1e-6)
    # The difference of a matrix product and the same one computed beside it: rounding, squared.
    assert recorded["committee_loss/linear"] < 1e-28
    assert recorded["committee_loss/trace"] == pytest.approx(1, rel=1e-13)


def test_alignment_is_one_for_no_preference_and_the_dimension_for_all_of_it():
    """One unit along each axis; and one unit along beta alone."""
    for hidden, expected in ((np.eye(6), 1.0), (np.eye(1, 6), 6.0)):
        machine = dataclasses.replace(MACHINE, width=len(hidden))
        run = af.sweep(dataclasses.replace(BASE, model=machine)).runs[0]
        with jax.enable_x64(True):
            found = committee_loss(run.moment({".hidden": hidden}, 1, "float64"))
        assert float(found["alignment"]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("task", "model"),
    [
        (Polynomial(inputs=6, train=20, test=10), MLP(hidden=(4,))),
        (Polynomial(inputs=6, train=20, test=10), CommitteeMachine(width=4, degree=3)),
        (Polynomial(inputs=6, train=20, test=10, degree=3), CommitteeMachine(width=4)),
        (KernelEigenvector(inputs=6, train=20, test=10), CommitteeMachine(width=4)),
    ],
)
def test_what_it_cannot_measure_is_said(task, model):
    experiment = dataclasses.replace(BASE, task=task, model=model, snapshots=None)
    with pytest.raises(ValueError, match="`committee_loss` needs a committee machine with squares"):
        af.sweep(experiment).run(display=silent)
