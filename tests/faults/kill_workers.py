"""Kills one of four dask workers with SIGKILL every few seconds while a sweep of 200 packs runs.

    python tests/faults/kill_workers.py [SECONDS_BETWEEN_KILLS [PACKS [STEPS]]]

Every run must be there once, with the bits of a sweep that one process trains; the time is told beside that
of the same four workers undisturbed (`calm`; `first` fills their cache of programs). Then two drivers train
the same sweep at once: no run may be there twice.
"""

import collections
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

import distributed
from kill_repeatedly import bits

import afterfit as af
from afterfit.store import Store


def plan(packs: int, steps: int) -> af.Sweep:
    """So many packs of two runs, one for each width."""
    experiment = af.Experiment(
        af.tasks.BinaryOperation("x*y", modulus=7, fraction=0.6),
        af.models.MLP(hidden=(8,)),
        af.AdamW(learning_rate=0.003),
        batch=8,
        steps=steps,
        snapshots=af.At((10, steps)),
        noise=af.Noise(gradient=1e-4),
    )
    return af.sweep(experiment, {"model.hidden": [(8 + width,) for width in range(packs)], "seed": [0, 1]})


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
client = distributed.Client(sys.argv[1])
plan(int(sys.argv[3]), int(sys.argv[4])).run(
    sys.argv[2], executor=client.get_executor(pure=False), display=af.ensemble.silent, resume_every=2.0
)
"""


def drive(address: str, folder: pathlib.Path, numbers: list[str]) -> subprocess.Popen:
    """A driver in a process of its own."""
    words = [sys.executable, "-c", DRIVER, address, str(folder), *numbers]
    return subprocess.Popen(words, cwd=pathlib.Path(__file__).parent)


def kill_every(seconds: float, cluster: distributed.LocalCluster, over: threading.Event) -> list[int]:
    """Kills a worker at random whenever so many seconds have passed, until it is over."""
    moments, killed = random.Random(0), []
    while not over.wait(seconds):
        nannies = [nanny for nanny in cluster.workers.values() if nanny.process and nanny.process.pid]
        if nannies:
            process = moments.choice(nannies).process
            subprocess.run(["kill", "-KILL", str(process.pid)], stderr=subprocess.DEVNULL)
            killed.append(process.pid)
    return killed


def main() -> int:
    """Returns 0 if the bits are the same and no run is there twice."""
    # A worker that comes anew should compile nothing.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    every = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    numbers = [sys.argv[2] if len(sys.argv) > 2 else "200", sys.argv[3] if len(sys.argv) > 3 else "2000"]
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: pathlib.Path(scratch, name) for name in ("whole", "first", "calm", "killed", "two")}
        began = time.monotonic()
        plan(*map(int, numbers)).run(folders["whole"], display=af.ensemble.silent)
        expected = bits(folders["whole"])
        print(
            f"one process: {time.monotonic() - began:.0f} s, {len(expected)} runs, programs compiled",
            flush=True,
        )
        right = True
        for name, drivers in (("first", 1), ("calm", 1), ("killed", 1), ("two", 2)):
            killed: list[int] = []
            with distributed.LocalCluster(
                n_workers=4, threads_per_worker=1, dashboard_address=None
            ) as cluster:
                over = threading.Event()
                killer = threading.Thread(target=lambda: killed.extend(kill_every(every, cluster, over)))
                began = time.monotonic()
                if name == "killed":
                    killer.start()
                started = [drive(cluster.scheduler_address, folders[name], numbers) for _ in range(drivers)]
                codes = [driver.wait() for driver in started]
                seconds = time.monotonic() - began
                over.set()
                if name == "killed":
                    killer.join()
            same = not any(codes) and bits(folders[name]) == expected
            number = copies(folders[name])
            right = right and same and set(number) == {1}
            print(
                f"{name}: {drivers} driver{'s' * (drivers > 1)}, 4 workers, {len(killed)} killed: "
                f"{seconds:.0f} s; runs by number of copies {dict(number)}; "
                f"{'equal' if same else 'DIFFER'} bit for bit",
                flush=True,
            )
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
