"""Landscapes of the live page, of real spheres and of planted ones."""

import dataclasses

import numpy as np
import pytest

import afterfit as af
from afterfit.landscape import contours, spheres
from afterfit.report._landscape import landscape
from afterfit.report._scene import make_scene
from afterfit.report._watch import Watch
from afterfit.store import RunRecords, Store, StoreStatus


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
    assert len(_rows(panel, "sphere")) == 2 * 2 * 3  # a line of each training set
    free = {one.run[:8]: one for one in scene.records if one.recipe["steps"] == 30}
    paths = _rows(panel, "path")
    assert {row["run"] for row in paths} == set(free) and len(free) == 2
    for name, one in free.items():
        way = [row for row in paths if row["run"] == name and row["part"] == "test"]
        assert [row["w"] for row in way] == one.values["weight_norm"].tolist()
        assert [row["value"] for row in way] == one.values["test_loss"].tolist()
    assert {row["step"] for row in _rows(panel, "end")} == {30}
    only = landscape(scene, "accuracy", "", {"task.train": "10"})
    assert (
        "6 runs at constant norm" in only["note"]
        and "at their training minima" in only["note"]
        and "Thin lines: 1 of" in only["note"]
    )
    # A choice that was made for another store.
    other = landscape(scene, "sharpness", "depth", {})
    assert (other["measure"], other["up"]) == ("loss", "") and other["panels"]


# --- planted landscapes: a loss that is known at each norm ---


def _planted(up, scale, *, norm=None, constraint=True, series="a", records=12, loss=None, more=None):
    """A run on a sphere (or free) whose training loss has its minimum at record 8."""
    steps = np.arange(records)
    norm = scale if norm is None else norm
    valley = np.abs(steps - 8.0) / 10 + (np.log(norm) ** 2 + 0.1 if loss is None else loss)
    values = {
        "train_loss": valley,
        "test_loss": 2 * valley,
        "train_accuracy": 1 - valley / 100,
        "test_accuracy": 1 - valley / 50,
        "weight_norm": np.full(records, float(norm)),
        "sharpness": steps.astype(float),
        **(more or {}),
    }
    recipe = {
        "task": {"kind": "Planted"},
        "steps": records,
        "constraint": {"kind": "ConstantNorm", "norm": None} if constraint else None,
        "parametrisation": {"init_scale": scale},
        "up": up,
        "series": series,
    }
    name = f"{up}-{scale}-{series}-{constraint}-{norm}"
    numbers = {measure: np.asarray(column, np.float64) for measure, column in values.items()}
    return RunRecords(name, recipe, steps, numbers, "done", records)


def _scene(runs):
    states = [run.outcome for run in runs]
    status = StoreStatus({}, 0, (), {})
    return make_scene("1", status, runs, states)


def test_contours_cross_the_norms_at_which_the_function_has_their_value():
    """The planted loss is a function of the norm alone."""
    scales = np.geomspace(0.2, 5, 9)
    runs = [_planted(up, float(scale)) for up in (1, 2, 3) for scale in scales]
    panel = landscape(_scene(runs), "loss", "up", {})["panels"][0]
    lines = _rows(panel, "contour")
    assert lines
    for row in lines:
        log_values = np.log10(np.log(scales) ** 2 + 0.1)  # interpolated between logarithms
        found = np.interp(np.log(row["w"]), np.log(scales), log_values)
        assert 10**found == pytest.approx(row["value"], rel=1e-6)


def test_no_contours_where_rows_are_of_other_norms():
    partial = [_planted(4, scale) for scale in (0.3, 1.0)] + [_planted(100, scale) for scale in (1.0, 3.0)]
    wider = [_planted(up, scale, norm=scale * up) for up in (1, 5) for scale in (0.3, 1.0, 3.0)]
    for runs in (partial, wider):
        told = landscape(_scene(runs), "loss", "up", {})
        assert not _rows(told["panels"][0], "contour") and "No contours" in told["note"]
        assert len(_rows(told["panels"][0], "cell")) == len(runs)


def test_spheres_of_other_settings_are_lines_of_their_own():
    runs = [
        _planted(1, scale, norm=scale * factor, series=series)
        for scale in (0.3, 1.0)
        for series, factor in (("a", 1), ("b", 5))
    ]
    scene = _scene(runs)
    spheres = [row for row in _rows(landscape(scene, "loss", "", {})["panels"][0], "sphere")]
    assert {(row["series"], row["w"]) for row in spheres} == {
        ("series a", 0.3), ("series a", 1.0), ("series b", 1.5), ("series b", 5.0)
    }  # fmt: skip
    both = [_planted(up, scale, norm=scale * f, series=s) for up in (1, 2) for scale in (0.3, 1.0)
            for s, f in (("a", 1), ("b", 5))]  # fmt: skip
    told = landscape(_scene(both), "loss", "up", {})
    assert told["panels"] == [] and "several norms" in told["note"]
    assert landscape(_scene(both), "loss", "up", {"series": "a"})["panels"]


def test_other_measures_are_taken_at_the_training_minimum():
    (panel,) = landscape(_scene([_planted(1, scale) for scale in (0.3, 1.0)]), "sharpness", "", {})["panels"]
    assert {row["value"] for row in _rows(panel, "sphere")} == {8.0}


def test_what_has_nothing_to_draw_says_so():
    scene = _scene([_planted(up, scale) for up, scale in ((1, 0.3), (2, 0.3), (2, 1.0))])
    nobody = {"up": "1", "parametrisation.init_scale": "1"}
    for up in ("", "up"):
        told = landscape(scene, "loss", up, nobody)
        assert told["panels"] == [] and "No run of constant norm" in told["note"]
    one = _planted(1, 1.0)
    bare = {"train_weight_norm": one.values["weight_norm"], "train_loss": one.values["train_loss"]}
    told = landscape(_scene([dataclasses.replace(one, values=bare)]), "loss", "", {})
    assert told["panels"] == [] and "not recorded" in told["note"]


def test_one_way_that_diverges_leaves_the_landscape_to_be_seen():
    runs = [_planted(1, scale) for scale in (0.3, 1.0, 3.0)]
    wild = {"weight_norm": np.geomspace(1, 1e15, 12), "test_loss": np.geomspace(1, 1e30, 12)}
    runs.append(_planted(1, 1.0, constraint=False, more=wild))
    runs.append(_planted(1, 0.9, constraint=False, more={"train_loss": np.zeros(12)}))
    (panel,) = landscape(_scene(runs), "loss", "", {})["panels"]
    encoding = panel["spec"]["encoding"]
    assert encoding["y"]["scale"]["type"] == "log" and encoding["y"]["scale"]["domain"][1] < 1e4
    assert encoding["x"]["scale"]["domain"][1] < 1e4


def test_long_ways_are_thinned():
    (panel,) = landscape(_scene([_planted(1, 1.0, constraint=False, records=5000)]), "loss", "", {})["panels"]
    way = [row for row in _rows(panel, "path") if row["part"] == "test"]
    assert len(way) == 100 and way[0]["step"] == 0 and way[-1]["step"] == 4999
