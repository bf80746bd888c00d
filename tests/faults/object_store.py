"""One sweep in a folder, by two machines at once in a bucket, and into a bucket whose connection is cut.

    python tests/faults/object_store.py [SEEDS [STEPS]]

The bucket is on a server that speaks S3 (moto). A machine is a process with a cache of its own. Every run
must have the bits of the folder's; a machine that comes later trains nothing; a connection that is cut in
the middle of a pack costs nothing but another start. Needs the tools of development.
"""

import collections
import logging
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time

import s3fs
from kill_repeatedly import bits
from moto.server import ThreadedMotoServer

from afterfit.store import Store


RECIPE = """
steps = {steps}
task = {{kind = "BinaryOperation", operation = "x*y", modulus = 7, fraction = 0.6}}
snapshots = {{kind = "At", chosen = [10, {steps}]}}
model = {{kind = "MLP", hidden = [16]}}
[axes]
"model.hidden" = [[16], [24], [32], [40]]
seed = {seeds}
"""

COMMAND = "import sys; from afterfit.cli import main; sys.exit(main())"


class Line:
    """The way to a server, which can be cut: then the next pack stops on its way, and nobody answers."""

    def __init__(self, port: int):
        self.cut = False
        self._to = port
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        threading.Thread(target=self._welcome, daemon=True).start()

    def _welcome(self) -> None:
        while True:
            client = self._door.accept()[0]
            server = socket.create_connection(("127.0.0.1", self._to))
            broken = threading.Event()
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self._carry, args=(*ends, broken), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket, broken: threading.Event) -> None:
        while data := self._received(one):
            if self.cut and (b"PUT " in data and b"/packs/" in data or broken.is_set()):
                broken.set()
                other.sendall(data[: len(data) // 2])
                break
            try:
                other.sendall(data)
            except OSError:
                break
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    @staticmethod
    def _received(end: socket.socket) -> bytes:
        try:
            return end.recv(1 << 16)
        except OSError:
            return b""


def start(machine: pathlib.Path, *words: object) -> subprocess.Popen:
    """A command of a machine."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, words)],
        env={**os.environ, "AFTERFIT_CACHE": str(machine)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen, code: int = 0) -> str:
    """What a command said."""
    out, err = process.communicate()
    assert process.returncode == code, (process.returncode, out, err[-3000:])
    return err if code else out


def there(address: str, machine: pathlib.Path) -> tuple[dict, collections.Counter[int]]:
    """What a machine finds at an address: bits by run, and how many runs are there once, twice, ..."""
    os.environ["AFTERFIT_CACHE"] = str(machine)
    store = Store(address, readonly=True)
    store.runs()
    each = collections.Counter(entry.run for pack in store._packs.values() for entry in pack.entries)
    return bits(address), collections.Counter(each.values())


def main(seeds: int = 6, steps: int = 4000) -> None:
    logging.getLogger("werkzeug").disabled = True
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    line = Line(server.get_host_and_port()[1])
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{line.port}",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "JAX_COMPILATION_CACHE_DIR": os.path.join(tempfile.gettempdir(), "afterfit-faults-programs"),
    }
    s3fs.S3FileSystem().mkdir("s3://sweeps")
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)
        recipe = root / "recipe.toml"
        recipe.write_text(RECIPE.format(steps=steps, seeds=list(range(seeds))))
        began = time.monotonic()
        ended(start(root / "here", "run", recipe, "--store", root / "runs"))
        print(f"a folder: {time.monotonic() - began:.0f} s")
        wanted = bits(root / "runs")

        began = time.monotonic()
        shared = "s3://sweeps/shared"
        pair = [start(root / f"m{i}", "worker", shared, recipe, "--shard", f"{i}/2") for i in (1, 2)]
        for process in pair:
            ended(process)
        print(f"two machines at once, one bucket: {time.monotonic() - began:.0f} s")
        found, copies = there(shared, root / "third")
        assert found == wanted
        print(f"{len(found)} runs have the bits of the folder's; how often each is there: {dict(copies)}")
        began = time.monotonic()
        assert (
            ended(start(root / "fourth", "worker", shared, recipe))
            == f"{len(wanted)} of {len(wanted)} runs stored\n"
        )
        print(f"a machine that comes later trains nothing: {time.monotonic() - began:.0f} s")

        once = start(root / "m1", "run", recipe, "--store", "s3://sweeps/cut", "--resume-every", 1)
        while "afterfit.json" not in str(s3fs.S3FileSystem(use_listings_cache=False).find("sweeps/cut")):
            time.sleep(0.1)
        line.cut = True
        told = ended(once, 2)
        line.cut = False
        print(f"the connection was cut: {told.strip().splitlines()[-1]}")
        found, copies = there("s3://sweeps/cut", root / "third")
        print(f"{len(found)} runs had arrived")
        assert all(wanted[run] == one for run, one in found.items())
        print(ended(start(root / "m1", "run", recipe, "--store", "s3://sweeps/cut")).splitlines()[1:3])
        found, copies = there("s3://sweeps/cut", root / "fifth")
        assert found == wanted and copies == {1: len(wanted)}
        print("started again: every run is there once, with the bits of the folder's")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
