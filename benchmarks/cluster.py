"""A million runs on 1 to 10,000 workers, simulated: how long, how idle, how large, and what breaks first."""

import dataclasses

from afterfit.ensemble._overview import LOOK_EVERY

from ._cluster import Cluster, Costs, Outcome, Plan, simulate
from ._costs import EXPERIMENT, lanes, measured
from ._table import Table


CHECKED_STEPS = 1000
WORKERS = (1, 10, 100, 1_000, 10_000)
PACKS, RUNS = 100, 10_000
CORES = 64
FAILURES_A_DAY = 0.25


def measure() -> Table:
    """Costs of this machine, and the sweep with each number of workers."""
    return simulated(measured(CHECKED_STEPS))


def simulated(costs: Costs) -> Table:
    """The sweep with each number of workers, at these costs."""
    plan = Plan((RUNS,) * PACKS, EXPERIMENT.steps, lanes())
    found = {workers: simulate(plan, machines(workers), costs) for workers in WORKERS}
    columns = [described(plan, outcome, costs) for outcome in found.values()]
    rows: list[tuple[str, ...]] = [(name, *(column[name] for column in columns)) for name in columns[0]]
    figures = {
        "costs": dataclasses.asdict(costs),
        "outcomes": {workers: vars(one) for workers, one in found.items()},
    }
    notes = (
        f"Simulated: {PACKS} packs of {RUNS:,} runs of {plan.steps:,} steps, "
        f"{costs.step * 1e3:.2f} ms each; machines of {CORES} cores, each core as fast as one of two that "
        f"are busy here ({costs.company[-1]:.0%} of one that is busy alone); a worker dies every "
        f"{24 / FAILURES_A_DAY:.0f} hours and another comes after a minute.",
        "Idle is all that is not training: starting, reading orders and the store, waiting for the lock of "
        "the store's folder, loading programs, publishing, waiting for orders, being dead.",
    )
    title = f"A simulated sweep of {plan.runs:,} runs"
    return Table(title, ("workers", *(f"{one:,}" for one in WORKERS)), rows, figures, notes)


def machines(workers: int) -> Cluster:
    """So many workers, each on a core of its own."""
    return Cluster(
        workers,
        cores=min(workers, CORES),
        failures_an_hour=FAILURES_A_DAY / 24,
        look_every=max(LOOK_EVERY, 1000 / workers),
    )


def described(plan: Plan, found: Outcome, costs: Costs) -> dict[str, str]:
    """What came of it, as text."""
    if found.times_done != {1: plan.runs}:
        raise RuntimeError(
            f"Expected each run to be done once, got {dict(found.times_done)}: mend the model."
        )
    waiting = {name: seconds for name, seconds in found.spent.items() if name != "training"}
    worst = sorted(waiting, key=waiting.__getitem__, reverse=True)[:3]
    index = found.files * (costs.listing + costs.index_pack) + plan.runs * costs.index_run
    size = found.files * costs.pack_bytes + plan.runs * costs.run_bytes
    memory = costs.driver_bytes + plan.runs * (costs.driver_run_bytes + costs.driver_entry_bytes)
    return {
        "wall time": _time(found.seconds),
        "runs an hour": f"{plan.runs / found.seconds * 3600:,.0f}",
        "idle share": f"{1 - found.share('training'):.1%}",
        "most of it": ", ".join(f"{name} {found.share(name):.1%}" for name in worst),
        "shards": f"{found.shards:,}",
        "workers lost": f"{found.lost:,}",
        "sessions at once": f"{found.sessions:,}",
        "lock of the folder held": f"{found.lock / found.seconds:.1%} of the time",
        "longest wait for it": _time(found.longest_wait),
        "driver at work": f"{found.driver / found.seconds:.1%} of the time",
        "driver's memory": f"{memory / 1e9:.1f} GB",
        "store": f"{size / 1e9:.1f} GB",
        "pack files": f"{found.files:,}",
        "a new reader's index": _time(index),
        "pack files opened by workers": f"{found.opened / found.seconds:,.0f} a second",
    }


def _time(seconds: float) -> str:
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("min", 60.0), ("s", 1.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e3:.0f} ms"
