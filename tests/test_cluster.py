"""The simulated cluster: what can be said of it in a closed form, and what no failure may change."""

import dataclasses
import math
import typing

import pytest

from afterfit.ensemble._shards import WORTH
from benchmarks._cluster import Cluster, Costs, Plan, simulate
from benchmarks._events import Events, Lock, Machine


FREE = Costs(**typing.cast(typing.Any, {one.name: 0.0 for one in dataclasses.fields(Costs)[:-1]}))
"""Nothing costs anything."""


# --- events ---------------------------------------------------------------------------------------


def test_jobs_share_the_cores_of_a_machine():
    events, ends = Events(), {}
    machine = Machine(events, cores=2, company=(1.0, 0.5))

    def job(name, seconds):
        yield machine.work(seconds)
        ends[name] = events.now

    for name, seconds in {"a": 1.0, "b": 2.0, "c": 3.0}.items():
        events.start(job(name, seconds))
    events.run(lambda: False)
    # Three jobs on two cores at half speed get a third of a second in a second, two get a half, one all.
    assert ends == pytest.approx({"a": 3.0, "b": 5.0, "c": 6.0})


def test_a_killed_task_gives_the_lock_and_the_core_back():
    events, lock, ends = Events(), Lock(), {}
    machine = Machine(events, cores=1)

    def holder(name):
        yield lock.acquire
        try:
            yield machine.work(10.0)
        finally:
            lock.release()
        ends[name] = events.now

    tasks = [events.start(holder(name)) for name in "abc"]
    events.after(3.0, tasks[0].kill)  # it holds the lock
    events.after(4.0, tasks[1].kill)  # so does this one by now
    events.run(lambda: False)
    assert ends == {"c": 14.0}


# --- the cluster ----------------------------------------------------------------------------------


def test_equal_shards_without_costs_take_the_even_share():
    plan = Plan(packs=(32, 32), steps=100, lanes=8)
    found = simulate(plan, Cluster(workers=4, cores=1), dataclasses.replace(FREE, step=0.25))
    assert found.seconds == pytest.approx(64 * 25.0 / 4)
    assert found.share("training") == pytest.approx(1.0)
    assert found.times_done == {1: 64}


def test_one_worker_adds_up_what_it_does():
    """A shard of all that is left, as each costs more to begin than a tenth of the whole."""
    costs = dataclasses.replace(
        FREE, step=0.01, start=3.0, program=20.0, program_again=5.0, publish=0.5, claim=0.125, close=0.25
    )
    plan = Plan(packs=(8,), steps=100, lanes=4)
    found = simulate(plan, Cluster(workers=1, cores=1), costs)
    first = 4  # nothing is known of it yet: a worker's even share, halved
    rest = 8 - first
    assert WORTH * (20.0 + 0.125) > rest * 1.0
    begin = 2 * (0.125 + 0.25) + 20.0 + 5.0
    files = math.ceil(first / 4) + math.ceil(rest / 4)
    assert found.shards == 2 and found.files == files
    assert found.seconds == pytest.approx(3.0 + begin + 8 * 1.0 + files * 0.5)
    assert found.lock == pytest.approx(2 * (0.125 + 0.25))


def test_the_lock_is_what_a_crowd_waits_for():
    """Sessions are opened one after the other: no more than so many shards an hour, however many workers."""
    costs = dataclasses.replace(FREE, step=0.01, claim=2.0)
    found = simulate(Plan(packs=(400,), steps=100, lanes=8), Cluster(workers=200, cores=1), costs)
    assert found.seconds >= 2.0 * found.shards
    assert found.share("training") < 0.1


@pytest.mark.parametrize("seed", range(5))
def test_each_run_is_done_once_whoever_dies(seed):
    costs = dataclasses.replace(
        FREE, step=0.1, start=1.0, claim=0.01, claim_session=0.001, program=2.0, publish=0.3, index_pack=0.01
    )
    plan = Plan(packs=(70, 1, 29), steps=200, lanes=4, resume_every=5.0)
    calm = simulate(plan, Cluster(6, cores=2), costs, seed)
    cluster = Cluster(6, cores=2, failures_an_hour=30.0, restart=10.0)
    found = simulate(plan, cluster, costs, seed)
    assert found.lost > 5
    assert found.times_done == calm.times_done == {1: 100}
    assert found.seconds > calm.seconds
    assert simulate(plan, cluster, costs, seed) == found  # the same chance, the same course
