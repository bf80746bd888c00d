"""What a reader remembers of packs: a cache, whose loss costs time and nothing else."""

import os

import pytest

from afterfit.store import _store, Store, StoreError


PACKS = 40
NAMES = [f"run{number:02d}" for number in range(PACKS)]


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("AFTERFIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "indexes"


@pytest.fixture
def path(cache, tmp_path, finished):
    """A store of enough packs to be remembered, seen once."""
    store = Store(tmp_path / "s")
    with store.claim(NAMES) as session:
        for number, name in enumerate(NAMES):
            outcome = "failed" if number == 3 else "done"
            recipe = {"seed": number, "trunk": True} if number == 5 else {"seed": number}
            session.publish_runs([finished(name, number, outcome, recipe)])
    seen(store.path)
    return store.path


@pytest.fixture
def opened(monkeypatch):
    """The packs whose headers are read from now on."""
    found, read = [], _store.Contents.read
    monkeypatch.setattr(_store.Contents, "read", lambda path: found.append(path.name) or read(path))
    return found


def seen(path) -> list[tuple]:
    entries = Store(path, readonly=True).runs(trunks=True)
    return [(one.run, one.outcome, one.records, one.trunk, one.session, one.recipe) for one in entries]


def test_a_second_reader_opens_no_pack(path, cache, opened):
    before = seen(path)
    assert len(before) == PACKS
    assert opened == []
    (index,) = cache.iterdir()
    index.unlink()
    assert seen(path) == before
    assert len(opened) == PACKS


def test_few_packs_are_not_remembered(cache, tmp_path, finished):
    with Store(tmp_path / "s").claim(["a"]) as session:
        session.publish_runs([finished("a")])
    assert Store(tmp_path / "s").has("a") == {"a"}
    assert not cache.exists()


@pytest.mark.parametrize("harm", ["cut", "flip", "foreign", "empty", "newer"])
def test_a_damaged_index_is_passed_over(path, cache, opened, harm):
    before = seen(path)
    (index,) = cache.iterdir()
    content = index.read_bytes()
    harmed = {
        "cut": content[: len(content) // 2],
        "flip": content.replace(b"run1", b"run2"),
        "foreign": b"\x93NUMPY\x00\xff" * 100,
        "empty": b"",
        "newer": content.replace(b"[1,[", b"[2,["),
    }[harm]
    index.write_bytes(harmed)
    assert seen(path) == before
    assert opened


def test_a_cache_that_cannot_be_written_is_no_obstacle(path, monkeypatch, tmp_path, opened):
    before = seen(path)
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("AFTERFIT_CACHE", str(tmp_path / "file"))
    assert seen(path) == before
    assert len(opened) == PACKS


def test_a_cache_that_has_no_place_is_no_obstacle(path, monkeypatch, opened):
    before = seen(path)

    def refuse():
        raise PermissionError("somebody else has it")

    monkeypatch.setattr("afterfit.store._index.cache_folder", refuse)
    assert seen(path) == before
    assert len(opened) == PACKS


def test_who_looks_at_the_same_time_notes_down_each_pack_once(path, cache):
    (index,) = cache.iterdir()
    index.unlink()
    readers = [Store(path, readonly=True) for _ in range(3)]
    for reader in readers:
        reader._remembered = {}  # began before there was an index
    for reader in readers:
        reader.runs()
    assert lines(index) == PACKS


def lines(index) -> int:
    return sum(1 for line in index.read_bytes().splitlines() if line)


def test_an_index_of_which_most_is_stale_is_written_anew(path, cache, opened, finished):
    (index,) = cache.iterdir()
    for pack in sorted((path / "packs").iterdir()):
        pack.unlink()
    store = Store(path)
    names = [f"new{number:02d}" for number in range(PACKS)]
    with store.claim(names) as session:
        for name in names:
            session.publish_runs([finished(name)])
    before = seen(path)
    assert (lines(index), [*cache.iterdir()]) == (PACKS, [index])
    opened.clear()
    assert seen(path) == before and not opened


def test_a_pack_that_was_changed_or_deleted_is_noticed(path):
    packs = sorted((path / "packs").iterdir())
    (first,) = (entry.run for entry in Store(path).runs(trunks=True) if entry.pack == packs[0])
    packs[0].unlink()
    assert {one[0] for one in seen(path)} == set(NAMES) - {first}
    content = packs[1].read_bytes()
    packs[1].write_bytes(bytes([content[0] ^ 1]) + content[1:])
    os.utime(packs[1], ns=(1, 1))
    with pytest.raises(StoreError, match=f"{packs[1].name} is damaged"):
        Store(path).runs()


def test_a_run_keeps_its_best_entry(path, finished):
    store = Store(path)
    with store.claim([NAMES[3]]) as session:
        session.publish_runs([finished(NAMES[3], 9)])
    for found in (store, Store(path)):
        assert {one.outcome for one in found.runs(trunks=True)} == {"done"}
        assert len(found.load([NAMES[3]])[0].steps) == 9
