"""Recipes with mistakes: exit code 2, one line for each mistake with its path, nothing trained."""

import contextlib
import copy
import datetime
import io
import typing
from unittest import mock

import pytest
import tomli_w
from hypothesis import given, settings, strategies as st

from afterfit.cli import main


pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")

MODELS = (
    "AdditionDecoder, CommitteeMachine, CoordinateNetwork, GraphConvolution, LSTM, MLP, Padded, "
    "RadianceField, Siren, Transformer"
)

MISTAKES = [
    ({"task/operation": "x/z"}, "task: unknown operation 'x/z': did you mean 'x/y'?"),
    ({"task/kind": "BinaryOperatoin"}, "task.kind: unknown kind 'BinaryOperatoin': did you mean 'BinaryO"),
    ({"model/kind": "Transfomer"}, "model.kind: unknown kind 'Transfomer': did you mean 'Transformer'?"),
    (
        {"model/kind": "BinaryOperation"},
        f"kind 'BinaryOperation' (there are: {MODELS})",
    ),
    ({"model/hiden": [8]}, "model.hiden: unknown field of MLP: did you mean 'hidden'?"),
    ({"model/hidden": [8, 0]}, "model: hidden must consist of integers of at least 1, got 0"),
    ({"model/hidden": [True]}, "model.hidden: should be no truth value, got [True]"),
    ({"model": {"kind": "Transformer", "width": 10, "heads": 3}}, "width=10 and heads=3: try heads=2 or 5"),
    ({"model": ["MLP"]}, "model: needs one component, got ['MLP']"),
    (
        {"model/kind": 5},
        f"say which `kind` (there are: {MODELS}), got 5",
    ),
    ({"task/fraction": 1.0}, "task: `fraction` must lie strictly between 0 and 1, got 1.0"),
    ({"task/fraction": 0.0}, "task: `fraction` must lie strictly between 0 and 1, got 0.0"),
    ({"task/operation": "x/y", "task/modulus": 6}, "divides by y = 2, 3, 4, without inverse modulo 6"),
    ({"task/modulus": 10**15}, "task: MemoryError: Unable to allocate"),
    ({"task": {"kind": "TableTask", "table": "none.csv"}}, "task: `table` 'none.csv' cannot be read"),
    ({"optimiser": "AdmaW"}, "optimiser.kind: unknown kind 'AdmaW': did you mean 'AdamW'?"),
    (
        {"optimiser": {"learning_rate": 1.0}},
        "say which `kind` (there are: Adam, AdamW, Clipped, GradientDescent, SGD, Separate, StepDecay)",
    ),
    (
        {"constraint": "AdamW"},
        "constraint.kind: unknown kind 'AdamW' (there are: ConstantNorm, InTurn, KeepUnits)",
    ),
    (
        {"constraint": {"kind": "KeepUnits", "layer": "layers[0]", "mask": [0.0] * 8}},
        "constraint: `mask` must be of ones and zeros",
    ),
    ({"probes": "gradient_norm"}, "probes: needs a list, got 'gradient_norm'"),
    ({"probes": ["gradient_nrom"]}, "probes[0].kind: unknown kind 'gradient_nrom': did you mean"),
    ({"record": {"kind": "At", "chosen": [50]}}, "record: At(chosen=(50,)) picks no step"),
    ({"steps": "many"}, "steps: should be a valid integer, unable to parse string as an integer, got 'many'"),
    ({"steps": True}, "steps: should be no truth value, got True"),
    ({"steps": 10**12}, "`steps` must be from 1 to 2147483647, got 1000000000000"),
    ({"batch": 2**40}, "`batch` must be from 1 to 2147483647, or None"),
    ({"stepz": 5}, "stepz: unknown field of Experiment: did you mean 'steps'?"),
    ({"seed": -1}, "seed: should be a valid integer in [0, 2**32), got -1"),
    ({"axes": [1]}, "axes: needs a table from fields to lists of values, got [1]"),
    ({"axes/seed": []}, "axis 'seed' has no values"),
    ({"axes/seed": 3}, "axis 'seed' needs a list of values, got 3"),
    ({"axes/seed": [1, 2, 1]}, "axis 'seed' has the value 1 more than once"),
    ({"axes/seeds.inti": [1]}, "axis 'seeds.inti' is no seed: did you mean 'seeds.init'?"),
    ({"axes/task.fractoin": [0.1]}, "task.fractoin: task has no such field: did you mean 'fraction'?"),
    ({"axes/variant": {"a": 1}}, "axis 'variant', label 'a': needs a table of changes, got 1"),
    ({"axes/step": {"a": {"steps": 5}}}, "axis 'step' is called like a variable of the results"),
]


@pytest.mark.parametrize(("changes", "message"), MISTAKES)
def test_mistakes_in_a_recipe(afterfit, written, untrained, tmp_path, changes, message):
    code, out, err = afterfit("run", written(changes), "--store", tmp_path / "s")
    assert (code, out) == (2, "")
    assert err.startswith("afterfit: ") and message in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "s").exists()


def test_every_mistake_has_its_line(afterfit, written, untrained):
    code, _, err = afterfit("run", written({"stepz": 1, "batch": "big"}))
    assert code == 2
    assert [line.split(":")[:2] for line in err.splitlines()] == [
        ["afterfit", " stepz"],
        ["afterfit", " batch"],
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"steps = = 5", "is not TOML: Invalid value (at line 1, column 9)"),
        (b"\xff\xfe\x00", "is not TOML: 'utf-8' codec"),
        (b"x = " + b"[" * 20_000, "is not TOML: maximum recursion depth"),
        (b"", "task: Experiment needs this field."),
    ],
)
def test_a_file_that_is_no_recipe(afterfit, untrained, tmp_path, content, message):
    path = tmp_path / "recipe.toml"
    path.write_bytes(content)
    code, _, err = afterfit("run", path)
    assert code == 2
    assert message in err


def test_a_recipe_that_cannot_be_opened(afterfit, untrained, tmp_path):
    assert afterfit("run", tmp_path / "no.toml")[::2] == (
        2,
        f"afterfit: there is no recipe '{tmp_path / 'no.toml'}'.\n",
    )
    code, _, err = afterfit("run", tmp_path)
    assert (code, "Is a directory" in err) == (2, True)


def test_a_mistake_that_only_the_network_shows(afterfit, written, tmp_path):
    path = written({"constraint": {"kind": "KeepUnits", "layer": "layers[9]", "mask": [1.0] * 8}})
    code, out, err = afterfit("run", path, "--store", tmp_path / "s")
    assert (code, out) == (2, "")
    assert "`layer` must name a layer with a weight: layers[0], readout; got 'layers[9]'." in err


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("steps", "--set needs KEY=VALUE, got 'steps'"),
        ("=5", "--set needs KEY=VALUE, got '=5'"),
        ("stepz=5", "stepz: an experiment has no such field: did you mean 'steps'?"),
        ("model.width=5", "model.width: model has no such field"),
        ("model.kind=MLP", "model.kind: model has no such field: give the whole component, model = 'MLP'"),
        ("model.hidden.0=5", "model.hidden.0: model.hidden has no such field"),
        ("steps=many", "steps: should be a valid integer, unable to parse string as an integer, got 'many'"),
        ("steps=", "steps: should be a valid integer"),
        ("task.fraction=1.5", "task: `fraction` must lie strictly between 0 and 1, got 1.5"),
        ("task.operation=x/z", "task: unknown operation 'x/z': did you mean 'x/y'?"),
        ("seed=a", "seed: should be a valid integer"),
        ("fork.step=5", "fork.parent: Fork needs this field"),
        ("optimiser.weight_decay=0.5", "optimiser.weight_decay: is an axis of this recipe"),
    ],
)
def test_mistakes_in_a_setting(afterfit, written, untrained, tmp_path, assignment, message):
    path = written({"axes/optimiser.weight_decay": [0.1, 1.0]})
    code, out, err = afterfit("run", path, "--set", assignment, "--store", tmp_path / "s")
    assert (code, out) == (2, "")
    assert message in err
    assert not (tmp_path / "s").exists()


# --- any recipe with one mistake ----------------------------------------------------------------

GOOD: dict[str, typing.Any] = {
    "steps": 20,
    "seed": 1,
    "batch": 4,
    "task": {"kind": "BinaryOperation", "operation": "x+y", "modulus": 5, "fraction": 0.5},
    "model": {"kind": "MLP", "hidden": [8], "activation": "relu"},
    "optimiser": {"kind": "AdamW", "learning_rate": 0.01, "weight_decay": 0.1},
    "record": {"kind": "Every", "interval": 5},
    "stop": {"measure": "test_accuracy", "level": 0.9},
    "axes": {"seed": [1, 2], "optimiser.weight_decay": [0.1, 1.0]},
}
PLACES = [(name,) for name in GOOD if name != "axes"] + [
    (name, inner)
    for name, table in GOOD.items()
    if isinstance(table, dict) and name != "axes"
    for inner in table
]
NEVER_RIGHT = [datetime.date(2020, 1, 1), {"nobody": {"asked": 1}}, [["x"], [1]], "no such thing", True]


@st.composite
def broken(draw: typing.Any) -> tuple[dict, str]:
    """A recipe with one mistake, and the path to it."""
    recipe = copy.deepcopy(GOOD)
    *above, name = draw(st.sampled_from(PLACES))
    table = recipe[above[0]] if above else recipe
    if draw(st.booleans()):
        table[name] = draw(st.sampled_from(NEVER_RIGHT))
    else:
        letters = st.text("abcxyz_", min_size=1, max_size=4)
        name, value = f"{name}_{draw(letters)}", table[name]
        table[name] = value
    return recipe, ".".join((*above, name))


@settings(max_examples=60)
@given(broken())
def test_any_mistake_is_refused_with_its_path(tmp_path_factory, made):
    recipe, path = made
    folder = tmp_path_factory.mktemp("broken")
    (folder / "recipe.toml").write_text(tomli_w.dumps(recipe))
    told = io.StringIO()
    with (
        contextlib.redirect_stderr(told),
        mock.patch("afterfit.ensemble._runner.Trainer", side_effect=AssertionError("trained")),
    ):
        code = main(["run", str(folder / "recipe.toml"), "--store", str(folder / "s")])
    assert code == 2
    lines = told.getvalue().splitlines()
    assert lines and all(line.startswith("afterfit: ") for line in lines)
    above, _, name = path.rpartition(".")
    # A component checks its own fields: then the path is the component's, and the message names the field.
    assert any(path in line or (f"afterfit: {above}" in line and name in line) for line in lines), lines
    assert not (folder / "s").exists()
