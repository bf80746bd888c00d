"""The nine interventions of Figure 2 (left), each against its rule worked out by hand in float64.

The model is small enough for its gradient to be written down: logits `V' drop(E[a] + F[b])`. It notes what it
is called with while it trains (examples, weights, dropout masks), so that chance is taken as it fell and
the rules are checked exactly; the chance itself is then checked for its distribution.
"""

import contextlib
import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import afterfit as af
from afterfit.models import AbstractArchitecture, Frozen
from afterfit.studies.power2022.fig2_left import AXIS, VARIANTS
from afterfit.training import Program, Seeds


SYMBOLS, WIDTH, BATCH, SEED = 6, 8, 9, 3
# 18 of 36 equations train: two batches of 9 an epoch, none short.
TASK = af.tasks.BinaryOperation("x+y", modulus=SYMBOLS, fraction=0.5)
NAMES = ("E", "F", "V")
CALLS: list[dict[str, np.ndarray]] = []
COMPILED = {}  # by structure: the nine are five programs


@dataclasses.dataclass(frozen=True)
class Sum(AbstractArchitecture):
    """The model's recipe; `dropout` has the name that the intervention sets."""

    dropout: float | None = None

    def build(self, sizes, *, key):
        shapes = ((sizes.symbols, WIDTH), (sizes.symbols, WIDTH), (WIDTH, sizes.outputs))
        # Small, so that no softmax saturates: Adam divides tiny gradients by their own rounding.
        weights = [jax.random.normal(k, s) / 3 for k, s in zip(jax.random.split(key, 3), shapes, strict=True)]
        return SumModel(*weights, None if self.dropout is None else Frozen(jnp.asarray(self.dropout, float)))


class SumModel(eqx.Module):
    E: jax.Array
    F: jax.Array
    V: jax.Array
    dropout: Frozen | None

    def __call__(self, inputs, *, key=None):
        hidden = self.E[inputs[0]] + self.F[inputs[1]]
        mask = jnp.ones(WIDTH)
        if key is not None and self.dropout is not None:
            rate = self.dropout.value
            mask = jax.random.bernoulli(key, 1 - rate, (WIDTH,)) / (1 - rate)
        if key is not None:
            jax.debug.callback(note, inputs, mask, self.E, self.F, self.V)
        return (hidden * mask) @ self.V


def note(inputs, mask, *weights):
    CALLS.append({"inputs": inputs, "mask": mask, **dict(zip(NAMES, weights, strict=True))})


@dataclasses.dataclass(frozen=True)
class Step:
    """One update: the weights around it, and what the model was called with."""

    before: dict[str, np.ndarray]
    after: dict[str, np.ndarray]
    inputs: np.ndarray  # call, 2
    masks: np.ndarray  # call, width
    seen: list[dict[str, np.ndarray]]


@contextlib.contextmanager
def in_float64():
    """For all threads: notes are taken in another one, which would round them to float32."""
    jax.config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", False)


def trained(name, steps):
    """The updates of an intervention, as the figure's sweep makes it."""
    base = af.Experiment(TASK, Sum(), batch=BATCH, steps=20, precision="float64")
    experiment = af.sweep(base, {AXIS: {name: VARIANTS[name]}}).runs[0].experiment
    data, seeds = TASK.data(SEED), Seeds.of(SEED)
    weights = lambda state: {key: np.asarray(getattr(state.parameters, key)) for key in NAMES}
    with in_float64():
        program, recipe = Program(experiment, data.sizes), Program.recipe(experiment, seeds)
        start, advance = COMPILED.setdefault(
            Program.structure(experiment), (jax.jit(program.start), jax.jit(program.step))
        )
        data = jax.tree.map(jnp.asarray, data)
        state = start(recipe, data)
        path = []
        for _ in range(steps):
            CALLS.clear()
            after = jax.block_until_ready(advance(recipe, data, state))
            jax.effects_barrier()
            calls = [{key: np.array(value) for key, value in call.items()} for call in CALLS]
            inputs, masks = (np.stack([call[key] for call in calls]) for key in ("inputs", "mask"))
            path.append(Step(weights(state), weights(after), inputs, masks, calls))
            state = after
    return path


def training_set():
    data = TASK.data(SEED)
    return data.inputs[data.rows[: data.train_count]]


def gradient(weights, inputs, masks):
    """Of the mean softmax cross-entropy against (a + b) mod 6."""
    total = {name: np.zeros_like(weight) for name, weight in weights.items()}
    for (a, b), mask in zip(inputs, masks, strict=True):
        hidden = (weights["E"][a] + weights["F"][b]) * mask
        logits = hidden @ weights["V"]
        error = np.exp(logits - logits.max())
        error /= error.sum()
        error[(a + b) % SYMBOLS] -= 1
        total["V"] += np.outer(hidden, error) / len(inputs)
        total["E"][a] += mask * (weights["V"] @ error) / len(inputs)
        total["F"][b] += mask * (weights["V"] @ error) / len(inputs)
    return total


class ByHand:
    """Adam's direction `u = m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + 1e-8)`, t from 1."""

    def __init__(self):
        self.m, self.v, self.t = dict.fromkeys(NAMES, 0.0), dict.fromkeys(NAMES, 0.0), 0

    def direction(self, g):
        self.t += 1
        self.m = {name: 0.9 * self.m[name] + 0.1 * g[name] for name in NAMES}
        self.v = {name: 0.98 * self.v[name] + 0.02 * g[name] ** 2 for name in NAMES}
        corrected = lambda moment, b: moment / (1 - b**self.t)
        return {n: corrected(self.m[n], 0.9) / (np.sqrt(corrected(self.v[n], 0.98)) + 1e-8) for n in NAMES}

    def rate(self, full):
        """Of the update just directed: from 0, linearly over 10 updates."""
        return full * min((self.t - 1) / 10, 1)


def expected(path, *, rate=1e-3, full=False, decay=0.0, to_initial=False, weight_noise=False):
    """Each step's weights after it by the rules of the paper's appendix A.1.2."""
    adam = ByHand()
    for step in path:
        inputs, masks = step.inputs, step.masks
        if full:  # padding is called too: what counts is the training set
            inputs, masks = training_set(), np.ones((len(training_set()), WIDTH))
        at = {name: step.seen[0][name] for name in NAMES} if weight_noise else step.before
        u = adam.direction(gradient(at, inputs, masks))
        eta = adam.rate(rate)
        anchor = path[0].before if to_initial else dict.fromkeys(NAMES, 0.0)
        yield {n: step.before[n] - eta * decay * (step.before[n] - anchor[n]) - eta * u[n] for n in NAMES}


RULES = {
    "full batch": {"full": True},
    "Adam": {},
    "full batch, update noise": {"full": True},
    "dropout 0.1": {},
    "decay to origin": {"decay": 1.0},
    "decay to initial weights": {"decay": 1.0, "to_initial": True},
    "rate 3e-4": {"rate": 3e-4},
    "rate 3e-3": {"rate": 3e-3},
    "weight noise 0.01": {"weight_noise": True},
}


@pytest.fixture(scope="module")
def paths():
    """13 updates of each intervention: the whole warm-up, and two at the full rate."""
    return {name: trained(name, 13) for name in VARIANTS}


def test_there_are_nine_in_the_order_of_the_paper():
    assert list(VARIANTS) == list(RULES)


@pytest.mark.parametrize("name", [name for name in RULES if name != "full batch, update noise"])
@pytest.mark.parametrize("steps", [1, 3, 13])
def test_the_rule(name, steps, paths):
    path = paths[name][:steps]
    for step, wanted in zip(path, expected(path, **RULES[name]), strict=True):
        for key in NAMES:
            # Rounding of some sums of at most 18 terms, in float64.
            np.testing.assert_allclose(step.after[key], wanted[key], rtol=1e-11, atol=1e-13)


def test_the_rules_tell_the_interventions_apart(paths):
    """Each path breaks every other rule: no test above is empty."""
    for name, path in paths.items():
        for other, rule in RULES.items():
            same = rule == RULES[name] or {name, other} == {"dropout 0.1", "Adam"}
            # Without noise, the weights that the model saw are those before the step.
            if same or (other == "weight noise 0.01" and RULES[name] == {}) or "update noise" in name:
                continue
            wanted = list(expected(path, **rule))[-1]
            assert np.abs(path[-1].after["V"] - wanted["V"]).max() > 1e-9, (name, other)


def test_the_first_update_has_rate_zero_even_with_noise(paths):
    for path in paths.values():
        for key in NAMES:
            np.testing.assert_array_equal(path[0].after[key], path[0].before[key])


def test_batches_are_halves_of_the_training_set_that_an_epoch_visits_once(paths):
    known = {tuple(pair) for pair in training_set().tolist()}
    for name, path in paths.items():
        if not RULES[name].get("full"):
            halves = [{tuple(pair) for pair in step.inputs.tolist()} for step in path[:12]]
            assert all(len(half) == BATCH for half in halves)
            assert all(one | two == known for one, two in zip(halves[::2], halves[1::2], strict=True))


def test_update_noise_is_added_to_the_direction_before_the_rate(paths):
    path = paths["full batch, update noise"]
    clean = list(expected(path, full=True))
    noise = []
    for number, (step, wanted) in enumerate(zip(path, clean, strict=True)):
        eta = 1e-3 * min(number / 10, 1)
        if eta:  # (W - W') / eta - u
            noise.append({key: (wanted[key] - step.after[key]).ravel() / eta for key in NAMES})
    standard_and_fresh(noise)


def test_weight_noise_is_one_draw_for_a_whole_batch_on_every_tensor(paths):
    path = paths["weight noise 0.01"]
    noise = []
    for step in path:
        for call in step.seen[1:]:
            assert all(np.array_equal(call[key], step.seen[0][key]) for key in NAMES)
        noise.append({key: ((step.seen[0][key] - step.before[key]) / 0.01).ravel() for key in NAMES})
    standard_and_fresh(noise)


def standard_and_fresh(noise):
    """Standard normal in each tensor, and independent between steps and between tensors."""
    for key in NAMES:
        # 12 x 48 draws or more: a deviation of 1.2 would have a p-value of 1e-9.
        draws = np.concatenate([step[key] for step in noise])
        assert scipy.stats.kstest(draws, "norm").pvalue > 1e-3
        assert abs(draws.std() - 1) < 5 / np.sqrt(2 * draws.size)
        pairs = [(one[key], two[key]) for one, two in zip(noise, noise[1:], strict=False)]
        uncorrelated(*(np.concatenate(part) for part in zip(*pairs, strict=True)))
    uncorrelated(*(np.concatenate([step[key] for step in noise]) for key in ("E", "F")))


def uncorrelated(one, two):
    assert abs(np.corrcoef(one, two)[0, 1]) < 5 / np.sqrt(one.size)  # five standard errors


def test_dropout_zeroes_a_tenth_and_keeps_the_mean(paths):
    masks = np.stack([step.masks for step in paths["dropout 0.1"]])  # step, example, unit
    np.testing.assert_allclose(np.unique(masks), [0, 1 / 0.9], rtol=1e-12)
    dropped = masks == 0
    # Five standard errors of a share of 936 coins.
    assert abs(dropped.mean() - 0.1) < 5 * np.sqrt(0.1 * 0.9 / dropped.size)
    assert not (dropped == dropped[:1]).all() and not (dropped == dropped[:, :1]).all()


@pytest.mark.parametrize("name", [name for name in RULES if name != "dropout 0.1"])
def test_nothing_is_dropped_elsewhere(name, paths):
    assert all((step.masks == 1).all() for step in paths[name])
