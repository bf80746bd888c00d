"""How much memory is free."""

import os

import jax

from ._limits import free_bytes


def free_memory(device: jax.Device) -> int:
    """Bytes free on a device; devices of the host share what the host has."""
    if device.platform == "cpu":
        return free_host_memory() // len(jax.local_devices(backend="cpu"))
    stats = device.memory_stats() or {}
    return stats.get("bytes_limit", 8 << 30) - stats.get("bytes_in_use", 0)


def free_host_memory() -> int:
    """Bytes that this machine could still give to this process."""
    free = free_bytes()
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2 if free is None else free
