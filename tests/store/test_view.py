import numpy as np
import pytest
import xarray as xr

from afterfit.store import open_dataset, RESULTS_VERSION, RunRecords, Store, StoreError, to_dataset, varying


def f32(values) -> np.ndarray:
    return np.asarray(values, np.float32)


def record(run, steps, outcome="done", about=None, **values) -> RunRecords:
    steps = np.asarray(steps)
    arrays = {name: np.asarray(value) for name, value in values.items()}
    return RunRecords(run, {}, steps, arrays, outcome, int(steps[-1]), about=about or {})


def test_runs_land_on_their_axes():
    runs = [
        record("r0", [0, 10], loss=f32([1, 2]), count=[5, 6]),
        record("r1", [0, 5], "diverged", loss=f32([3, 4])),
        record("r2", [0, 5, 10], loss=f32([6, 7, 8]), count=[1, 2, 3], vector=f32([[1, 2]] * 3)),
    ]
    coords = [{"rate": 0.1, "seed": 0}, {"rate": 0.2, "seed": 0}, {"rate": 0.2, "seed": 1}]
    data = to_dataset(runs, coords, {"rate": [0.1, 0.2], "seed": range(2)})
    nan = np.nan
    expected = xr.Dataset(
        {
            "loss": (
                ("rate", "seed", "step"),
                f32([[[1, nan, 2], [nan, nan, nan]], [[3, 4, nan], [6, 7, 8]]]),
            ),
            "count": (("rate", "seed", "step"), [[[5, nan, 6], [nan] * 3], [[nan] * 3, [1, 2, 3]]]),
            "vector": (("rate", "seed", "step", "vector_0"), np.full((2, 2, 3, 2), nan, np.float32)),
            "outcome": (("rate", "seed"), [["done", ""], ["diverged", "done"]]),
            "outcome_step": (("rate", "seed"), [[10, -1], [5, 10]]),
            "run": (("rate", "seed"), [["r0", ""], ["r1", "r2"]]),
        },
        {"rate": [0.1, 0.2], "seed": [0, 1], "step": ("step", [0, 5, 10], {"units": "steps"})},
    )
    expected["vector"][1, 1] = [1, 2]
    xr.testing.assert_identical(data, expected)
    assert list(data.dims) == ["rate", "seed", "step", "vector_0"]
    assert data.loss.dtype == np.float32 and data["count"].dtype == np.float64


def test_full_integers_stay_integers_and_names_are_given():
    runs = [
        record(f"r{i}", [0, 1], rank=np.full(2, i, np.int32), edges=np.ones((2, 3), bool)) for i in range(3)
    ]
    data = to_dataset(runs, [{"seed": i} for i in range(3)], {"seed": [0, 1, 2]}, dims={"edges": ["edge"]})
    assert data["rank"].dtype == np.int32 and data.edges.dtype == bool
    assert data.edges.dims == ("seed", "step", "edge")
    assert data["rank"].sel(seed=2, step=1) == 2


def test_no_axes_and_no_runs():
    data = to_dataset([record("r", [0, 3], loss=[1.0, 2.0])], [{}], {})
    assert data.loss.dims == ("step",) and data.run.item() == "r"
    empty = to_dataset([], [], {"seed": [0, 1]})
    assert empty.sizes == {"seed": 2, "step": 0} and empty.outcome.values.tolist() == ["", ""]


def test_vectors_of_different_length_are_padded():
    runs = [record("a", [0], spectrum=f32([[1, 2, 3]])), record("b", [0], spectrum=f32([[4]]))]
    data = to_dataset(runs, [{"width": 3}, {"width": 1}], {"width": [1, 3]})
    assert np.array_equal(data.spectrum[:, 0], f32([[4, np.nan, np.nan], [1, 2, 3]]), equal_nan=True)
    runs[1] = record("b", [0], spectrum=[4.0])
    with pytest.raises(StoreError, match="'spectrum' to have the same axes"):
        to_dataset(runs, [{"width": 3}, {"width": 1}], {"width": [1, 3]})


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.1, 1], [0.1, 1.0]),
        (["x+y", "x/y"], ["x+y", "x/y"]),
        ([None, 1.5], ["None", "1.5"]),
        ([{"kind": "AdamW"}, {"kind": "SGD"}], ['{"kind": "AdamW"}', '{"kind": "SGD"}']),
        ([(1, 2), (3,)], ["(1, 2)", "(3,)"]),
        (["1", 1], ["1", "1 (2)"]),
        ([np.float32(0.5), np.int64(2)], [0.5, 2.0]),
    ],
)
def test_axis_values_are_shown_by_what_they_are(values, shown):
    runs = [record(f"r{i}", [0], loss=[float(i)]) for i in range(2)]
    data = to_dataset(runs, [{"axis": value} for value in values], {"axis": values})
    assert data.axis.values.tolist() == shown
    assert data.loss[:, 0].values.tolist() == [0, 1]


def test_misplaced_runs_are_refused():
    runs = [record("a", [0], loss=[1.0]), record("b", [0], loss=[1.0])]
    with pytest.raises(StoreError, match="one run at each place"):
        to_dataset(runs, [{"seed": 0}, {"seed": 0}], {"seed": [0, 1]})
    with pytest.raises(StoreError, match="a value of the axis 'seed'"):
        to_dataset(runs, [{"seed": 0}, {"seed": 7}], {"seed": [0, 1]})


def test_runs_of_different_versions_are_told_apart():
    runs = [record(f"r{i}", [0], about={"results_version": i + 1}, loss=[1.0]) for i in range(2)]
    assert to_dataset(
        runs, [{"seed": i} for i in range(2)], {"seed": [0, 1]}
    ).results_version.values.tolist() == [1, 2]


def fill(path, recipes) -> None:
    names = [f"run{i:05d}" for i in range(len(recipes))]
    with Store(path).claim(names) as session:
        session.publish_runs(
            [
                RunRecords(name, recipe, np.arange(2), {"loss": f32([i, i])}, "done", 1)
                for i, (name, recipe) in enumerate(zip(names, recipes, strict=True))
            ]
        )


def test_a_store_opens_as_a_grid(tmp_path):
    recipes = [
        {
            "task": {"kind": kind, "sizes": [3, 4]},
            "optimiser": {"rate": rate, "decay": 2 * rate},
            "seed": seed,
        }
        for seed in (1, 0)
        for rate in (0.5, 0.1)
        for kind in ("sum", "product")
    ]
    fill(tmp_path, recipes[:-1])  # one is not there yet
    data = open_dataset(tmp_path)
    assert data.sizes == {"task.kind": 2, "optimiser.rate": 2, "seed": 2, "step": 2}
    assert data["task.kind"].values.tolist() == ["product", "sum"]
    assert data["optimiser.rate"].values.tolist() == [0.1, 0.5]
    assert data["optimiser.decay"].dims == ("optimiser.rate",)
    assert data["optimiser.decay"].values.tolist() == [0.2, 1.0]
    assert data.loss.sel({"task.kind": "product", "optimiser.rate": 0.5, "seed": 1, "step": 0}) == 1
    assert np.isnan(data.loss.sel({"task.kind": "product", "optimiser.rate": 0.1, "seed": 0})).all()
    assert data.attrs == {"title": f"runs of {tmp_path.name}"}


def test_scattered_runs_lie_along_one_axis(tmp_path):
    random = np.random.default_rng(0)
    recipes: list[dict] = [
        {"a": float(x), "b": int(n), "c": None if n % 2 else "odd"}
        for n, x in enumerate(random.normal(size=9))
    ]
    for recipe, other in zip(recipes, random.permutation(4).tolist() * 2 + [9], strict=True):
        recipe["d"] = {"e": other % 3}
    recipes += [{**recipes[0], "a": 7.0}, {**recipes[3], "b": 100}]
    fill(tmp_path, recipes)
    data = open_dataset(tmp_path)
    assert data.sizes == {"run": 11, "step": 2}
    assert data.a.dims == data["d.e"].dims == ("run",)
    assert data.a.values.tolist() == [recipe["a"] for recipe in recipes]
    assert data.c.values.tolist() == [str(recipe["c"]) for recipe in recipes]
    assert data.loss.sel(run="run00004", step=1) == 4


def test_one_run_and_none(tmp_path):
    with pytest.raises(StoreError, match="does not exist"):
        open_dataset(tmp_path / "store")
    Store(tmp_path / "store")
    with pytest.raises(StoreError, match="holds no finished run"):
        open_dataset(tmp_path / "store")
    fill(tmp_path / "store", [{"seed": 0}])
    assert open_dataset(tmp_path / "store").loss.dims == ("step",)


def test_a_thousand_runs_open(tmp_path):
    names = [f"run{i:05d}" for i in range(1000)]
    random = np.random.default_rng(0)
    runs = [
        RunRecords(
            name,
            {"task": {"modulus": i % 10}, "seed": i // 10},
            np.arange(300) if i % 7 else np.arange(0, 600, 2),
            {f"measure{j}": random.normal(size=300).astype(np.float32) for j in range(6)},
            "done",
            299,
            about={"results_version": RESULTS_VERSION},
        )
        for i, name in enumerate(names)
    ]
    with Store(tmp_path).claim(names) as session:
        session.publish_runs(runs)
    data = open_dataset(tmp_path)
    assert data.sizes == {"task.modulus": 10, "seed": 100, "step": 450}
    assert np.array_equal(
        data.measure3.sel({"task.modulus": 3, "seed": 5, "step": slice(0, 299)}), runs[53].values["measure3"]
    )


def test_some_measures_alone(tmp_path, finished):
    store = Store(tmp_path)
    with store.claim(["a", "b"], {"machine": "small"}) as session:
        session.publish_runs([finished("a", 3, snapshots={0: {"w": np.ones(3)}}), finished("b", 4)])
    whole, part = open_dataset(tmp_path), open_dataset(tmp_path, measures=["spectrum"])
    assert part.identical(whole.drop_vars("train_loss"))
    with pytest.raises(
        StoreError, match="No run of .* has the measure 'sharpness'; one has spectrum, train_"
    ):
        open_dataset(tmp_path, measures=["spectrum", "sharpness"])
    (records,) = store.load(["a"], snapshots=False, texts=False, measures=["train_loss"])
    assert (records.recipe, records.message, records.snapshots) == ({}, "", {})
    assert records.about == {"results_version": RESULTS_VERSION}
    assert records.values.keys() == {"train_loss"}


def test_fields_that_only_look_alike_are_told_apart():
    values = [1, True, 1.0, -0.0, 0.0, "1", [1], [True], None]
    recipes = [{"same": [1, 2.0], "x": value} for value in values]
    found = varying(iter([*recipes[:-1], {"same": [1, 2.0]}]))
    assert found.fields.keys() == {"x"}
    assert list(map(repr, found.fields["x"])) == list(map(repr, values))
    assert len(found.axes["x"]) == len(values)
