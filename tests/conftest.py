"""What holds for every test: strict numerics, two CPU devices, checked types, one compilation cache."""

import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator


def _cache_folder() -> pathlib.Path:
    """Where compiled programs are kept between runs of the tests, and shared between workers."""
    user = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(os.environ.get("AFTERFIT_CACHE") or pathlib.Path(user) / "afterfit") / "xla-tests"


# In the environment, so that the programs that tests start share the cache too.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_cache_folder()))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# As the ensemble sets it; here from the start, so that no number depends on which test ran first.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()

import hypothesis
import jax
import jaxtyping
import pytest


# Two devices, so that packs split over devices wherever the tests run. Must precede JAX's first use.
jax.config.update("jax_num_cpu_devices", 2)
# An outer product where an elementwise one was meant is the commonest silent mistake in array code.
jax.config.update("jax_numpy_rank_promotion", "raise")
# Promotion of dtypes stays standard: under "strict" every mean by an integer count would need a cast.

# Every function and dataclass of a module that names axes is checked against its annotations while tests run,
# as nothing else checks shapes. The other modules have plain types, which `make check` knows without running
# them; checking them here as well took a third of the time of all tests.
SOURCE = pathlib.Path(__file__).parent.parent / "src"
jaxtyping.install_import_hook(
    [
        ".".join(file.relative_to(SOURCE).with_suffix("").parts)
        for file in sorted(SOURCE.glob("afterfit/**/*.py"))
        if "from jaxtyping import" in file.read_text()
    ],
    "typecheck.checked",
)

# The same examples in every run (a failure can be repeated), and no deadline (the first call compiles).
hypothesis.settings.register_profile("afterfit", derandomize=True, deadline=None)
hypothesis.settings.load_profile("afterfit")


@pytest.fixture
def data_folder() -> pathlib.Path:
    """The folder of real data sets that `AFTERFIT_DATA` names; tests that need it skip without."""
    folder = os.environ.get("AFTERFIT_DATA")
    if not folder:
        pytest.skip("AFTERFIT_DATA names no folder of data sets")
    return pathlib.Path(folder)


S3_SERVER = """
import logging
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").disabled = True
server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
input()
"""


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The endpoint of an S3-compatible server in a process of its own."""
    pytest.importorskip("moto")
    server = subprocess.Popen(
        [sys.executable, "-c", S3_SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
    server.kill()
    server.communicate()


@pytest.fixture
def bucket(s3_server, monkeypatch, tmp_path) -> str:
    """The address of an empty bucket, seen from a machine whose cache is empty."""
    s3fs = pytest.importorskip("s3fs")
    s3fs.S3FileSystem.clear_instance_cache()
    settings = {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AFTERFIT_CACHE": str(tmp_path / "machine"),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    address = f"s3://{tmp_path.name.replace('_', '-')}"
    s3fs.S3FileSystem().mkdir(address)
    return address
