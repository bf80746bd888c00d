"""Optimisers made from optimisers, against PyTorch and against the optimisers inside them."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import afterfit as af
from afterfit.ensemble import read_recipe, write_recipe
from afterfit.models import AbstractArchitecture
from afterfit.tasks import MeanSquaredError, TableTask
from afterfit.training import changed, Clipped, from_plain, Program, Seeds, Separate, StepDecay, to_plain


@dataclasses.dataclass(frozen=True)
class Affine(AbstractArchitecture):
    """Outputs `W one_hot(a) + b`."""

    def build(self, sizes, *, key):
        return AffineModel(jax.random.normal(key, (sizes.outputs, sizes.symbols)), jnp.ones(sizes.outputs))


class AffineModel(eqx.Module):
    weight: jax.Array
    bias: jax.Array

    def __call__(self, inputs):
        return self.weight @ jax.nn.one_hot(inputs[0], self.weight.shape[1]) + self.bias


TASK = TableTask(((0, 1, 2), (1, 2, 0), (2, 0, 1)), fraction=0.7, objective=MeanSquaredError(factor=40.0))
BOTH = Separate(".bias", af.SGD(0.2, momentum=0.5, warmup=3), af.AdamW(0.03, 0.7, decay_to="initial"))


def program_of(optimiser):
    data = TASK.data(0)
    experiment = af.Experiment(TASK, Affine(), optimiser, precision="float64", steps=10)
    return Program(experiment, data.sizes), Program.recipe(experiment, Seeds.of(0)), data


def states(optimiser, steps):
    """The parameters `(weight, bias)` at each step in float64."""
    with jax.enable_x64(True):
        program, recipe, data = program_of(optimiser)
        path = [program.start(recipe, data)]
        data, step = jax.tree.map(jnp.asarray, data), jax.jit(program.step)
        for _ in range(steps):
            path.append(step(recipe, data, path[-1]))
    return [(np.asarray(one.parameters.weight), np.asarray(one.parameters.bias)) for one in path]


def torch_states(torch, start, groups, steps, norm=None, decay=None):
    """The same in PyTorch: `groups(weight, bias)` makes the optimisers, `decay` their schedules."""
    weight, bias = (torch.tensor(array, requires_grad=True) for array in start)
    optimisers = groups(weight, bias)
    schedules = [torch.optim.lr_scheduler.StepLR(one, *decay) for one in optimisers] if decay else []
    data = TASK.data(0)
    rows = data.rows[: data.train_count]
    tokens, answers = (torch.tensor(array[rows], dtype=torch.long) for array in (data.inputs, data.targets))
    path, norms = [start], []
    for _ in range(steps):
        outputs = weight.T[tokens[:, 0]] + bias
        wanted = torch.nn.functional.one_hot(answers, 3).to(outputs.dtype)
        weight.grad = bias.grad = None
        (40 * torch.nn.functional.mse_loss(outputs, wanted)).backward()
        if norm is not None:
            norms.append(float(torch.nn.utils.clip_grad_norm_([weight, bias], norm)))
        for one in (*optimisers, *schedules):
            one.step()
        path.append((weight.detach().numpy().copy(), bias.detach().numpy().copy()))
    return path, norms


def assert_close(path, expected):
    for one, other in zip(path, expected, strict=True):
        for ours, theirs in zip(one, other, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


def test_clipping_is_that_of_pytorch():
    torch = pytest.importorskip("torch")
    path = states(Clipped(af.SGD(0.05, momentum=0.9), norm=30.0), 5)
    sgd = lambda *parameters: [torch.optim.SGD(parameters, lr=0.05, momentum=0.9)]
    expected, norms = torch_states(torch, path[0], sgd, 5, norm=30.0)
    assert min(norms) < 30 < max(norms)  # long gradients and short ones
    assert_close(path, expected)


def test_clipping_reaches_inner_optimisers_with_their_anchor():
    """A bound that is never reached changes nothing, pull towards initial parameters included."""
    inner = af.AdamW(0.1, 0.7, warmup=2, decay_to="initial")
    assert_close(states(Clipped(inner, norm=1e9), 4), states(inner, 4))


def test_step_decay_is_that_of_pytorch():
    torch = pytest.importorskip("torch")
    path = states(StepDecay(af.Adam(0.1, b2=0.99, warmup=0), factor=0.2, every=3), 8)
    adam = lambda *parameters: [torch.optim.Adam(parameters, lr=0.1, betas=(0.9, 0.99))]
    expected, _ = torch_states(torch, path[0], adam, 8, decay=(3, 0.2))
    assert_close(path, expected)


def test_step_decay_multiplies_a_rate_that_grows():
    optimiser = StepDecay(af.SGD(0.4, warmup=4), factor=0.5, every=2)
    rates = [float(optimiser.rate(jnp.asarray(step))) for step in range(6)]
    np.testing.assert_allclose(rates, [0, 0.1, 0.1, 0.15, 0.1, 0.1], rtol=1e-6)


def test_separate_parts_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    path = states(Separate(".bias", af.SGD(0.02, momentum=0.5), af.Adam(0.1, warmup=0)), 5)
    both = lambda weight, bias: [
        torch.optim.SGD([bias], lr=0.02, momentum=0.5),
        torch.optim.Adam([weight], lr=0.1, betas=(0.9, 0.98)),
    ]
    assert_close(path, torch_states(torch, path[0], both, 5)[0])


def test_separate_with_one_rule_for_both_is_that_rule():
    """Warm-up, decay towards the initial parameters and momentum see the right step and anchor."""
    rule = af.AdamW(0.1, 0.7, warmup=3, decay_to="initial")
    assert_close(states(Separate(".weight", rule, rule), 5), states(rule, 5))


def test_parts_may_be_nested_and_cut_anywhere_between_names():
    params = {"layers": [jnp.ones(2), jnp.ones(2)], "layers_norm": jnp.ones(2)}

    def moved(part):
        both = Separate(part, af.GradientDescent(3.0), af.GradientDescent(1.0)).direction()
        directions, _ = both.update(jax.tree.map(jnp.ones_like, params), both.init(params), params)
        return [float(leaf[0]) for leaf in jax.tree.leaves(directions)]

    assert moved("['layers'][1]") == [1, 3, 1]
    assert moved("['layers']") == [3, 3, 1]
    with pytest.raises(ValueError, match=r"got \"\['layer'\]\". Try \['layers'\], \['layers_norm'\]\."):
        moved("['layer']")


def test_a_part_that_no_model_has():
    program, recipe, data = program_of(Separate(".embedding", af.SGD(), af.SGD()))
    with jax.enable_x64(True), pytest.raises(ValueError, match=r"got '\.embedding'. Try \.weight, \.bias\."):
        program.start(recipe, data)


def test_recipes(tmp_path):
    experiment = af.Experiment(TASK, af.models.MLP(), StepDecay(Clipped(BOTH, norm=2.5), every=7))
    assert from_plain(to_plain(experiment)) == experiment
    plan = af.sweep(experiment, {"optimiser.optimiser.optimiser.rest.weight_decay": [0.1, 1.0]})
    write_recipe(plan, tmp_path / "recipe.toml")
    assert [run.id for run in read_recipe(tmp_path / "recipe.toml").runs] == [run.id for run in plan.runs]
    other = changed(experiment, {"optimiser.optimiser.norm": 3.0, "optimiser.optimiser.optimiser.part": ".x"})
    assert other.optimiser == StepDecay(Clipped(dataclasses.replace(BOTH, part=".x"), norm=3.0), every=7)


def test_numbers_inside_are_data():
    """Runs that differ in them share one program, and are what they are alone."""
    optimiser = Clipped(Separate(".layers", af.SGD(0.2), af.AdamW(0.03, 0.7)), norm=1.0)
    experiment = af.Experiment(TASK, af.models.MLP(hidden=(4,)), optimiser, steps=6)
    axis, values = "optimiser.optimiser.rest.weight_decay", [0.1, 5.0]
    seen = []
    together = af.sweep(experiment, {axis: values, "optimiser.norm": [0.5, 9.0]}).run(display=seen.append)
    assert seen[-1].programs == 1
    alone = af.sweep(changed(experiment, {axis: 5.0, "optimiser.norm": 0.5})).run()
    found = together["weight_norm"].sel({axis: 5.0, "optimiser.norm": 0.5}).values
    np.testing.assert_array_equal(found, alone["weight_norm"].values)
    assert len(np.unique(together["weight_norm"].isel(step=-1))) == 4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Clipped(norm=0.0), "`norm` must be above 0, got 0.0"),
        (lambda: StepDecay(factor=-0.5), "`factor` must be above 0, got -0.5"),
        (lambda: StepDecay(every=0), "`every` must be a whole number of at least 1, got 0"),
        (
            lambda: Separate("bias", af.SGD(), af.SGD()),
            "`part` must be a path .* got 'bias'. Begin it with a",
        ),
    ],
)
def test_bad_fields(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("field", ["optimiser", "rest"])
def test_what_is_no_optimiser(field):
    plain = to_plain(af.Experiment(TASK, af.models.MLP(), BOTH))
    plain["optimiser"][field] = {"kind": "MLP"}
    with pytest.raises(ValueError, match=f"optimiser.{field}.kind: unknown kind 'MLP'"):
        from_plain(plain)
