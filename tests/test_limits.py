"""What control groups and limits leave a process, from files written as the kernel writes them."""

import pytest

from afterfit import _memory
from afterfit._limits import free_bytes, most_cores


GB = 10**9
FREE = {"proc/meminfo": f"MemTotal: 99 kB\nMemAvailable:   {64 * GB // 1024} kB\n"}
V2 = {"proc/self/cgroup": "0::/job/step\n"}
V1 = {"proc/self/cgroup": "4:memory:/docker/1\n3:cpu,cpuacct:/docker/1\n1:name=systemd:/\n0::/\n"}
UNLIMITED = (
    "Limit Soft Hard Units\nMax address space         unlimited            unlimited            bytes\n"
)


@pytest.fixture
def kernel(tmp_path):
    """Writes files below a folder, which is returned."""

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def memory2(folder, limit, used, cached=0):
    """A control group of version 2."""
    place = f"sys/fs/cgroup{folder}"
    stat = f"anon 5\ninactive_file {cached}\n"
    return {f"{place}/memory.max": limit, f"{place}/memory.current": used, f"{place}/memory.stat": stat}


def memory1(folder, limit, used, cached=0):
    """A control group of version 1."""
    place = f"sys/fs/cgroup/memory{folder}"
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat")
    texts = (limit, used, f"inactive_file 1\ntotal_inactive_file {cached}\n")
    return {f"{place}/{name}": text for name, text in zip(names, texts, strict=True)}


@pytest.mark.parametrize(
    ("files", "gigabytes"),
    [
        ({}, 64),
        ({"proc/self/cgroup": "0::/\n"}, 64),
        (V2 | memory2("/job/step", "max\n", f"{GB}\n"), 64),
        (V2 | memory2("/job/step", f"{8 * GB}\n", f"{3 * GB}\n"), 5),
        (V2 | memory2("/job/step", f"{8 * GB}\n", f"{3 * GB}\n", cached=2 * GB), 7),
        (V2 | memory2("/job/step", "max\n", "5\n") | memory2("/job", f"{4 * GB}\n", f"{GB}\n"), 3),
        (V2 | memory2("", f"{4 * GB}\n", f"{5 * GB}\n"), 0),  # above its limit for a moment
        (V1 | memory1("/docker/1", f"{8 * GB}\n", f"{3 * GB}\n", cached=GB), 6),
        (V1 | memory1("", f"{8 * GB}\n", f"{3 * GB}\n"), 5),  # in a container: the path is the host's
        (V1 | memory1("/docker/1", "9223372036854771712\n", f"{GB}\n"), 64),
        ({"proc/self/limits": UNLIMITED, "proc/self/status": "VmSize:  1000 kB\n"}, 64),
        (
            {
                "proc/self/limits": UNLIMITED.replace("unlimited", str(3 * GB), 1),
                "proc/self/status": f"Name: x\nVmPeak: 7 kB\nVmSize:  {GB // 1000} kB\n",
            },
            1.976,
        ),
    ],
)
def test_free_memory_is_the_least_that_anything_leaves(kernel, files, gigabytes):
    # Kibibytes are whole.
    assert free_bytes(kernel(FREE | files)) == pytest.approx(gigabytes * GB, abs=2048)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, None),
        (V2 | {"sys/fs/cgroup/job/step/cpu.max": "max 100000\n"}, None),
        (V2 | {"sys/fs/cgroup/job/step/cpu.max": "250000 100000\n"}, 3),
        (V2 | {"sys/fs/cgroup/job/step/cpu.max": "max 100000\n", "sys/fs/cgroup/cpu.max": "5000 10000\n"}, 1),
        (
            V1
            | {
                "sys/fs/cgroup/cpu/docker/1/cpu.cfs_quota_us": "400000\n",
                "sys/fs/cgroup/cpu/docker/1/cpu.cfs_period_us": "100000\n",
            },
            4,
        ),
        (
            V1
            | {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            None,
        ),
    ],
)
def test_cores_are_those_that_are_granted(kernel, files, cores):
    assert most_cores(kernel(files)) == cores


def test_without_the_kernels_files_nothing_is_known(tmp_path):
    assert free_bytes(tmp_path) is None and most_cores(tmp_path) is None


def test_this_machine_has_some_of_each(monkeypatch):
    assert 0 < _memory.free_host_memory() < 1 << 50
    monkeypatch.setattr(_memory, "free_bytes", lambda: 12)
    assert _memory.free_host_memory() == 12
