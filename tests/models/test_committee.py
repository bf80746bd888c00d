"""Committee machines: the forward pass, the reduced form, an exact symmetry, and their mistakes."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import afterfit as af
from afterfit.ensemble import silent
from afterfit.ensemble._pack import packs
from afterfit.models import CommitteeMachine, trainable
from afterfit.probes import committee_loss
from afterfit.store import Store
from afterfit.tasks import BinaryOperation, Polynomial, Sizes


STEPS = 1000
TASK = Polynomial(inputs=6, train=20, test=30)
MACHINE = CommitteeMachine(width=10, nonlinearity=0.3)
BASE = af.Experiment(
    TASK,
    MACHINE,
    af.GradientDescent(10.0),
    steps=STEPS,
    parametrisation=af.Parametrisation(output_scale=1.5, scaled_rate=True),
    record=af.Every(100),
    snapshots=af.At((0, STEPS)),
    probes=(committee_loss,),
    precision="float64",
)


def build(machine, inputs=6, seed=0):
    sizes = Sizes(jax.ShapeDtypeStruct((inputs,), np.float32), 1)
    return machine.build(sizes, key=jax.random.key(seed))


def trained(plan, folder):
    """A sweep's data, and the weights of its runs at the start and at the end."""
    data = plan.run(folder, display=silent)
    kept = Store(folder).load([run.id for run in plan.runs])
    return data, [[records.snapshots[step][".hidden"] for step in (0, STEPS)] for records in kept]


def descent(weights, *, epsilon, alpha, rate, momentum=0.0, decay=0.0):
    """Plain gradient descent on the centred function, in NumPy: weights, and training losses as recorded."""
    data = TASK.data(0)
    x, y = data.inputs[: TASK.train].astype(float), data.targets[: TASK.train].astype(float)
    scale = alpha / len(weights)

    def function(w):
        h = x @ w.T
        return scale * (h + epsilon / 2 * h**2).sum(axis=1), h

    w, start, speed, losses = weights.copy(), function(weights)[0], 0.0, []
    for step in range(STEPS + 1):
        f, h = function(w)
        error = f - start - y
        if step % 100 == 0:
            losses.append((error**2).mean())
        slope = 2 / len(x) * scale * ((1 + epsilon * h) * error[:, None]).T @ x
        speed = momentum * speed + slope + decay * w
        w = w - (rate * speed if step < STEPS else 0)
    return w, np.array(losses)


@pytest.mark.parametrize("width", [10, 4])
@pytest.mark.parametrize("optimiser", [af.GradientDescent(2.0), af.SGD(0.2, momentum=0.9, weight_decay=1e-3)])
def test_the_reduced_form_is_gradient_descent_of_all_units(tmp_path, width, optimiser):
    """For more units than inputs and fewer, over a thousand steps of a real sweep."""
    experiment = dataclasses.replace(
        BASE, model=dataclasses.replace(MACHINE, width=width), optimiser=optimiser
    )
    plan = af.sweep(experiment, {"model.reduced": [False, True]})
    data, ((first, last), (small, _)) = trained(plan, tmp_path / "s")
    assert first.shape == (width, 6) and small.shape == (min(width, 7), 6)
    w, losses = descent(
        first,
        epsilon=0.3,
        alpha=1.5,
        rate=optimiser.learning_rate / 1.5**2,
        momentum=getattr(optimiser, "momentum", 0.0),
        decay=optimiser.weight_decay,
    )
    assert losses[-1] < 0.7 * losses[0] and np.linalg.norm(last - first) > np.linalg.norm(first) / 2
    # A thousand steps of rounding: 1e-16 each, and no mode of this problem grows by more than 100.
    np.testing.assert_allclose(last, w, rtol=1e-10, atol=1e-10)
    for measure in ("train_loss", "test_loss", "weight_norm", *probes_of(data)):
        plain, reduced = data[measure].values
        np.testing.assert_allclose(reduced, plain, rtol=1e-10, atol=1e-10, err_msg=measure)
    np.testing.assert_allclose(data["train_loss"].values, [losses, losses], rtol=1e-10, atol=1e-10)


def probes_of(data):
    return [name for name in data if str(name).startswith("committee_loss/")]


def test_the_reduced_form_does_not_grow_with_the_width():
    assert build(CommitteeMachine(width=5000, reduced=True)).hidden.shape == (7, 6)


@pytest.mark.parametrize("centred", [True, False])
def test_the_initial_scale_is_a_scale_of_output_and_nonlinearity(centred):
    """(alpha, epsilon, sigma, eta) and (alpha sigma, epsilon sigma, 1, eta / sigma^2) are one training.

    The rate is divided by the square of the output scale, so the last of the four comes by itself. For a
    power of two no rounding differs, so the curves agree in all bits.
    """
    base = dataclasses.replace(
        BASE, parametrisation=af.Parametrisation(output_scale=0.5, centred=centred, scaled_rate=True)
    )
    axis = {
        f"{side} {sigma}": {
            "parametrisation.init_scale": sigma if side == "weights" else 1.0,
            "parametrisation.output_scale": 0.5 if side == "weights" else 0.5 * sigma,
            "model.nonlinearity": 0.3 if side == "weights" else 0.3 * sigma,
        }
        for sigma in (2.0, 1.3)
        for side in ("weights", "scales")
    }
    data = af.sweep(base, {"form": axis}).run(display=silent)
    for measure in ("train_loss", "test_loss", "committee_loss/total", "committee_loss/linear"):
        first, second, third, fourth = data[measure].values
        assert first[-1] != first[0]
        np.testing.assert_array_equal(first, second, err_msg=measure)
        np.testing.assert_allclose(third, fourth, rtol=1e-9, atol=1e-12, err_msg=measure)
    norms = data["weight_norm"].values
    np.testing.assert_array_equal(norms[0], 2 * norms[1])


@pytest.mark.parametrize("degree", [None, 1, 2, 3, 4])
@pytest.mark.parametrize("readout", ["ones", "normal"])
def test_the_function_is_its_formula(degree, readout):
    machine = CommitteeMachine(width=5, nonlinearity=0.4, degree=degree, readout=readout)
    model = build(machine)
    x = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)
    w, v = np.asarray(model.hidden, float), np.asarray(model.signs, float)
    h = x @ w.T
    coefficients = [0.0] * (degree or 2) + [1.0]
    bent = h**2 if degree is None else np.polynomial.hermite_e.hermeval(h, coefficients)
    expected = (v * (h + 0.2 * bent)).sum(axis=1) / 5
    np.testing.assert_allclose(
        np.asarray(model.batched(jnp.asarray(x)))[:, 0], expected, rtol=2e-5, atol=1e-5
    )
    np.testing.assert_allclose(
        [np.asarray(model(jnp.asarray(one)))[0] for one in x], expected, rtol=2e-5, atol=1e-5
    )


def test_readouts_of_one_are_not_trained_and_normal_ones_are():
    axis = {"model.readout": ["ones", "normal"]}
    plan = af.sweep(dataclasses.replace(BASE, steps=3, snapshots=af.At((0,)), record=af.Every(1)), axis)
    counts = [len(jax.tree.leaves(parameters_of(run))) for run in plan.runs]
    assert counts == [1, 2]
    readout = np.asarray(build(CommitteeMachine(width=4000, readout="normal")).readout)
    # Mean and variance of 4000 normal numbers, within four standard errors.
    assert abs(readout.mean()) < 4 / 4000**0.5 and abs(readout.var() - 1) < 4 * (2 / 4000) ** 0.5


def parameters_of(run):
    model = build(run.experiment.model)
    return eqx.filter(model, trainable(model))


def test_weights_are_normal_numbers_of_unit_variance():
    weights = np.asarray(build(CommitteeMachine(width=2000)).hidden)
    assert abs(weights.mean()) < 4 / weights.size**0.5
    assert abs(weights.var() - 1) < 4 * (2 / weights.size) ** 0.5


def test_a_key_draws_the_same_weights_whatever_the_seed():
    fixed = [np.asarray(build(CommitteeMachine(width=3, key=5), seed=seed).hidden) for seed in (0, 1)]
    free = [np.asarray(build(CommitteeMachine(width=3), seed=seed).hidden) for seed in (0, 1)]
    assert (fixed[0] == fixed[1]).all() and (free[0] != free[1]).all()


@pytest.mark.parametrize("reduced", [False, True])
def test_aligned_units_begin_along_the_direction(reduced):
    direction = (1.0, 0.0, -2.0, 0.0, 0.5, 3.0)
    drawn = np.asarray(build(CommitteeMachine(width=8)).hidden, float)
    for share in (0.0, 0.4, 1.0):
        machine = CommitteeMachine(width=8, aligned=share, direction=direction, reduced=reduced)
        model = build(machine)
        expected = drawn.copy()
        for unit, sign in enumerate((1, -1)):
            expected[unit] = share * sign * 2 * np.array(direction) + (1 - share) * drawn[unit]
        if not reduced:
            np.testing.assert_allclose(model.hidden, expected, rtol=1e-6, atol=1e-6)
        # What the function sees of the weights, in either form: their mean and their second moment.
        hidden, signs = np.asarray(model.hidden, float), np.asarray(model.signs, float)
        np.testing.assert_allclose(signs @ hidden, expected.sum(axis=0), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(hidden.T @ hidden, expected.T @ expected, rtol=1e-5, atol=1e-5)


def test_two_aligned_units_alone_are_the_target():
    """With alpha epsilon = 1 their second moment is beta beta^T, and nothing is left of the loss."""
    direction = (6**0.5, 0.0, 0.0, 0.0, 0.0, 0.0)  # beta of the task
    experiment = af.Experiment(
        TASK,
        CommitteeMachine(width=2, nonlinearity=0.5, aligned=1.0, direction=direction),
        af.GradientDescent(0.1),
        parametrisation=af.Parametrisation(output_scale=2.0, centred=False),
        steps=1,
        probes=(committee_loss,),
        precision="float64",
    )
    data = af.sweep(experiment).run(display=silent)
    # float32 targets and betas: about 1e-7 relative, squared.
    assert data["committee_loss/total"].values[0] < 1e-12 and data["train_loss"].values[0] < 1e-12


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"width": 0}, "width must consist of integers of at least 1, got 0"),
        ({"readout": "nromal"}, "unknown readout 'nromal': did you mean 'normal'"),
        ({"degree": 0}, "`degree` must be at least 1, got 0"),
        ({"reduced": True, "readout": "normal"}, "`reduced` needs the square and readouts of one"),
        ({"reduced": True, "degree": 3}, "`reduced` needs the square and readouts of one"),
        ({"width": 1, "direction": (1.0, 2.0)}, "`direction` needs two units, got a width of 1"),
    ],
)
def test_mistakes_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        CommitteeMachine(**fields)


def test_mistakes_that_show_with_the_task():
    with pytest.raises(ValueError, match="`direction` must have 6 numbers, one an input, got 2"):
        build(CommitteeMachine(direction=(1.0, 2.0)))
    with pytest.raises(ValueError, match="reads one real vector and has one output: try an MLP"):
        af.sweep(af.Experiment(BinaryOperation("x+y", modulus=5), CommitteeMachine(), steps=1)).run(
            display=silent
        )


def test_nonlinearities_and_alignments_share_one_program():
    base = dataclasses.replace(BASE, model=CommitteeMachine(width=4, direction=(1.0,) * 6))
    axes = {"model.nonlinearity": [0.1, 0.5], "model.aligned": [0.0, 0.5], "seed": [0, 1]}
    assert len(packs(af.sweep(base, axes).runs)) == 1
