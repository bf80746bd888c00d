import contextlib
import json
import os
import signal
import types

import hypothesis
import numpy as np
import pytest
from faults.kill_writer import Victim
from hypothesis import strategies as st

from afterfit.store import (
    _running,
    _session,
    RESULTS_VERSION,
    Session,
    Store,
    StoreBusy,
    StoreError,
    StoreWarning,
    under_way,
)
from afterfit.store._running import Claims, next_number, session_names, SessionFolder, sweep_due


def folders(store: Store) -> list[str]:
    """The sessions' folders."""
    return sorted(path.name for path in (store.path / "running").iterdir() if path.name != "lock")


def die(session: Session) -> None:
    """What the death of the process does: the lock is let go, nothing is tidied."""
    assert session._lock is not None
    os.close(session._lock)
    session._lock = None


def test_a_clean_end_leaves_only_packs(tmp_path, finished, live):
    store = Store(tmp_path)
    with store.claim(["a", "b"]) as session:
        session.publish_segment([live("a", 1)], {"speed": 1.0})
        session.publish_resume([live("a", 2), live("b", 2)])
        session.publish_segment([live("a", 3), live("b", 3)], {"speed": 2.0})
        session.publish_runs([finished("a")])
        assert len(list((tmp_path / "running" / session.name).glob("resume-*"))) == 1
        session.publish_runs([finished("b")])
        assert not list((tmp_path / "running" / session.name).glob("resume-*"))
    assert folders(store) == []
    assert len(list((tmp_path / "packs").iterdir())) == 2
    with pytest.raises(StoreError, match="has ended"):
        session.publish_runs([finished("a")])


def test_an_interrupted_session_keeps_its_resume_point(tmp_path, finished, live):
    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt), store.claim(["a", "b", "c"]) as session:
        session.publish_resume([live("a", 2), live("b", 2)])
        session.publish_runs([finished("a")])
        session.publish_segment([live("b", 3)], {})
        raise KeyboardInterrupt
    assert list(store.status().interrupted) == ["b"]
    with store.claim(["a", "b", "c"]) as session:
        found = session.resume(["b", "c"])
        assert list(found) == ["b"]
        assert found["b"].state["model/weight"].tolist() == [[10, 10]] * 4
        assert found["b"].steps.tolist() == [0, 10]
        assert np.array_equal(found["b"].snapshots[0]["weight"], np.ones(2))
        assert store.status().interrupted == {}  # it is being trained
        session.publish_runs([finished("b"), finished("c")])
    assert folders(store) == []


def test_only_the_newest_resume_point_is_kept_but_no_run_is_lost(tmp_path, finished, live):
    store = Store(tmp_path)
    with store.claim(["a", "b"]) as session:
        points = tmp_path / "running" / session.name
        for records in (2, 3, 4):
            session.publish_resume([live("a", records), live("b", records)])
        assert len(list(points.glob("resume-*"))) == 1
        session.publish_resume([live("a", 5)])  # b is not in it
        assert len(list(points.glob("resume-*"))) == 2
        session.publish_runs([finished("a")])
        assert len(list(points.glob("resume-*"))) == 1
    with store.claim(["a", "b"]) as session:
        assert session.resume(["b"])["b"].state["step"] == 30


def test_a_dead_session_goes_only_when_all_its_runs_are_safe(tmp_path, finished, live):
    store = Store(tmp_path)
    dead = store.claim(["a", "b", "c"])
    dead.publish_resume([live(name, 4) for name in "abc"])
    die(dead)
    with store.claim(["a", "b"]) as session:
        session.resume(["a", "b"])
        session.publish_runs([finished("a")])
        assert dead.name in folders(store)
        session.publish_resume([live("b", 5)])
        assert dead.name in folders(store)  # c is nowhere else
        died_again = session.name
        die(session)
    with store.claim(["a", "b", "c"]) as session:
        found = session.resume(["b", "c"])
        assert (found["b"].state["step"], found["c"].state["step"]) == (40, 30)
        session.publish_resume([found["b"], found["c"]])
        assert folders(store) == [session.name]
    assert died_again not in folders(store) and dead.name not in folders(store)


def test_a_damaged_adoption_saves_the_original(tmp_path, live, only):
    store = Store(tmp_path)
    dead = store.claim(["a"])
    dead.publish_resume([live("a", 4)])
    kept = only(tmp_path, "resume-*")
    die(dead)
    heir = store.claim(["a"])
    content = kept.read_bytes()
    heir.publish_resume([live("a", 5)])
    path = only(tmp_path, "resume-*")
    kept.parent.mkdir()
    kept.write_bytes(content)  # as if killed before the original was deleted ...
    bad = bytearray(path.read_bytes())
    bad[-1] ^= 1
    path.write_bytes(bad)  # ... and the disk spoilt the copy
    die(heir)
    with store.claim(["a"]) as session, pytest.warns(StoreWarning):
        assert session.resume(["a"])["a"].state["step"] == 30


def test_leftovers_of_the_dead_are_swept(tmp_path, live):
    store = Store(tmp_path)
    dead = store.claim(["a"])
    dead.publish_resume([live("a")])
    living = store.claim(["b"])
    spare = [
        tmp_path / "packs" / f".{dead.name}~0.tmp",
        tmp_path / "running" / dead.name / f".{dead.name}~1.tmp",
        tmp_path / "running" / ".new-000009-00000000",
        tmp_path / "running" / ".old-000009-00000000-abcdef",
    ]
    kept = [
        tmp_path / "packs" / f".{living.name}~0.tmp",
        tmp_path / "packs" / ".notes~0.tmp",  # not ours
        tmp_path / "running" / ".old-notes",
        tmp_path / "running" / ".new-000009-plans",
    ]
    for path in [*spare[:2], *kept[:2]]:
        path.write_bytes(b"half")
    for path in [*spare[2:], *kept[2:]]:
        path.mkdir()
    die(dead)
    with store.claim(["c"]):
        assert not any(path.exists() for path in spare)
        assert all(path.exists() for path in kept)
        assert dead.name in folders(store)
    living.close()


def test_points_of_another_results_version_are_not_gone_on_from(tmp_path, live, monkeypatch):
    store = Store(tmp_path)
    with store.claim(["a"]) as session:
        monkeypatch.setattr("afterfit.store._session.RESULTS_VERSION", RESULTS_VERSION + 1)
        session.publish_resume([live("a")])
    with store.claim(["a"]) as session, pytest.warns(StoreWarning, match="another version of the results"):
        assert session.resume(["a"]) == {}


def test_only_claimed_runs_once_each(tmp_path, finished, live):
    with Store(tmp_path).claim(["a", "b"]) as session:
        with pytest.raises(StoreError, match="that this session claimed, got 'c'"):
            session.publish_runs([finished("c")])
        with pytest.raises(StoreError, match="each run once"):
            session.publish_resume([live("a"), live("a")])
        session.publish_runs([])
        assert not list((tmp_path / "packs").iterdir())


def test_a_failed_run_ends_for_its_session_alone(tmp_path, finished, live):
    store = Store(tmp_path)
    with store.claim(["a"]) as session:
        session.publish_resume([live("a", 5)])
        session.publish_segment([live("a", 5)], {})
        session.publish_runs([finished("a", outcome="failed", message="out of memory")])
        assert store.status().sessions[0].live == {}
        assert store.status().sessions[0].waiting == ()
    # It keeps its resume point, and so does an attempt made later.
    die_later = store.claim(["a"])
    assert len(die_later.resume(["a"])["a"].steps) == 5
    die_later.publish_resume([live("a", 6)])
    die(die_later)
    with store.claim(["a"]) as session:
        assert len(session.resume(["a"])["a"].steps) == 6
        session.publish_runs([finished("a")])
    assert folders(store) == []


def test_a_session_goes_on_from_its_own_points_too(tmp_path, live):
    with Store(tmp_path).claim(["a", "b"]) as session:
        assert session.resume(["a"]) == {}
        session.publish_resume([live("a", 2), live("b", 2)])
        session.publish_resume([live("a", 3)])
        found = session.resume(["a", "b"])
        assert {name: len(one.steps) for name, one in found.items()} == {"a": 3, "b": 2}


def test_status_shows_what_runs(tmp_path, finished, live):
    store = Store(tmp_path)
    dead = store.claim(["a", "z"])
    dead.publish_resume([live("a", 3), live("z", 3)])
    die(dead)
    with store.claim(["a", "b", "c", "d"], {"devices": 2}) as session:
        watcher = Store(tmp_path, readonly=True)
        session.publish_runs([finished("d")])
        session.publish_segment([live("a", 5).after(20), live("b", 2)], {"steps per second": 10.5})
        status = watcher.status()
        assert status.counts["done"] == 1
        assert list(status.interrupted) == ["z"]
        (one,) = status.sessions
        assert (one.pid, one.claimed, one.waiting) == (os.getpid(), ("a", "b", "c", "d"), ("c",))
        assert one.about == {"devices": 2} and one.progress == {"steps per second": 10.5}
        # Records of a come from the dead session and the segment together.
        assert one.live["a"].steps.tolist() == [0, 10, 20, 30, 40]
        assert np.array_equal(one.live["a"].values["train_loss"], live("a", 5).values["train_loss"])
        session.publish_resume([live("a", 6), live("b", 3)])
        session.publish_segment([live("a", 8), live("b", 3)], {"steps per second": 11})
        (segment,) = (tmp_path / "running" / session.name).glob("segment-*")
        assert segment.stat().st_size < 2500  # only what is new
        (one,) = watcher.status().sessions
        assert one.live["a"].steps.tolist() == [0, 10, 20, 30, 40, 50, 60, 70]
        assert one.live["a"].state == {} and one.live["b"].steps.tolist() == [0, 10, 20]
        assert one.progress == {"steps per second": 11}
    assert watcher.status().sessions == ()


CLAIMER = """
import sys
from afterfit.store import Store
store = Store(sys.argv[1])
with store.claim(sys.argv[2:]) as session:
    print("claimed", flush=True)
    input()
"""


def test_two_processes(tmp_path, process, finished):
    store = Store(tmp_path)
    other = process(CLAIMER, tmp_path, "a", "b")
    assert other.stdout.readline() == "claimed\n"
    with pytest.raises(
        StoreBusy,
        match=rf"2 of these 3 runs are being trained by another process \(pid {other.pid}, host .*since ",
    ):
        store.claim(["a", "b", "c"])
    with store.claim(["c", "d"]) as session:  # other runs, at the same time
        session.publish_runs([finished("c")])
        assert [one.pid for one in store.status().sessions] == [other.pid, os.getpid()]
    other.send_signal(signal.SIGKILL)
    other.wait()
    with store.claim(["a", "b", "c"]):
        assert len(store.status().sessions) == 1


RACER = """
import sys
import numpy as np
from afterfit.store import RunRecords, Store, StoreBusy
print("ready", flush=True)
input()
won = []
store = Store(sys.argv[1])
for turn in range(15):
    for name in (f"{turn}x", f"{turn}y"):
        try:
            with store.claim([name]) as session:
                if not store.has([name]):
                    run = RunRecords(name, {}, np.arange(2), {"by": np.full(2, int(sys.argv[2]))}, "done", 1)
                    session.publish_runs([run])
                    won.append(name)
        except StoreBusy:
            pass
print(*won, flush=True)
"""


def test_racing_processes_train_each_run_once(tmp_path, process):
    racers = [process(RACER, tmp_path, number) for number in range(3)]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("\n")
        racer.stdin.flush()
    won = [racer.communicate()[0].split() for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    every = sorted(name for names in won for name in names)
    assert every == sorted(f"{turn}{side}" for turn in range(15) for side in "xy")
    store = Store(tmp_path)
    for number, names in enumerate(won):
        assert all(run.values["by"][0] == number for run in store.load(names))
    assert len(list((tmp_path / "packs").iterdir())) == 30


def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path):
    victim = Victim(tmp_path)
    for _ in range(5):
        victim.kill()
    assert victim.packs and victim.last >= 0


def test_two_sessions_share_runs_without_meeting(tmp_path, finished):
    store = Store(tmp_path)
    with store.claim_free(["a", "b"]) as first:
        first.publish_runs([finished("a")])
        with store.claim_free(["a", "b", "c"]) as second:
            assert (first.runs, second.runs) == ({"a", "b"}, {"c"})
            assert store.held(["a", "b", "c", "d"]) == {"a", "b", "c"}
        with store.claim_free(["b"]) as nothing:
            assert not nothing.runs
    assert store.held(["a", "b", "c"]) == set()
    with store.claim_free(["a", "b", "c"]) as after:
        assert after.runs == {"b", "c"}
    assert folders(store) == []


def test_what_a_dead_session_held_is_free(tmp_path, live):
    store = Store(tmp_path)
    dead = store.claim_free(["a", "b"])
    dead.publish_resume([live("a", 2)])
    die(dead)
    with store.claim_free(["a", "b"]) as session:
        assert session.runs == {"a", "b"}
        assert list(session.resume(["a", "b"])) == ["a"]


def test_a_beacon_burns_until_its_driver_ends(tmp_path):
    store = Store(tmp_path)
    with store.beacon() as first, store.beacon() as second:
        assert store.lit(first.name) and store.lit(second.name)
        first.put_out()
        assert not store.lit(first.name)
    assert folders(store) == []


def test_the_beacon_of_a_dead_driver_is_removed_by_the_next(tmp_path):
    store = Store(tmp_path)
    dead = store.beacon()
    assert dead._lock is not None
    os.close(dead._lock)
    assert store.lit(dead.name)  # workers finish what they have in hand
    with store.beacon():
        assert not store.lit(dead.name)


# --- many sessions --------------------------------------------------------------------------------


def test_a_claim_leaves_out_what_was_stored_while_it_waited(tmp_path, monkeypatch, finished):
    """The other session ends after the first look and before the lock is had, so its claim is not seen."""
    other = Store(tmp_path).claim(["a"])
    store, really = Store(tmp_path), _session.locked

    def locked(path):
        monkeypatch.setattr(_session, "locked", really)
        other.publish_runs([finished("a")])
        other.close()
        return really(path)

    monkeypatch.setattr(_session, "locked", locked)
    with store.claim_free(["a", "b"]) as session:
        assert session.runs == {"b"}


def test_what_came_while_a_claim_waited_is_seen(tmp_path, monkeypatch):
    store, other, really = Store(tmp_path), [], _session.locked

    def locked(path):
        monkeypatch.setattr(_session, "locked", really)
        other.append(Store(tmp_path).claim(["a"]))
        return really(path)

    monkeypatch.setattr(_session, "locked", locked)
    with store.claim_free(["a", "b"]) as session:
        assert session.runs == {"b"}
    other[0].close()


def test_resume_points_are_found_without_their_claims(tmp_path, live):
    store = Store(tmp_path)
    session = store.claim(["a"])
    session.publish_resume([live("a", 2)])
    die(session)
    for name in ("claims.json", "held.json"):
        (tmp_path / "running" / session.name / name).write_text("{")  # as a power cut may leave it
    with store.claim(["a"]) as session:
        assert session.resume(["a"])["a"].steps.tolist() == [0, 10]


def test_the_more_sessions_there_are_the_rarer_a_claim_sweeps():
    assert all(sweep_due(number, among) for number in range(20) for among in range(8))
    assert sum(sweep_due(number, 400) for number in range(1, 1001)) == 10


def test_a_millionth_session_is_seen(tmp_path):
    store = Store(tmp_path)
    with store.claim(["x"]) as oldest:
        running = tmp_path / "running"
        (running / oldest.name).rename(running / f"999999-{oldest.name.partition('-')[2]}")
        with store.claim_free(["a"]) as first, store.claim_free(["a", "b"]) as second:
            assert (first.name[:8], second.name[:8]) == ("1000000-", "1000001-")
            assert (first.runs, second.runs) == ({"a"}, {"b"})
            assert store.held("ab") == {"a", "b"}
            with pytest.raises(StoreBusy):
                store.claim(["a"])


@hypothesis.given(number=st.integers(0, 10**9), more=st.integers(1, 10**9), kind=st.sampled_from(["s", "p"]))
def test_names_are_sorted_by_their_numbers(tmp_path_factory, number, more, kind):
    folder = tmp_path_factory.mktemp("sorted")
    pattern = "{:06d}-0123abcd" if kind == "s" else "resume-{:06d}-" + "0" * 32 + ".safetensors"
    names = [pattern.format(one) for one in (number, number + more)]
    for name in reversed(names):
        (folder / name).mkdir()
    if kind == "s":
        assert session_names(folder) == names
        assert next_number(names) == number + more + 1
    else:
        points = SessionFolder(folder).points("resume")
        assert [point.path.name for point in points] == names[::-1]


def test_resume_points_beyond_six_digits_are_kept(tmp_path, live):
    store = Store(tmp_path)
    session = store.claim(["a"])
    session._number = 999_998
    for records in (2, 3):
        session.publish_resume([live("a", records)])
    die(session)
    store.claim(["b"]).close()  # sweeps
    with store.claim(["a"]) as session:
        assert session.resume(["a"])["a"].state["step"] == 20


class Crossed(Claims):
    """Claims of which another thread, that saw no sessions, always brings its look home in between."""

    _known = property(lambda self: {}, lambda self, known: None)


def test_threads_may_look_at_claims_at_the_same_time(tmp_path):
    with Store(tmp_path).claim(["a"]) as session:
        ((folder, runs),) = Crossed(tmp_path / "running").all()
        assert (folder.name, runs) == (session.name, {"a"})


def test_an_heir_sweeps_what_it_inherited_once_a_minute(tmp_path, live, monkeypatch):
    store, now, opened, read = Store(tmp_path), [0.0], [], _running.RunFile
    monkeypatch.setattr(_session, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    for names in ("ab", "c"):
        dead = store.claim(names)
        dead.publish_resume([live(name) for name in names])
        die(dead)
    with store.claim("a") as heir:
        monkeypatch.setattr(
            _running, "RunFile", lambda path: opened.append(path.parent.name[:6]) or read(path)
        )
        for records in range(4, 14):
            heir.publish_resume([live("a", records)])
        assert opened == ["000003", "000001", "000003"]  # header, header, the whole of what may replace it
        now[0] += 61
        heir.publish_resume([live("a", 20)])
        assert len(opened) == 6
        with store.claim("b") as second:
            second.publish_resume([live("b", 9)])
            assert [name[:6] for name in folders(store)] == ["000002", "000003", "000004"]


def test_what_cannot_be_read_for_a_moment_stays(tmp_path, live, monkeypatch):
    """As on a network file system whose server is away."""
    store = Store(tmp_path)
    dead = store.claim(["a"])
    dead.publish_resume([live("a")])
    die(dead)

    def stale(path):
        raise StoreError(f"Could not read {path}: Stale file handle.")

    _running.claims_in.cache_clear()  # another process
    with monkeypatch.context() as away:
        away.setattr(_running, "RunFile", stale)
        away.setattr(_running, "read_json", lambda path: {})
        store.claim(["b"]).close()
    with store.claim(["a"]) as session:
        assert list(session.resume("a")) == ["a"]


# --- who holds what -------------------------------------------------------------------------------


def test_a_session_holds_only_what_it_got(tmp_path):
    store = Store(tmp_path)
    first = store.claim(["a"])
    with store.claim_free(["a", "b"]) as second, store.claim_free(["a"]) as third:
        assert (second.runs, third.runs) == ({"b"}, set())
        assert {one.name: one.claimed for one in store.status().sessions} == {
            first.name: ("a",),
            second.name: ("b",),
            third.name: (),
        }
        die(first)
        assert store.held("ab") == {"b"}
        with store.claim_free(["a", "b"]) as heir:
            assert heir.runs == {"a"}
        store.claim(["a"]).close()


def test_what_a_session_only_asked_for_is_not_remembered(tmp_path, monkeypatch):
    store, seen, really = Store(tmp_path), [], _session.flush

    def flush(folder):
        seen.append(Store(tmp_path).held("ab"))  # its folder is there, and it has not chosen yet
        really(folder)

    with store.claim(["a"]):
        monkeypatch.setattr(_session, "flush", flush)
        with store.claim_free(["a", "b"]):
            assert seen == [{"a", "b"}]
        assert store.held("ab") == {"a"}


@pytest.fixture
def same_number(monkeypatch):
    """Who claims sees an old list of names, as on a network file system, until it has made a name itself.

    `same_number("f", "0")` chooses the rest of their names.
    """
    really = _session.locked

    @contextlib.contextmanager
    def locked(path):
        with really(path), monkeypatch.context() as old:
            old.setattr(_session, "session_names", lambda running: [])
            old.setattr(_running, "sessions", lambda running: [])
            yield

    def choose(*letters: str) -> None:
        rest = iter(letters)
        monkeypatch.setattr(_session, "locked", locked)
        monkeypatch.setattr(_running.secrets, "token_hex", lambda size: next(rest) * 8 if size == 4 else "0")

    return choose


@pytest.mark.parametrize("letters", ["0f", "f0"])
@pytest.mark.parametrize("free", [True, False])
def test_of_two_sessions_with_one_number_the_first_holds_a_run(tmp_path, same_number, letters, free):
    same_number(*letters)
    store = Store(tmp_path)
    with store.claim_free(["a"]) as first:
        if free:
            with store.claim_free(["a", "b"]) as second:
                assert second.name[:7] == first.name[:7]
                assert (first.runs, second.runs) == ({"a"}, {"b"})
        else:
            with pytest.raises(StoreBusy, match=f"pid {os.getpid()}"):
                store.claim(["a", "b"])
            assert folders(store) == [first.name]
            assert store.held("ab") == {"a"}


@pytest.mark.parametrize("letters", ["0f", "f0"])
@pytest.mark.parametrize("free", [True, False])
def test_of_two_that_choose_at_once_one_holds_a_run(tmp_path, same_number, monkeypatch, letters, free):
    """Both are there before either of them looks: the name decides."""
    same_number(*letters)
    store, won, really = Store(tmp_path), [], _session.flush
    sessions = []

    def claim():
        try:
            sessions.append(store.claim_free(["a"]) if free else store.claim(["a"]))
            won.extend(sessions[-1].name[-1] for _ in sessions[-1].runs)
        except StoreBusy:
            pass

    def flush(folder):
        monkeypatch.setattr(_session, "flush", really)
        claim()
        really(folder)

    monkeypatch.setattr(_session, "flush", flush)
    claim()
    assert won == ["0"]
    assert store.held("a") == {"a"}
    for session in sessions:
        session.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@hypothesis.given(content=JSON | st.fixed_dictionaries({"runs": JSON, "about": JSON}))
@hypothesis.example(content={"runs": [["x"]], "about": 3})
def test_no_claims_are_an_obstacle(tmp_path_factory, content):
    store = Store(tmp_path_factory.mktemp("store"))
    session = store.claim(["a"])
    for name in ("claims.json", "held.json"):
        (store.path / "running" / session.name / name).write_text(json.dumps(content))
    (one,) = store.status().sessions
    assert all(isinstance(run, str) for run in one.claimed) and isinstance(one.about, dict)
    assert store.held(["b"]) == set(one.claimed) & {"b"}
    store.claim_free(["c"]).close()
    session.close()
    store.claim(["c"]).close()


def test_who_is_under_way_is_told_without_records(tmp_path, live):
    store = Store(tmp_path)
    dead, quiet, session = (store.claim([name]) for name in ("a", "b", "c"))
    for one, name in ((dead, "a"), (session, "c")):
        one.publish_segment([live(name)], {"active": 1})
        one.publish_segment([live(name, 4)], {"active": 2})
    die(dead)
    assert under_way(tmp_path) == [(frozenset("b"), {}), (frozenset("c"), {"active": 2})]
    quiet.close()
    session.close()
