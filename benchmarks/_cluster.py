"""A cluster that is only counted: one driver, its workers and their store, by discrete events.

Shards are cut by the driver's own code (`afterfit.ensemble._shards`). What each act costs is measured
(`_costs.py`); how acts follow each other is modelled here after `_driver.py`, `_worker.py` and the store.
What is idealised: a failure is noticed at once, orders wait in one line for all workers, files cost the same
however many ask for them, and a network costs nothing.
"""

import collections
import dataclasses
import math
import random
import typing

from afterfit.ensemble._overview import LOOK_EVERY, SHARE
from afterfit.ensemble._shards import Lots, most_out, Shard
from afterfit.store._running import sweep_due

from ._events import Events, Lock, Machine, Queue, Request, Steps, Task


@dataclasses.dataclass(frozen=True)
class Costs:
    """What is measured: seconds of a core that is busy alone, unless a comment says otherwise."""

    # a worker
    start: float  # of its process, up to its first order
    read: float  # a run of an order
    program: float  # begins its first shard of a pack: tracing, the program from the cache
    program_again: float  # and each later one
    step: float  # of a run, with its records
    publish: float  # a pack file
    publish_run: float  # and each run in it
    # the store, for whoever looks
    listing: float  # a file in the folder `packs/`, at each look
    index_pack: float  # a pack file that is new to the reader
    index_run: float  # and each run in it
    # the lock of the store's folder is held to claim
    claim: float
    claim_session: float  # for each session in `running/`
    sweep_session: float  # for each session, if the claim sweeps
    sweep_pack: float  # for each file in the folder `packs/`, then too
    # and after it, without the lock, to see what others hold
    claim_outside: float  # for each session
    claim_new_session: float  # for each that is new to the worker
    # and to end a session
    close: float
    # the driver
    plan_run: float  # makes, names and groups the runs
    send: float  # a shard
    send_run: float
    take: float  # an answer
    take_run: float
    wait: float  # for each shard that is out, at each turn
    look: float  # at the store
    look_run: float  # for each run that is not done
    look_session: float
    # bytes
    pack_bytes: float
    run_bytes: float
    driver_bytes: float
    driver_run_bytes: float
    driver_entry_bytes: float  # a stored run, in the driver's index
    # how fast a core is when 1, 2, ... are busy, beside one that is busy alone
    company: tuple[float, ...] = (1.0,)


@dataclasses.dataclass(frozen=True)
class Plan:
    """A sweep: runs of each pack, steps of a run, lanes of a worker, seconds between resume points."""

    packs: tuple[int, ...]
    steps: int
    lanes: int
    resume_every: float = 15.0

    @property
    def runs(self) -> int:
        """Of all packs."""
        return sum(self.packs)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Workers, one process each, on machines of so many cores; the driver has a machine of its own or not.

    Each worker dies so many times an hour, by chance, and another comes after a while.
    """

    workers: int
    cores: float
    own_driver: bool = True
    failures_an_hour: float = 0.0
    restart: float = 60.0
    look_every: float = LOOK_EVERY
    """Seconds between looks that are simulated, at least: a year has too many of them. Those left out
    are counted as work of the driver, but keep no answer waiting."""


@dataclasses.dataclass
class Outcome:
    """What came of it: seconds, and counts."""

    seconds: float
    times_done: collections.Counter[int]  # of runs: how often each was published -> how many
    shards: int
    lost: int
    files: int
    sessions: int  # in `running/`, the most at once
    spent: dict[str, float]  # of all workers together, by what they did
    driver: float  # seconds at work
    lock: float  # seconds held
    longest_wait: float  # for the lock
    opened: int  # pack files, by all processes

    def share(self, what: str) -> float:
        """The part of the workers' time that went there."""
        return self.spent[what] / sum(self.spent.values())


ACTS = (
    "training",
    "starting",
    "reading",
    "index",
    "lock",
    "claim",
    "program",
    "publishing",
    "orders",
    "dead",
)
"""What workers do: reading orders, waiting for the lock, claiming with it, waiting for orders ..."""


@dataclasses.dataclass
class _Reader:
    """What a process has seen of the store."""

    packs: int = 0
    runs: int = 0
    sessions: int = 0


@dataclasses.dataclass
class _Worker:
    """A worker's process."""

    place: int
    machine: Machine
    task: Task | None = None
    act: str = "dead"
    since: float = 0.0
    programs: set[int] = dataclasses.field(default_factory=set)
    seen: _Reader = dataclasses.field(default_factory=_Reader)
    shard: Shard[int] | None = None
    claimed: bool = False
    group: tuple[int, ...] = ()
    group_since: float = 0.0


class Answer(typing.NamedTuple):
    """What the driver hears of a shard."""

    shard: Shard[int]
    steps: int = 0
    seconds: float = 0.0
    overhead: float = 0.0
    lost: bool = False


def simulate(plan: Plan, cluster: Cluster, costs: Costs, seed: int = 0) -> Outcome:
    """The sweep, from the start of all processes to the last answer."""
    return _Simulation(plan, cluster, costs, seed).run()


class _Simulation:
    def __init__(self, plan: Plan, cluster: Cluster, costs: Costs, seed: int):
        self.plan, self.cluster, self.costs = plan, cluster, costs
        self.random = random.Random(seed)
        self.events = Events()
        self.lock, self.orders, self.inbox = Lock(), Queue(), Queue()
        firsts = [sum(plan.packs[:index]) for index in range(len(plan.packs))]
        groups = [range(first, first + count) for first, count in zip(firsts, plan.packs, strict=True)]
        self.lots: Lots[int] = Lots(groups, lambda run: plan.steps)
        self.done = bytearray(plan.runs)
        self.open = plan.runs
        self.left: dict[int, float] = {}  # steps to go, of runs with a resume point
        self.orphans: dict[int, int] = {}  # run -> the dead session that held it
        self.dead_sessions: collections.Counter[int] = collections.Counter()
        self.store = _Reader()  # all that there is
        self.living = self.most_sessions = self.opened = self.shards = self.lost = 0
        self.spent = dict.fromkeys(ACTS, 0.0)
        self.driver_seconds = self.lock_seconds = self.longest_wait = 0.0
        self.workers: dict[int, _Worker] = {}
        self.up = cluster.workers
        self.over = False

    def run(self) -> Outcome:
        company = self.costs.company
        machine = Machine(self.events, self.cluster.cores, company)
        driver_machine = Machine(self.events, 1.0) if self.cluster.own_driver else machine
        self.events.start(self._drive(driver_machine))
        for number in range(self.cluster.workers):
            if number and self.cluster.own_driver and number % math.ceil(self.cluster.cores) == 0:
                machine = Machine(self.events, self.cluster.cores, company)
            worker = _Worker(number, machine)
            self._begin(worker)
            if self.cluster.failures_an_hour:
                self._plan_failure(worker)
        self.events.run(lambda: self.over)
        for worker in self.workers.values():
            self._do(worker, worker.act)
        return Outcome(
            self.events.now,
            collections.Counter(self.done),
            self.shards,
            self.lost,
            self.store.packs,
            self.most_sessions,
            self.spent,
            self.driver_seconds,
            self.lock_seconds,
            self.longest_wait,
            self.opened,
        )

    # --- the driver ---------------------------------------------------------------------------------

    def _drive(self, machine: Machine) -> Steps:
        costs, seen, out, next_look = self.costs, _Reader(), 0, 0.0
        turn = 0

        def work(seconds: float) -> Request:
            self.driver_seconds += seconds
            return machine.work(seconds)

        yield work(costs.plan_run * self.plan.runs)
        while self.lots or out:
            while self.lots and out < most_out(self.up):
                shard = self.lots.cut(self.up)
                self.shards, out = self.shards + 1, out + 1
                yield work(costs.send + costs.send_run * len(shard.runs))
                self.orders.put(shard)
            turn += 1
            self._wake(turn, lambda: turn, next_look)
            answers = [(yield self.inbox.get), *self.inbox.take_all()]
            turn += 1
            looked = self._index(seen) if any(answers) else 0.0
            yield work(costs.wait * out + looked)
            for answer in filter(None, answers):
                out -= 1
                known = costs.take + costs.take_run * len(answer.shard.runs)
                yield work(known)
                self._take(answer)
            if self.events.now >= next_look:
                began = self.events.now
                seconds = costs.look + costs.look_run * self.open + costs.look_session * self.living
                yield work(seconds + self._index(seen))
                every = max(LOOK_EVERY, SHARE * (self.events.now - began))
                next_look = self.events.now + max(every, self.cluster.look_every)
                self.driver_seconds += seconds * (next_look - self.events.now) / every - seconds
        self.over = True

    def _wake(self, turn: int, now: typing.Callable[[], int], moment: float) -> None:
        """The driver waits for answers, but not beyond its next look."""
        seconds = max(moment - self.events.now, 0.0)
        self.events.after(seconds, lambda: self.inbox.put(None) if now() == turn else None)

    def _take(self, answer: Answer) -> None:
        lot, runs = answer.shard.lot, answer.shard.runs
        if answer.lost:
            self.lots.put_back(lot, (run for run in runs if not self.done[run]))
        else:
            self.lots.learn(lot, answer.steps, answer.seconds, answer.overhead)

    # --- the store ----------------------------------------------------------------------------------

    def _news(self, seen: _Reader) -> int:
        """How many pack files are new to a reader, who knows them from now on."""
        news = self.store.packs - seen.packs
        seen.packs, seen.runs = self.store.packs, self.store.runs
        self.opened += news
        return news

    def _index(self, seen: _Reader) -> float:
        """Seconds that a look at the packs takes."""
        runs = self.store.runs - seen.runs
        listed = self.costs.listing * self.store.packs
        return listed + self.costs.index_pack * self._news(seen) + self.costs.index_run * runs

    @property
    def _sessions(self) -> int:
        return self.living + len(self.dead_sessions)

    def _publish(self, runs: tuple[int, ...]) -> None:
        for run in runs:
            self.done[run] += 1
            self.left.pop(run, None)
            self._adopt(run)
        self.open -= len(runs)
        self.store.packs += 1
        self.store.runs += len(runs)

    def _adopt(self, run: int) -> None:
        """A dead session goes once others have published, or hold, what it held."""
        if (session := self.orphans.pop(run, None)) is not None:
            self.dead_sessions[session] -= 1
            if not self.dead_sessions[session]:
                del self.dead_sessions[session]

    # --- workers ------------------------------------------------------------------------------------

    def _begin(self, worker: _Worker) -> None:
        worker.since, worker.act = self.events.now, "starting"
        self.workers[worker.place] = worker
        worker.task = self.events.start(self._work(worker))

    def _do(self, worker: _Worker, act: str) -> None:
        """Counts the time since the last act, and begins another one."""
        now = self.events.now
        self.spent[worker.act] += now - worker.since
        worker.act, worker.since = act, now

    def _work(self, worker: _Worker) -> Steps:
        costs, work, seen = self.costs, worker.machine.work, worker.seen
        yield work(costs.start)
        while True:
            self._do(worker, "orders")
            shard: Shard[int] = yield self.orders.get
            worker.shard = shard
            self._do(worker, "reading")
            yield work(costs.read * len(shard.runs))
            began = self.events.now
            self._do(worker, "index")
            yield work(self._index(seen))
            yield from self._locked(worker, self._claim)
            self._do(worker, "index")
            came, seen.sessions = self.store.sessions - seen.sessions, self.store.sessions
            others = costs.claim_outside * self._sessions + costs.claim_new_session * min(
                came, self._sessions
            )
            yield work(self._index(seen) + others)
            self._do(worker, "program")
            known = id(shard.lot) in worker.programs
            yield work(costs.program_again if known else costs.program)
            worker.programs.add(id(shard.lot))
            trained = self.events.now
            steps = 0.0
            for first in range(0, len(shard.runs), self.plan.lanes):
                worker.group = shard.runs[first : first + self.plan.lanes]
                worker.group_since = self.events.now
                to_go = sum(self.left.get(run, self.plan.steps) for run in worker.group)
                self._do(worker, "training")
                yield work(costs.step * to_go)
                self._do(worker, "publishing")
                yield work(costs.publish + costs.publish_run * len(worker.group))
                self._publish(worker.group)
                steps += to_go
            worker.group = ()
            self._do(worker, "index")
            yield work(self._index(seen))
            yield from self._locked(worker, self._close)
            now = self.events.now
            worker.shard = None
            self.inbox.put(Answer(shard, int(steps), now - trained, trained - began))

    def _locked(self, worker: _Worker, act: typing.Callable[[_Worker], float]) -> Steps:
        """Waits for the lock of the store's folder and does something that takes a while."""
        self._do(worker, "lock")
        asked = self.events.now
        yield self.lock.acquire
        try:
            self._do(worker, "claim")
            self.longest_wait = max(self.longest_wait, self.events.now - asked)
            seconds = act(worker)
            self.lock_seconds += seconds
            yield worker.machine.work(seconds)
        finally:
            self.lock.release()

    def _claim(self, worker: _Worker) -> float:
        costs = self.costs
        seconds = costs.claim + costs.claim_session * self._sessions
        self.store.sessions += 1
        if sweep_due(self.store.sessions, self._sessions):
            seconds += costs.sweep_session * self._sessions + costs.sweep_pack * self.store.packs
        self.living += 1
        worker.claimed = True
        self.most_sessions = max(self.most_sessions, self._sessions)
        return seconds

    def _close(self, worker: _Worker) -> float:
        self.living -= 1
        worker.claimed = False
        return self.costs.close

    # --- failures -----------------------------------------------------------------------------------

    def _plan_failure(self, worker: _Worker) -> None:
        seconds = self.random.expovariate(self.cluster.failures_an_hour / 3600)
        self.events.after(seconds, lambda: self._fail(worker))

    def _fail(self, worker: _Worker) -> None:
        """Kills a worker; what it trained since its last resume point is lost."""
        assert worker.task is not None
        self._do(worker, "dead")
        worker.task.kill()
        self.up -= 1
        self.lost += 1
        if (shard := worker.shard) is not None:
            rest = [run for run in shard.runs if not self.done[run]]
            if worker.claimed:
                self.living -= 1
                for run in rest:
                    self._adopt(run)
                    self.orphans[run] = self.lost
                    self.dead_sessions[self.lost] += 1
            if worker.group and not self.done[worker.group[0]]:
                self._keep_resume_point(worker)
            self.inbox.put(Answer(shard, lost=True))
        fresh = _Worker(worker.place, worker.machine)
        fresh.since = self.events.now
        self.workers[worker.place] = fresh
        self.events.after(self.cluster.restart, lambda: self._restart(fresh))

    def _keep_resume_point(self, worker: _Worker) -> None:
        every = self.plan.resume_every
        trained = (self.events.now - worker.group_since) // every * every
        to_go = {run: self.left.get(run, self.plan.steps) for run in worker.group}
        kept = max(0.0, 1 - trained / (self.costs.step * sum(to_go.values())))
        self.left |= {run: steps * kept for run, steps in to_go.items()}

    def _restart(self, worker: _Worker) -> None:
        self.up += 1
        self._do(worker, "starting")
        self._begin(worker)
        self._plan_failure(worker)
