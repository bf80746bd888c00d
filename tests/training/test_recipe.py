"""Recipes: round trips, and mistakes named by their paths."""

import dataclasses
import pickle

import pytest
from hypothesis import given, settings, strategies as st

import afterfit as af
from afterfit.ensemble import read_recipe, write_recipe
from afterfit.training import changed, from_plain, RecipeError, to_plain
from afterfit.training._kinds import find


# The type checks of the tests look at random items of tuples, which hypothesis takes for a mistake.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")

finite = st.floats(1e-6, 10, allow_nan=False)
experiments = st.builds(
    af.Experiment,
    task=st.one_of(
        st.builds(
            af.tasks.BinaryOperation,
            st.sampled_from(["x+y", "x/y", "quad3"]),
            st.sampled_from([5, 7]),
            st.floats(0.1, 0.9),
            symbols=st.one_of(st.none(), st.integers(7, 11)),
            objective=st.sampled_from([af.tasks.CrossEntropy(), af.tasks.MeanSquaredError(factor=0.5)]),
        ),
        st.just(af.tasks.TableTask(((0, 1), (1, 0), (1, -1)), fraction=0.5)),
    ),
    model=st.one_of(
        st.builds(af.models.MLP, st.lists(st.integers(1, 9), max_size=3).map(tuple), bias=st.booleans()),
        st.builds(
            af.models.Transformer,
            width=st.just(8),
            heads=st.just(2),
            dropout=st.one_of(st.none(), st.floats(0, 0.9)),
        ),
    ),
    optimiser=st.one_of(
        st.builds(af.AdamW, finite, finite, decay_to=st.sampled_from(["origin", "initial"])),
        st.builds(af.SGD, finite),
    ),
    batch=st.one_of(st.none(), st.integers(1, 99)),
    steps=st.integers(1, 10**6),
    noise=st.one_of(st.none(), st.builds(af.Noise, update=finite)),
    constraint=st.sampled_from([None, af.ConstantNorm()]),
    record=st.sampled_from([af.LogSpaced(20), af.Every(5), af.At((1, 2))]),
    snapshots=st.sampled_from([None, af.At((0, 7))]),
    stop=st.sampled_from([None, af.Sustained(level=0.5)]),
    probes=st.sampled_from([(), (af.probes.gradient_norm, af.probes.layer_norms)]),
    precision=st.sampled_from(["float32", "float64"]),
)


@settings(max_examples=60)
@given(experiments)
def test_plain_data_and_back(experiment):
    plain = to_plain(experiment)
    assert from_plain(plain) == experiment
    assert to_plain(from_plain(plain)) == plain


@settings(max_examples=30)
@given(experiments, st.integers(0, 100))
def test_files_and_back(tmp_path_factory, experiment, seed):
    path = tmp_path_factory.mktemp("recipe") / "recipe.toml"
    plan = af.sweep(
        experiment,
        {"seed": [1, 2], "variant": {"slow": {"steps": 7}, "<b>": {"optimiser": af.SGD(0.5)}}},
        seed=seed,
    )
    write_recipe(plan, path)
    again = read_recipe(path)
    assert [run.id for run in again.runs] == [run.id for run in plan.runs]
    assert again.coordinates == plan.coordinates


def test_an_integer_and_the_same_float_are_one_recipe():
    base = af.Experiment(af.tasks.BinaryOperation(), af.models.MLP())
    ones = [dataclasses.replace(base, optimiser=af.AdamW(weight_decay=value)) for value in (1, 1.0)]
    assert len({run.id for one in ones for run in af.sweep(one).runs}) == 1


GOOD = {
    "task": {"kind": "BinaryOperation", "operation": "x+y", "modulus": 7},
    "model": {"kind": "MLP", "hidden": [8]},
}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("task.operation", "x/z", r"task.operation: .*unknown operation 'x/z': did you mean 'x/y'"),
        (
            "task.kind",
            "BinaryOperatoin",
            r"task.kind: unknown kind 'BinaryOperatoin': did you mean 'BinaryOperation'",
        ),
        ("task.fractoin", 0.5, r"task.fractoin: unknown field of BinaryOperation: did you mean 'fraction'"),
        ("task.fraction", 1.2, r"task.fraction: `fraction` must lie strictly between 0 and 1, got 1.2"),
        ("task.modulus", "many", r"task.modulus: .*valid integer.*got 'many'"),
        ("model.hidden", [8, "wide"], r"model.hidden\[1\]: .*valid integer.*got 'wide'"),
        ("model", 3, r"model: needs a component"),
        ("steps", 0, r"`steps` must be from 1 to 2147483647, got 0"),
        ("stepz", 10, r"stepz: unknown field of Experiment: did you mean 'steps'"),
        ("optimiser", "AdmaW", r"optimiser.kind: unknown kind 'AdmaW': did you mean 'AdamW'"),
        (
            "probes",
            ["gradient_nrom"],
            r"probes\[0\].kind: unknown kind 'gradient_nrom': did you mean 'gradient_norm'",
        ),
        (
            "model.kind",
            "no_such_file.py:Net",
            r"model.kind: there is no file 'no_such_file.py' beside the recipe",
        ),
    ],
)
def test_mistakes_are_named_by_their_paths(path, value, message):
    plain = {key: dict(table) for key, table in GOOD.items()}
    target, name = plain, path
    if "." in path:
        table, name = path.split(".")
        target = plain[table]
    target[name] = value
    with pytest.raises(RecipeError, match=message):
        from_plain(plain)


def test_all_mistakes_are_named_at_once():
    with pytest.raises(RecipeError) as caught:
        from_plain({**GOOD, "stepz": 1, "batch": "big", "task": {"kind": "BinaryOperation", "modulus": [1]}})
    assert len(caught.value.mistakes) == 3


def test_changes_to_one_component_are_made_together():
    base = af.Experiment(af.tasks.BinaryOperation("x+y", modulus=6), af.models.MLP())
    both = changed(base, {"task.operation": "x/y", "task.modulus": 7})
    assert both.task == af.tasks.BinaryOperation("x/y", modulus=7)
    with pytest.raises(RecipeError, match="task.modulus: .*without inverse modulo 6"):
        changed(base, {"task.operation": "x/y"})


def test_an_optional_component_is_made_by_its_first_field():
    base = af.Experiment(af.tasks.BinaryOperation(), af.models.MLP())
    assert changed(base, {"noise.gradient": 0.5}).noise == af.Noise(gradient=0.5)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"task.fractoin": [0.1]}, "task.fractoin: task has no such field: did you mean 'fraction'"),
        ({"seed": []}, "axes.seed: has no values"),
        ({"seeds.inti": [1]}, "axes.seeds.inti: is no seed: did you mean 'seeds.init'"),
        ({"seed": [-1]}, "should be a valid integer in"),
        ({"steps": ["many"]}, "steps: .*valid integer"),
        ({"optimiser.decay_to": ["nowhere"]}, "optimiser.decay_to: .*'origin' or 'initial'"),
    ],
)
def test_bad_axes(axes, message):
    base = af.Experiment(af.tasks.BinaryOperation(), af.models.MLP())
    with pytest.raises(RecipeError, match=message):
        af.sweep(base, axes)


def test_an_edited_component_is_another_recipe(tmp_path):
    ids = set()
    for place, power in (("one", 2), ("two", 3)):
        folder = tmp_path / place
        folder.mkdir()
        (folder / "my_probe_for_recipes.py").write_text(
            f"def spread(moment):\n    return moment.parameters.readout.weight.std() ** {power}\n"
        )
        recipe = folder / "recipe.toml"
        recipe.write_text(
            'steps = 2\nprobes = ["my_probe_for_recipes.py:spread"]\n'
            '[task]\nkind = "BinaryOperation"\nmodulus = 5\n[model]\nkind = "MLP"\nhidden = [4]\n'
        )
        import sys

        sys.modules.pop("my_probe_for_recipes", None)
        ids.add(read_recipe(recipe).runs[0].id)
    assert len(ids) == 2


def test_components_on_an_axis_have_distinct_labels():
    base = af.Experiment(af.tasks.BinaryOperation(), af.models.MLP())
    kinds = af.sweep(base, {"optimiser": ["Adam", {"kind": "SGD", "learning_rate": 0.1}]})
    assert [place["optimiser"] for place in kinds.coordinates] == ["Adam", "SGD"]
    models = [af.models.MLP((8,)), af.models.MLP((9,))]
    labels = [place["model"] for place in af.sweep(base, {"model": models, "seed": [0]}).coordinates]
    assert len(set(labels)) == 2 and all("MLP" in label for label in labels)
    lists = af.sweep(base, {"model.hidden": [[8], [8, 8]]})
    assert [place["model.hidden"] for place in lists.coordinates] == ["[8]", "[8, 8]"]


def test_a_change_in_what_a_component_uses_is_another_recipe(tmp_path):
    ids = []
    for number, body in enumerate(("return x * 2", "return x * 3", "return x * 3")):
        name = f"my_helpers_{number}"
        (tmp_path / f"{name}.py").write_text(
            f"def scaled(x):\n    {body}\n\ndef probe(moment):\n    return scaled(moment.step)\n"
        )
        found = find(f"{name}.py:probe", "afterfit.probes", folder=tmp_path)
        ids.append(to_plain(found)["source"])
    assert ids[0] != ids[1] == ids[2]


def test_closures_cannot_stand_in_a_recipe():
    def made(power):
        return lambda moment: moment.step**power

    base = af.Experiment(af.tasks.BinaryOperation(), af.models.MLP(), probes=(made(2),))
    with pytest.raises(RecipeError, match="nothing tells it from others"):
        to_plain(base)


@pytest.mark.parametrize("changes", [{"steps": 20.5}, {"steps": True}, {"batch": 4.0}])
def test_counts_are_whole_numbers(changes):
    """A step that no integer reaches would be trained for ever. (Built past the type checks of the tests.)"""
    experiment = object.__new__(af.Experiment)
    good = af.Experiment(af.tasks.BinaryOperation(), af.models.MLP())
    for field in dataclasses.fields(good):
        object.__setattr__(experiment, field.name, changes.get(field.name, getattr(good, field.name)))
    with pytest.raises(ValueError, match="must be a whole number"):
        experiment.__post_init__()


def test_mistakes_are_the_same_from_another_process():
    error = pickle.loads(pickle.dumps(RecipeError(["task: a", "steps: b"])))
    assert error.mistakes == ["task: a", "steps: b"] and str(error) == "task: a\nsteps: b"
