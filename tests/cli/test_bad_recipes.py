"""Recipes with mistakes: exit code 2, one line for each mistake with its path, nothing trained."""

import math

import pytest


MODELS = (
    "AdditionDecoder, CommitteeMachine, CoordinateNetwork, GraphConvolution, LSTM, MLP, Padded, "
    "RadianceField, Siren, Transformer"
)

SIX = [
    "optimiser.learning_rate",
    "optimiser.weight_decay",
    "optimiser.b1",
    "optimiser.b2",
    "optimiser.eps",
    "task.fraction",
]

MISTAKES = [
    ({"task/operation": "x/z"}, "task.operation: unknown operation 'x/z': did you mean 'x/y'?"),
    ({"task/kind": "BinaryOperatoin"}, "task.kind: unknown kind 'BinaryOperatoin': did you mean 'BinaryO"),
    ({"model/kind": "Transfomer"}, "model.kind: unknown kind 'Transfomer': did you mean 'Transformer'?"),
    (
        {"model/kind": "BinaryOperation"},
        f"kind 'BinaryOperation' (there are: {MODELS})",
    ),
    ({"model/hiden": [8]}, "model.hiden: unknown field of MLP: did you mean 'hidden'?"),
    ({"model/hidden": [8, 0]}, "model.hidden: hidden must consist of integers of at least 1, got 0"),
    ({"model/hidden": [True]}, "model.hidden[0]: should be no truth value, got True"),
    ({"model": {"kind": "Transformer", "width": 10, "heads": 3}}, "width=10 and heads=3: try heads=2 or 5"),
    ({"model": ["MLP"]}, "model: needs one component, got ['MLP']"),
    (
        {"model/kind": 5},
        f"say which `kind` (there are: {MODELS}), got 5",
    ),
    ({"task/fraction": 1.0}, "task.fraction: `fraction` must lie strictly between 0 and 1, got 1.0"),
    ({"task/fraction": 0.0}, "task.fraction: `fraction` must lie strictly between 0 and 1, got 0.0"),
    ({"task/operation": "x/y", "task/modulus": 6}, "divides by y = 2, 3, 4, without inverse modulo 6"),
    ({"task/modulus": 10**15}, "task.modulus: `modulus` must be at most 2,147,483,647, got 1000000000000000"),
    ({"task/modulus": 10**6}, "task.modulus: `modulus` of 1,000,000 makes data of about 24,000 GB, and "),
    ({"task": {"kind": "TableTask", "table": "none.csv"}}, "task.table: `table` 'none.csv' cannot be read"),
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
        "constraint.mask: `mask` must be of ones and zeros",
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
    ({"seedd": 1}, "seedd: unknown field of Experiment: did you mean 'seed'?"),
    ({"kind": "Sweep"}, "kind: a recipe is an Experiment, got 'Sweep'"),
    (
        {"stop": {"measure": "test_accurcy"}},
        "stop.measure: `stop.measure` 'test_accurcy' is not measured: did",
    ),
    (
        {"probes": [{"kind": "gradient_norm", "of": 1}]},
        "probes[0].of: gradient_norm is a function, which has",
    ),
    ({"optimiser": {"kind": "AdamW", "b2": 1.0}}, "optimiser.b2: `b2` must lie in [0, 1), got 1.0"),
    ({"task/fraction": "0.5"}, "task.fraction: should be no text, got '0.5': leave the quotation marks out"),
    ({"model/bias": 1}, "model.bias: should be true or false, got 1"),
    ({"optimiser": {"kind": "AdamW", "weight_decay": math.nan}}, "weight_decay: should be a finite number"),
    (
        {"record": {"kind": "Every", "interval": 1}, "steps": 2**30},
        "`interval` = 1 picks 1,073,741,824 steps",
    ),
    (
        {"axes/task.fraction": [0.5, 2.0], "axes/seed": [1, 2]},
        "axes.task.fraction[1]: `fraction` must lie strictly between 0 and 1, got 2.0",
    ),
    ({"axes/seed": [1, 2, 2.5]}, "axes.seed[2]: should be a valid integer in [0, 2**32), got 2.5"),
    (
        {"axes/variant": {"a": {"model.hidden": [4]}, "b": {"model.hidden": [4, "x"]}}},
        "axes.variant.b.model.hidden[1]: should be a valid integer",
    ),
    (
        {"axes/task.modulus": [5, 6], "axes/task.operation": ["x+y", "x/y"]},
        "axes.task.modulus[1]: operation 'x/y' divides by y = 2, 3, 4, without inverse modulo 6",
    ),
    (
        {f"axes/{field}": [n / 1000 for n in range(1, 200)] for field in SIX},
        "axes: make 62,103,840,598,801 runs, the most of one sweep are 2,000,000",
    ),
    ({"axes": [1]}, "axes: needs a table from fields to lists of values, got [1]"),
    ({"axes/seed": []}, "axes.seed: has no values"),
    ({"axes/seed": 3}, "axes.seed: needs a list of values, got 3"),
    ({"axes/seed": [1, 2, 1]}, "axes.seed[2]: has the value 1 more than once"),
    ({"axes/seeds.inti": [1]}, "axes.seeds.inti: is no seed: did you mean 'seeds.init'?"),
    ({"axes/task.fractoin": [0.1]}, "axes.task.fractoin: task has no such field: did you mean 'fraction'?"),
    ({"axes/variant": {"a": 1}}, "axes.variant.a: needs a table of changes, got 1"),
    ({"axes/step": {"a": {"steps": 5}}}, "axes.step: is called like a variable of the results"),
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
        ("task.fraction=1.5", "task.fraction: `fraction` must lie strictly between 0 and 1, got 1.5"),
        ("task.operation=x/z", "task.operation: unknown operation 'x/z': did you mean 'x/y'?"),
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


# --- numbers that a machine cannot hold ---------------------------------------------------------


@pytest.mark.parametrize("hidden", [[2**31 - 1], [2**31 - 1, 2**31 - 1], [10**6, 10**6]])
def test_a_model_that_no_machine_holds(afterfit, written, tmp_path, hidden):
    code, out, err = afterfit("run", written({"model/hidden": hidden}), "--store", tmp_path / "s")
    assert (code, out) == (2, "")
    assert "afterfit: model: the parameters and the optimiser's state of one run take " in err


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("model.hidden=" + "[" * 30_000 + "]" * 30_000, "model.hidden: its value cannot be read"),
        ("steps=" + "9" * 5_000, "steps: its value cannot be read: Exceeds the limit"),
        ("task" + ".a" * 5_000 + "=1", "no field lies so deep"),
        ("model.hidden=" + "[" * 200 + "]" * 200, "model.hidden[0]: should be a valid integer, got [[[["),
    ],
)
def test_settings_without_end(afterfit, written, untrained, assignment, message):
    code, _, err = afterfit("run", written(), "--set", assignment)
    assert code == 2 and message in err and len(err) < 500


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("[task" + ".a" * 5_000 + "]\nx = 1", "task.a: unknown field of BinaryOperation"),
        ("[axes" + ".a" * 5_000 + "]\nx = 1", "axes.a.a.a: an experiment has no such field"),
        (
            "[optimiser]\nkind = 'Clipped'\n"
            + "\n".join("[" + ".".join(["optimiser"] * n) + "]\nkind = 'Clipped'" for n in range(2, 100)),
            "a part lies more than 30 parts deep in others",
        ),
        ("[x]\ny = " + "9" * 5_000, "is not TOML: Exceeds the limit"),
    ],
)
def test_recipes_without_end(afterfit, written, untrained, lines, message):
    path = written()
    path.write_text(path.read_text() + lines)
    code, _, err = afterfit("run", path)
    assert code == 2 and message in err and len(err) < 500


def test_forks_without_end(afterfit, written, untrained, tmp_path):
    for number in range(50):
        text = f'steps = 9\nfork = {{parent = "{number + 1}.toml", step = 1}}'
        (tmp_path / f"{number}.toml").write_text(text)
    code, _, err = afterfit("run", tmp_path / "0.toml")
    assert code == 2 and "'11.toml' is the parent of 10 forks of forks: too many" in err


def test_a_byte_order_mark_is_no_mistake(afterfit, written, untrained):
    path = written({"steps": 0})
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert "afterfit: steps: `steps` must be from 1" in afterfit("run", path).err
