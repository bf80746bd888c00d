"""Sweeps timed from a cold start: no compiled program is at hand."""

import contextlib
import time
from collections.abc import Generator, Mapping

import jax
from jax.experimental.compilation_cache import compilation_cache

import afterfit as af
from afterfit.ensemble import Progress


@contextlib.contextmanager
def no_cache() -> Generator[None]:
    """JAX's persistent compilation cache is off meanwhile."""
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()
    try:
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", True)
        compilation_cache.reset_cache()


def timed(experiment: af.Experiment, axes: Mapping) -> tuple[float, Progress]:
    """Wall seconds of a sweep, compiled anew (inside `no_cache`), and its last progress."""
    seen: list[Progress] = []
    jax.clear_caches()
    began = time.perf_counter()
    af.sweep(experiment, axes).run(display=seen.append)
    return time.perf_counter() - began, seen[-1]
