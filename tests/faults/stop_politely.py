"""Sends SIGINT and SIGTERM to every command that trains, and to a worker of dask.

    python tests/faults/stop_politely.py

`run`, `worker`, `reproduce` and `run --on` must leave a resume point, say how to go on, and end with exit
code 130; a worker of dask must leave one too, from which the other worker goes on. No resume point is due by
the clock, so each one is the signal's. Needs the extra `cluster`; takes about five minutes on two cores.
"""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator

from afterfit._commands import how_to_go_on
from afterfit.store import Store


RECIPE = """
steps = 3_000_000
batch = 8
record = {kind = "Every", interval = 20000}
task = {kind = "BinaryOperation", operation = "x+y", modulus = 5}
model = {kind = "MLP", hidden = [8]}
axes = {seed = [0, 1]}
"""

AFTERFIT = [sys.executable, "-c", "import sys; from afterfit.cli import main; sys.exit(main(sys.argv[1:]))"]
FIGURE = ["reproduce", "kumar2023/fig1", "--scale", "laptop"]  # needs no data that is not here
PATIENCE = 240.0  # seconds


def wait(what: str, ready: Callable[[], object]) -> None:
    """Waits until something is so; raises `TimeoutError`."""
    until = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > until:
            raise TimeoutError(f"waited in vain: {what}")
        time.sleep(0.2)


def training(store: pathlib.Path) -> bool:
    """Whether somebody has begun to train: a segment is there."""
    return any(store.glob("running/*/segment*"))


def points(store: pathlib.Path) -> set[str]:
    """The resume points in a store."""
    return {path.name for path in store.glob("running/*/resume*")}


def stop(words: list[str], store: pathlib.Path, number: signal.Signals) -> str:
    """Starts a command, sends it a signal once it trains, and returns what is wrong with its end."""
    child = subprocess.Popen(
        [*AFTERFIT, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    wait("training", lambda: training(store) or child.poll() is not None)
    child.send_signal(number)
    said = child.communicate(timeout=PATIENCE)[1]
    wanted = f"stopped; {how_to_go_on(store)}"
    if child.returncode != 130 or said.splitlines()[-1] != wanted or "Traceback" in said:
        return f"exit code {child.returncode}, said {said[-600:]!r}"
    interrupted = Store(store, readonly=True).status().interrupted
    return "" if interrupted else "no resume point"


@contextlib.contextmanager
def dask(*words: object) -> Generator[subprocess.Popen]:
    """A part of a dask cluster."""
    command = [sys.executable, "-m", "dask", *map(str, words), "--no-dashboard"]
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.terminate()
        child.wait()


def address() -> str:
    """A free one of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def stop_worker(recipe: str, store: pathlib.Path, where: str, number: signal.Signals) -> str:
    """Sends a signal to the only worker, which must leave resume points, from which another one goes on."""
    words = ["run", recipe, "--store", str(store), "--resume-every", "10000", "--on", f"dask://{where}"]
    driver = subprocess.Popen([*AFTERFIT, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with dask("worker", where, "--nthreads", 1) as worker:
            wait("training by the worker", lambda: training(store))
            worker.send_signal(number)
            worker.wait(PATIENCE)
        if not points(store):
            return "no resume point"
        reached = [int(live.steps[-1]) for live in Store(store).status().interrupted.values()]
        with dask("worker", where, "--nthreads", 1):
            wait("training by the next worker", lambda: Store(store).status().sessions)
            wait("records", lambda: any(one.live for one in Store(store).status().sessions))
            (session,) = Store(store).status().sessions
            later = [int(live.steps[-1]) for live in session.live.values() if len(live.steps)]
        return "" if max(later) >= max(reached) else f"at {reached} when stopped, then at {later}"
    finally:
        driver.send_signal(signal.SIGINT)
        driver.wait(PATIENCE)


def main() -> int:
    """Returns 0 if all stopped as they should."""
    right = True
    os.environ["JAX_PLATFORMS"] = "cpu"
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        recipe = str(folder / "recipe.toml")
        pathlib.Path(recipe).write_text(RECIPE)
        for number in (signal.SIGINT, signal.SIGTERM):
            late = ["--resume-every", "10000"]
            where = address()
            stores = {
                name: folder / f"{name}-{number.name}" for name in ("run", "worker", "reproduce", "driver")
            }
            ways = {
                "run": ["run", recipe, "--store", str(stores["run"]), *late],
                "worker": ["worker", str(stores["worker"]), recipe, "--shard", "1/2", *late],
                "reproduce": [*FIGURE, "--store", str(stores["reproduce"]), "--output", str(folder / "out")],
                "driver": ["run", recipe, "--store", str(stores["driver"]), *late, "--on", f"dask://{where}"],
            }
            with dask("scheduler", "--host", where.split(":")[0], "--port", where.split(":")[1]):
                time.sleep(3)
                for name, words in ways.items():
                    with contextlib.ExitStack() as stack:
                        if name == "driver":
                            stack.enter_context(dask("worker", where, "--nthreads", 1))
                        wrong = stop(words, stores[name], number)
                    right = right and not wrong
                    print(
                        f"{number.name} to {name}: {wrong or 'stopped at a resume point, and said so'}",
                        flush=True,
                    )
                wrong = stop_worker(recipe, folder / f"dask-{number.name}", where, number)
                right = right and not wrong
                print(
                    f"{number.name} to a dask worker: {wrong or 'left a resume point; another went on'}",
                    flush=True,
                )
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
