"""Stores whose packs are objects, on an S3-compatible server."""

import os
import sys
import threading

import numpy as np
import pytest

from afterfit.store import _arrayfile, Store, StoreError


@pytest.fixture
def address(bucket) -> str:
    return f"{bucket}/group/runs"


@pytest.fixture
def files(bucket):
    """The bucket as fsspec sees it; the very object that stores use."""
    import s3fs

    return s3fs.S3FileSystem()


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """`machine("b")` goes on as on another machine, with a cache of its own."""

    def move(name: str) -> None:
        monkeypatch.setenv("AFTERFIT_CACHE", str(tmp_path / name))

    return move


def publish(address, *runs) -> None:
    with Store(address).claim([run.run for run in runs]) as session:
        session.publish_runs(runs)


def test_packs_are_objects_and_the_rest_stays_here(address, files, finished, live, machine):
    store = Store(address)
    session = store.claim(["a", "b"])
    session.publish_runs([finished("a", 5, snapshots={0: {"w": np.ones(3)}})])
    session.publish_resume([live("b")])
    assert store.status().sessions[0].live.keys() == {"b"}
    root = address.removeprefix("s3://")
    files.invalidate_cache()
    (pack,) = files.ls(f"{root}/packs")
    assert sorted(files.find(root)) == [f"{root}/afterfit.json", pack]
    session.close()
    with store.claim(["b"]) as session:
        assert session.resume(["b"]).keys() == {"b"}
    machine("b")
    other = Store(f"{address}/", readonly=True)
    assert (other.name, other.address, other.has("ab")) == ("runs", address, {"a"})
    (entry,) = other.runs()
    (records,) = other.load([entry])
    assert np.array_equal(records.values["spectrum"], finished("a", 5).values["spectrum"])
    assert np.array_equal(records.snapshots[0]["w"], np.ones(3))
    assert entry.pack.read_bytes() == files.cat_file(pack)


def test_what_this_machine_published_is_not_fetched(address, files, finished, monkeypatch):
    publish(address, finished("a"))
    reader = Store(address, readonly=True)
    version = reader.version()
    assert reader.has("ab") == {"a"}
    publish(address, finished("b"))
    fetched = []
    monkeypatch.setattr(files, "get_file", lambda *names: fetched.append(names))
    assert (reader.has("ab"), reader.version() == version, fetched) == ({"a", "b"}, False, [])


def test_two_machines_may_publish_the_same_runs_at_once(address, finished, machine):
    stores = {}
    for name in "ab":
        machine(name)
        stores[name] = Store(address)

    def work(store, runs):
        for run in runs:
            with store.claim([run]) as session:
                session.publish_runs([finished(run)])

    threads = [
        threading.Thread(target=work, args=(stores[name], "abcdefgh"[::step]))
        for name, step in (("a", 1), ("b", -1))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in "ab":
        assert stores[name].has("abcdefgh") == set("abcdefgh")
        assert len(stores[name].runs()) == 8


@pytest.mark.parametrize("moment", ["before it is sent", "when it is written"])
def test_a_neighbour_on_this_machine_may_send_a_pack_first(address, files, finished, monkeypatch, moment):
    store, neighbour = Store(address), Store(address)
    monkeypatch.setattr(store._shared, "_files", ahead := Ahead(files, neighbour._shared))
    with store.claim(["a"]) as session, monkeypatch.context() as meanwhile:
        if moment == "when it is written":
            write = _arrayfile.publish

            def publish(*given):
                path = write(*given)
                neighbour._shared.send()
                return path

            meanwhile.setattr(_arrayfile, "publish", publish)
        session.publish_runs([finished("a")])
    assert ahead.put == (moment == "before it is sent")
    assert len(Store(address).load(["a"])) == 1


class Ahead:
    """A file system on which a neighbour has sent a file, and moved it, when we begin to send it."""

    def __init__(self, files, neighbour):
        self.files, self.neighbour, self.put = files, neighbour, False

    def __getattr__(self, name):
        return getattr(self.files, name)

    def put_file(self, here, there):
        """As that of fsspec."""
        self.put = True
        self.neighbour.send()
        self.files.put_file(here, there)


def test_a_put_that_fails_loses_nothing(address, files, finished, live, machine, monkeypatch):
    store = Store(address)

    def fail(*names):
        raise BrokenPipeError("pipe broke")

    with monkeypatch.context() as broken:
        broken.setattr(files, "put_file", fail)
        with pytest.raises(StoreError, match="pipe broke. Check address, network .* Nothing is lost"):
            with store.claim(["a", "b"]) as session:
                session.publish_resume([live("a"), live("b")])
                session.publish_runs([finished("a")])
        assert store.has("ab") == set()
        assert store.status().interrupted.keys() == {"a", "b"}
        with pytest.raises(StoreError, match="pipe broke"):
            store.claim(["a"])
    with store.claim(["a", "b"]) as session:  # the same command again
        assert store.has("ab") == {"a"}
        assert session.resume(["b"]).keys() == {"b"}
    machine("b")
    assert Store(address).has("ab") == {"a"}


def test_a_download_that_is_cut_leaves_nothing(address, files, finished, machine, monkeypatch):
    publish(address, finished("a"))
    machine("b")

    def cut(there, here):
        with open(here, "wb") as file:
            file.write(files.cat_file(there)[:100])
        raise ConnectionResetError("cut")

    with monkeypatch.context() as broken:
        broken.setattr(files, "get_file", cut)
        reader = Store(address, readonly=True)
        with pytest.raises(StoreError, match="cut. Check"):
            reader.runs()
    assert sum(path.stat().st_size for path in reader.path.rglob("*") if path.is_file()) == 0
    assert len(reader.runs()) == 1


@pytest.mark.parametrize("harm", ["empty", "header", "records"])
def test_a_damaged_copy_is_fetched_once_more(address, files, finished, harm):
    publish(address, finished("a"))
    store = Store(address, readonly=True)
    (entry,) = store.runs()
    whole = entry.pack.read_bytes()
    place = {"header": 20, "records": -1}.get(harm)
    for reader in (store, Store(address, readonly=True)):
        harmed = bytearray(whole if place else b"")
        if place:
            harmed[place] ^= 1
        entry.pack.write_bytes(harmed)
        assert reader.has("a") == {"a"}
        (records,) = reader.load(["a"])
        assert np.array_equal(records.values["spectrum"], finished("a").values["spectrum"])
        assert entry.pack.read_bytes() == whole
    entry.pack.write_bytes(whole[:-1])
    files.rm_file(f"{address}/packs/{entry.pack.name}")
    files.pipe_file(f"{address}/packs/{entry.pack.name}", whole[:-1])
    with pytest.raises(StoreError, match=f"{address}/packs/{entry.pack.name} is damaged"):
        Store(address, readonly=True).load(["a"])


def test_what_is_fetched_is_on_the_disk_before_it_has_its_name(address, finished, machine, monkeypatch):
    publish(address, finished("a"))
    machine("b")
    acts, fsync, rename = [], os.fsync, os.rename
    monkeypatch.setattr(os, "fsync", lambda handle: acts.append("fsync") or fsync(handle))
    monkeypatch.setattr(os, "rename", lambda *names: acts.append("rename") or rename(*names))
    assert Store(address, readonly=True).has("a") == {"a"}
    assert acts == ["fsync", "rename"]


def test_a_damaged_object_is_named_and_a_deleted_one_is_trained_again(address, files, finished, machine):
    publish(address, finished("a"))
    publish(address, finished("b"))
    here = Store(address)
    assert here.has("ab") == {"a", "b"}
    entries = {entry.run: entry for entry in here.runs()}
    there = {run: f"{address}/packs/{entry.pack.name}" for run, entry in entries.items()}
    content = files.cat_file(there["a"])
    files.pipe_file(there["a"], content[:-1] + bytes([content[-1] ^ 1]))
    assert len(here.load(["a"])) == 1  # fetched, and checked, before
    machine("b")
    with pytest.raises(StoreError, match=rf"{there['a']} is damaged.*delete it"):
        Store(address).runs()
    files.rm_file(there["a"])
    assert Store(address).has("ab") == here.has("ab") == {"b"}


def test_a_beacon_is_seen_from_other_machines(address, files, machine):
    with Store(address).beacon() as beacon:
        machine("b")
        assert Store(address, create=False).lit(beacon.name)
    assert not Store(address, create=False).lit(beacon.name)
    files.invalidate_cache()
    assert files.find(address) == [f"{address.removeprefix('s3://')}/afterfit.json"]


def test_a_beacon_masks_no_error_where_the_network_fails(address, files, monkeypatch):
    store = Store(address)

    def fail(*names):
        raise ConnectionError("network is down")

    with monkeypatch.context() as broken:
        with pytest.raises(KeyboardInterrupt), store.beacon() as beacon:
            broken.setattr(files, "rm_file", fail)
            raise KeyboardInterrupt
        broken.setattr(files, "pipe_file", fail)
        with pytest.raises(StoreError, match="network is down"):
            store.beacon()
    assert store.lit(beacon.name)
    with store.beacon():  # the network is back: the next driver puts out what could not be
        names = sorted(path.name for path in (store.path / "running").iterdir())
        files.invalidate_cache()
        assert len(files.ls(f"{address}/beacons")) == 1
    assert len(names) == 2 and names[1] == "lock" and names[0] != beacon.name


def test_opening_rules(address, bucket, files):
    with pytest.raises(StoreError, match=f"Expected a store, got {address}, which does not exist"):
        Store(address, readonly=True)
    files.pipe_file(f"{address}/thesis.tex", b"x")
    with pytest.raises(StoreError, match="is not a store: it has no afterfit.json, but 'thesis.tex'"):
        Store(address)
    files.pipe_file(f"{bucket}/new/afterfit.json", b'{"format": 7}')
    with pytest.raises(StoreError, match="has format 7, this afterfit reads up to 1"):
        Store(f"{bucket}/new")
    Store(f"{bucket}/other")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("s3:/bucket/runs", "such as s3://bucket/runs, got s3:/bucket/runs"),
        ("file:///data/runs", "leave out what is before the path"),
        ("nowhere://bucket", "an address that fsspec knows, got nowhere://bucket: Protocol not known"),
        ("s3://no-such-bucket/runs", "bucket does not exist. Check address"),
    ],
)
def test_what_is_no_address_is_told(bucket, text, told):
    with pytest.raises(StoreError, match=told):
        Store(text)


def test_a_server_that_does_not_answer_is_told(bucket, monkeypatch):
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(StoreError, match=f"{bucket}/runs could not be reached, or refused: .*127.0.0.1:9"):
        Store(f"{bucket}/runs")


def test_without_fsspec_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(StoreError, match=r"pip install 'afterfit\[object-stores\]'"):
        Store("s3://bucket/runs")
