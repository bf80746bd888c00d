"""Every record reaches a tracker once, also where training is interrupted and goes on."""

import re
import sys
import types
import typing

import numpy as np
import pytest

import afterfit as af
from afterfit import tasks
from afterfit.ensemble import _pace, silent
from afterfit.models import MLP
from afterfit.report import TensorBoard, WeightsAndBiases
from afterfit.store import LiveRun, RunRecords, Store


EXPERIMENT = af.Experiment(
    tasks.BinaryOperation("x+y", modulus=5),
    MLP(hidden=(8,)),
    steps=600,
    record=af.Every(20),
    probes=(af.probes.layer_norms,),
)
PLAN = af.sweep(EXPERIMENT, {"steps": [300, 600], "seed": [0, 1]})


class Notebook:
    """A watcher that keeps what it is told."""

    def __init__(self):
        self.steps: dict[str, list[int]] = {}
        self.losses: dict[str, list[float]] = {}
        self.ends: list[RunRecords] = []

    def __call__(self, records: LiveRun | RunRecords) -> None:
        self.steps.setdefault(records.run, []).extend(records.steps.tolist())
        self.losses.setdefault(records.run, []).extend(records.values["train_loss"].tolist())
        if isinstance(records, RunRecords):
            self.ends.append(records)


def interrupt(progress: typing.Any) -> None:
    """A display that interrupts training after its first round, as Ctrl-C does."""
    if progress.phase == "training":
        raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def _first_round(monkeypatch):
    """The first round of training brings several records, and ends no run."""
    monkeypatch.setattr(_pace, "FIRST_STEPS", 110)


def interrupted(store, watch) -> None:
    """Trains a part of the plan, and leaves a resume point."""
    with pytest.raises(KeyboardInterrupt):
        PLAN.run(store, display=interrupt, watch=watch)


def stored(folder) -> dict[str, RunRecords]:
    store = Store(folder)
    return {records.run: records for records in store.load(store.runs())}


@pytest.mark.parametrize("kept", [False, True])
def test_a_watcher_is_told_each_record_once(kept, tmp_path):
    told = Notebook()
    data = PLAN.run(tmp_path / "s" if kept else None, display=silent, watch=told)
    for run in PLAN.runs:
        assert told.steps[run.id] == run.record_steps
    assert sorted(end.run for end in told.ends) == sorted(run.id for run in PLAN.runs)
    losses = [value for run in PLAN.runs for value in told.losses[run.id]]
    assert losses == data["train_loss"].values[~np.isnan(data["train_loss"].values)].tolist()
    if kept:  # what the store has already is not told again
        PLAN.run(tmp_path / "s", display=silent, watch=told)
        assert len(told.ends) == len(PLAN.runs)


def test_a_resumed_run_is_told_from_its_first_record(tmp_path):
    before, after = Notebook(), Notebook()
    interrupted(tmp_path, before)
    assert any(len(steps) > 1 for steps in before.steps.values()) and not before.ends
    PLAN.run(tmp_path, display=silent, watch=after)
    assert after.steps == {run.id: run.record_steps for run in PLAN.runs}
    assert all(after.losses[run][: len(losses)] == losses for run, losses in before.losses.items())


def test_training_goes_on_when_a_watcher_fails(tmp_path):
    def lost(records: object) -> None:
        raise ConnectionError("no route")

    with pytest.warns(
        UserWarning, match="told nothing any more: ConnectionError: no route. Training goes on"
    ):
        data = PLAN.run(tmp_path, display=silent, watch=lost)
    assert (data["outcome"] == "done").all()


# --- TensorBoard ------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")  # of the library
def test_tensorboard_shows_each_record_once(tmp_path):
    pytest.importorskip("tensorboardX")
    readers = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    interrupted(tmp_path / "s", TensorBoard(tmp_path / "events"))
    PLAN.run(tmp_path / "s", display=silent, watch=TensorBoard(tmp_path / "events"))
    again = TensorBoard(tmp_path / "again")
    for records in stored(tmp_path / "s").values():
        again(records)
        again(records)  # what it has it does not write twice
    for folder in ("events", "again"):
        for run, records in stored(tmp_path / "s").items():
            reader = readers.EventAccumulator(str(tmp_path / folder / run), size_guidance={"scalars": 0})
            reader.Reload()
            assert len(reader.Tags()["scalars"]) == len(records.values)
            for name, column in records.values.items():
                shown = reader.Scalars(re.sub(r"[\[\]]", "_", name))  # as the library spells it
                assert [one.step for one in shown] == records.steps.tolist()
                assert np.array_equal(
                    np.array([one.value for one in shown], np.float32), column, equal_nan=True
                )


class FakeWriter:
    """What is used of tensorboardX's `SummaryWriter`; purged events are forgotten, as TensorBoard does."""

    shown: typing.ClassVar[dict[str, list]] = {}

    def __init__(self, folder: str, purge_step: int):
        self.events = self.shown.setdefault(folder, [])
        self.events[:] = [event for event in self.events if event[1] < purge_step]

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.events.append((name, step, value))

    def add_text(self, name: str, text: str, step: int) -> None:
        self.events.append((name, step, text))

    def flush(self) -> None: ...

    def close(self) -> None: ...


def test_tensorboard_by_a_writer_of_our_own(tmp_path, monkeypatch):
    monkeypatch.setattr(FakeWriter, "shown", {})
    monkeypatch.setitem(sys.modules, "tensorboardX", types.SimpleNamespace(SummaryWriter=FakeWriter))
    interrupted(tmp_path / "s", TensorBoard("events"))
    PLAN.run(tmp_path / "s", display=silent, watch=TensorBoard("events"))
    for run, records in stored(tmp_path / "s").items():
        events = FakeWriter.shown[f"events/{run}"]
        assert [name for name, _, _ in events].count("recipe") == 1
        losses = [(step, value) for name, step, value in events if name == "train_loss"]
        assert losses == list(zip(records.steps.tolist(), records.values["train_loss"].tolist(), strict=True))


# --- Weights & Biases -------------------------------------------------------------------------------


class FakeRun:
    """What is used of a run of W&B: steps only go up, and are remembered by the server."""

    def __init__(self, settings: dict, history: list):
        self.settings, self.history = settings, history
        self.summary: dict[str, object] = {}
        self.finished = False

    @property
    def step(self) -> int:
        return self.history[-1][0] + 1 if self.history else 0

    def log(self, values: dict, step: int, commit: bool) -> None:
        assert step >= self.step and commit and not self.finished
        self.history.append((step, values))

    def finish(self) -> None:
        self.finished = True


def test_weights_and_biases_gets_each_record_once(tmp_path, monkeypatch):
    server: dict[str, list] = {}
    opened: list[FakeRun] = []

    def init(**settings: typing.Any) -> FakeRun:
        assert settings["resume"] == "allow" and settings["reinit"] == "create_new"
        opened.append(FakeRun(settings, server.setdefault(settings["id"], [])))
        return opened[-1]

    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=init))
    interrupted(tmp_path, WeightsAndBiases("grokking", mode="offline"))
    server_lost = next(iter(server.values()))
    del server_lost[1:]  # what was on its way when the process died
    PLAN.run(tmp_path, display=silent, watch=WeightsAndBiases("grokking", mode="offline"))
    for run, records in stored(tmp_path).items():
        assert [step for step, _ in server[run]] == records.steps.tolist()
        assert [row["train_loss"] for _, row in server[run]] == records.values["train_loss"].tolist()
        last = [one for one in opened if one.settings["id"] == run][-1]
        assert last.finished and last.summary == {"outcome": "done"}
        assert last.settings["project"] == "grokking" and last.settings["mode"] == "offline"
        assert last.settings["config"] == records.recipe


@pytest.mark.parametrize(
    ("make", "library"),
    [(lambda: TensorBoard("x"), "tensorboardX"), (lambda: WeightsAndBiases("x"), "wandb")],
)
def test_what_to_install(make, library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=f"install it with `pip install {library}`"):
        make()
