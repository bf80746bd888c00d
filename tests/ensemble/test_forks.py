"""Forks: runs that go on from their parent's state at a step, changed or not."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import afterfit as af
from afterfit.ensemble import _loop, _pace, Run, silent
from afterfit.ensemble._forks import start, templates, trunk
from afterfit.ensemble._progress import describe
from afterfit.ensemble._runner import run_all
from afterfit.report import describe_status, summary
from afterfit.store import RunRecords
from afterfit.training import At, changed, Clipped, RecipeError, Seeds


PARENT = af.Experiment(
    af.tasks.BinaryOperation("x+y", modulus=5, fraction=0.6),
    af.models.MLP((6,)),
    af.AdamW(0.01, 1.0),
    batch=6,
    steps=12,
    record=af.Every(4),
)
KINDS = {
    "minibatches and noise": dataclasses.replace(PARENT, noise=af.Noise(weight=0.01, update=0.01)),
    "momentum": dataclasses.replace(PARENT, optimiser=af.SGD(0.05, momentum=0.9)),
    "constant norm": dataclasses.replace(PARENT, constraint=af.ConstantNorm(), batch=None),
    "twin": dataclasses.replace(
        PARENT,
        twin=True,
        parametrisation=af.Parametrisation(output_scale=2.0),
        probes=(af.probes.twin,),
    ),
}
SEEDS = {"seed": [0, 1]}


def run(experiment, store=None, axes=SEEDS):
    return af.sweep(experiment, axes).run(store, display=silent)


def same(first, second):
    """Whether all records of the second are those of the first, bit for bit."""
    shared = first.sel(step=second["step"])
    numbers = [name for name in second.data_vars if second[name].dtype.kind == "f"]
    return all((shared[name].values == second[name].values).all() for name in numbers)


# --- going on ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_change_it_goes_on_as_its_parent_did(kind):
    whole = run(KINDS[kind])
    for step in (0, 8, 9):
        part = run(af.fork(KINDS[kind], step))
        assert part["step"].values.tolist() == [step, *(one for one in (0, 4, 8, 12) if one > step)]
        kept = part.sel(step=[one for one in part["step"].values if one % 4 == 0])
        assert same(whole, kept)


def test_a_stored_snapshot_of_the_parent_is_enough(tmp_path):
    kept = dataclasses.replace(PARENT, snapshots=At((8,)))
    whole = run(kept, tmp_path)
    part = run(af.fork(kept, 8), tmp_path)
    assert same(whole, part) and len(af.store.Store(tmp_path).runs()) == 4


def test_a_parent_that_is_not_stored_is_trained_once_for_all_its_forks(tmp_path):
    forks = af.sweep(af.fork(PARENT, 8), {"optimiser.weight_decay": [0.0, 1.0], **SEEDS})
    data = forks.run(tmp_path, display=silent)
    assert len(af.store.Store(tmp_path).runs(trunks=True)) == 6  # four forks, two trunks
    first = data.isel(step=0)
    assert (first["train_loss"][0] == first["train_loss"][1]).all()  # one state
    assert (data["weight_norm"][0, :, -1] > data["weight_norm"][1, :, -1]).all()
    again = forks.run(tmp_path, display=silent)
    assert same(data, again) and len(af.store.Store(tmp_path).runs(trunks=True)) == 6


def test_trunks_are_no_runs_for_those_who_look(tmp_path):
    plan = af.sweep(af.fork(PARENT, 8), SEEDS)
    told = []
    plan.run(tmp_path, display=lambda progress: told.append(describe(progress)))
    assert told[0].startswith("0 of 2 trunks of forks") and told[-1].startswith("2 of 2 runs")
    assert not any("nan" in line for line in told)
    opened = af.store.Store(tmp_path)
    assert {entry.run for entry in opened.runs()} == {one.id for one in plan.runs}
    assert opened.status().counts["done"] == 2 and opened.status().trunks == 2
    lines = describe_status(opened.status()).splitlines()
    assert lines == ["2 runs stored: 2 done", "2 trunks of forks beside them, which no report shows"]
    assert sorted(af.open_dataset(tmp_path)["run"].values.tolist()) == sorted(one.id for one in plan.runs)
    # A run of the same recipe that somebody asks for is another run, and names of runs are as they were.
    root = trunk(plan.runs[0])
    asked_for = Run(root.experiment, root.seeds)
    assert "trunk" not in asked_for.recipe and asked_for.id != root.id


def test_a_stored_parent_that_stopped_before_the_step_is_trained_on(tmp_path):
    early = af.Sustained("train_accuracy", 0.0, records=1)
    stopping = dataclasses.replace(PARENT, snapshots=At((8,)), stop=early)
    run(stopping, tmp_path)
    part = run(af.fork(stopping, 8, {"stop": None}), tmp_path)
    assert same(run(PARENT), part)


def test_snapshots_of_parameters_alone_are_passed_over():
    fork = Run(af.fork(PARENT, 8), Seeds.of(0))
    (shapes,) = templates([fork]).values()
    kept_ones = {8: {".readout.weight": np.zeros((6, 5))}}
    records = RunRecords("parent", {}, np.array([8]), {}, "done", 12, snapshots=kept_ones)
    assert start(fork, records, shapes) is None


def test_a_fork_of_a_fork():
    once = af.fork(PARENT, 4, {"optimiser.weight_decay": 0.0})
    twice = af.fork(once, 8)
    assert same(run(once), run(twice))
    other = run(af.fork(once, 8, {"optimiser.weight_decay": 3.0}))
    assert (other["weight_norm"][:, -1] < run(once)["weight_norm"][:, -1]).all()
    assert af.fork(PARENT, np.int64(4), {"optimiser.weight_decay": 0.0}) == once
    with pytest.raises(RecipeError, match="from 4 to 12, got 2"):
        af.fork(once, 2)


def test_an_interrupted_fork_goes_on_from_its_own_point(tmp_path, monkeypatch):
    plan = af.sweep(af.fork(PARENT, 4), SEEDS)
    undisturbed = plan.run(display=silent)
    run_all([trunk(one) for one in plan.runs], tmp_path, display=silent, resume_every=60)
    for name in ("CALL_SECONDS", "TURN_SECONDS"):  # many calls, each a few steps
        monkeypatch.setattr(_pace, name, 0.0)

    def interrupt(progress):
        if progress.steps >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plan.run(tmp_path, display=interrupt)
    left = af.store.Store(tmp_path).status().interrupted
    assert left.keys() == {one.id for one in plan.runs}
    assert all(0 < len(one.steps) < 3 for one in left.values())
    monkeypatch.setattr(_loop, "begin", None)  # nothing begins anew
    assert same(undisturbed, plan.run(tmp_path, display=silent))


# --- changes ----------------------------------------------------------------------------------------


def states(experiment, store=None):
    """Parameters of a run with snapshots, by step."""
    (records,) = run_all(af.sweep(experiment).runs, store, display=silent, resume_every=60)
    return records.snapshots


def kept(experiment, *steps):
    return dataclasses.replace(experiment, snapshots=At(steps), record=At(steps))


@pytest.mark.parametrize("changes", [{"optimiser": af.Adam(0.02, warmup=0)}, {"optimiser": af.SGD(0.02)}])
def test_another_kind_of_optimiser_begins_afresh(changes):
    after = states(kept(af.fork(PARENT, 8, {**changes, "batch": None}), 8, 9))
    before, moved = after[8], after[9]
    weight = ".readout.weight"
    if isinstance(changes["optimiser"], af.Adam):  # the first step of Adam has the length of its rate
        np.testing.assert_allclose(np.abs(moved[weight] - before[weight]), 0.02, rtol=1e-3)
    else:
        gradient = af.sweep(PARENT).runs[0].moment(before, 8).gradient().readout.weight
        np.testing.assert_allclose(moved[weight], before[weight] - 0.02 * gradient, rtol=1e-5, atol=1e-7)


def test_the_optimiser_is_kept_or_reset():
    adam = dataclasses.replace(PARENT, optimiser=af.Adam(0.02, warmup=0), batch=None)
    lengths = []
    for reset in (False, True):
        after = states(kept(af.fork(adam, 8, reset_optimiser=reset), 8, 9))
        moved = np.abs(after[9][".readout.weight"] - after[8][".readout.weight"])
        lengths.append(moved[moved > 0])  # a dead unit has no gradient
    np.testing.assert_allclose(lengths[1], 0.02, rtol=1e-3)
    assert not np.allclose(lengths[0], 0.02, rtol=1e-2)


def test_wrapped_optimisers_keep_their_state_too():
    clipped = dataclasses.replace(PARENT, optimiser=Clipped(af.AdamW(0.01, 1.0), 0.5))
    assert same(run(clipped), run(af.fork(clipped, 8)))


def test_noise_is_added_once_with_the_deviation_asked_for():
    wide = dataclasses.replace(PARENT, model=af.models.MLP((400,)))
    plain, noisy, other = (
        states(kept(af.fork(wide, 8, noise=noise), 8))[8][".readout.weight"] for noise in (0.0, 0.3, 0.6)
    )
    moved = (noisy - plain).ravel()
    assert np.std(moved) == pytest.approx(0.3, rel=0.1) and abs(moved.mean()) < 0.03
    np.testing.assert_allclose(other - plain, 2 * (noisy - plain), rtol=1e-3, atol=1e-5)


def test_noise_follows_its_own_seed():
    noisy = af.fork(PARENT, 8, noise=0.1)
    data = run(noisy, axes={"seeds.noise": [0, 1]})
    assert data["train_loss"][0, 0] != data["train_loss"][1, 0]
    assert same(data, run(noisy, axes={"seeds.noise": [0, 1]}))


def test_a_constraint_that_is_new_holds_from_the_fork_on():
    data = run(af.fork(PARENT, 8, {"constraint": af.ConstantNorm(2.0)}))
    np.testing.assert_allclose(data["weight_norm"], 2.0, rtol=1e-6)


# --- recipes ----------------------------------------------------------------------------------------


def test_it_names_its_parent_and_round_trips(tmp_path):
    experiment = af.fork(PARENT, 8, {"optimiser.weight_decay": 0.5}, noise=0.1)
    one = Run(experiment, Seeds.of(3))
    assert one.parent is not None and one.parent.id == Run(PARENT, Seeds.of(3)).id
    assert trunk(one).record_steps == [8] and one.record_steps == [8, 12]
    assert one.recipe["fork"]["step"] == 8 and one.recipe["fork"]["parent"]["kind"] == "Experiment"
    plan = af.sweep(experiment, {"fork.step": [4, 8], "seed": [3]})
    af.write_recipe(plan, tmp_path / "fork.toml")
    read = af.read_recipe(tmp_path / "fork.toml")
    assert [run.id for run in read.runs] == [run.id for run in plan.runs]


PARENT_FILE = """
seed = 3
steps = 12
batch = 6
record = { kind = "Every", interval = 4 }
task = { kind = "BinaryOperation", operation = "x+y", modulus = 5, fraction = 0.6 }
model = { kind = "MLP", hidden = [6] }
optimiser = { kind = "AdamW", learning_rate = 0.01, weight_decay = 1.0 }
"""
FORK_FILE = """
optimiser.weight_decay = 0.5
fork = { parent = "files/parent.toml", step = 8, noise = 0.1 }
constraint = { kind = "KeepUnits", layer = "layers[0]", units = [0, 2], width = 6, biases = false }
"""


def written(folder, **files):
    (folder / "files").mkdir(exist_ok=True)
    for name, text in {"parent": PARENT_FILE, **files}.items():
        (folder / ("files" if name == "parent" else "") / f"{name}.toml").write_text(text)
    return folder / "fork.toml"


def test_a_recipe_file_may_name_that_of_its_parent(tmp_path):
    (one,) = af.read_recipe(written(tmp_path, fork=FORK_FILE)).runs
    units = af.KeepUnits.of("layers[0]", [0, 2], 6, biases=False)
    wanted = af.fork(PARENT, 8, {"optimiser.weight_decay": 0.5, "constraint": units}, noise=0.1)
    assert one.id == Run(wanted, Seeds.of(3)).id
    again = 'fork = { parent = "fork.toml", step = 10 }'
    (tmp_path / "again.toml").write_text(again + '\noptimiser = { kind = "SGD", learning_rate = 0.1 }')
    (other,) = af.read_recipe(tmp_path / "again.toml").runs
    assert other.id == Run(af.fork(wanted, 10, {"optimiser": af.SGD(0.1)}), Seeds.of(3)).id


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"fork": 'fork = { parent = "mine.toml", step = 8 }'},
            "fork.parent: there is no recipe .*mine.toml",
        ),
        (
            {"fork": 'fork = { parent = "fork.toml", step = 8 }'},
            "fork.parent: 'fork.toml' is a fork of itself",
        ),
        (
            {"fork": FORK_FILE, "parent": PARENT_FILE + "axes.seed = [0, 1]"},
            "fork.parent: 'files/parent.toml' has axes",
        ),
        (
            {"fork": FORK_FILE, "parent": PARENT_FILE.replace("modulus", "modulos")},
            "fork.parent: task.modulos: unknown field",
        ),
        ({"fork": FORK_FILE.replace("step = 8", "step = 80")}, "from 0 to 12, got 80"),
        ({"fork": FORK_FILE.replace("width = 6", "widht = 6")}, "constraint: needs `mask`, or `units` and"),
        (
            {"fork": FORK_FILE.replace("[0, 2]", "2")},
            "constraint: `units` must be a list of whole numbers, got 2",
        ),
        ({"fork": FORK_FILE.replace("[0, 2]", "[0, 7]")}, "constraint: a layer of 6 units has no unit 7"),
        ({"fork": FORK_FILE.replace("width = 6", "width = 6, mask = [1.0]")}, "constraint: needs `mask`, or"),
        ({"fork": FORK_FILE.replace("layer = ", "layre = ")}, "constraint.layre: unknown field"),
    ],
)
def test_mistakes_in_files_of_forks(tmp_path, files, message):
    with pytest.raises(RecipeError, match=message):
        af.read_recipe(written(tmp_path, **files))


def test_a_store_of_forks_opens_as_one_view(tmp_path):
    run(PARENT, tmp_path)
    run(af.fork(PARENT, 8), tmp_path)
    # No grid: a parent has no place on an axis of fork steps, and empty cells would look like lost runs.
    data = af.open_dataset(tmp_path)
    assert data["outcome"].dims == ("run",) and "have no record" not in summary(data)
    assert sorted(data["fork.step"].values.tolist()) == ["8", "8", "None", "None"]
    run(af.fork(PARENT, 4, {"optimiser.weight_decay": 3.0}), tmp_path)
    run(af.fork(PARENT, 4, {"optimiser.learning_rate": 3.0}), tmp_path)
    run(af.fork(PARENT, 8, noise=0.1), tmp_path)
    assert "fork at 4, learning rate 0.01, weight decay 3, noise 0, seed 1" in summary(
        af.open_dataset(tmp_path)
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: af.fork(PARENT, 13), "fork: `step` must be one of the parent's, from 0 to 12, got 13"),
        (lambda: af.fork(PARENT, 12), "`steps` must be above 12"),
        (lambda: af.fork(PARENT, -1), "got -1"),
        (lambda: af.fork(PARENT, 8, noise=-1.0), "`noise` must not be negative"),
        (lambda: af.fork(PARENT, 8, {"model.hidden": (7,)}), "`model` must be that of the fork's parent"),
        (lambda: af.fork(PARENT, 8, {"twin": True}), "`twin` must be that of the fork's parent, False"),
        (
            lambda: af.fork(PARENT, 8, {"precision": "float64"}),
            "`precision` must be that of the fork's parent",
        ),
        (
            lambda: af.fork(PARENT, 8, {"parametrisation.init_scale": 2.0}),
            "`parametrisation.init_scale` must",
        ),
        (lambda: af.fork(PARENT, 8, {"optimiser.decay": 1.0}), "optimiser.decay"),
        (lambda: changed(PARENT, {"fork.step": 4}), "fork.parent: Fork needs this field"),
        (
            lambda: changed(af.fork(PARENT, 8), {"fork.parent.stepz": 4}),
            "fork.parent.stepz: fork.parent has no",
        ),
        (lambda: af.sweep(af.fork(PARENT, 8), {"fork.step": [99]}), "fork.*from 0 to 12, got 99"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(RecipeError, match=message):
        make()


def test_a_fork_of_a_parent_that_diverged_before_has_diverged(tmp_path):
    rates = {"fork.parent.optimiser.learning_rate": [1e9, 0.1]}
    plan = af.sweep(af.fork(dataclasses.replace(PARENT, optimiser=af.SGD(0.1)), 11), rates)
    data = plan.run(tmp_path, display=silent)
    assert data["outcome"].values.tolist() == ["diverged", "done"]
    assert np.isnan(data["train_loss"][0]).all() and data["outcome_step"][0] < 11
    (records,) = af.store.Store(tmp_path).load([plan.runs[0].id])
    assert "the parent diverged before" in records.message
    alone = af.sweep(plan.runs[0].experiment)
    for store in (None, tmp_path):  # measures without a value, not without a name
        data = alone.run(store, display=silent)
        assert np.isnan(data["train_loss"]).all() and data["outcome"] == "diverged"
        assert af.grokking_time(data)["phase"] == "diverged"


def test_mistakes_show_before_the_parent_is_trained(tmp_path):
    nowhere = af.fork(PARENT, 8, {"constraint": af.KeepUnits("layers[7]", (1.0,) * 6)})
    with pytest.raises(ValueError, match="`layer` must name a layer"):
        run(nowhere, tmp_path)
    with pytest.raises(RecipeError, match=r"shaped as its parent's: .*\(14, 6\) here, \(10, 6\) there"):
        run(af.fork(PARENT, 8, {"task.modulus": 7}), tmp_path)
    assert not af.store.Store(tmp_path).runs()


def test_a_moment_of_a_fork_is_measured_from_the_start_of_its_parent():
    centred = dataclasses.replace(PARENT, parametrisation=af.Parametrisation(output_scale=2.0))
    plan = af.sweep(kept(af.fork(centred, 8, {"constraint": af.ConstantNorm(1.0)}), 8))
    (records,) = run_all(plan.runs, None, display=silent, resume_every=60)
    loss = plan.runs[0].moment(records.snapshots[8], 8).scores("train").loss
    np.testing.assert_allclose(loss, records.values["train_loss"][0], rtol=1e-5)


def test_a_snapshot_is_the_whole_state():
    kept_state = states(kept(PARENT, 8))[8]
    assert {".readout.weight", "state.step"} <= kept_state.keys()
    assert int(kept_state["state.step"]) == 8
    moments = [path for path in kept_state if "mu" in path and "readout.weight" in path]
    assert moments and all(jnp.shape(kept_state[path]) == (6, 5) for path in moments)
    with jax.enable_x64(False):
        again = af.sweep(PARENT).runs[0].moment(kept_state, 8)
    assert again.step == 8
