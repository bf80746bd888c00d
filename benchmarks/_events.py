"""Discrete events: tasks that work, wait and queue in a time that is only counted.

A task is a generator. What it yields is a request, a function of the task that arranges for the task to go
on: `Events.sleep`, `Machine.work`, `Lock.acquire`, `Queue.get`.
"""

import collections
import heapq
import typing
from collections.abc import Callable, Generator


Request = Callable[["Task"], None]
Steps = Generator[Request, typing.Any, None]


class Place(typing.Protocol):
    """Where a task may be waiting."""

    def drop(self, task: "Task") -> None:
        """Forgets a task that has been killed."""


class Task:
    """A generator on its way through simulated time."""

    def __init__(self, steps: Steps):
        self._steps = steps
        self.alive = True
        self.place: Place | None = None

    def go_on(self, answer: typing.Any = None) -> None:
        """Runs the task up to its next request; a dead one stays where it is."""
        if not self.alive:
            return
        self.place = None
        try:
            request = self._steps.send(answer)
        except StopIteration:
            self.alive = False
            return
        request(self)

    def kill(self) -> None:
        """Ends the task where it waits; its `finally` blocks run."""
        self.alive = False
        if self.place is not None:
            self.place.drop(self)
        self._steps.close()


class Events:
    """The clock, and what happens when."""

    def __init__(self):
        self.now = 0.0
        self._ahead: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Lets something happen later; of things at the same time, the first that was asked for."""
        self._count += 1
        heapq.heappush(self._ahead, (self.now + seconds, self._count, call))

    def start(self, steps: Steps) -> Task:
        """A new task, which begins as soon as the present moment has been dealt with."""
        task = Task(steps)
        self.after(0.0, task.go_on)
        return task

    def sleep(self, seconds: float) -> Request:
        """Goes on so much later."""
        return lambda task: self.after(seconds, task.go_on)

    def run(self, until: Callable[[], bool]) -> None:
        """Lets things happen until that is so, or nothing is left."""
        while self._ahead and not until():
            self.now, _, call = heapq.heappop(self._ahead)
            call()


class Machine:
    """Cores that its jobs share evenly.

    **Arguments:**

    - `cores`: how many; a fraction where others use the machine too.
    - `company`: how fast a core is when 1, 2, ... of them are busy (the last one holds for more), beside one
      that is busy alone.
    """

    def __init__(self, events: Events, cores: float, company: tuple[float, ...] = (1.0,)):
        self._events, self._cores, self._company = events, cores, company
        self._jobs: list[tuple[float, int, Task]] = []  # by what each job will have got when it ends
        self._got = 0.0  # processor seconds that a job would have got that has been here always
        self._since = 0.0
        self._version = self._number = 0

    def work(self, seconds: float) -> Request:
        """Goes on once the task has got so many seconds of a core that is busy alone."""

        def request(task: Task) -> None:
            self._advance()
            self._number += 1
            heapq.heappush(self._jobs, (self._got + seconds, self._number, task))
            task.place = self
            self._plan()

        return request

    def drop(self, task: Task) -> None:
        """Frees what a killed task used."""
        self._advance()
        self._jobs = [job for job in self._jobs if job[2] is not task]
        heapq.heapify(self._jobs)
        self._plan()

    @property
    def _rate(self) -> float:
        busy = len(self._jobs)
        speed = self._company[min(busy, len(self._company)) - 1]
        return speed * min(1.0, self._cores / busy)

    def _advance(self) -> None:
        if self._jobs:
            self._got += (self._events.now - self._since) * self._rate
        self._since = self._events.now

    def _plan(self) -> None:
        self._version += 1
        if self._jobs:
            version = self._version
            seconds = max(self._jobs[0][0] - self._got, 0.0) / self._rate
            self._events.after(seconds, lambda: self._end(version))

    def _end(self, version: int) -> None:
        if version != self._version:  # the company has changed since
            return
        self._advance()
        ended, _, task = heapq.heappop(self._jobs)
        self._got = max(self._got, ended)  # lest a rounding error keep it
        self._plan()
        task.go_on()


class Lock:
    """What one task has at a time; the others wait in line."""

    def __init__(self):
        self._line: collections.deque[Task] = collections.deque()
        self._taken = False

    def acquire(self, task: Task) -> None:
        """A request: goes on with the lock in hand."""
        if self._taken:
            task.place = self
            self._line.append(task)
        else:
            self._taken = True
            task.go_on()

    def release(self) -> None:
        """Hands it to the next in line."""
        self._taken = bool(self._line)
        if self._line:
            self._line.popleft().go_on()

    def drop(self, task: Task) -> None:
        """Takes a killed task out of the line."""
        self._line.remove(task)


class Queue:
    """Things in a line, and tasks that wait for them."""

    def __init__(self):
        self._things: collections.deque[typing.Any] = collections.deque()
        self._line: collections.deque[Task] = collections.deque()

    def put(self, thing: typing.Any) -> None:
        """Hands it to the first that waits, or lets it wait itself."""
        if self._line:
            self._line.popleft().go_on(thing)
        else:
            self._things.append(thing)

    def get(self, task: Task) -> None:
        """A request: goes on with a thing."""
        if self._things:
            task.go_on(self._things.popleft())
        else:
            task.place = self
            self._line.append(task)

    def take_all(self) -> list[typing.Any]:
        """Everything that waits, at once."""
        things = list(self._things)
        self._things.clear()
        return things

    def drop(self, task: Task) -> None:
        """Takes a killed task out of the line."""
        self._line.remove(task)
