"""The commands on a store whose packs are in a bucket."""

import pathlib

import pytest

import afterfit as af


@pytest.fixture
def address(bucket) -> str:
    return f"{bucket}/runs"


def test_the_same_sweep_gives_the_same_results_in_a_folder_and_in_a_bucket(
    afterfit, written, tmp_path, address, monkeypatch, request
):
    recipe = written({"axes/seed": [0, 1, 2], "snapshots": {"kind": "At", "chosen": [0, 20]}})
    code, told, err = afterfit("run", recipe, "--store", tmp_path / "s")
    assert code == 0
    code, out, err = afterfit("run", recipe, "--store", address)
    page = pathlib.Path(out.rsplit("report: ", 1)[1].strip())
    assert (code, out.splitlines()[:-1]) == (0, told.splitlines()[:-1])
    assert f"3 runs, results in {address}" in err
    assert "seed" in page.read_text(encoding="utf-8")
    here = af.open_dataset(tmp_path / "s")
    assert here.drop_attrs().identical(af.open_dataset(address).drop_attrs())
    kept, there = (
        {one.run: one.snapshots for one in store.load(store.runs())}
        for store in (af.store.Store(tmp_path / "s"), af.store.Store(address))
    )
    for run, snapshots in kept.items():
        for step, arrays in snapshots.items():
            assert {path: array.tobytes() for path, array in arrays.items()} == {
                path: array.tobytes() for path, array in there[run][step].items()
            }
    request.getfixturevalue("untrained")
    monkeypatch.setenv("AFTERFIT_CACHE", str(tmp_path / "another machine"))
    assert afterfit("status", address).out == "3 runs stored: 3 done\n"
    assert afterfit("worker", address, recipe, "--shard", "1/2").out == "3 of 3 runs stored\n"
    assert afterfit("run", recipe, "--store", address).code == 0
    assert af.open_dataset(address).drop_attrs().identical(here.drop_attrs())
    monkeypatch.chdir(tmp_path)
    assert afterfit("export", address, "--to", "csv").out == "runs.csv\n"
    assert len((tmp_path / "runs.csv").read_text().splitlines()) > 3
    code, out, _ = afterfit("report", address, "--output", tmp_path / "page.html")
    assert (code, (tmp_path / "page.html").exists()) == (0, True)
    run = next(iter(kept))
    code, out, _ = afterfit("export", address, run[:12], "--to", "safetensors", "--output", tmp_path / "net")
    assert (code, (tmp_path / "net").exists()) == (0, True)


def test_what_is_no_address_is_bad_input(afterfit, written, bucket, untrained):
    code, _, err = afterfit("run", written(), "--store", "s3:/b/runs")
    assert (code, "such as s3://bucket/runs" in err) == (2, True)
    code, _, err = afterfit("status", f"{bucket}/none")
    assert (code, err) == (2, f"afterfit: Expected a store, got {bucket}/none, which does not exist.\n")
