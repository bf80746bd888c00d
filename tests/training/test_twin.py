"""The linearised twin of a run: against explicit linear models, the kernel, and the run without one."""

import contextlib
import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import afterfit as af
from afterfit.ensemble import _pace, _publisher, Layout, silent
from afterfit.ensemble._pack import packs
from afterfit.models import AbstractArchitecture, CommitteeMachine, Frozen, MLP
from afterfit.probes import neural_tangent_kernel, twin
from afterfit.statistics import crossing_time, kernel_descent
from afterfit.store import Store
from afterfit.tasks import Polynomial, TeacherStudent


NETWORK = MLP(hidden=(5,), activation="tanh")
BASE = af.Experiment(
    TeacherStudent(inputs=3, hidden=(4,), outputs=2, train=12, test=15, pool=30),
    NETWORK,
    af.GradientDescent(0.2),
    steps=60,
    twin=True,
    record=af.Every(10),
    probes=(twin,),
    precision="float64",
)
LOSSES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")


# --- the twin is the linear model -------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Expanded(AbstractArchitecture):
    """A network's first-order expansion with its Jacobian written out, as a user would write it."""

    network: MLP

    def build(self, sizes, *, key):
        network = self.network.build(sizes, key=key)
        return ExpandedModel(
            network, jax.tree.map(lambda leaf: Frozen(leaf), eqx.filter(network, eqx.is_array))
        )


class ExpandedModel(eqx.Module):
    network: eqx.Module
    start: eqx.Module

    def __call__(self, inputs):
        is_frozen = lambda leaf: isinstance(leaf, Frozen)
        parameters, static = eqx.partition(self.network, eqx.is_array)
        start = jax.tree.map(lambda leaf: leaf.value, self.start, is_leaf=is_frozen)
        function = lambda at: eqx.combine(at, static)(inputs)
        jacobian = jax.jacrev(function)(start)
        moved = jax.tree.map(
            lambda slope, now, then: jnp.tensordot(slope, now - then, now.ndim), jacobian, parameters, start
        )
        return function(start) + sum(jax.tree.leaves(moved))


@pytest.mark.parametrize(
    "changes",
    [
        {"optimiser": af.SGD(0.1, momentum=0.9, weight_decay=0.01)},
        {"optimiser": af.AdamW(0.01, weight_decay=0.5), "batch": 4},
        {
            "optimiser": af.AdamW(0.01, weight_decay=0.5, decay_to="initial"),
            "batch": 5,
            "noise": af.Noise(update=0.1),
            "parametrisation": af.Parametrisation(output_scale=3.0, centred=False),
        },
    ],
    ids=["momentum", "minibatches", "noise and scales"],
)
def test_it_is_an_explicit_linear_model_under_the_same_rule(changes):
    """A network of its own with the same batches, noise and optimiser: 60 steps of float64 rounding."""
    beside = dataclasses.replace(BASE, **changes)
    alone = dataclasses.replace(beside, model=Expanded(NETWORK), twin=False, probes=())
    ours, theirs = (af.sweep(experiment).run(display=silent) for experiment in (beside, alone))
    for measure in LOSSES:
        expected = theirs[measure].values
        np.testing.assert_allclose(ours[f"twin/{measure}"].values, expected, rtol=1e-8, err_msg=measure)
    assert theirs["train_loss"].values[-1] < 0.9 * theirs["train_loss"].values[0]
    assert not np.allclose(ours["train_loss"].values[1:], theirs["train_loss"].values[1:], rtol=1e-3)


@pytest.fixture(scope="module")
def kernel_run(tmp_path_factory):
    """Gradient descent with an output scale, and its moment at the start."""
    folder = tmp_path_factory.mktemp("store")
    experiment = dataclasses.replace(
        BASE, parametrisation=af.Parametrisation(output_scale=2.0), snapshots=af.At((0,))
    )
    plan = af.sweep(experiment)
    data = plan.run(folder, display=silent)
    kept = Store(folder).load([plan.runs[0].id])[0]
    return data, plan.runs[0].moment(kept.snapshots[0], 0)


def test_under_gradient_descent_it_is_descent_in_its_kernel(kernel_run):
    """Kernel and closed form know nothing of the twin's parameters."""
    data, moment = kernel_run
    with jax.enable_x64(True):
        (x, y, _), test = moment.examples("train"), moment.examples("test")
        x, y = x[:12], np.asarray(y[:12], float)
        places, wanted = test.inputs[:15], np.asarray(test.targets[:15], float)
        here, there = (np.asarray(neural_tangent_kernel(moment, left, x, full=True)) for left in (x, places))
    # Outputs have kernels with each other too: all pairs of point and output are the points of one kernel.
    remains, moved = kernel_descent(
        here.reshape(24, 24),
        -y.reshape(24, 1),
        data["step"].values,
        rate=0.2,
        across=there.reshape(30, 24),
    )
    assert moved is not None
    expected = (remains**2).mean(axis=(1, 2)), ((moved[:, :, 0] - wanted.reshape(30)) ** 2).mean(axis=1)
    for split, losses in zip(("train", "test"), expected, strict=True):
        # Targets are float32 numbers on both sides; rounding is that of 60 steps.
        np.testing.assert_allclose(data[f"twin/{split}_loss"].values, losses, rtol=1e-8)


@pytest.mark.parametrize("optimiser", [af.GradientDescent(0.2), af.AdamW(0.02, weight_decay=0.3, warmup=3)])
def test_it_is_descent_of_a_dense_linear_model_in_numpy(kernel_run, optimiser):
    _, moment = kernel_run
    experiment = dataclasses.replace(
        BASE, parametrisation=af.Parametrisation(output_scale=2.0), optimiser=optimiser
    )
    data = af.sweep(experiment).run(display=silent)
    with jax.enable_x64(True):
        examples = moment.examples("train")
        x, y = examples.inputs[:12], np.asarray(examples.targets[:12], float).reshape(-1)
        slopes = jax.vmap(lambda one: jax.jacrev(lambda at: moment.answer(one, at))(moment.initial))(x)
        jacobian = np.concatenate(
            [np.asarray(leaf).reshape(24, -1) for leaf in jax.tree.leaves(slopes)], axis=1
        )
        start = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(moment.initial)])
    w, m, v, losses = start.copy(), 0.0, 0.0, []
    for step in range(61):
        error = jacobian @ (w - start) - y
        if step % 10 == 0:
            losses.append((error**2).mean())
        g = 2 / 24 * jacobian.T @ error
        if isinstance(optimiser, af.AdamW):
            m, v = 0.9 * m + 0.1 * g, 0.98 * v + 0.02 * g**2
            u = m / (1 - 0.9 ** (step + 1)) / (np.sqrt(v / (1 - 0.98 ** (step + 1))) + 1e-8)
            w = w - 0.02 * min(step / 3, 1) * (u + 0.3 * w)
        else:
            w = w - 0.2 * g
    np.testing.assert_allclose(data["twin/train_loss"].values, losses, rtol=1e-8)


def test_the_twin_of_a_linear_model_is_the_model():
    """Under minibatches, Adam and decay, to rounding."""
    linear = dataclasses.replace(BASE, model=MLP(hidden=()), optimiser=af.AdamW(0.01), batch=4)
    data = af.sweep(linear).run(display=silent)
    for measure in LOSSES:
        np.testing.assert_allclose(data[f"twin/{measure}"], data[measure], rtol=1e-11, err_msg=measure)
    assert data["twin/difference"].values.max() < 1e-12


# --- lazy and rich ----------------------------------------------------------------------------------


def test_lazy_runs_stay_with_their_twin_and_rich_ones_part():
    """alpha = 1000: outputs agree to a thousandth in all records. alpha = 0.1: they part, at a known step."""
    experiment = af.Experiment(
        Polynomial(inputs=6, train=20, test=50),
        CommitteeMachine(width=12, nonlinearity=0.3, reduced=True),
        af.GradientDescent(6.0),
        parametrisation=af.Parametrisation(output_scale=1.0, scaled_rate=True),
        steps=2000,
        twin=True,
        probes=(twin,),
        precision="float64",
    )
    data = af.sweep(experiment, {"parametrisation.output_scale": [0.1, 1000.0]}).run(display=silent)
    rich, lazy = data["twin/difference"].values
    assert rich[0] == lazy[0] == 0
    assert lazy.max() < 1e-3
    assert data["train_loss"].values[1, -1] < 0.1 * data["train_loss"].values[1, 0], "and it has learned"
    for level in (0.1, 0.5):
        times = crossing_time(data["twin/difference"], level)
        assert times["time_censored"].values.tolist() == [False, True]
        step = int(times["time"].values[0])
        at = int(np.flatnonzero(data["step"].values == step)[0])
        assert 0 < step < 2000 and rich[at] >= level and (rich[:at] < level).all()


# --- a run and its twin do not disturb each other -----------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_twin_leaves_the_network_alone(precision):
    """The network's own measures are those of the run without a twin, bit for bit; they are two packs."""
    base = dataclasses.replace(
        BASE, optimiser=af.AdamW(0.01), batch=4, precision=precision, noise=af.Noise(gradient=0.01), probes=()
    )
    plan = af.sweep(base, {"twin": [False, True], "seed": [0, 1]})
    assert len(packs(plan.runs)) == 2 and len({run.id for run in plan.runs}) == 4
    data = plan.run(display=silent)
    for measure in (*LOSSES, "weight_norm"):
        without, beside = data[measure].values
        np.testing.assert_array_equal(without, beside, err_msg=measure)


@dataclasses.dataclass(frozen=True)
class Saturating(AbstractArchitecture):
    """`tanh(W x)`: bounded, whatever the weights."""

    def build(self, sizes, *, key):
        return SaturatingModel(jax.random.normal(key, (sizes.outputs, *sizes.inputs.shape)))


class SaturatingModel(eqx.Module):
    weight: jax.Array

    def __call__(self, inputs):
        return jnp.tanh(self.weight @ inputs)


def test_a_twin_that_diverges_is_recorded_and_the_network_goes_on():
    """At this rate the linear model explodes; the network saturates, and goes through all its steps."""
    wild = dataclasses.replace(
        BASE, model=Saturating(), optimiser=af.GradientDescent(30.0), steps=1000, precision="float32"
    )
    alone = af.sweep(dataclasses.replace(wild, twin=False, probes=())).run(display=silent)
    beside = af.sweep(wild).run(display=silent)
    assert beside["outcome"].item() == "done"
    for measure in LOSSES:
        np.testing.assert_array_equal(alone[measure].values, beside[measure].values, err_msg=measure)
    assert beside["twin/train_loss"].values[0] == pytest.approx(beside["train_loss"].values[0], rel=1e-6)
    for measure in ("train_loss", "test_loss"):
        assert not beside[f"twin/{measure}"].values[-1] < 1e6
    assert not beside["twin/difference"].values[-1] < 0.9
    # Large while it can be written down: what it lost is to be seen on the way.
    finite = beside["twin/train_loss"].values[np.isfinite(beside["twin/train_loss"].values)]
    assert finite.max() > 1e6


class Interrupting:
    """A display that interrupts at its so-manyth call while training."""

    def __init__(self, after):
        self.calls, self.after = 0, after

    def __call__(self, progress):
        self.calls += progress.phase == "training"
        if self.calls == self.after:
            raise KeyboardInterrupt


def test_an_interrupted_run_goes_on_with_its_twin(tmp_path, monkeypatch):
    """With a resume point at every call and an end at two of them, its records are the undisturbed ones."""
    plan = af.sweep(dataclasses.replace(BASE, optimiser=af.AdamW(0.01)), {"steps": [60, 25], "seed": [0, 1]})
    undisturbed = plan.run(display=silent)
    monkeypatch.setattr(_publisher, "SHARE", 0)
    monkeypatch.setattr(_pace, "FIRST_STEPS", 9)
    monkeypatch.setattr(_pace, "CALL_SECONDS", 0.0)
    layout = Layout(tuple(jax.devices()[:1]), 2, side_by_side=False, legs=2)
    interrupted = 0
    for after in (2, 3):
        with contextlib.suppress(KeyboardInterrupt):
            plan.run(tmp_path / "s", display=Interrupting(after), resume_every=1e-9, layout=layout)
        interrupted += bool(Store(tmp_path / "s").status().interrupted)
    assert interrupted, "at least one of them ended in the middle of a run"
    assert plan.run(tmp_path / "s", display=silent, layout=layout).identical(undisturbed)
