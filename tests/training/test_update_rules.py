"""Single updates against rules written out by hand in float64."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import afterfit as af
from afterfit.models import AbstractArchitecture
from afterfit.tasks import MeanSquaredError, TableTask
from afterfit.training import Program, Seeds


@dataclasses.dataclass(frozen=True)
class Affine(AbstractArchitecture):
    """Outputs `W one_hot(a) + b`; a model as a user would write it."""

    def build(self, sizes, *, key):
        return AffineModel(jax.random.normal(key, (sizes.outputs, sizes.symbols)), jnp.ones(sizes.outputs))


class AffineModel(eqx.Module):
    weight: jax.Array
    bias: jax.Array

    def __call__(self, inputs):
        return self.weight @ jax.nn.one_hot(inputs[0], self.weight.shape[1]) + self.bias


TASK = TableTask(table=((0, 1, 2), (1, 2, 0), (2, 0, 1)), fraction=0.7, objective=MeanSquaredError())


def states(optimiser, steps, **fields):
    """The states before and after some steps in float64, with the recipe and data to explain them."""
    experiment = af.Experiment(TASK, Affine(), optimiser, precision="float64", steps=10, **fields)
    seeds = Seeds.of(3)
    data = TASK.data(seeds.split)
    with jax.enable_x64(True):
        program = Program(experiment, data.sizes)
        recipe = Program.recipe(experiment, seeds)
        path = [program.start(recipe, data)]
        data, step = jax.tree.map(jnp.asarray, data), jax.jit(program.step)
        for _ in range(steps):
            path.append(step(recipe, data, path[-1]))
        return [jax.tree.map(np.asarray, state) for state in path]


def by_hand(parameters):
    """Gradient of the mean squared error of `Affine` over the training rows, in plain NumPy."""
    data = TASK.data(3)
    rows = data.rows[: data.train_count]
    weight, bias = parameters
    total_weight, total_bias = np.zeros_like(weight), np.zeros_like(bias)
    for row in rows:
        a, target = data.inputs[row][0], np.eye(3)[data.targets[row]]
        error = 2 * (weight[:, a] + bias - target) / 3 / len(rows)
        total_weight[:, a] += error
        total_bias += error
    return [total_weight, total_bias]


def pair(state):
    return [state.parameters.weight, state.parameters.bias]


def close(actual, expected):
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_gradient_descent():
    before, after = states(af.GradientDescent(0.5, weight_decay=0.1), 1)
    close(
        pair(after),
        [w - 0.5 * (g + 0.1 * w) for w, g in zip(pair(before), by_hand(pair(before)), strict=True)],
    )


def test_momentum_over_three_steps():
    path = states(af.SGD(0.2, momentum=0.9, weight_decay=0.01), 3)
    w, v = pair(path[0]), [0.0, 0.0]
    for state in path[1:]:
        g = by_hand(w)
        v = [0.9 * vi + gi + 0.01 * wi for vi, gi, wi in zip(v, g, w, strict=True)]
        w = [wi - 0.2 * vi for wi, vi in zip(w, v, strict=True)]
        close(pair(state), w)


@pytest.mark.parametrize("decay_to", ["origin", "initial"])
def test_adamw_with_warm_up_over_four_steps(decay_to):
    rate, decay, b1, b2, eps, warmup = 0.1, 0.7, 0.9, 0.98, 1e-8, 3
    path = states(af.AdamW(rate, decay, b1, b2, eps, warmup, decay_to), 4)
    w = start = pair(path[0])
    m, v = [0.0, 0.0], [0.0, 0.0]
    for t, state in enumerate(path[1:]):
        g = by_hand(w)
        m = [b1 * mi + (1 - b1) * gi for mi, gi in zip(m, g, strict=True)]
        v = [b2 * vi + (1 - b2) * gi**2 for vi, gi in zip(v, g, strict=True)]
        u = [
            mi / (1 - b1 ** (t + 1)) / (np.sqrt(vi / (1 - b2 ** (t + 1))) + eps)
            for mi, vi in zip(m, v, strict=True)
        ]
        anchor = [0 * wi for wi in w] if decay_to == "origin" else start
        eta = rate * min(t / warmup, 1)
        w = [wi - eta * (ui + decay * (wi - ai)) for wi, ui, ai in zip(w, u, anchor, strict=True)]
        close(pair(state), w)


def test_the_first_update_of_a_warm_up_moves_nothing():
    before, after = states(af.AdamW(warmup=10), 1)
    close(pair(after), pair(before))


def test_constant_norm_over_many_steps():
    path = states(af.AdamW(0.05, warmup=0), 30, constraint=af.ConstantNorm())
    norm = lambda state: np.sqrt(sum((leaf**2).sum() for leaf in pair(state)))
    assert norm(path[-1]) == pytest.approx(norm(path[0]), rel=1e-13)
    assert np.abs(path[-1].parameters.weight - path[0].parameters.weight).max() > 0.1


def test_constant_norm_at_any_target_from_the_start_on():
    path = states(af.AdamW(0.05, warmup=0), 30, constraint=af.ConstantNorm(norm=7.0))
    for state in (path[0], path[1], path[-1]):
        assert np.sqrt(sum((leaf**2).sum() for leaf in pair(state))) == pytest.approx(7.0, rel=1e-13)


@pytest.mark.parametrize("norm", [None, 7.0])
def test_constant_norm_of_each_layer(norm):
    free = states(af.AdamW(0.05, warmup=0), 0)[0]
    path = states(af.AdamW(0.05, warmup=0), 30, constraint=af.ConstantNorm(norm, per_layer=True))
    whole = np.sqrt(sum((leaf**2).sum() for leaf in pair(free)))
    for first, last in zip(pair(free), pair(path[-1]), strict=True):
        kept = np.linalg.norm(first) * (1 if norm is None else norm / whole)
        assert np.linalg.norm(last) == pytest.approx(kept, rel=1e-13)
    assert np.abs(path[-1].parameters.weight - path[0].parameters.weight).max() > 0.1


@pytest.mark.parametrize("per_layer", [False, True])
def test_constant_norm_in_float32_after_ten_thousand_steps(per_layer):
    experiment = af.Experiment(
        af.tasks.TeacherStudent(train=20, test=20),
        af.models.MLP(hidden=(16,), activation="tanh"),
        af.AdamW(3e-3, warmup=0),
        constraint=af.ConstantNorm(per_layer=per_layer),
    )
    norm = af.sweep(experiment, {"parametrisation.init_scale": [0.5, 3.0]}).run()["weight_norm"].values
    np.testing.assert_allclose(norm, norm[:, :1].repeat(norm.shape[1], 1), rtol=1e-6)


@pytest.mark.parametrize("norm", [0.0, -1.0, float("nan")])
def test_a_norm_is_positive(norm):
    with pytest.raises(ValueError, match="`norm` must be above 0"):
        af.ConstantNorm(norm)


def test_initial_scale_multiplies_all_parameters():
    plain, scaled = (
        states(af.GradientDescent(), 0, parametrisation=af.Parametrisation(s))[0] for s in (1.0, 2.5)
    )
    close(pair(scaled), [2.5 * leaf for leaf in pair(plain)])


def test_centred_output_scale_scales_the_gradient_of_a_linear_model():
    # At w0 the function is 0, so the first gradient is that of the targets alone, times the scale.
    before, after = states(af.GradientDescent(1.0), 1, parametrisation=af.Parametrisation(output_scale=3.0))
    zeros = [np.zeros_like(leaf) for leaf in pair(before)]
    close(pair(after), [w - 3.0 * g for w, g in zip(pair(before), by_hand(zeros), strict=True)])


def test_update_noise_has_its_deviation_and_is_fresh():
    path = states(af.GradientDescent(1e-9), 3, noise=af.Noise(update=1.0))
    moves = np.array(
        [
            ((b.parameters.weight - a.parameters.weight) / 1e-9).ravel()
            for a, b in zip(path, path[1:], strict=False)
        ]
    )
    assert 0.5 < moves.std() < 2 and abs(np.corrcoef(moves[0], moves[1])[0, 1]) < 0.95
    assert not np.allclose(moves[0], moves[1])


def test_gradient_noise_adds_to_the_gradient():
    before, after = states(af.GradientDescent(1.0), 1, noise=af.Noise(gradient=0.1))
    noise = [(w - a - g) for w, a, g in zip(pair(before), pair(after), by_hand(pair(before)), strict=True)]
    spread = np.concatenate([part.ravel() for part in noise])
    assert 0.04 < spread.std() < 0.2


def test_weight_noise_moves_the_clean_weights_by_the_gradient_at_noisy_ones():
    # The gradient of a quadratic is affine, so its mean over noise is the clean gradient, and it varies.
    clean = states(af.GradientDescent(1.0), 1)[1]
    noisy = states(af.GradientDescent(1.0), 1, noise=af.Noise(weight=0.01))[1]
    difference = np.abs(noisy.parameters.weight - clean.parameters.weight).max()
    assert 0 < difference < 0.1


def test_a_wild_learning_rate_is_flagged_and_stops():
    path = states(af.GradientDescent(1e6), 6)
    flagged = [int(state.diverged_at) for state in path]
    assert flagged[0] == -1 and flagged[-1] >= 1
    assert int(path[-1].step) == flagged[-1]
    assert np.isfinite(path[-1].parameters.weight).all()
