"""Real sweeps of 1, 2 and 4 worker processes beside what the simulation of the cluster foretells."""

import concurrent.futures
import dataclasses
import os
import pathlib
import resource
import tempfile
import time

from ._cluster import Cluster, Costs, Plan, simulate
from ._costs import lanes, measured, plan, SPAWN
from ._table import Table
from .cluster import CHECKED_STEPS


RUNS = 64
WORKERS = (1, 2, 4)
ROUNDS = 2
ALLOWED = 0.2


@dataclasses.dataclass(frozen=True)
class Real:
    """A sweep: seconds to its end, and the cores that other processes left to it."""

    seconds: float
    cores: float


def measure() -> Table:
    """Costs and sweeps in turn, a few times; each line is printed as it comes."""
    rows, figures = [], []
    counted = Plan((RUNS,), CHECKED_STEPS, lanes())
    cores = float(len(os.sched_getaffinity(0)))
    before = measured(CHECKED_STEPS)
    for number in range(ROUNDS):
        for workers in WORKERS:
            real = _swept(workers, cores, number * 10 + workers)
            after = measured(CHECKED_STEPS, before)
            costs, before = _between(before, after), after
            quiet, foretold = (
                simulate(counted, Cluster(workers, cores=left, own_driver=False), costs).seconds
                for left in (cores, real.cores)
            )
            ratio = foretold / real.seconds
            found = {"workers": workers, "foretold": foretold, "quiet": quiet, "ratio": ratio}
            inputs = {name: getattr(costs, name) for name in ("start", "program", "step", "company")}
            figures.append(found | dataclasses.asdict(real) | inputs)
            rows.append(
                (
                    f"{number + 1}",
                    f"{workers}",
                    f"{real.seconds:.1f} s",
                    f"{real.cores:.2f}",
                    f"{foretold:.1f} s",
                    f"{ratio:.2f}",
                    f"{quiet:.1f} s",
                )
            )
            print(" | ".join(rows[-1]), flush=True)
    off = max(abs(one["ratio"] - 1) for one in figures)
    notes = (
        f"{RUNS} runs of {CHECKED_STEPS:,} steps on {cores:.0f} cores, which workers and driver share. What "
        "workers cost is the mean of what was measured before and after each sweep. *Cores left* is what "
        "other processes did not use during it; the simulation is told it, and for the last column that all "
        "were free.",
        f"Furthest off: {off:.0%} (allowed: {ALLOWED:.0%}).",
    )
    head = ("round", "workers", "measured", "cores left", "foretold", "ratio", "foretold, all cores free")
    return Table("Sweeps as the simulated cluster foretells them", head, rows, figures, notes)


def _between(one: Costs, other: Costs) -> Costs:
    """The means of what workers cost: a machine is now more and now less busy."""
    mean = lambda name: (getattr(one, name) + getattr(other, name)) / 2
    company = tuple((a + b) / 2 for a, b in zip(one.company, other.company, strict=True))
    names = ("start", "program", "program_again", "step")
    return dataclasses.replace(one, company=company, **{name: mean(name) for name in names})


def _swept(workers: int, cores: float, seed: int) -> Real:
    """A real sweep with so many processes."""
    planned = dataclasses.replace(plan(CHECKED_STEPS, RUNS), seed=seed)
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        busy, own, began = _busy(), _own(), time.monotonic()
        with concurrent.futures.ProcessPoolExecutor(workers, SPAWN) as pool:
            display = lambda progress: ends.append(time.monotonic())
            planned.run(pathlib.Path(scratch, "runs"), executor=pool, display=display)
        others = (_busy() - busy) - (_own() - own)
        return Real(ends[-1] - began, max(cores - others / (time.monotonic() - began), 0.25))


def _busy() -> float:
    """Seconds that all cores have been busy with anything, or taken away by the machine below."""
    user, nice, system, _, _, irq, softirq, steal = map(
        int, pathlib.Path("/proc/stat").read_text().split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    """Processor seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
