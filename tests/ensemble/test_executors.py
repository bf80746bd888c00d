"""Runs that the workers of an executor train: the same numbers, whoever trains them and whoever dies."""

import collections
import concurrent.futures
import contextlib
import json
import multiprocessing
import sys
import threading

import pytest

import afterfit as af
from afterfit.ensemble import _driver, _runner, _worker, attend, connect, silent
from afterfit.ensemble._device import _free
from afterfit.ensemble._executor import renewed
from afterfit.ensemble._run import read_run
from afterfit.ensemble._shards import fixed_shards, Lots, steps_of
from afterfit.models import MLP
from afterfit.store import Store, StoreError
from afterfit.tasks import BinaryOperation
from afterfit.training import RecipeError


BASE = af.Experiment(
    BinaryOperation("x+y", modulus=5), MLP(hidden=(8,)), af.AdamW(), steps=40, record=af.Every(10)
)
PLAN = af.sweep(BASE, {"model.hidden": [(8,), (6,)], "seed": range(3)})
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(_driver, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(_worker, "PAUSE", 0.02)


@pytest.fixture(scope="module")
def alone():
    """What one process brings, without a store."""
    return PLAN.run(display=silent)


def copies(folder) -> dict[str, int]:
    """How often each run is in the packs of a store."""
    store = Store(folder, readonly=True)
    store.runs()
    return collections.Counter(entry.run for pack in store._packs.values() for entry in pack.entries)


# --- shards -------------------------------------------------------------------------------------


def test_shards_are_even_and_hold_each_run_once():
    plan = af.sweep(BASE, {"steps": [40, 400], "seed": range(20)})
    shards = fixed_shards([plan.runs], 8)
    assert sorted(run.id for shard in shards for run in shard) == sorted(run.id for run in plan.runs)
    costs = [sum(map(steps_of, shard)) for shard in shards]
    assert max(costs) <= 1.3 * sum(costs) / 8


def test_the_pack_that_is_measured_to_cost_most_is_cut_first():
    cheap, dear = PLAN.runs[:3], PLAN.runs[3:]
    lots = Lots([cheap, dear], steps_of)
    first = lots.cut(workers=6)
    lots.put_back(first.lot, first.runs)
    other = next(lot for lot in lots._lots if lot is not first.lot)
    lots.learn(first.lot, steps=100, seconds=0.1, overhead=0.0)
    lots.learn(other, steps=100, seconds=10.0, overhead=0.0)
    assert lots.cut(workers=6).lot is other
    lots.learn(other, steps=100, seconds=10.0, overhead=1e6)  # then as much as a worker's even share
    assert len(lots.cut(workers=1).runs) == 2
    assert len(lots) == 3


# --- orders -------------------------------------------------------------------------------------


def test_a_run_is_read_back_from_its_recipe():
    fork = af.fork(BASE, 20, {"optimiser.weight_decay": 0.1}, noise=0.1)
    for run in [*PLAN.runs, *af.sweep(fork, {"seeds.init": [3]}).runs]:
        assert read_run(json.loads(json.dumps(run.recipe))) == run
    with pytest.raises(RecipeError, match="files: not the same here"):
        read_run({**PLAN.runs[0].recipe, "files": "of another data set"})


def test_a_worker_of_another_version_refuses(tmp_path):
    order = {"store": str(tmp_path), "recipes": [], "folder": None, "resume_every": 1.0}
    order |= {"beacon": "", "driver": "", "results_version": 0}
    assert "need the same version of afterfit" in json.loads(_worker.work(json.dumps(order)))["refused"]


def test_unusable_executors(tmp_path):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with pytest.raises(ValueError, match="needs a store, got None"):
            PLAN.run(executor=pool)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        with pytest.raises(ValueError, match="JAX does not survive that"):
            PLAN.run(tmp_path / "s", executor=pool)
    with pytest.raises(ValueError, match="such as dask://localhost:8786, got 'dask:8786'"):
        connect("dask:8786")


def test_dask_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match="pip install 'afterfit"):
        connect("dask://localhost:8786")


# --- sweeps -------------------------------------------------------------------------------------


def test_threads_bring_the_same_numbers(tmp_path, alone):
    told = []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        data = PLAN.run(tmp_path / "s", executor=pool, display=lambda one: told.append((one.phase, one.done)))
        again = PLAN.run(tmp_path / "s", executor=pool, display=silent)
    assert told[-1] == ("done", len(PLAN.runs))
    assert data.identical(alone) and again.identical(alone)
    assert set(copies(tmp_path / "s").values()) == {1}
    assert not list((tmp_path / "s" / "running").glob("beacon*"))


class Killing(concurrent.futures.ThreadPoolExecutor):
    """An executor whose first answers never come: as if their workers had died, before or after the work."""

    def __init__(self, lost: int):
        super().__init__(1)
        self.lost, self.orders = lost, 0

    def submit(self, function, /, *arguments, **more):
        self.orders += 1
        number = self.orders

        def work():
            answer = function(*arguments) if number % 2 or number > self.lost else ""
            if number <= self.lost:
                raise concurrent.futures.BrokenExecutor
            return answer

        return super().submit(work)


def test_what_a_lost_worker_held_is_sent_again(tmp_path, alone):
    with Killing(3) as pool:
        assert PLAN.run(tmp_path / "s", executor=pool, display=silent).identical(alone)
    assert set(copies(tmp_path / "s").values()) == {1}


def test_runs_that_cost_too_many_workers_are_given_up(tmp_path, monkeypatch):
    def fail(order):
        raise concurrent.futures.BrokenExecutor("it was killed")

    monkeypatch.setattr(_driver, "work", fail)
    with (
        concurrent.futures.ThreadPoolExecutor(2) as pool,
        pytest.raises(RuntimeError, match="6 workers in a row were lost.*BrokenExecutor: it was killed"),
    ):
        PLAN.run(tmp_path / "s", executor=pool, display=silent)


def test_a_run_that_no_worker_survives_does_not_keep_the_others_from_the_store(tmp_path, monkeypatch, alone):
    really, poison = _driver.work, PLAN.runs[0].id

    def work(order):
        if poison in {read_run(recipe).id for recipe in json.loads(order)["recipes"]}:
            raise concurrent.futures.BrokenExecutor("it was killed")
        return really(order)

    monkeypatch.setattr(_driver, "work", work)
    monkeypatch.setattr(_driver, "MOST_LOSSES", 1)
    with (
        concurrent.futures.ThreadPoolExecutor(1) as pool,
        pytest.raises(RuntimeError, match=f"workers in a row were lost over each of . runs.* {poison} for"),
    ):
        PLAN.run(tmp_path / "s", executor=pool, display=silent)
    others = [run.id for run in PLAN.runs[1:]]
    assert Store(tmp_path / "s").has([poison, *others]) == set(others)
    monkeypatch.setattr(_driver, "work", really)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert PLAN.run(tmp_path / "s", executor=pool, display=silent).identical(alone)


@pytest.mark.parametrize("answered", [True, False])
def test_the_trouble_of_one_worker_is_not_the_end_of_the_sweep(tmp_path, monkeypatch, alone, answered):
    """Its disk is full for a while; with `answered` it can say so itself."""
    orders, owner = [], _worker if answered else _driver
    really = _worker._work if answered else _worker.work

    def work(order):
        orders.append(order)
        if len(orders) in (1, 3):
            raise OSError(28, "No space left on device")
        return really(order)

    monkeypatch.setattr(owner, "_work" if answered else "work", work)
    told = pytest.warns(UserWarning, match=r"worker \d+@.*: OSError: .*No space left on device")
    with concurrent.futures.ThreadPoolExecutor(1) as pool, told if answered else contextlib.nullcontext():
        assert PLAN.run(tmp_path / "s", executor=pool, display=silent).identical(alone)
    assert len(orders) > 3


@pytest.mark.filterwarnings("ignore:worker")
def test_what_no_worker_can_train_ends_with_what_the_last_one_said(tmp_path, monkeypatch):
    def work(order):
        raise StoreError("Could not write it.")

    monkeypatch.setattr(_worker, "_work", work)
    monkeypatch.setattr(_driver, "MOST_LOSSES", 1)
    said = (
        r"2 workers in a row .*, or could not train it.* The last: worker \d+@.*: StoreError: Could not write"
    )
    with concurrent.futures.ThreadPoolExecutor(2) as pool, pytest.raises(RuntimeError, match=said):
        PLAN.run(tmp_path / "s", executor=pool, display=silent)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_broken_executor_that_nothing_can_replace_ends_the_sweep(tmp_path):
    def unlicensed():
        raise RuntimeError("no licence")

    with (
        concurrent.futures.ThreadPoolExecutor(2, initializer=unlicensed) as pool,
        pytest.raises(concurrent.futures.BrokenExecutor, match="initializer failed"),
    ):
        PLAN.run(tmp_path / "s", executor=pool, display=silent)


@pytest.mark.slow
def test_a_killed_process_is_replaced(tmp_path, alone):
    """The pool breaks, all that it was doing is lost, and another pool goes on."""

    def kill(progress):
        children = multiprocessing.active_children()
        if not killed and progress.done and children:
            killed.append(children[0].pid)
            children[0].kill()

    killed = []
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=SPAWN) as pool:
        data = PLAN.run(tmp_path / "s", executor=pool, display=kill)
    assert killed and data.identical(alone)


def test_a_replaced_pool_is_like_the_broken_one():
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=SPAWN, max_tasks_per_child=3) as pool:
        other = renewed(pool)
    assert isinstance(other, concurrent.futures.ProcessPoolExecutor)
    assert vars(other)["_max_workers"] == 2 and vars(other)["_max_tasks_per_child"] == 3
    other.shutdown()


def test_two_drivers_share_a_sweep(tmp_path, alone):
    found = []

    def drive():
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            found.append(PLAN.run(tmp_path / "s", executor=pool, display=silent))

    threads = [threading.Thread(target=drive) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2 and all(data.identical(alone) for data in found)
    assert set(copies(tmp_path / "s").values()) == {1}


def test_a_driver_takes_over_what_another_process_held(tmp_path, alone):
    store = Store(tmp_path / "s")
    other = store.claim([run.id for run in PLAN.runs[:2]])
    waiting = threading.Timer(1.0, other.close)
    waiting.start()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert PLAN.run(tmp_path / "s", executor=pool, display=silent).identical(alone)


def test_forks_find_their_trunks(tmp_path):
    plan = af.sweep(af.fork(BASE, 20), {"optimiser.weight_decay": [0.0, 1.0], "seed": [0, 1]})
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        data = plan.run(tmp_path / "s", executor=pool, display=silent)
    assert data.identical(plan.run(display=silent))
    assert len(copies(tmp_path / "s")) == 6 and set(copies(tmp_path / "s").values()) == {1}


def test_an_interrupted_driver_stops_its_workers(tmp_path):
    """They leave a resume point, from which the same call goes on."""
    plan = af.sweep(BASE, {"steps": [400_000], "seed": [0, 1]})

    def interrupt(progress):
        if progress.phase == "training":  # so the store says
            raise KeyboardInterrupt

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        with pytest.raises(KeyboardInterrupt):
            plan.run(tmp_path / "s", executor=pool, display=interrupt)
    status = Store(tmp_path / "s").status()
    assert not status.sessions and not list((tmp_path / "s" / "running").glob("beacon*"))
    assert status.interrupted and len(status.interrupted) + status.counts["done"] == 2


def broken(moment):
    """A probe that cannot be taken."""
    raise RuntimeError("a probe of the user's")


def test_a_run_that_fails_does_not_keep_the_others_from_the_store(tmp_path):
    plan = af.sweep(BASE, {"probes": [(broken,), ()], "seed": [0, 1]})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with pytest.raises(RuntimeError, match="(?s)2 of 4 runs failed.*a probe of the user's"):
            plan.run(tmp_path / "s", executor=pool, display=silent)
    store = Store(tmp_path / "s")
    assert store.status().counts == {"done": 2, "diverged": 0, "stopped": 0, "failed": 2}
    for records in store.load([run.id for run in plan.runs[:2]]):
        assert records.outcome == "failed"
        assert "Traceback" in records.message and "a probe of the user's" in records.message


# --- jobs of an array -----------------------------------------------------------------------------


def test_the_jobs_of_an_array_share_a_sweep(tmp_path, alone):
    """Both at once, with a fork whose trunk they must not train twice; a third one comes late."""
    plan = af.sweep(BASE, {"fork": [None, af.fork(BASE, 20).fork], "seed": range(3)})
    found = []

    def job(index):
        found.append(attend(plan.runs, tmp_path / "s", index, 3, display=silent))

    threads = [threading.Thread(target=job, args=(index,)) for index in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = attend(plan.runs, tmp_path / "s", 3, 3, display=silent)
    assert (last.stored, last.held, last.failed) == (6, 0, {})
    assert set(copies(tmp_path / "s").values()) == {1}
    assert plan.run(tmp_path / "s", display=silent).identical(plan.run(display=silent))


def counted(monkeypatch) -> list[list[str]]:
    """What is claimed from now on, claim by claim."""
    claims, claim_free = [], Store.claim_free

    def claim(store, runs, about=None):
        claims.append(list(runs))
        return claim_free(store, runs, about)

    monkeypatch.setattr(Store, "claim_free", claim)
    return claims


def test_jobs_that_find_nothing_to_do_claim_nothing(tmp_path, monkeypatch):
    PLAN.train(tmp_path / "s", display=silent)
    claims = counted(monkeypatch)
    for index in range(1, 5):
        assert attend(PLAN.runs, tmp_path / "s", index, 4, display=silent) == ({}, 6, 0)
    more = af.sweep(BASE, {"model.hidden": [(8,), (6,)], "seed": range(4)})
    with Store(tmp_path / "s").claim([more.runs[-1].id]):
        found = attend(more.runs, tmp_path / "s", 2, 4, display=silent)
    assert found == ({}, 7, 1)
    assert claims == [[more.runs[3].id]]


def test_a_failed_run_is_tried_again_by_the_job_of_its_shard_alone(tmp_path, monkeypatch):
    plan = af.sweep(BASE, {"probes": [(broken,)], "seed": range(4)})
    found = [attend(plan.runs, tmp_path / "s", index, 4, display=silent) for index in (1, 2, 3, 4, 4)]
    assert [len(one.failed) for one in found] == [4, 1, 1, 1, 1]
    assert found[3].failed.keys() == found[4].failed.keys()


def test_a_trunk_that_failed_in_another_job_is_not_waited_for(tmp_path, monkeypatch):
    """The failure is planted; what follows it is real."""

    def trainer(pack, *more):
        raise RuntimeError("a task of the user's")

    monkeypatch.setattr(_runner, "Trainer", trainer)
    plan = af.sweep(af.fork(BASE, 20), {"optimiser.weight_decay": [0.0, 1.0]})
    found = [attend(plan.runs, tmp_path / "s", index, 2, display=silent) for index in (1, 2)]
    raised = sorted(str(error) for one in found for error in one.failed.values())
    assert raised == ["a task of the user's", "it failed in another job."]


def test_devices_are_shared_out_by_locks(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert [_free(["0", "1"]), _free(["0", "1"])] == ["0", "1"]
    assert _free(["0", "1"]) in ("0", "1")  # nobody is sent away


def test_locks_of_devices_in_a_folder_of_somebody_else_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr("os.getuid", lambda: 4321)
    with pytest.raises(OSError, match="Expected a folder of this user's, got .*-4321 of user"):
        _free(["0", "1"])
