"""Folders that are no store, are busy, full, read-only or too new: a message, and nothing lost."""

import errno
import json
import os
import warnings

import pytest

from afterfit.ensemble import read_recipe
from afterfit.store import Store


def test_a_file_in_place_of_a_store(afterfit, written, untrained, tmp_path):
    file = tmp_path / "notes"
    file.write_text("mine")
    for words in (["run", written(), "--store", file], ["status", file], ["report", file]):
        code, out, err = afterfit(*words)
        assert (code, out) == (2, "")
        assert f"Expected a folder, got the file {file}" in err
    assert file.read_text() == "mine"


def test_a_folder_of_other_things(afterfit, written, untrained, tmp_path, contents):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.tex").write_text("mine")
    before = contents(folder)
    export = ["export", folder, "--to", "csv", "--output", tmp_path / "out.csv"]
    for words in (["run", written(), "--store", folder], ["status", folder], ["report", folder], export):
        code, out, err = afterfit(*words)
        assert (code, out) == (2, "")
        assert f"{folder} is not a store" in err
    assert contents(folder) == before


def test_a_folder_that_is_not_there(afterfit, tmp_path):
    for words in (["status"], ["report"], ["export", "--to", "csv"]):
        code, _, err = afterfit(words[0], tmp_path / "no", *words[1:])
        assert (code, "which does not exist" in err) == (2, True)
    assert not (tmp_path / "no").exists()


def test_an_empty_store(afterfit, tmp_path):
    Store(tmp_path / "s")
    assert afterfit("status", tmp_path / "s")[:2] == (0, "0 runs stored\n")
    for words in (["report"], ["export", "--to", "csv"]):
        code, out, err = afterfit(words[0], tmp_path / "s", *words[1:])
        assert (code, out) == (2, "")
        assert "holds no finished run yet" in err


@pytest.mark.parametrize(
    ("marker", "message"),
    [(json.dumps({"format": 99}), "has format 99, this afterfit reads up to"), ("{", "is damaged")],
)
def test_a_store_of_a_newer_version_or_a_damaged_one(
    afterfit, written, untrained, tmp_path, contents, marker, message
):
    Store(tmp_path / "s")
    (tmp_path / "s" / "afterfit.json").write_text(marker)
    before = contents(tmp_path / "s")
    for words in (["run", written(), "--store", tmp_path / "s"], ["status", tmp_path / "s"]):
        code, _, err = afterfit(*words)
        assert (code, message in err) == (2, True)
    assert contents(tmp_path / "s") == before


def test_a_store_where_another_process_trains_the_same_run(afterfit, written, untrained, tmp_path, contents):
    path = written({"axes/seed": [0, 1]})
    runs = [run.id for run in read_recipe(path).runs]
    with Store(tmp_path / "s").claim(runs[:1]):
        before = contents(tmp_path / "s" / "packs")
        code, out, err = afterfit("run", path, "--store", tmp_path / "s")
        assert (code, out) == (2, "")
        assert f"1 of these 2 run is being trained by another process (pid {os.getpid()}" in err
        assert contents(tmp_path / "s" / "packs") == before
        assert "0 running, 1 waiting" in afterfit("status", tmp_path / "s").out


def test_a_disk_that_fills_up_after_training(afterfit, written, stored, contents, monkeypatch):
    before = contents(stored / "packs")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr("os.fsync", full)
        code, _, err = afterfit("run", written(), "--set", "seed=1", "--store", stored)
    assert code == 2
    assert "No space left on the disk" in err and "Everything already stored is intact" in err
    assert contents(stored / "packs") == before
    assert afterfit("status", stored).out.startswith("1 run stored: 1 done")


def test_a_store_that_cannot_be_written_to(afterfit, written, stored, contents, monkeypatch, tmp_path):
    before = contents(stored)
    really = os.access
    monkeypatch.setattr("os.access", lambda path, mode: mode == os.R_OK and really(path, mode))
    code, _, err = afterfit("run", written(), "--set", "seed=1", "--store", stored)
    assert (code, f"Expected a folder that can be written to, got {stored}" in err) == (2, True)
    assert contents(stored) == before
    assert afterfit("status", stored).code == 0
    assert afterfit("report", stored, "--output", tmp_path / "page.html").code == 0


@pytest.mark.parametrize("command", [["report"], ["export", "--to", "csv"]])
def test_an_output_that_cannot_be_written(afterfit, stored, tmp_path, monkeypatch, command):
    before = (stored / "report.html").read_bytes()
    for output, message in ((tmp_path / "no" / "x", "there is no folder"), (tmp_path, "is a folder")):
        code, _, err = afterfit(command[0], stored, *command[1:], "--output", output)
        assert (code, message in err) == (2, True)

    def full(*arguments: object, **settings: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = stored / "report.html"
    with monkeypatch.context() as disk:
        disk.setattr("pathlib.Path.write_text", full)
        disk.setattr("pandas.DataFrame.to_csv", full)
        code, _, err = afterfit(command[0], stored, *command[1:], "--output", target)
    assert (code, f"cannot write {target}: No space left on device" in err) == (2, True)
    assert target.read_bytes() == before
    assert not list(stored.glob(".*.part"))


def test_export_of_a_run_that_is_not_there(afterfit, stored, tmp_path):
    code, out, err = afterfit("export", stored, "zzz", "--to", "csv", "--output", tmp_path / "x.csv")
    assert (code, out) == (2, "")
    assert "Which run is 'zzz'? there is none." in err
    assert not (tmp_path / "x.csv").exists()


def test_a_damaged_pack_is_reported_and_kept(afterfit, written, stored, contents):
    (pack,) = (stored / "packs").iterdir()
    pack.write_bytes(pack.read_bytes()[:-8])
    before = contents(stored / "packs")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        for words in (["status", stored], ["report", stored], ["export", stored, "--to", "csv"]):
            code, _, err = afterfit(*words)
            assert code in (0, 2)
            assert pack.name in err
    assert contents(stored / "packs") == before
