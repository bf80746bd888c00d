import os
import shutil

import numpy as np
import pytest
import safetensors.numpy
from faults.damage_packs import harm, HARMS

from afterfit.store import _arrayfile, Store, StoreError, StoreWarning
from afterfit.store._runfile import write_runs


def read_all(path) -> None:
    store = Store(path, readonly=True)
    names = [entry.run for entry in store.runs()]
    assert len(names) == 4  # a header that names other runs must not pass either
    store.load(names)


@pytest.mark.parametrize("how", HARMS)
def test_every_harm_to_a_pack_is_noticed(tmp_path, finished, only, how):
    with Store(tmp_path / "good").claim(["a", "b", "c", "d"]) as session:
        session.publish_runs([finished(name, 6, snapshots={0: {"w": np.ones(3)}}) for name in "abcd"])
    pack = only(tmp_path, "*.safetensors")
    read_all(tmp_path / "good")
    random = np.random.default_rng(0)
    for attempt in range(60):
        bad = tmp_path / f"bad{attempt}"
        shutil.copytree(tmp_path / "good", bad)
        harm(bad / "packs" / pack.name, random, how)
        with pytest.raises(StoreError, match=rf"{pack.name} is damaged.*delete it"):
            read_all(bad)


def test_each_byte_of_a_header_is_guarded(tmp_path, finished, only):
    with Store(tmp_path).claim(["a", "b", "c", "d"]) as session:
        session.publish_runs([finished(name, 1) for name in "abcd"])
    pack = only(tmp_path, "*.safetensors")
    content = pack.read_bytes()
    for place in range(0, 8 + int.from_bytes(content[:8], "little"), 7):
        pack.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with pytest.raises(StoreError, match="is damaged"):
            read_all(tmp_path)
    pack.write_bytes(content)
    read_all(tmp_path)


def test_damage_after_a_first_look_is_noticed(tmp_path, finished, only):
    store = Store(tmp_path)
    with store.claim(["a"]) as session:
        session.publish_runs([finished("a")])
    pack = only(tmp_path, "*.safetensors")
    store.load(["a"])
    content = bytearray(pack.read_bytes())
    content[-1] ^= 1
    pack.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged"):
        store.load(["a"])


def test_only_so_many_intact_files_are_remembered(tmp_path, live, monkeypatch):
    monkeypatch.setattr(_arrayfile, "KEPT", 4)
    monkeypatch.setattr(_arrayfile, "_intact", {})
    store = Store(tmp_path)
    with store.claim(["a"]) as session:
        for _ in range(10):
            session.publish_segment([live("a")], {})
            assert store.status().sessions[0].live.keys() == {"a"}
    assert len(_arrayfile._intact) == 4


def test_deleting_a_damaged_pack_makes_its_runs_wanted_again(tmp_path, finished, only):
    store = Store(tmp_path)
    with store.claim(["a", "b"]) as session:
        session.publish_runs([finished("a")])
        bad = only(tmp_path, "*.safetensors")
        session.publish_runs([finished("b")])
    bad.write_bytes(b"")
    with pytest.raises(StoreError, match="delete it"):
        Store(tmp_path).has("ab")
    bad.unlink()
    assert Store(tmp_path).has("ab") == {"b"}


@pytest.mark.parametrize("how", ["bit", "cut"])
def test_a_damaged_resume_point_falls_back_with_a_warning(tmp_path, live, only, how):
    store = Store(tmp_path)
    session = store.claim(["a"])
    session.publish_resume([live("a", 3)])
    older = only(tmp_path, "resume-*")
    shutil.copy(older, tmp_path / "kept")
    session.publish_resume([live("a", 5)])
    newer = only(tmp_path, "resume-*")
    session.close()
    shutil.move(tmp_path / "kept", older)  # as if killed before the older one was deleted
    random = np.random.default_rng(1)
    content = newer.read_bytes()
    for _ in range(20):
        newer.write_bytes(content)
        harm(newer, random, how)
        with (
            store.claim(["a"]) as session,
            pytest.warns(StoreWarning, match="Going on from an earlier point"),
        ):
            assert session.resume(["a"])["a"].state["step"] == 20
    older.unlink()
    with store.claim(["a"]) as session, pytest.warns(StoreWarning):
        assert session.resume(["a"]) == {}
    with pytest.warns(StoreWarning, match="is damaged"):
        assert store.status().interrupted == {}


@pytest.fixture
def foreign(tmp_path, finished, live, only):
    """A store of one run, and a function that puts a file of a kind beside its pack, under a name."""
    with Store(tmp_path / "s").claim(["a", "b"]) as session:
        session.publish_runs([finished("a")])
        pack = only(tmp_path, "packs/*")
        session.publish_resume([live("b")])
        shutil.copy(only(tmp_path, "resume-*"), tmp_path / "point")

    def place(kind: str, name: str):
        path = pack.with_name(name)
        if kind == "another program's":
            safetensors.numpy.save_file({"weight": np.ones(3)}, path, {"made by": "somebody"})
        elif kind == "of a newer format":
            write_newer(path)
        elif kind == "a pipe":
            os.mkfifo(path)
        elif kind == "a folder":
            path.mkdir()
        elif kind == "a copy":
            shutil.copy(pack, path)
        elif kind == "renamed":
            pack.rename(path)
        else:
            shutil.copy(tmp_path / "point", path)
        return path

    return place


def write_newer(path) -> None:
    with pytest.MonkeyPatch.context() as later:
        later.setattr("afterfit.store._arrayfile.FORMAT", 99)
        written = write_runs(path.parent, "{digest}.safetensors", [], [], {}, "")
    written.rename(path)


def test_a_pipe_in_the_place_of_the_marker(tmp_path):
    os.mkfifo(tmp_path / "afterfit.json")
    with pytest.raises(StoreError, match="afterfit.json is no plain file"):
        Store(tmp_path, create=False, readonly=True)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("another program's", "is damaged, or no file of afterfit.* Move it elsewhere"),
        ("of a newer format", "has format 99, this afterfit reads up to .*: upgrade"),
        ("a pipe", "is no plain file.* move it elsewhere"),  # who opens it waits for ever
        ("a folder", "is no plain file.* move it elsewhere"),
        ("a resume point", "holds runs on their way.* move it out of"),
        ("a copy", r"is damaged: .*a new name.* delete it"),
        ("renamed", r"is damaged: .*a new name.* delete it"),
    ],
)
def test_files_that_somebody_has_put_among_the_packs(tmp_path, foreign, kind, message):
    path = foreign(kind, f"{0:032x}.safetensors")  # the first that is looked at
    with pytest.raises(StoreError, match=f"{path.name} {message}"):
        Store(tmp_path / "s").load(["a"])
    assert path.exists()


def test_a_pack_with_a_name_that_is_none_is_passed_over_with_a_warning(tmp_path, foreign):
    path = foreign("a copy", "results (1).safetensors")
    store = Store(tmp_path / "s")
    with pytest.warns(
        StoreWarning, match=r"results \(1\).safetensors is passed over.* give it back its name"
    ):
        assert store.has(["a"]) == {"a"}
    assert store.has(["a"]) == {"a"}  # it says so once
    assert path.exists()
