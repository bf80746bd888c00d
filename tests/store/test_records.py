from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from afterfit.store import LiveRun, RESULTS_VERSION, RunRecords, Store


# Dtypes are written with the machine's byte order on reading, so the other order is asked for too.
dtypes = st.sampled_from(
    ["bool", "uint8", "int32", ">i4", "int64", "uint32", "float16", "float32", ">f8", "c8"]
)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
names = st.text("abc/._", min_size=1, max_size=6)


@st.composite
def arrays(draw, lead: tuple[int, ...] = ()):
    shape = lead + draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    return draw(hnp.arrays(draw(dtypes), shape))


trees = st.dictionaries(names, arrays(), max_size=3)


@st.composite
def histories(draw):
    steps = np.array(sorted(draw(st.sets(st.integers(0, 10**6), max_size=4))), np.int64)
    values = {name: draw(arrays((len(steps),))) for name in draw(st.sets(names, max_size=3))}
    return steps, values, draw(st.dictionaries(st.integers(0, 10**6), trees, max_size=2))


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(
        x.dtype.name == y.dtype.name
        and x.shape == y.shape
        and np.array_equal(x, y, equal_nan=x.dtype.kind in "fc")
        for x, y in ((np.asarray(a[name]), np.asarray(b[name])) for name in a)
    )


def same_history(a, b) -> bool:
    return (
        np.array_equal(a.steps, b.steps)
        and same(a.values, b.values)
        and a.snapshots.keys() == b.snapshots.keys()
        and all(same(a.snapshots[step], b.snapshots[step]) for step in a.snapshots)
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(histories(), st.dictionaries(st.text(max_size=5), plain, max_size=3)), max_size=4))
def test_runs_come_back_as_they_were(tmp_path_factory, drawn):
    path = tmp_path_factory.mktemp("store")
    runs = [
        RunRecords(f"run{i}", recipe, steps, values, "stopped", i, "said enough", snapshots, {"host": "here"})
        for i, ((steps, values, snapshots), recipe) in enumerate(drawn)
    ]
    with Store(path).claim([run.run for run in runs]) as session:
        session.publish_runs(runs)
    back = Store(path).load([run.run for run in runs])
    for before, after in zip(runs, back, strict=True):
        assert same_history(before, after)
        assert after.recipe == before.recipe
        assert (after.outcome, after.outcome_step, after.message) == (
            "stopped",
            before.outcome_step,
            "said enough",
        )
        assert after.about == {"host": "here", "results_version": RESULTS_VERSION}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(histories(), trees), min_size=1, max_size=3))
def test_live_runs_come_back_as_they_were(tmp_path_factory, drawn):
    store = Store(tmp_path_factory.mktemp("store"))
    runs = [
        LiveRun(f"run{i}", {"seed": i}, steps, values, state, snapshots)
        for i, ((steps, values, snapshots), state) in enumerate(drawn)
    ]
    with store.claim([run.run for run in runs]) as session:
        session.publish_resume(runs)
    with store.claim([run.run for run in runs]) as session:
        back = session.resume(run.run for run in runs)
    for run in runs:
        assert same_history(run, back[run.run])
        assert same(run.state, back[run.run].state)


def test_bfloat16_survives(tmp_path, live):
    weight = np.arange(6).astype(ml_dtypes.bfloat16).reshape(2, 3)
    run = LiveRun("a", {}, np.zeros(0, np.int64), {}, {"weight": weight, "scale": weight[0, 1]})
    with Store(tmp_path).claim(["a"]) as session:
        session.publish_resume([run])
    with Store(tmp_path).claim(["a"]) as session:
        state = session.resume(["a"])["a"].state
    assert state["weight"].dtype == ml_dtypes.bfloat16 and np.array_equal(state["weight"], weight)
    assert state["scale"].shape == () and state["scale"] == weight[0, 1]


def test_a_pack_is_an_ordinary_safetensors_file(tmp_path, finished, only):
    runs = [finished("a", 4), finished("b", 2)]
    with Store(tmp_path).claim(["a", "b"]) as session:
        session.publish_runs(runs)
    tensors = safetensors.numpy.load_file(only(tmp_path / "packs", "*"))
    loss = tensors["records/0/values/train_loss"]
    assert np.array_equal(loss, np.concatenate([run.values["train_loss"] for run in runs]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": np.array([0, 5, 5])}, "strictly increasing"),
        ({"steps": np.array([0, 1])}, "one row for each of the 2 recorded steps"),
        ({"outcome": "finished"}, "must be one of done, diverged, stopped, failed, got 'finished'"),
        ({"run": ""}, "identity"),
    ],
)
def test_records_that_do_not_fit_are_refused(change, message):
    good: dict[str, Any] = {
        "run": "a",
        "recipe": {},
        "steps": np.arange(3),
        "values": {"loss": np.zeros(3)},
        "outcome": "done",
        "outcome_step": 2,
    }
    with pytest.raises(ValueError, match=message):
        RunRecords(**{**good, **change})


@pytest.mark.parametrize(
    ("recipe", "values", "message"),
    [
        ({"task": object()}, {}, "recipe of run a to be plain data"),
        ({}, {"names": np.array(["x"])}, "numbers the store can keep"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_nothing_is_left(tmp_path, recipe, values, message):
    store = Store(tmp_path)
    with store.claim(["a"]) as session:
        with pytest.raises(ValueError, match=message):
            session.publish_runs([RunRecords("a", recipe, np.zeros(1, np.int64), values, "done", 0)])
        assert not list((tmp_path / "packs").iterdir())
