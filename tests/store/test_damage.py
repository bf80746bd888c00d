import shutil

import numpy as np
import pytest

from afterfit.store import Store, StoreError, StoreWarning


def read_all(path) -> None:
    store = Store(path, readonly=True)
    names = [entry.run for entry in store.runs()]
    assert len(names) == 4  # a header that names other runs must not pass either
    store.load(names)


def harm(path, random: np.random.Generator, how: str) -> None:
    content = bytearray(path.read_bytes())
    place = int(random.integers(len(content)))
    if how == "bit":
        content[place] ^= 1 << int(random.integers(8))
    elif how == "byte":
        content[place] = (content[place] + int(random.integers(1, 256))) % 256
    elif how == "cut":
        del content[place:]
    elif how == "longer":
        content += bytes(1 + place)
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["bit", "byte", "cut", "longer"])
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
