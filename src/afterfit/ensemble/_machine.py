"""This machine: its devices, its memory, and how lanes are laid out on them."""

import contextlib
import os
import typing

import jax

from .._folders import cache_folder
from .._limits import most_cores
from .._memory import free_memory
from ._engine import Layout


CPU_LANES, CPU_LANES_SMALL = 8, 32
"""Lanes of one CPU device, whatever the pack: a run must not meet another program in other company.
They take turns, so more of them only spare calls, which matters where a run is small."""

SMALL = 1 << 18  # bytes of a lane

MOST_LANES = 4096
MOST_LEGS = 64
MOST_RECORDED = 1 << 25  # bytes of the records of one call


def prepare() -> None:
    """Gives each CPU core a device of its own and turns the compilation cache on.

    What a user has already chosen, by flags or by starting JAX earlier, stays.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_cpu_multi_thread_eigen" not in flags:
        # One core, one device: two thread pools on the same cores only wait for each other.
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    share_cores(_cores())
    if _configured("jax_compilation_cache_dir") is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "programs"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def share_cores(count: int) -> None:
    """Makes so many CPU devices, unless somebody has said how many there are."""
    said = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if not said and _configured("jax_num_cpu_devices") < 1:
        with contextlib.suppress(RuntimeError):  # the backend is up: take the devices that are there
            jax.config.update("jax_num_cpu_devices", count)


def _cores() -> int:
    """Cores that this process may use: a container, or a job of a cluster, may own fewer than there are."""
    if hasattr(os, "sched_getaffinity"):  # on Linux
        cores = len(os.sched_getaffinity(0))
        return min(cores, most_cores() or cores)
    return os.cpu_count() or 1


def _configured(name: str) -> typing.Any:
    return getattr(jax.config, name)  # JAX makes these attributes at run time


def layout_for(
    runs: int, lane_bytes: int, record_bytes: int, devices: tuple[jax.Device, ...] | None = None
) -> Layout:
    """A layout for so many runs, from the bytes that a lane's state and one record of it take."""
    devices = tuple(jax.local_devices()) if devices is None else devices
    side_by_side = devices[0].platform != "cpu"
    lanes = CPU_LANES_SMALL if lane_bytes <= SMALL else CPU_LANES
    if side_by_side:
        wanted = -(-runs // len(devices))
        lanes = min(MOST_LANES, 1 << (wanted - 1).bit_length())
    # Gradients and activations come on top of what a lane holds: half of the memory is left to them.
    while lanes > 1 and lanes * lane_bytes > free_memory(devices[0]) // 2:
        lanes //= 2
    # Lanes side by side wait for each other at the end of each leg, so they are cut on the host.
    legs = 1 if side_by_side else max(1, min(MOST_LEGS, MOST_RECORDED // (lanes * max(record_bytes, 1))))
    return Layout(devices, lanes, side_by_side, legs)
