"""Kills one of four dask workers with SIGKILL every few seconds while a sweep of 200 packs runs.

    python tests/faults/kill_workers.py [SECONDS_BETWEEN_KILLS [PACKS [STEPS]]]

Workers must have been killed, and every run be there once, with the bits of a sweep that one process trains;
the time is told beside that of the same four workers undisturbed (`calm`; their cache of programs is filled
before). Then two drivers train the same sweep at once: no run may be there twice. Needs the extra `cluster`;
takes about 20 minutes on two cores.
"""

import collections
import dataclasses
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

import dask.config
import distributed
import jax.numpy as jnp
from kill_repeatedly import bits

import afterfit as af
from afterfit.store import Store


PROGRAMS = 5


@dataclasses.dataclass(frozen=True)
class Mark:
    """A probe that measures nothing; another number makes another pack, of the same compiled program."""

    number: int

    def __call__(self, moment: af.training.Moment) -> jnp.ndarray:
        """Nothing."""
        return jnp.zeros(())


def plan(packs: int, steps: int) -> af.Sweep:
    """So many packs of two runs. They have five programs, lest most of the time go into compiling."""
    experiment = af.Experiment(
        af.tasks.BinaryOperation("x*y", modulus=7, fraction=0.6),
        af.models.MLP(hidden=(8,)),
        af.AdamW(learning_rate=0.003),
        batch=8,
        steps=steps,
        snapshots=af.At((10, steps)),
        noise=af.Noise(gradient=1e-4),
    )
    axes = {
        "model.hidden": [(8 + width,) for width in range(PROGRAMS)],
        "probes": [(Mark(number),) for number in range(packs // PROGRAMS)],
        "seed": [0, 1],
    }
    return af.sweep(experiment, axes)


def copies(folder: pathlib.Path) -> collections.Counter[int]:
    """How many runs are in the packs once, twice, ..."""
    store = Store(folder, readonly=True, create=False)
    store.runs()
    each = collections.Counter(entry.run for pack in store._packs.values() for entry in pack.entries)
    return collections.Counter(each.values())


DRIVER = """
import sys
import distributed
from kill_workers import plan
import afterfit as af
address, store, packs, steps = sys.argv[1:]
executor = distributed.Client(address).get_executor(pure=False) if address else None
plan(int(packs), int(steps)).run(store, executor=executor, display=af.ensemble.silent, resume_every=0.5)
"""


def drive(address: str, folder: pathlib.Path, numbers: list[str]) -> subprocess.Popen:
    """A driver in a process of its own; without an address it trains by itself."""
    words = [sys.executable, "-c", DRIVER, address, str(folder), *numbers]
    return subprocess.Popen(words, cwd=pathlib.Path(__file__).parent)


def kill_every(seconds: float, cluster: distributed.LocalCluster, over: threading.Event) -> list[int]:
    """Kills a worker at random whenever so many seconds have passed, until it is over.

    Not one that is about to start: dask would never start it again.
    """
    moments, killed = random.Random(0), []
    while not over.wait(seconds):
        processes = [nanny.process for nanny in cluster.workers.values()]
        if up := [one for one in processes if one and one.status is distributed.Status.running]:
            process = moments.choice(up)
            subprocess.run(["kill", "-KILL", str(process.pid)], stderr=subprocess.DEVNULL)
            killed.append(process.pid)
    return killed


def train(
    folder: pathlib.Path, numbers: list[str], drivers: int = 1, every: float | None = None
) -> tuple[float, int, int]:
    """Seconds that so many drivers take, how many workers were killed, and how many drivers failed."""
    killed: list[int] = []
    with distributed.LocalCluster(n_workers=4, threads_per_worker=1, dashboard_address=None) as cluster:
        over = threading.Event()
        killer = threading.Thread(target=lambda: every and killed.extend(kill_every(every, cluster, over)))
        began = time.monotonic()
        killer.start()
        started = [drive(cluster.scheduler_address, folder, numbers) for _ in range(drivers)]
        failures = sum(driver.wait() != 0 for driver in started)
        seconds = time.monotonic() - began
        over.set()
        killer.join()
    return seconds, len(killed), failures


def main() -> int:
    """Returns 0 if workers were killed, the bits are the same and no run is there twice."""
    # A worker that comes anew should compile nothing.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    # On a busy machine a worker may need longer to come back than the cluster would wait for it.
    dask.config.set({"distributed.deploy.lost-worker-timeout": "1 hour"})
    every = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    numbers = [sys.argv[2] if len(sys.argv) > 2 else "200", sys.argv[3] if len(sys.argv) > 3 else "10000"]
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: pathlib.Path(scratch, name) for name in ("whole", "first", "calm", "killed", "two")}
        began = time.monotonic()
        if drive("", folders["whole"], numbers).wait():
            return 1
        expected = bits(folders["whole"])
        packs = len(list(folders["whole"].glob("packs/*")))
        print(
            f"one process: {time.monotonic() - began:.0f} s, {len(expected)} runs in {packs} files",
            flush=True,
        )
        train(folders["first"], [str(PROGRAMS), numbers[1]])
        right = True
        for name, drivers, pause in (("calm", 1, None), ("killed", 1, every), ("two", 2, None)):
            seconds, killed, failures = train(folders[name], numbers, drivers, pause)
            same = not failures and bits(folders[name]) == expected
            number = copies(folders[name])
            right = right and same and set(number) == {1} and (pause is None or killed > 0)
            print(
                f"{name}: {drivers} driver{'s' * (drivers > 1)}, 4 workers, {killed} killed: "
                f"{seconds:.0f} s; runs by number of copies {dict(number)}; "
                f"{'equal' if same else 'DIFFER'} bit for bit",
                flush=True,
            )
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
