"""What the live page shows of one network, of landscapes and of verdicts."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

import afterfit as af
from afterfit.landscape import contours, spheres
from afterfit.report._inside import inside, operation_table
from afterfit.report._landscape import landscape
from afterfit.report._outcomes import Outcomes
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
        columns = operation_table(records, int(step), "network")["columns"]
        kinds = np.array(columns["kind"])
        for part, name in (("trained", "train"), ("asked", "test")):
            right, wrong = ((kinds == f"{part}, {what}").sum() for what in ("right", "wrong"))
            recorded = records.values[f"{name}_accuracy"][index]
            assert right / (right + wrong) == pytest.approx(float(recorded), abs=1e-6)


def test_the_table_is_that_of_the_task(trained):
    _, records = trained
    told = operation_table(records, None, "answers")
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
    told = inside(records, None, "", "components")
    assert told["steps"] == [0, 20, 40, 60] and told["step"] == 60
    assert told["name"] == "columns of .readout.weight" and len(told["columns"]["number"]) == 7
    assert "rows of .layers[0].weight" in told["tables"]
    assert not [name for name in told["tables"] if "state" in name]
    circle = inside(records, 20, told["name"], "circle")
    frequency = int(circle["note"].split("Frequency ")[1].split(":")[0])
    place = np.array(circle["columns"]["place"])
    step = np.argsort(place)[1] - np.argsort(place)[0]
    assert frequency * step % 7 in (1, 6)
    with pytest.raises(ValueError, match="no snapshot of step 3"):
        inside(records, 3, "", "circle")
    with pytest.raises(ValueError, match="there are: columns of"):
        inside(records, None, "rows of nothing", "circle")


def test_without_snapshots_there_is_advice_and_the_table(trained):
    _, records = trained
    bare = dataclasses.replace(records, snapshots={})
    told = inside(bare, None, "", "circle")
    assert "keeps no snapshots" in told["note"] and "spec" not in told and told["table"] == "x*y mod 7"
    assert operation_table(bare, None, "answers")["columns"]["x"]
    with pytest.raises(ValueError, match="keeps no snapshots"):
        operation_table(bare, None, "network")


def test_looking_runs_no_code_of_others(trained, tmp_path, monkeypatch):
    _, records = trained
    (tmp_path / "trap.py").write_text("raise SystemExit('it was imported')")
    monkeypatch.chdir(tmp_path)
    recipe = json.loads(json.dumps(records.recipe))
    recipe["task"]["kind"] = "trap.py:Task"
    told = inside(dataclasses.replace(records, recipe=recipe), None, "", "components")
    assert told["table"] == "" and told["spec"]  # the weights are there to see all the same


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
        assert inside(Watch(tmp_path).records(records.run), None, "", "t-SNE")["steps"] == [20]
    with pytest.raises(ValueError, match="no run 'x'"):
        Watch(tmp_path).records("x")


# --- landscapes ---

ALPHA = [0.3, 1.0, 3.0]


@pytest.fixture(name="mapped", scope="module")
def _mapped(tmp_path_factory):
    """A store of spheres over two training sets, and of two runs whose norm is free."""
    folder = tmp_path_factory.mktemp("landscape") / "runs"
    experiment = af.Experiment(
        af.tasks.TeacherStudent(inputs=3, hidden=(4,), outputs=2, train=10, test=10, pool=40),
        af.models.MLP(hidden=(6,)),
        af.AdamW(learning_rate=0.01),
        steps=40,
    )
    spheres(experiment, ALPHA, {"task.train": [10, 20], "seed": [0, 1]}).run(
        folder, display=af.ensemble.silent
    )
    free = dataclasses.replace(experiment, steps=30)
    af.sweep(free, {"task.train": [10, 20]}).run(folder, display=af.ensemble.silent)
    return folder


def _rows(panel, kind):
    columns = panel["columns"]
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return [row for row in rows if row["kind"] == kind]


def _least(folder, size, alpha):
    """The records at the training minima of two seeds on one sphere: one row each, train and test loss."""
    found = []
    for one in Store(folder).load(Store(folder).runs()):
        recipe = one.recipe
        if recipe["constraint"] and recipe["task"]["train"] == size:
            if recipe["parametrisation"]["init_scale"] == alpha:
                at = int(np.argmin(one.values["train_loss"]))
                found.append([one.values[f"{part}_loss"][at] for part in ("train", "test")])
    assert len(found) == 2
    return np.array(found)


def test_cells_are_medians_at_training_minima(mapped):
    told = landscape(Watch(mapped).look(), "loss", "task.train", {})
    assert [panel["heading"] for panel in told["panels"]] == ["train", "test"]
    for part, panel in enumerate(told["panels"]):
        cells = _rows(panel, "cell")
        assert len(cells) == 6
        for index, cell in enumerate(cells):
            size, alpha = cell["up"], ALPHA[index % 3]  # by rising norm
            expected = np.median(_least(mapped, size, alpha)[:, part])
            assert cell["value"] == pytest.approx(float(expected), rel=1e-6)
            assert cell["left"] < cell["w"] < cell["right"] and cell["low"] < size < cell["high"]


def test_contours_are_those_of_the_map(mapped):
    panel = landscape(Watch(mapped).look(), "loss", "task.train", {})["panels"][1]
    cells = _rows(panel, "cell")
    table = np.log10([cell["value"] for cell in cells]).reshape(2, 3)
    norms = np.median(np.array([cell["w"] for cell in cells]).reshape(2, 3), axis=0)
    drawn = _rows(panel, "contour")
    assert drawn
    for value in {row["value"] for row in drawn}:
        lines = contours(norms, np.array([10.0, 20.0]), table, np.log10(value), log_x=True, log_y=True)
        shown = np.array([(row["w"], row["up"]) for row in drawn if row["value"] == value])
        np.testing.assert_allclose(shown, np.concatenate(lines), rtol=1e-6)


def test_ways_are_those_of_runs_whose_norm_is_free(mapped):
    scene = Watch(mapped).look()
    (panel,) = landscape(scene, "loss", "", {})["panels"]
    assert len(_rows(panel, "sphere")) == 2 * 3  # both training sets together
    free = {one.run[:8]: one for one in scene.records if one.recipe["steps"] == 30}
    paths = _rows(panel, "path")
    assert {row["run"] for row in paths} == set(free) and len(free) == 2
    for name, one in free.items():
        way = [row for row in paths if row["run"] == name and row["part"] == "test"]
        assert [row["w"] for row in way] == one.values["weight_norm"].tolist()
        assert [row["value"] for row in way] == one.values["test_loss"].tolist()
    assert {row["step"] for row in _rows(panel, "end")} == {30}
    only = landscape(scene, "accuracy", "", {"task.train": "10"})
    assert "6 runs at constant norm" in only["note"] and "Thin lines: 1 of" in only["note"]
    with pytest.raises(ValueError, match="no axis 'depth'"):
        landscape(scene, "loss", "depth", {})


# --- verdicts ---

ROW = {
    "figure": "fig1",
    "claim": "It groks.",
    "source": "Figure 1",
    "paper": "1000",
    "value": 3.25,
    "interval": [3.0, None],
    "verdict": "holds",
    "seeds": 3,
    "runs": 9,
    "note": "",
}


def outcome(folder, rows):
    """Writes the outcome of a study as `reproduce` does."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "provenance.json").write_text(
        json.dumps({"study": folder.parent.name, "scale": folder.name, "figures": {"fig1": {}}})
    )
    (folder / "verdicts.json").write_text(json.dumps(rows))


def test_verdicts_of_a_folder_of_outcomes(tmp_path):
    outcomes = Outcomes(tmp_path / "results")
    assert outcomes.read() == {"outcomes": []}
    empty = outcomes.version()
    outcome(tmp_path / "results" / "power2022" / "smoke", [ROW, {**ROW, "verdict": "fails", "value": None}])
    (told,) = outcomes.read()["outcomes"]
    assert (told["study"], told["scale"]) == ("power2022", "smoke")
    assert told["counts"] == {"holds": 1, "fails": 1, "undecided": 0}
    assert [row["here"] for row in told["rows"]] == ["3.25 [3, open]", "– [3, open]"]
    first = outcomes.version()
    assert first != empty and first == Outcomes(tmp_path / "results").version()
    (tmp_path / "results" / "power2022" / "smoke" / "verdicts.json").write_text("[")
    (told,) = outcomes.read()["outcomes"]
    assert "is damaged" in told["problem"] and outcomes.version() != first
    shutil.rmtree(tmp_path / "results")
    assert outcomes.version() == empty


def test_a_single_outcome_is_a_folder_too(tmp_path):
    outcome(tmp_path / "power2022" / "smoke", [ROW])
    (told,) = Outcomes(tmp_path / "power2022" / "smoke").read()["outcomes"]
    assert told["rows"][0]["claim"] == "It groks."


def test_a_new_verdict_is_news(tmp_path):
    Store(tmp_path / "runs")
    watch = Watch(tmp_path / "runs", tmp_path / "results")
    before = watch.version()
    outcome(tmp_path / "results" / "power2022" / "smoke", [ROW])
    assert watch.version() != before


def test_records_of_a_finished_run(trained):
    folder, records = trained
    found = Watch(folder).records(records.run)
    assert isinstance(found, RunRecords) and sorted(found.snapshots) == [0, 20, 40, 60]
