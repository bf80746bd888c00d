"""A clock that is set back: what came first is known by numbers, never by times."""

import datetime
import os

import pytest

from afterfit.store import Store


class Future(datetime.datetime):
    """The clock before it is set back."""

    @classmethod
    def now(cls, tz=None):
        """A time long from now."""
        return cls(2100, 1, 1, tzinfo=tz)


@pytest.fixture
def from_the_future(tmp_path, finished, live, monkeypatch):
    """A store whose last process lived, and died, in 2100."""
    with monkeypatch.context() as clock:
        clock.setattr("afterfit.store._running.datetime", Future)
        session = Store(tmp_path).claim(["a", "b"])
        session.publish_runs([finished("a")])
        session.publish_resume([live("b", 4)])
    assert session._lock is not None
    os.close(session._lock)
    session._lock = None
    (tmp_path / "packs" / f".{session.name}~0.tmp").write_bytes(b"half")
    for path in [tmp_path, *tmp_path.rglob("*")]:
        os.utime(path, (4102444800, 4102444800))
    return session.name


def test_a_store_from_the_future_is_gone_on_with(tmp_path, finished, live, from_the_future):
    store = Store(tmp_path)
    assert store.has("ab") == {"a"} and list(store.status().interrupted) == ["b"]
    with store.claim(["b", "c"]) as session:
        assert session.name > from_the_future
        assert session.resume("b")["b"].state["step"] == 30
        assert not list(tmp_path.rglob("*.tmp"))
        session.publish_resume([live("b", 6)])
        assert not (tmp_path / "running" / from_the_future).exists()
        (one,) = store.status().sessions
        assert one.since < "2100" and one.live["b"].steps[-1] == 50
        session.publish_runs([finished("b")])
    assert store.has("ab") == {"a", "b"}
    assert [run.run for run in store.load("ab")] == ["a", "b"]
