"""What this process may use of its machine, by the kernel's files.

Control groups (of a container, of a job on a cluster) and limits leave it less than there is.

Every function reads the files below a folder, by default those of the kernel, and tells `None` where none of
them sets a limit.
"""

import contextlib
import math
import pathlib
from collections.abc import Iterator


KERNEL = pathlib.Path("/")

_MEMORY = {1: ("memory.limit_in_bytes", "memory.usage_in_bytes"), 2: ("memory.max", "memory.current")}
"""Version of control groups -> the files of the limit and of what is in use."""


def free_bytes(root: pathlib.Path = KERNEL) -> int | None:
    """Bytes of memory that this process could still be given."""
    found = (_available(root), _left_by_groups(root), _address_space(root))
    return min((most for most in found if most is not None), default=None)


def most_cores(root: pathlib.Path = KERNEL) -> int | None:
    """Cores for which control groups grant time, a part of one counted as one."""
    granted = []
    for version, folder in _groups("cpu", root):
        names = ("cpu.max",) if version == 2 else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        words = [word for name in names for word in _text(folder / name).split()]
        with contextlib.suppress(ValueError):  # "max", or no such file
            quota, period = map(int, words)
            if quota > 0:  # -1: no limit
                granted.append(math.ceil(quota / period))
    return min(granted, default=None)


def _available(root: pathlib.Path) -> int | None:
    kibibytes = _entry(_text(root / "proc/meminfo"), "MemAvailable:")
    return None if kibibytes is None else kibibytes * 1024


def _left_by_groups(root: pathlib.Path) -> int | None:
    left = []
    for version, folder in _groups("memory", root):
        limit, used = (_number(_text(folder / name)) for name in _MEMORY[version])
        if limit is not None and used is not None:
            # Files that nobody reads just now are counted as in use, and given up when memory is asked for.
            cached = _entry(
                _text(folder / "memory.stat"), "total_inactive_file" if version == 1 else "inactive_file"
            )
            left.append(max(limit - used + (cached or 0), 0))
    return min(left, default=None)


def _address_space(root: pathlib.Path) -> int | None:
    limit = _entry(_text(root / "proc/self/limits"), "Max address space")
    used = _entry(_text(root / "proc/self/status"), "VmSize:")
    return None if limit is None or used is None else max(limit - used * 1024, 0)


def _groups(controller: str, root: pathlib.Path) -> Iterator[tuple[int, pathlib.Path]]:
    """The control groups of this process, each with its version: its own, and those around it.

    A container may see only its own, at the top, and be told of a path that is not there.
    """
    mounted = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        version, top = (2, mounted) if number == "0" else (1, mounted / controller)
        if version == 2 or controller in controllers.split(","):
            own = top / path.strip("/")
            yield from ((version, one) for one in (own, *own.parents) if one.is_relative_to(top))


def _text(path: pathlib.Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text()
    return ""


def _entry(text: str, name: str) -> int | None:
    """The number after a name at the beginning of a line."""
    for line in text.splitlines():
        before, found, after = line.partition(name)
        if found and not before:
            return _number(after)
    return None


def _number(text: str) -> int | None:
    with contextlib.suppress(ValueError, IndexError):  # "max", "unlimited", or no such file
        return int(text.split()[0])
    return None
