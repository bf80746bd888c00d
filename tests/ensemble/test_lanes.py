"""A run's records are a function of its recipe alone: bit for bit on CPUs."""

import dataclasses

import equinox as eqx
import jax
import numpy as np
import pytest

import afterfit as af
from afterfit.ensemble import Layout, silent
from afterfit.ensemble._loop import Trainer
from afterfit.models import AbstractArchitecture, MLP
from afterfit.tasks import BinaryOperation


def experiment(**changes):
    base = af.Experiment(
        task=BinaryOperation("x+y", modulus=7, fraction=0.5),
        model=MLP(hidden=(16,)),
        optimiser=af.AdamW(learning_rate=0.01),
        batch=8,
        steps=60,
        probes=(af.probes.gradient_norm,),
    )
    return dataclasses.replace(base, **changes)


def on(devices, lanes, side_by_side=False):
    return Layout(tuple(jax.devices()[:devices]), lanes, side_by_side)


def records(data, **where):
    chosen = data.sel(where)
    return {name: np.asarray(chosen[name]) for name in data.data_vars if "step" in data[name].dims}


def assert_same_bits(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert one[name].tobytes() == other[name].tobytes(), name


AXES = {"optimiser.weight_decay": [0.0, 1.0], "seed": [0, 1, 2, 3]}


@pytest.fixture(scope="module")
def pack_of_eight():
    """Eight lanes on two devices."""
    return af.sweep(experiment(), AXES).run(display=silent, layout=on(2, 8))


@pytest.mark.parametrize(("devices", "lanes"), [(1, 8), (2, 8), (1, 1)])
def test_alone_equals_in_company(pack_of_eight, devices, lanes):
    alone = af.sweep(experiment(), {"optimiser.weight_decay": [1.0], "seed": [2]})
    data = alone.run(display=silent, layout=on(devices, lanes))
    where = {"optimiser.weight_decay": 1.0, "seed": 2}
    assert_same_bits(records(data, **where), records(pack_of_eight, **where))


def test_one_device_equals_two(pack_of_eight):
    assert_same_bits(
        records(af.sweep(experiment(), AXES).run(display=silent, layout=on(1, 8))), records(pack_of_eight)
    )


def test_refilled_lanes_equal_those_of_a_wide_pack(pack_of_eight):
    narrow = af.sweep(experiment(), AXES).run(display=silent, layout=on(1, 3))
    assert_same_bits(records(narrow), records(pack_of_eight))


def test_runs_move_to_a_device_that_has_become_free(monkeypatch):
    moved = []
    move = Trainer._move
    monkeypatch.setattr(
        Trainer, "_move", lambda self, moves: (moved.append(len(moves)), move(self, moves))[1]
    )
    monkeypatch.setattr("afterfit.ensemble._pace.CALL_SECONDS", 0.0)  # many calls, each a few steps
    monkeypatch.setattr("afterfit.ensemble._pace.TURN_SECONDS", 0.0)
    # Seated in turn, so the second device has the two short runs and is soon without any.
    uneven = af.sweep(experiment(), {"steps": [60, 5, 59, 4]})
    balanced = uneven.run(display=silent, layout=on(2, 8))
    assert moved == [1]
    assert_same_bits(records(balanced), records(uneven.run(display=silent, layout=on(1, 8))))
    assert moved == [1]


def test_runs_differ(pack_of_eight):
    losses = pack_of_eight["train_loss"].isel(step=-1).values
    assert len(np.unique(losses)) == 8


def test_side_by_side_trains_the_same_function(pack_of_eight):
    beside = af.sweep(experiment(), AXES).run(display=silent, layout=on(1, 8, side_by_side=True))
    for name, values in records(beside).items():
        # Batched products add in another order; 60 steps of AdamW amplify rounding (6e-8) to about 1e-5.
        np.testing.assert_allclose(values, records(pack_of_eight)[name], rtol=1e-3, atol=1e-4, err_msg=name)


def test_side_by_side_refills_and_steps_unevenly():
    axes = {"steps": [5, 40, 17], "seed": [0, 1]}
    beside = af.sweep(experiment(), axes).run(display=silent, layout=on(1, 2, side_by_side=True))
    in_turn = af.sweep(experiment(), axes).run(display=silent, layout=on(1, 2))
    for name, values in records(beside).items():
        np.testing.assert_allclose(values, records(in_turn)[name], rtol=1e-3, atol=1e-4, err_msg=name)


def test_a_diverged_lane_harms_no_other():
    rates = [0.01, 0.02, 0.005, 1e6, 0.03, 0.001, 0.015, 0.002]
    with_it = af.sweep(experiment(), {"optimiser.learning_rate": rates}).run(display=silent)
    good = [rate for rate in rates if rate < 1]
    without = af.sweep(experiment(), {"optimiser.learning_rate": good}).run(display=silent)
    assert_same_bits(records(with_it.sel({"optimiser.learning_rate": good})), records(without))
    assert with_it["outcome"].values.tolist() == ["done"] * 3 + ["diverged"] + ["done"] * 4
    bad = with_it.sel({"optimiser.learning_rate": 1e6})
    assert 0 < int(bad["outcome_step"]) < 60
    assert np.isnan(bad["train_loss"].sel(step=60))
    assert np.isfinite(bad["train_loss"].sel(step=slice(0, int(bad["outcome_step"])))).all()


def test_float64_lanes():
    data = af.sweep(experiment(precision="float64", steps=5)).run(display=silent)
    single = af.sweep(experiment(steps=5)).run(display=silent)
    np.testing.assert_allclose(data["train_loss"], single["train_loss"], rtol=1e-4)
    assert jax.numpy.zeros(1).dtype == np.float32  # the switch is put back


def test_snapshots_are_the_parameters_of_their_steps(tmp_path):
    plan = af.sweep(experiment(snapshots=af.At((0, 10, 60))), {"seed": [0, 1]})
    plan.run(tmp_path / "store", display=silent)
    run = plan.runs[1]
    (found,) = af.store.Store(tmp_path / "store").load([run.id])
    assert sorted(found.snapshots) == [0, 10, 60]
    for step, kept in found.snapshots.items():
        parameters = [leaf for path, leaf in kept.items() if not path.startswith("state")]
        norm = np.sqrt(sum((leaf.astype(np.float64) ** 2).sum() for leaf in parameters))
        index = list(found.steps).index(step)
        assert norm == pytest.approx(float(found.values["weight_norm"][index]), rel=1e-6)
    assert ".layers[0].weight" in found.snapshots[0]


def test_stop_rule_ends_a_run_where_its_records_say():
    long = af.sweep(experiment(batch=None, steps=200)).run(display=silent)
    level = float(long["train_accuracy"].max())
    rule = af.Sustained("train_accuracy", level=level, records=2)
    short = af.sweep(experiment(batch=None, steps=200, stop=rule)).run(display=silent)
    count = short.sizes["step"]
    assert count < long.sizes["step"]
    end = rule.first_end(long["train_accuracy"].values)
    assert end is not None and count == end + 1
    assert (short["train_loss"].values == long["train_loss"].values[:count]).all()
    assert int(short["outcome_step"]) == int(short["step"][-1])


def test_a_number_of_a_model_is_not_trained():
    """A float of the recipe is an array in the program; it must not be taken for a parameter."""
    plan = af.sweep(experiment(model=Leaky(0.3), probes=(slope,), steps=20), {"model.slope": [0.3, 0.1]})
    data = plan.run(display=silent)
    for value in (0.3, 0.1):
        np.testing.assert_allclose(data["slope"].sel({"model.slope": value}), value, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:A JAX array is being set as static")
def test_a_number_in_a_static_field_is_told():
    with pytest.raises(ValueError, match=r"Normed.build: a `float` field .* static"):
        af.sweep(experiment(model=Normed())).run(display=silent)


def test_an_explosion_in_the_last_update_is_seen():
    data = af.sweep(experiment(optimiser=af.GradientDescent(1e30), steps=1)).run(display=silent)
    assert str(data["outcome"].values) == "diverged" and int(data["outcome_step"]) == 0
    assert np.isfinite(data["weight_norm"].sel(step=0))


@pytest.mark.parametrize("record", [af.At((0, 10)), af.At((3,)), af.Every(7)])
def test_schedules_need_not_hold_the_last_step(record):
    data = af.sweep(experiment(record=record, steps=20)).run(display=silent)
    assert data["step"].values.tolist() == record.steps(20).tolist()
    assert int(data["outcome_step"]) == 20 and np.isfinite(data["train_loss"]).all()


@pytest.mark.parametrize(
    ("stop", "record"),
    [(af.Sustained(level=2.0), af.At((15, 20))), (af.Sustained("train_accuracy", 0.0, 1), af.At((0, 5)))],
)
def test_stop_rules_wait_for_records(stop, record):
    data = af.sweep(experiment(stop=stop, record=record, steps=20)).run(display=silent)
    assert int(data["outcome_step"]) == (20 if stop.level > 1 else 0)


def test_a_stop_rule_needs_one_number():
    rule = af.Sustained("layer_norms")
    wrong = experiment(stop=rule, probes=(af.probes.layer_norms,))
    with pytest.raises(ValueError, match="stop.measure: 'layer_norms' is not one number"):
        af.sweep(wrong).run(display=silent)


@dataclasses.dataclass(frozen=True)
class Leaky(AbstractArchitecture):
    slope: float

    def build(self, sizes, *, key):
        weight = jax.random.normal(key, (sizes.symbols, sizes.outputs))
        return LeakyModel(weight, self.slope)


class LeakyModel(eqx.Module):
    weight: jax.Array
    slope: jax.Array | float

    def __call__(self, inputs):
        return jax.nn.leaky_relu(self.weight[inputs[0]] + self.weight[inputs[1]], self.slope)


@dataclasses.dataclass(frozen=True)
class Normed(AbstractArchitecture):
    eps: float = 1e-5

    def build(self, sizes, *, key):
        return eqx.nn.Sequential(
            [eqx.nn.Embedding(sizes.symbols, 4, key=key), eqx.nn.LayerNorm(4, eps=self.eps)]
        )


def slope(moment):
    return moment.model.slope
