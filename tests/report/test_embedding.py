"""What the live page shows of one network."""

import dataclasses
import json

import numpy as np
import pytest

import afterfit as af
from afterfit.report._embedding import embedding
from afterfit.report._equations import equation_table
from afterfit.report._watch import Watch
from afterfit.store import LiveRun, RunRecords, Store


@pytest.fixture(name="trained", scope="module")
def _trained(tmp_path_factory):
    """A store with a run that keeps snapshots, and its records."""
    folder = tmp_path_factory.mktemp("inside") / "runs"
    experiment = af.Experiment(
        af.tasks.BinaryOperation("x*y", modulus=7, fraction=0.6, outliers=2),
        af.models.MLP(hidden=(12,)),
        af.AdamW(learning_rate=0.01),
        steps=60,
        record=af.Every(20),
        snapshots=af.Every(20),
    )
    af.sweep(experiment).run(folder, display=af.ensemble.silent)
    return folder, Store(folder).load(Store(folder).runs())[0]


# --- a network ---


def test_what_the_network_knows_is_what_was_recorded(trained):
    _, records = trained
    for index, step in enumerate(records.steps):
        columns = equation_table(records, int(step), "network")["columns"]
        kinds = np.array(columns["kind"])
        for part, name in (("trained", "train"), ("asked", "test")):
            right, wrong = ((kinds == f"{part}, {what}").sum() for what in ("right", "wrong"))
            recorded = records.values[f"{name}_accuracy"][index]
            assert right / (right + wrong) == pytest.approx(float(recorded), abs=1e-6)


def test_the_table_is_that_of_the_task(trained):
    _, records = trained
    told = equation_table(records, None, "answers")
    columns = told["columns"]
    off = [
        (x * y) % 7 != answer
        for x, y, answer in zip(columns["x"], columns["y"], columns["answer"], strict=True)
    ]
    assert len(off) == 49 and 1 <= sum(off) <= 2  # a donor's answer may be the right one
    assert columns["kind"].count("trained") == round(0.6 * 49)
    assert "2 answers of the training set are falsified" in told["note"]


def test_tables_with_a_row_for_each_answer_come_first(trained):
    _, records = trained
    told = embedding(records, None, "", "components")
    assert told["steps"] == [0, 20, 40, 60] and told["step"] == 60
    assert told["name"] == ".readout.weight by columns"
    assert told["columns"]["kind"].count("point") == 7
    assert told["tables"][1] == ".layers[0].weight by rows"  # the symbols as they come in
    assert not [name for name in told["tables"] if "state" in name]
    circle = embedding(records, 20, told["name"], "circle")
    frequency = int(circle["note"].split("Frequency ")[1].split(":")[0])
    line = [number for kind, number in zip(*map(circle["columns"].get, ("kind", "number"))) if kind == "line"]
    assert len(line) == 8 and line[0] == line[-1]
    assert {frequency * (after - before) % 7 for before, after in zip(line, line[1:])} in ({1}, {6})
    # Choices that were made for another run.
    assert embedding(records, 3, "", "circle")["step"] == 60
    other = embedding(records, None, "nothing by rows", "ring")
    assert (other["name"], other["method"]) == (told["name"], "circle")


def test_without_snapshots_there_is_advice_and_the_table(trained):
    _, records = trained
    bare = dataclasses.replace(records, snapshots={})
    told = embedding(bare, None, "", "circle")
    assert "keeps no snapshots" in told["note"] and "spec" not in told and told["equations"] == "x*y mod 7"
    assert equation_table(bare, None, "answers")["columns"]["x"]
    with pytest.raises(ValueError, match="keeps no snapshots"):
        equation_table(bare, None, "network")


def test_looking_runs_no_code_of_others(trained, tmp_path, monkeypatch):
    _, records = trained
    (tmp_path / "trap.py").write_text("raise SystemExit('it was imported')")
    monkeypatch.chdir(tmp_path)
    recipe = json.loads(json.dumps(records.recipe))
    recipe["task"]["kind"] = "trap.py:Task"
    told = embedding(dataclasses.replace(records, recipe=recipe), None, "", "components")
    assert told["equations"] == "" and told["spec"]  # the weights are there to see all the same


def test_a_run_on_its_way_has_its_snapshots(trained, tmp_path):
    _, records = trained
    part = LiveRun(
        records.run,
        records.recipe,
        records.steps[:2],
        {name: values[:2] for name, values in records.values.items()},
        snapshots={20: records.snapshots[20]},
    )
    with Store(tmp_path).claim([records.run]) as session:
        session.publish_segment([part], {})
        assert embedding(Watch(tmp_path).records(records.run), None, "", "t-SNE")["steps"] == [20]
    with pytest.raises(ValueError, match="no run 'x'"):
        Watch(tmp_path).records("x")


def test_records_of_a_finished_run(trained):
    folder, records = trained
    found = Watch(folder).records(records.run)
    assert isinstance(found, RunRecords) and sorted(found.snapshots) == [0, 20, 40, 60]


# --- other networks and tasks ---


def _run(folder, task, model, **fields):
    experiment = af.Experiment(task, model, steps=10, record=af.Every(10), snapshots=af.Every(10), **fields)
    af.sweep(experiment).run(folder, display=af.ensemble.silent)
    return Store(folder).load(Store(folder).runs())[0]


@pytest.fixture(name="transformer", scope="module")
def _transformer(tmp_path_factory):
    """One that divides modulo 5 with a vocabulary of 9: 4 symbols stand in no equation."""
    task = af.tasks.BinaryOperation("x/y", modulus=5, fraction=0.6, symbols=9)
    model = af.models.Transformer(layers=1, width=16, heads=2)
    return _run(tmp_path_factory.mktemp("transformer"), task, model)


def test_symbols_of_a_transformer_are_told_from_signs_and_unused_ones(transformer):
    told = embedding(transformer, None, "", "circle")
    assert told["tables"][:2] == [".unembedding by columns", ".embedding by rows"]
    angle = 2 * np.pi * 2 * np.arange(11) / 5  # frequency 2 of 5 residues
    planted = np.stack([np.cos(angle), np.sin(angle)] * 8, axis=1)
    planted[5:] = 100  # symbols without an equation, and the signs
    kept = {**transformer.snapshots[10], ".embedding": planted}
    told = embedding(
        dataclasses.replace(transformer, snapshots={10: kept}), None, ".embedding by rows", "circle"
    )
    assert told["columns"]["kind"].count("point") == 5 and "Frequency 2" in told["note"]


def test_a_circle_is_one_of_residues_alone(transformer):
    told = embedding(transformer, None, ".blocks[0].attention.key by rows", "circle")
    if told["name"].startswith(".blocks"):
        assert told["method"] == "t-SNE" and "circle" not in {one["name"] for one in told["methods"]}
    hidden = [name for name in told["tables"] if name.startswith(".blocks")]
    assert hidden
    for name in hidden[:2]:
        assert "circle" not in {one["name"] for one in embedding(transformer, None, name, "")["methods"]}


@pytest.mark.parametrize(
    "task, fields",
    [
        (af.tasks.BinaryOperation("x/y", modulus=5, fraction=0.6), {"precision": "float64"}),
        (af.tasks.PermutationOperation("x.y", degree=3, fraction=0.6), {}),
        (af.tasks.TableTask(((0, 1, 9), (1, 2, 0), (5, 6, 7)), fraction=0.6), {}),
    ],
    ids=["float64", "permutations", "table"],
)
def test_other_tables_of_equations(tmp_path, task, fields):
    records = _run(tmp_path, task, af.models.MLP(hidden=(8,)), **fields)
    columns = equation_table(records, None, "network")["columns"]
    trained = [kind for kind in columns["kind"] if kind.startswith("trained")]
    share = trained.count("trained, right") / len(trained)
    assert share == pytest.approx(float(records.values["train_accuracy"][-1]), abs=1e-6)
    answers = np.asarray(task.answers)
    told = equation_table(records, None, "answers")
    assert told["columns"]["answer"] == answers[answers >= 0].tolist()
    assert told["spec"]["encoding"]["color"]["scale"]["domain"] == [0, answers.max() + 1]


def test_weights_that_are_not_finite_have_no_picture(trained):
    _, records = trained
    broken = {path: array * np.nan for path, array in records.snapshots[60].items() if array.ndim == 2}
    mixed = dataclasses.replace(records, snapshots={**records.snapshots, 60: broken})
    told = embedding(mixed, None, "", "circle")
    assert "spec" not in told and "not finite" in told["note"] and told["steps"] == [0, 20, 40, 60]
    assert embedding(mixed, 40, "", "circle")["spec"]


@pytest.mark.parametrize(
    "changes",
    [
        {"task": {"kind": "MNIST"}},
        {"task": {"kind": "BinaryOperation", "operation": "x+y", "modulus": 3001}},
        {"task": {"kind": "BinaryOperation", "operation": "x+y", "modulus": "97"}},
        {"task": {"kind": "PermutationOperation", "degree": 10**9}},
        {"task": {"kind": "TableTask", "table": "/dev/zero"}},
        {"seeds": None},
        {"seeds": {"luck": 1}},
        {"task": None},
    ],
)
def test_recipes_that_are_not_followed(trained, monkeypatch, changes):
    """Neither a download, nor memory for a huge table, nor an error: there is no table of equations."""
    _, records = trained
    monkeypatch.setattr(
        "afterfit.tasks._files.find_file", lambda *_, **__: pytest.fail("it looked for a file")
    )
    recipe = {**records.recipe, **changes}
    told = embedding(dataclasses.replace(records, recipe=recipe), None, "", "")
    assert told["equations"] == "" and told["spec"]


def test_a_picture_is_computed_once(trained, monkeypatch):
    _, records = trained
    first = embedding(records, 0, "", "t-SNE")
    monkeypatch.setattr("afterfit.probes.projection", lambda *_: pytest.fail("it was computed before"))
    assert embedding(records, 0, "", "t-SNE")["columns"] == first["columns"]
