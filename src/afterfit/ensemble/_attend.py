"""One of several processes that train a sweep together, with nobody to send them work."""

import os
import time
import typing
from collections.abc import Sequence

from ..store import Store
from ._driver import LOOK_EVERY
from ._machine import prepare
from ._pack import shares
from ._progress import Display
from ._run import Run
from ._runner import check, failed, Job, noun_of, run_free
from ._shards import fixed_shards, SHARES


class Attendance(typing.NamedTuple):
    """What one process found and did.

    **Arguments:**

    - `failed`: what runs raised here, by run; and the trunks that failed elsewhere, where that keeps all
      others from being trained.
    - `stored`, `held`: how many of the sweep's runs the store has by now, and how many other processes hold.
    """

    failed: dict[str, Exception]
    stored: int
    held: int


def attend(
    runs: Sequence[Run],
    store: str | os.PathLike,
    index: int,
    count: int,
    *,
    display: Display,
    resume_every: float = 15.0,
) -> Attendance:
    """Trains as the `index`-th of `count` processes, such as the jobs of an array.

    Its own shard of the packs comes first, then whatever nobody else has taken: a job that comes late, or
    never, leaves no hole. Runs that failed are tried again by the process whose shard they are in only, lest
    each of a thousand train them. Trunks of forks are waited for, and taken over if those who train them die.
    """
    if not 1 <= index <= count:
        raise ValueError(f"Expected the 1st to {count}th of {count} shards, got {index}.")
    prepare()
    opened = Store(store)
    distinct = {run.id: run for run in runs}
    stored = opened.has(distinct)
    missing = [run for run in distinct.values() if run.id not in stored]
    if not missing:
        return Attendance({}, len(stored), 0)
    check(missing)
    job = Job(opened.address, display, resume_every, None, len(missing), noun_of(missing))
    while trunks := job.trunks(missing):
        before = attend(trunks, store, index, count, display=display, resume_every=resume_every)
        if not before.failed and not before.held:
            # Neither ours to try again, nor anybody's at present: it would be waited for in vain.
            broken = sorted(failed(opened) & {run.id for run in trunks})
            before.failed.update((run, RuntimeError("it failed in another job.")) for run in broken)
        if before.failed:
            return before
        time.sleep(LOOK_EVERY if before.held else 0.0)
    raised: dict[str, Exception] = {}
    # Cut from all runs, stored or not: so every process finds the same shards.
    shards = fixed_shards(shares(list(distinct.values())), SHARES * count)
    for turn in range(count):
        for shard in shards[(index - 1 + turn) % count :: count]:
            tried = run_free(shard, opened, display=display, resume_every=resume_every, again=turn == 0)
            raised |= {run: error for run, error in tried.items() if error is not None}
    stored = opened.has(distinct)
    return Attendance(raised, len(stored), len(opened.held(distinct.keys() - stored)))
