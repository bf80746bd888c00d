import errno
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from afterfit.store import RESULTS_VERSION, Store, StoreError


def test_load_gives_the_runs_asked_for_in_their_order(tmp_path, finished):
    runs = {name: finished(name, records) for name, records in [("a", 3), ("b", 0), ("c", 7), ("d", 2)]}
    store = Store(tmp_path)
    with store.claim(list(runs)) as session:
        session.publish_runs([runs["a"], runs["b"]])
        session.publish_runs([runs["c"], runs["d"]])
    for found, name in zip(store.load(["d", "a", "c", "b"]), "dacb", strict=True):
        assert found.run == name
        assert np.array_equal(found.values["spectrum"], runs[name].values["spectrum"])
    with pytest.raises(StoreError, match="got 'e': .* holds 4 others"):
        store.load(["a", "e"])


def test_runs_lists_without_reading_arrays(tmp_path, finished):
    with Store(tmp_path).claim(["a", "b"], {"machine": "small"}) as session:
        session.publish_runs(
            [finished("a", 3, recipe={"task": {"modulus": 97}}), finished("b", 0, "diverged")]
        )
    entries = {entry.run: entry for entry in Store(tmp_path, readonly=True).runs()}
    assert [(entries[name].outcome, entries[name].records) for name in "ab"] == [("done", 3), ("diverged", 0)]
    assert entries["a"].recipe == {"task": {"modulus": 97}}
    assert entries["a"].about == {"machine": "small", "results_version": RESULTS_VERSION}
    assert entries["a"].pack.parent == tmp_path / "packs"


def test_failed_and_outdated_runs_are_run_again_and_still_readable(tmp_path, finished):
    store = Store(tmp_path)
    names = ["done", "diverged", "stopped", "failed", "old"]
    with store.claim(names) as session:
        session.publish_runs([finished(name, outcome=name) for name in names[:4]])
        session.publish_runs([finished("old", about={"results_version": RESULTS_VERSION - 1})])
    assert store.has(names) == {"done", "diverged", "stopped"}
    status = store.status()
    assert status.counts == {"done": 1, "diverged": 1, "stopped": 1, "failed": 1}
    assert status.outdated == 1
    assert {entry.run for entry in store.runs() if not entry.current} == {"old"}
    assert store.load(["old"])[0].about["results_version"] == RESULTS_VERSION - 1
    with store.claim(["failed", "old"]) as session:
        session.publish_runs([finished("failed", 9), finished("old", 9)])
    assert store.has(names) == set(names)
    assert [len(run.steps) for run in store.load(["failed", "old"])] == [9, 9]
    assert store.status().counts == {"done": 3, "diverged": 1, "stopped": 1, "failed": 0}


def test_a_run_in_two_packs_is_one_run(tmp_path, finished):
    one, two = Store(tmp_path / "one"), Store(tmp_path / "two")
    for store, names in ((one, ["a", "b"]), (two, ["b", "c"])):
        with store.claim(names) as session:
            session.publish_runs([finished(name) for name in names])
    for path in (two.path / "packs").iterdir():
        shutil.copy(path, one.path / "packs")
    assert one.has("abc") == {"a", "b", "c"}
    assert len(one.runs()) == 3
    assert [run.run for run in one.load("cba")] == ["c", "b", "a"]


def test_a_deleted_pack_is_noticed(tmp_path, finished, only):
    store = Store(tmp_path)
    with store.claim(["a", "b"]) as session:
        session.publish_runs([finished("a")])
        first = only(tmp_path / "packs", "*")
        session.publish_runs([finished("b")])
    assert store.has("ab") == {"a", "b"}
    first.unlink()
    assert store.has("ab") == {"b"}


def test_opening_rules(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="Expected a folder, got the file"):
        Store(tmp_path / "file")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match=r"is not a store: it has no afterfit.json, but 'thesis.tex'"):
        Store(tmp_path / "work")
    for options in ({"create": False}, {"readonly": True}):
        with pytest.raises(StoreError, match="does not exist"):
            Store(tmp_path / "none", **options)
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match="not a store"):
        Store(tmp_path / "empty", readonly=True)
    (tmp_path / "empty" / ".notes").write_text("a hidden file is nobody's work")
    Store(tmp_path / "empty")
    Store(tmp_path / "deep" / "er")
    assert json.loads((tmp_path / "deep" / "er" / "afterfit.json").read_text()) == {"format": 1}
    assert [path.name for path in (tmp_path / "deep" / "er").iterdir()] == ["afterfit.json"]


def test_a_newer_store_says_both_versions(tmp_path):
    (tmp_path / "afterfit.json").write_text('{"format": 7}')
    with pytest.raises(StoreError, match="has format 7, this afterfit reads up to 1: upgrade"):
        Store(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "1"}', '{"format": null}', "\xff\xfe"])
def test_a_damaged_marker_says_how_to_mend_it(tmp_path, text):
    (tmp_path / "afterfit.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(StoreError, match=r"afterfit.json is damaged: .* put back \{\"format\": 1\}"):
        Store(tmp_path)


def test_readonly_only_looks(tmp_path, finished, monkeypatch):
    with Store(tmp_path).claim(["a"]) as session:
        session.publish_runs([finished("a")])
    # A privileged user may write anywhere, so the answer of the system is played.
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    with pytest.raises(StoreError, match="can be written to, .* readonly=True"):
        Store(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    store = Store(tmp_path, readonly=True)
    assert store.has("ab") == {"a"}
    assert store.status().counts["done"] == 1
    with pytest.raises(StoreError, match="open for writing"):
        store.claim(["b"])
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, r"No space left .* needs \d+ bytes\. Everything already stored is intact"),
        (errno.EROFS, "can be written to"),
        (errno.EIO, "Could not write .* intact"),
    ],
)
def test_an_error_while_writing_leaves_everything_as_it_was(
    tmp_path, finished, live, monkeypatch, number, message
):
    store = Store(tmp_path)

    def fail(handle):
        raise OSError(number, os.strerror(number))

    with store.claim(["a", "b"]) as session:
        session.publish_runs([finished("a")])
        session.publish_resume([live("b", 4)])
        before = sorted(tmp_path.rglob("*"))
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            with pytest.raises(StoreError, match=message):
                session.publish_runs([finished("b")])
            with pytest.raises(StoreError, match=message):
                session.publish_resume([live("b", 5)])
        assert sorted(tmp_path.rglob("*")) == before
        assert store.has("ab") == {"a"}
    with store.claim(["b"]) as session:
        assert session.resume(["b"])["b"].state["step"] == 30
        session.publish_runs([finished("b")])
    assert store.has("ab") == {"a", "b"}


def test_a_full_disk(tmp_path, finished, live):
    mounted = (
        sys.platform == "linux"
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", tmp_path],
            stderr=subprocess.DEVNULL,
            check=False,
        ).returncode
    )
    if not mounted:
        pytest.skip("making a small disk takes more rights than this user has")
    try:
        store = Store(tmp_path / "store")
        with store.claim(["a", "b"]) as session:
            session.publish_runs([finished("a")])
            session.publish_resume([live("b", 3)])
            with pytest.raises(StoreError, match="No space left .* needs 8.0 MB"):
                session.publish_resume([live("b", 4, size=10**6)])
            with pytest.raises(StoreError, match="No space left"):
                session.publish_runs([finished("b", 10**6)])
        assert not list(tmp_path.rglob("*.tmp"))
        assert Store(tmp_path / "store").load(["a"])[0].outcome == "done"
        with store.claim(["b"]) as session:
            assert session.resume(["b"])["b"].state["step"] == 20
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize("name", ["running", "packs"])
def test_nothing_is_written_through_a_link(tmp_path, finished, name):
    store, outside = Store(tmp_path / "s"), tmp_path / "outside"
    mine = [outside / ".old-000001-0123abcd-012345", outside / ".000001-0123abcd~0.tmp"]
    for path in mine:
        path.mkdir(parents=True)
    (store.path / name).symlink_to(outside)
    for act in (lambda: store.claim(["a"]), lambda: store.claim_free(["a"]), store.beacon):
        with pytest.raises(
            StoreError, match=rf"{name} is a link to {outside}, .*put that folder in the place"
        ):
            act()
    assert sorted(outside.iterdir()) == sorted(mine)
    assert Store(store.path, readonly=True).runs() == []


def test_nothing_is_swept_behind_a_link(tmp_path, live):
    store = Store(tmp_path / "s")
    with store.claim(["a"]) as session:
        session.publish_resume([live("a")])
    moved = (store.path / "running" / session.name).rename(tmp_path / "outside")
    (store.path / "running" / session.name).symlink_to(moved)
    before = sorted(moved.iterdir())
    with store.claim(["a"]) as session:
        session.publish_resume([live("a", 9)])
    assert sorted(moved.iterdir()) == before


def test_a_lock_that_is_a_link_makes_no_file(tmp_path):
    store = Store(tmp_path / "s")
    (store.path / "running").mkdir()
    (store.path / "running" / "lock").symlink_to(tmp_path / "outside")
    with pytest.raises(StoreError, match="Could not write .*lock"):
        store.claim(["a"])
    assert not (tmp_path / "outside").exists()


def test_the_store_needs_no_jax(process, tmp_path):
    # Whatever the package itself imports, the store adds no JAX.
    code = "import sys, afterfit; sys.modules.pop('jax', 0)"
    code += "; import afterfit.store; print('jax' in sys.modules)"
    assert process(code).communicate()[0] == "False\n"
