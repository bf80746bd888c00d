"""Executors: how many workers they have, how they lose them, and what becomes of them then."""

import concurrent.futures
import os
import re
import sys
import typing


Executor = concurrent.futures.Executor


SCHEME = "dask://"
HOW_TO_GET_DASK = "dask is not installed: pip install 'afterfit[cluster]', here and on the workers."


def connect(address: str) -> Executor:
    """The executor of the workers at an address, `dask://HOST:PORT`.

    **Raises:** `ValueError` for another address or where dask is not installed, `OSError` where nobody
    answers.
    """
    if not re.fullmatch(rf"{SCHEME}[^/:]+:\d+", address):
        raise ValueError(f"Expected an address such as {SCHEME}localhost:8786, got {address!r}.")
    try:
        import distributed
    except ImportError as error:
        raise ValueError(HOW_TO_GET_DASK) from error
    try:
        client = distributed.Client(f"tcp://{address.removeprefix(SCHEME)}", timeout="10s")
    except OSError as error:
        raise OSError(
            f"no dask scheduler answers at {address}: start one with `dask scheduler`, and workers with "
            "`dask worker HOST:PORT --nworkers 4 --nthreads 1`."
        ) from error
    return client.get_executor(pure=False)


def checked(executor: Executor) -> Executor:
    """The executor, if it is one that JAX survives.

    **Raises:** `ValueError` otherwise, with what to write.
    """
    if not isinstance(executor, Executor):
        raise ValueError(
            f"`executor` must be a concurrent.futures.Executor, got {executor!r}; of a dask client, "
            "`client.get_executor()` is one."
        )
    if isinstance(executor, concurrent.futures.ProcessPoolExecutor):
        method = _private(executor, "_mp_context").get_start_method()
        if method == "fork":
            raise ValueError(
                "`executor` forks its processes, and JAX does not survive that. Try ProcessPoolExecutor("
                'mp_context=multiprocessing.get_context("spawn")), under `if __name__ == "__main__":`.'
            )
    return executor


def capacity(executor: Executor) -> int:
    """How many workers an executor has at present; they may come and go."""
    client = getattr(executor, "_client", None)  # of dask
    if client is not None:
        return sum(client.ncores().values())
    return getattr(executor, "_max_workers", os.cpu_count() or 1)


def lost() -> tuple[type[BaseException], ...]:
    """What the future of a shard raises whose worker died."""
    kinds: tuple[type[BaseException], ...] = (
        concurrent.futures.BrokenExecutor,
        concurrent.futures.CancelledError,
    )
    if "distributed" in sys.modules:
        import distributed

        kinds = (
            *kinds,
            distributed.KilledWorker,
            distributed.CancelledError,
            distributed.comm.CommClosedError,
        )
    return kinds


def leaving() -> bool:
    """Whether this is a worker of dask that somebody has told to end: dask waits some seconds for it."""
    if "distributed" not in sys.modules:
        return False
    import distributed

    try:
        status = distributed.get_worker().status
    except ValueError:  # no worker of dask
        return False
    return status not in (distributed.Status.running, distributed.Status.paused)


def renewed(broken: Executor) -> Executor | None:
    """A pool of processes like one that has lost a process; `None` for executors that need no other."""
    if not isinstance(broken, concurrent.futures.ProcessPoolExecutor):
        return None
    return concurrent.futures.ProcessPoolExecutor(
        _private(broken, "_max_workers"),
        mp_context=_private(broken, "_mp_context"),
        initializer=_private(broken, "_initializer"),
        initargs=_private(broken, "_initargs"),
        max_tasks_per_child=_private(broken, "_max_tasks_per_child"),
    )


def _private(executor: Executor, name: str) -> typing.Any:
    return getattr(executor, name)  # the standard library has no other way to ask
