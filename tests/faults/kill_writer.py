"""Kills a process that does nothing but write to a store, with SIGKILL, a hundred times at random moments.

    python tests/faults/kill_writer.py [KILLS]

The writer claims runs, goes on from its last resume point, publishes resume points, segments and packs as
fast as the disk takes them, ends its session, and begins again. After every kill: all packs are whole and
hold what was written, those that it had acknowledged are there, no acknowledged resume point is lost, and the
next session sweeps what was left half-written. Takes about two minutes.
"""

import collections
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

from afterfit.store import Store


ROWS = 20_000  # of the records of a finished run
WEIGHTS = 200_000  # of the state of a live one

WRITER = f"""
import itertools, sys
import numpy as np
from afterfit.store import LiveRun, RunRecords, Store
path, life = sys.argv[1:]
print("ready", flush=True)
big = np.arange({ROWS})
for session_number in itertools.count():
    names = [f"{{life}}-{{session_number}}-{{turn}}" for turn in range(4)]
    with Store(path).claim(["long", *names]) as session:
        saved = session.resume(["long"])
        begin = int(saved["long"].state["step"]) + 1 if saved else 0
        for turn, name in enumerate(names):
            steps = np.arange(begin + turn + 1)
            state = {{"step": np.asarray(steps[-1]), "weight": np.full({WEIGHTS}, steps[-1], np.float32)}}
            session.publish_resume([LiveRun("long", {{}}, steps, {{"loss": steps / 2}}, state)])
            print("resume", steps[-1], flush=True)
            steps = np.arange(begin + turn + 2)
            session.publish_segment([LiveRun("long", {{}}, steps, {{"loss": steps / 2}})], {{"turn": turn}})
            session.publish_runs([RunRecords(name, {{"name": name}}, big, {{"loss": big / 2}}, "done", 1)])
            print("pack", name, flush=True)
"""


class Wrong(Exception):
    """Something was lost, or is not what was written."""


def ensure(true: bool, words: str) -> None:
    """Raises `Wrong` unless it is true."""
    if not true:
        raise Wrong(words)


class Victim:
    """A store, what its writers have acknowledged, and what was seen of their deaths."""

    def __init__(self, folder: pathlib.Path, seed: int = 0):
        self.folder, self.moments = folder, random.Random(seed)
        self.packs: set[str] = set()
        self.last = -1  # step of the newest resume point
        self.lives = 0
        self.seen: collections.Counter[str] = collections.Counter()
        self._checked: set[str] = set()

    def kill(self, longest: float = 0.25) -> None:
        """Starts a writer, kills it within so many seconds, and looks at what it left."""
        self.lives += 1
        words = [sys.executable, "-c", WRITER, str(self.folder), str(self.lives)]
        writer = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        ensure(writer.stdout.readline() == "ready\n", "the writer did not start")
        time.sleep(self.moments.uniform(0, longest))
        writer.send_signal(signal.SIGKILL)
        heard = writer.communicate()[0].split("\n")[:-1]  # the last line may be half
        for kind, what in (line.split() for line in heard):
            if kind == "pack":
                self.packs.add(what)
            else:
                self.last = max(self.last, int(what))
        left = list(self.folder.rglob(".*~*.tmp"))
        self.seen["half-written packs"] += any(path.parent.name == "packs" for path in left)
        self.seen["half-written points"] += any(path.parent.name != "packs" for path in left)
        self.seen["half-made or half-removed sessions"] += any(self.folder.glob("running/.[no]*-*"))
        self._look_at_packs()
        self._go_on()

    def _look_at_packs(self) -> None:
        store = Store(self.folder)  # as `create`: the first writer may have died before it made one
        ensure(self.packs <= store.has(self.packs), f"lost: {self.packs - store.has(self.packs)}")
        new = [entry for entry in store.runs() if entry.run not in self._checked]
        for run in store.load(new):
            good = run.recipe == {"name": run.run} and np.array_equal(run.values["loss"], np.arange(ROWS) / 2)
            ensure(good, f"{run.run} is not what was written")
        self._checked |= {entry.run for entry in new}
        interrupted = store.status().interrupted
        ensure(self.last < 0 or int(interrupted["long"].steps[-1]) >= self.last, "a resume point is lost")

    def _go_on(self) -> None:
        store = Store(self.folder)
        with store.claim(["long"]) as session:
            saved = session.resume(["long"])
            ensure(self.last < 0 or "long" in saved, "no resume point is left")
            for run in saved.values():
                step = int(run.state["step"])
                ensure(step >= self.last, f"step {self.last} was acknowledged, {step} is left")
                ensure(bool(np.all(run.state["weight"] == step)), "the state is mixed")
                ensure(np.array_equal(run.values["loss"], run.steps / 2), "the records are not their own")
            left = [*self.folder.rglob(".*.tmp"), *self.folder.glob("running/.[no]*-*")]
            ensure(not left, f"not swept: {left}")


def main() -> int:
    """Returns 0 if nothing was lost."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as scratch:
        victim = Victim(pathlib.Path(scratch, "store"))
        for _ in range(kills):
            victim.kill()
        store = Store(victim.folder)
        print(
            f"{victim.lives} kills, {victim.lives} clean recoveries: {len(store.runs())} packs whole, "
            f"{len(victim.packs)} of them acknowledged, resume point at step {victim.last}; "
            f"kills that left {dict(victim.seen)}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
