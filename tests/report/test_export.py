"""Exported records are the stored ones, in every format."""

import os
from collections.abc import Callable

import numpy as np
import pandas
import pytest
import xarray

from afterfit.report import export
from afterfit.report._export import Format
from afterfit.store import RunRecords, Store


READERS: dict[Format, Callable] = {
    "csv": pandas.read_csv,
    "parquet": pandas.read_parquet,
    "netcdf": xarray.load_dataset,
}


def records(run, seed, decay, count):
    """A run with a measure of its own axes, and one named by a path."""
    random = np.random.default_rng(seed)
    names = ["train_loss", "train_accuracy", "test_loss", "test_accuracy", "weight_norm", "layer_norms/.w"]
    values = {name: random.random(count).astype(np.float32) for name in names}
    values["spectrum"] = random.random((count, 3)).astype(np.float32)
    values["table"] = random.random((count, 2, 2)).astype(np.float32)
    return RunRecords(
        run,
        {"optimiser": {"weight_decay": decay}, "seeds": {"split": seed, "init": seed}},
        np.arange(count) * 10,
        values,
        "done",
        10 * count - 10,
    )


RUNS = [
    records(f"{letter}{number}", seed, decay, 4 + number)
    for number, (letter, seed, decay) in enumerate(
        [("a", 0, 0.1), ("a", 2**32 - 1, 0.1), ("b", 0, 1.0), ("c", 2**32 - 1, 1.0)]
    )
]


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "s").claim([run.run for run in RUNS]) as session:
        session.publish_runs(RUNS)
    return tmp_path / "s"


@pytest.mark.parametrize("to", ["csv", "parquet"])
@pytest.mark.parametrize("only", [None, "b", "a1"])
def test_a_table_has_a_row_for_each_run_and_step(store, tmp_path, to, only):
    path = export(store, only, to, tmp_path / "out")
    table = READERS[to](path)
    chosen = [run for run in RUNS if only is None or run.run.startswith(only)]
    assert len(table) == sum(len(run.steps) for run in chosen)
    assert set(table["run"]) == {run.run for run in chosen}
    for run in chosen:
        rows = table[table["run"] == run.run].sort_values("step")
        assert rows["step"].tolist() == run.steps.tolist()
        assert set(rows["seed"]) == {run.recipe["seeds"]["split"]}
        assert set(rows["optimiser.weight_decay"]) == {run.recipe["optimiser"]["weight_decay"]}
        # A CSV file holds the shortest decimals that give the float32 back.
        for name in ("train_loss", "layer_norms/.w"):
            assert (rows[name].to_numpy(np.float32) == run.values[name]).all()
        assert (rows["spectrum[2]"].to_numpy(np.float32) == run.values["spectrum"][:, 2]).all()
        assert (rows["table[1,0]"].to_numpy(np.float32) == run.values["table"][:, 1, 0]).all()


@pytest.mark.parametrize("only", [None, "c"])
def test_netcdf_keeps_the_axes(store, tmp_path, only):
    data = xarray.load_dataset(export(store, only, "netcdf", tmp_path / "out.nc"))
    assert data.sizes["spectrum_0"] == 3
    for run in RUNS:
        if only is None or run.run.startswith(only):
            here = data.sel({"seed": run.recipe["seeds"]["split"]}).sel(
                {"optimiser.weight_decay": run.recipe["optimiser"]["weight_decay"]}
            )
            assert str(here["run"].item()) == run.run
            assert (here["train_loss"].sel(step=run.steps).values == run.values["train_loss"]).all()
            assert (here["layer_norms..w"].sel(step=run.steps).values == run.values["layer_norms/.w"]).all()


def test_a_single_run_without_axes(tmp_path):
    with Store(tmp_path / "s").claim(["a0"]) as session:
        session.publish_runs(RUNS[:1])
    for to, read in READERS.items():
        for only in (None, "a"):
            found = read(export(tmp_path / "s", only, to, tmp_path / f"out.{to}"))
            assert (
                np.asarray(found["train_loss"], np.float32).tolist() == RUNS[0].values["train_loss"].tolist()
            )


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ("z", "(?s)Which run is 'z'\\? there is none.\n  a0 .*\n  a1 .*\n  b2 .*\n  c3 "),
        ("a", "(?s)Which run is 'a'\\? 2 of 4 runs begin so.\n  a0 [^\n]*\n  a1 [^\n]*$"),
    ],
)
def test_which_run(store, tmp_path, only, message):
    with pytest.raises(ValueError, match=message):
        export(store, only, "csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_export_replaces_another_only_when_complete(store, tmp_path, monkeypatch):
    (tmp_path / "out.csv").write_text("older")

    def interrupted(*arguments: object, **settings: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("pandas.DataFrame.to_csv", interrupted)
        with pytest.raises(KeyboardInterrupt):
            export(store, None, "csv", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "older"
    assert sorted(os.listdir(tmp_path)) == ["out.csv", "s"]
    export(store, None, "csv", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() != "older"


def test_names_and_special_files(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(export(store, None, "parquet")) == "s.parquet"
    (tmp_path / "link.csv").symlink_to("real.csv")
    export(store, None, "csv", "link.csv")
    assert (tmp_path / "link.csv").is_symlink() and (tmp_path / "real.csv").exists()
    reading, writing = os.pipe()  # a pipe is written to, never replaced
    try:
        export(store, "b", "csv", f"/dev/fd/{writing}")
        assert os.read(reading, 64).startswith(b"optimiser.weight_decay,seed,step,")
    finally:
        os.close(reading)
        os.close(writing)
    with pytest.raises(ValueError, match="is a folder: name a file in it"):
        export(store, None, "csv", tmp_path)
