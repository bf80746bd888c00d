"""What is stored is not run again; what was interrupted goes on, bit for bit."""

import contextlib
import dataclasses
import pathlib
import random
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

import afterfit as af
from afterfit.ensemble import _pace, _publisher, Layout, silent
from afterfit.ensemble._engine import Engine
from afterfit.ensemble._interruption import uninterrupted
from afterfit.ensemble._seat import Seat
from afterfit.models import MLP
from afterfit.store import LiveRun, Store
from afterfit.tasks import BinaryOperation


SCRIPT = """
import sys
import afterfit as af
from afterfit.ensemble import _publisher, silent
from afterfit.models import MLP
from afterfit.tasks import BinaryOperation

_publisher.SHARE = 0  # a resume point whenever one is due, whatever it costs
experiment = af.Experiment(
    BinaryOperation("x*y", modulus=7, fraction=0.6),
    MLP(hidden=(24,)),
    af.AdamW(learning_rate=0.003),
    batch=8,
    snapshots=af.At((10, 2000)),
    noise=af.Noise(gradient=1e-4),
)
plan = af.sweep(experiment, {"steps": [STEPS, STEPS // 2], "seed": range(4)})
plan.run(sys.argv[1], display=silent, resume_every=0.05)
print("done", flush=True)
"""


def contents(folder: pathlib.Path) -> dict:
    """All that a store holds of each run, as bytes."""
    store = Store(folder)
    found = {}
    for records in store.load([entry.run for entry in store.runs()]):
        arrays = {"steps": records.steps, **records.values}
        for step, parameters in records.snapshots.items():
            arrays |= {f"{step}{path}": leaf for path, leaf in parameters.items()}
        found[records.run] = (
            records.outcome,
            records.outcome_step,
            {name: np.asarray(array).tobytes() for name, array in arrays.items()},
        )
    return found


def points(folder: pathlib.Path) -> set[pathlib.Path]:
    """The resume points in a store."""
    return set(folder.glob("running/*/resume*.safetensors"))


def wait_for_resume_point(process: subprocess.Popen, folder: pathlib.Path, before: set[pathlib.Path]) -> None:
    """Returns once the process has left something new to go on from, or has ended."""
    while process.poll() is None and not points(folder) - before:
        time.sleep(0.02)


def test_killed_at_random_moments_it_ends_with_the_same_bits(tmp_path):
    script = tmp_path / "sweep.py"
    script.write_text(SCRIPT.replace("STEPS", "24000"))
    command = [sys.executable, str(script)]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*command, str(whole)], check=True, capture_output=True, timeout=300)

    moments = random.Random(0)
    for _ in range(3):
        before = points(killed)
        process = subprocess.Popen(
            [*command, str(killed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for_resume_point(process, killed, before)
        time.sleep(moments.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    subprocess.run([*command, str(killed)], check=True, capture_output=True, timeout=300)
    assert contents(killed) == contents(whole)
    assert not points(killed)


BASE = af.Experiment(
    BinaryOperation("x+y", modulus=5), MLP(hidden=(8,)), af.AdamW(), steps=40, record=af.Every(10)
)


class Counting:
    """A display that remembers how many runs were trained, and may interrupt."""

    def __init__(self, interrupt_after: int | None = None):
        self.trained = 0
        self.calls = 0
        self.interrupt_after = interrupt_after

    def __call__(self, progress):
        self.trained = progress.done
        if progress.phase == "training":
            self.calls += 1
            if self.calls == self.interrupt_after:
                raise KeyboardInterrupt


def test_stored_runs_are_not_run_again(tmp_path):
    first, again, more = Counting(), Counting(), Counting()
    one = af.sweep(BASE, {"seed": [0, 1]}).run(tmp_path / "s", display=first)
    two = af.sweep(BASE, {"seed": [0, 1]}).run(tmp_path / "s", display=again)
    three = af.sweep(BASE, {"seed": [0, 1, 2], "optimiser.weight_decay": [1.0, 2.0]}).run(
        tmp_path / "s", display=more
    )
    assert (first.trained, again.trained, more.trained) == (2, 0, 4)
    assert one.identical(two)
    again_in_three = three.sel({"seed": [0, 1], "optimiser.weight_decay": 1.0}, drop=True)
    assert (again_in_three["train_loss"].values == one["train_loss"].values).all()


def test_without_a_store_a_repeated_run_is_trained_once():
    counting = Counting()
    data = af.sweep(BASE, {"again": {"a": {}, "b": {}}}).run(display=counting)
    assert counting.trained == 1
    assert (data["train_loss"].sel(again="a") == data["train_loss"].sel(again="b")).all()


@pytest.mark.parametrize("after", [1, 2])
def test_an_interruption_leaves_a_resume_point(tmp_path, after):
    plan = af.sweep(BASE, {"seed": [0, 1, 2]})
    with pytest.raises(KeyboardInterrupt):
        plan.run(tmp_path / "s", display=Counting(interrupt_after=after))
    status = Store(tmp_path / "s").status()
    finished = sum(status.counts.values())
    assert len(status.interrupted) + finished == 3
    data = plan.run(tmp_path / "s", display=silent)
    assert data.identical(plan.run(display=silent))


def test_points_taken_while_lanes_are_refilled(tmp_path, monkeypatch):
    """More runs than lanes, of unequal lengths, a resume point at every call, and an end at any of them."""
    plan = af.sweep(BASE, {"steps": [40, 7, 23], "seed": [0, 1]})
    undisturbed = plan.run(display=silent)
    monkeypatch.setattr(_publisher, "SHARE", 0)
    monkeypatch.setattr(_pace, "FIRST_STEPS", 9)
    monkeypatch.setattr(_pace, "CALL_SECONDS", 0.0)
    layout = Layout(tuple(jax.devices()[:1]), 2, side_by_side=False, legs=2)
    for after in range(1, 9):
        with contextlib.suppress(KeyboardInterrupt):
            plan.run(tmp_path / "s", display=Counting(after), resume_every=1e-9, layout=layout)
    data = plan.run(tmp_path / "s", display=silent, layout=layout)
    assert data.identical(undisturbed)


def test_one_bad_pack_does_not_keep_the_others_from_the_store(tmp_path):
    def broken(moment):
        raise RuntimeError("a probe of the user's")

    plan = af.sweep(BASE, {"probes": [(broken,), ()]})
    with pytest.raises(RuntimeError, match="a probe of the user's"):
        plan.run(tmp_path / "s", display=silent)
    assert Store(tmp_path / "s").status().counts["done"] == 1


@pytest.mark.parametrize("place", [0, 1])
def test_a_run_that_raises_in_its_lane_fails_alone(tmp_path, monkeypatch, place):
    """The failure is planted; what follows it is real."""
    plan = af.sweep(BASE, {"seed": range(4)})
    undisturbed = plan.run(display=silent)
    lane = Engine.lane

    def broken(run):
        if run.seeds.split == place:
            raise RuntimeError("a task of the user's")
        return lane(run)

    with monkeypatch.context() as patched:
        patched.setattr(Engine, "lane", staticmethod(broken))
        with pytest.raises(RuntimeError, match="a task of the user's"):
            plan.run(tmp_path / "s", display=silent)
    store = Store(tmp_path / "s")
    counts = store.status().counts
    assert (counts["done"], counts["failed"]) == (3, 1)
    (failed,) = store.load([plan.runs[place].id])
    assert failed.outcome == "failed" and "Traceback" in failed.message
    assert plan.run(tmp_path / "s", display=silent).identical(undisturbed)


def test_a_display_that_breaks_loses_no_finished_run(tmp_path):
    def broken(progress):
        if progress.done >= 2:
            raise BrokenPipeError

    plan = af.sweep(BASE, {"seed": range(4)})
    with pytest.raises(BrokenPipeError):
        plan.run(tmp_path / "s", display=broken)
    assert Store(tmp_path / "s").status().counts["done"] >= 2


def test_signals_wait_for_the_call_in_progress():
    reached = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGTERM)
        reached.append("the end of the block")
    assert reached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


SHORT = Layout(tuple(jax.devices()[:1]), 2, side_by_side=False, legs=2)
"""Calls of two records, of at most two runs."""


@pytest.fixture
def busy(monkeypatch):
    """Two runs of many short calls, each with a resume point."""
    monkeypatch.setattr(_publisher, "SHARE", 0)
    return af.sweep(dataclasses.replace(BASE, steps=400), {"seed": [0, 1]})


def train(plan, store):
    """Trains with a resume point at each call."""
    return plan.run(store, display=silent, resume_every=1e-9, layout=SHORT)


def left(plan, store) -> dict[str, LiveRun]:
    """The resume points of a sweep's runs."""
    names = [run.id for run in plan.runs]
    with Store(store).claim(names, {}) as session:
        return session.resume(names)


def assert_whole(plan, store):
    """Raises unless each run has a resume point whose state is at its last record."""
    points = left(plan, store)
    for run in plan.runs:
        assert points[run.id].state[".step"] == points[run.id].steps[-1] > 0


def fails_at(monkeypatch, owner, name, number, action):
    """Lets a method do something more after its `number`-th call."""
    method, calls = getattr(owner, name), []

    def planted(*arguments):
        calls.append(name)
        found = method(*arguments)
        if len(calls) == number:
            action()
        return found

    monkeypatch.setattr(owner, name, planted)


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_two_signals_during_a_call_lose_nothing_of_it(tmp_path, monkeypatch, busy, second):
    def both():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(second)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        fails_at(patched, Engine, "advance", 5, both)
        train(busy, tmp_path / "s")
    assert_whole(busy, tmp_path / "s")
    assert train(busy, tmp_path / "s").identical(busy.run(display=silent))


def test_what_an_error_left_half_done_is_not_published_after_a_signal(tmp_path, monkeypatch, busy):
    def broken():
        signal.raise_signal(signal.SIGINT)
        raise RuntimeError("between two seats")

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        fails_at(patched, Seat, "take", 9, broken)
        train(busy, tmp_path / "s")
    assert_whole(busy, tmp_path / "s")
    assert train(busy, tmp_path / "s").identical(busy.run(display=silent))


@pytest.mark.parametrize("torn", ["records", "state"])
def test_a_resume_point_that_cannot_be_used_is_told(tmp_path, monkeypatch, busy, torn):
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        fails_at(patched, Engine, "advance", 5, lambda: signal.raise_signal(signal.SIGINT))
        train(busy, tmp_path / "s")
    whole = left(busy, tmp_path / "s")
    name = busy.runs[0].id
    if torn == "records":
        bad = dataclasses.replace(whole[name].after(-1), steps=whole[name].steps[:0], values={})
        bad = dataclasses.replace(bad, state=whole[name].state)
    else:
        state = {path: leaf for path, leaf in whole[name].state.items() if "optimiser" not in path}
        bad = dataclasses.replace(whole[name], state=state)
    with Store(tmp_path / "s").claim([name], {}) as session:
        session.publish_resume([bad])
    with pytest.warns(UserWarning, match=f"resume point of run {name} cannot be used.* begins anew"):
        data = train(busy, tmp_path / "s")
    assert data.identical(busy.run(display=silent))


def raising(error):
    """Something to do that raises an error."""

    def broken():
        raise error

    return broken


def first_steps(monkeypatch):
    """The step that each seat that is restored goes on from, as it happens."""
    seen, restore = [], Seat.restore

    def told(seat, point):
        usable = restore(seat, point)
        seen.append(seat.step)
        return usable

    monkeypatch.setattr(Seat, "restore", told)
    return seen


def test_after_an_error_in_a_pack_its_runs_go_on_from_their_resume_points(tmp_path, monkeypatch, busy):
    with monkeypatch.context() as patched:
        fails_at(patched, Engine, "advance", 5, raising(RuntimeError("of one run, and nobody knows which")))
        steps = first_steps(patched)
        data = train(busy, tmp_path / "s")
    assert len(steps) == 2 and min(steps) > 0
    assert data.identical(busy.run(display=silent))


def test_a_run_that_fails_on_its_way_is_tried_again_from_there(tmp_path, monkeypatch, busy):
    plan = af.sweep(busy.runs[0].experiment, {"seed": [0]})
    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="planted"):
        fails_at(patched, Engine, "advance", 5, raising(RuntimeError("planted")))
        train(plan, tmp_path / "s")
    assert Store(tmp_path / "s").status().counts["failed"] == 1
    steps = first_steps(monkeypatch)
    assert train(plan, tmp_path / "s").identical(plan.run(display=silent))
    assert len(steps) == 1 and steps[0] > 0
    assert not list((tmp_path / "s").glob("running/0*"))


@pytest.mark.parametrize("code", ["INTERNAL: CUDA_ERROR_ECC_UNCORRECTABLE", "UNAVAILABLE: connection lost"])
def test_a_device_that_breaks_down_is_an_interruption(tmp_path, monkeypatch, busy, code):
    with monkeypatch.context() as patched, pytest.raises(jax.errors.JaxRuntimeError, match=code):
        fails_at(patched, Engine, "advance", 5, raising(jax.errors.JaxRuntimeError(code)))
        train(busy, tmp_path / "s")
    status = Store(tmp_path / "s").status()
    assert status.counts["failed"] == 0 and len(status.interrupted) == 2
    assert train(busy, tmp_path / "s").identical(busy.run(display=silent))


def test_a_callback_that_raises_is_no_device_that_breaks_down(tmp_path, monkeypatch, busy):
    text = (
        "INTERNAL: CpuCallback error calling callback: Traceback (most recent call last):\nLookupError: mine"
    )
    fails_at(monkeypatch, Engine, "advance", 5, raising(jax.errors.JaxRuntimeError(text)))
    plan = af.sweep(busy.runs[0].experiment, {"seed": [0]})
    with pytest.raises(jax.errors.JaxRuntimeError, match="LookupError: mine"):
        train(plan, tmp_path / "s")
    assert Store(tmp_path / "s").status().counts["failed"] == 1


def test_where_memory_runs_out_late_runs_go_on_from_their_resume_points(tmp_path, monkeypatch, busy):
    undisturbed = busy.run(display=silent)
    fails_at(monkeypatch, Engine, "advance", 5, raising(MemoryError("planted")))
    steps = first_steps(monkeypatch)
    assert train(busy, tmp_path / "s").identical(undisturbed)
    assert len(steps) == 2 and min(steps) > 0


@pytest.mark.parametrize("kind", [jax.errors.JaxRuntimeError, MemoryError])
def test_lanes_are_halved_when_memory_runs_out(monkeypatch, kind):
    """The failure is planted; what follows it is real."""
    plan = af.sweep(BASE, {"seed": range(6)})
    undisturbed = plan.run(display=silent)
    widths, advance = [], Engine.advance

    def scarce(engine, legs):
        widths.append(engine.layout.lanes)
        if engine.layout.lanes > 2:
            raise kind("RESOURCE_EXHAUSTED: planted")
        return advance(engine, legs)

    monkeypatch.setattr(Engine, "advance", scarce)
    layout = Layout(tuple(jax.devices()[:1]), 8, side_by_side=False)
    assert plan.run(display=silent, layout=layout).identical(undisturbed)
    assert widths[:3] == [8, 4, 2]
