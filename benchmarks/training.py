"""Training steps of the laboratory beside eager PyTorch, interleaved."""

import resource
import statistics
import sys
import time
import typing
from collections.abc import Callable

from ._cases import Case, CASES
from ._laboratory import Laboratory
from ._table import duration, Table


ROUNDS = 7
ROUND_SECONDS = 2.0  # each side trains this long before the other has its turn


def measure() -> Table:
    """All cases."""
    try:
        import torch
    except ImportError:
        sys.exit("the other side of the comparison is missing: make torch")
    found = [compare(build()) for build in CASES.values()]
    head = ("training", "runs", "a model-step", "PyTorch, released", "ratio", "PyTorch, tuned", "ratio")
    head = (*head, "share of the floor", "start, cold / warm", "memory a lane")
    note = (
        "A model-step is one update of one run, all runs together. Ratios are medians over turns. The floor "
        "is the matrix products of a step (row lookups, shared prefixes and the answer position taken into "
        f"account) at the rate of large float32 products in the same run. PyTorch {torch.__version__} on "
        f"{torch.get_num_threads()} threads."
    )
    return Table("Training steps beside eager PyTorch", head, [_row(one) for one in found], found, (note,))


def compare(case: Case) -> dict[str, typing.Any]:
    """Medians over rounds in which each side has its turn."""
    import jax

    print(f"{case.name} ...", file=sys.stderr, flush=True)
    before = _memory()
    jax.clear_caches()
    jax.config.update("jax_enable_compilation_cache", False)
    cold = Laboratory(case.experiment, case.runs).compile_seconds
    jax.config.update("jax_enable_compilation_cache", True)
    Laboratory(case.experiment, case.runs)  # into the cache, if it was not there
    jax.clear_caches()
    laboratory = Laboratory(case.experiment, case.runs)
    torch_steps = {name: build() for name, build in case.torch.items()}
    torch_counts = {name: _count_for(step) for name, step in torch_steps.items()}
    steps = max(1, int(ROUND_SECONDS / (laboratory.advance(2) / 2)))
    ours, theirs, rates = [], {name: [] for name in torch_steps}, []
    for _ in range(ROUNDS):
        rates.append(matrix_rate())
        ours.append(laboratory.advance(steps) / steps / case.runs)
        for name, step in torch_steps.items():
            theirs[name].append(_time(step, torch_counts[name]) / torch_counts[name])
    middle = statistics.median
    return {
        "case": case.name,
        "runs": case.runs,
        "laboratory_seconds": middle(ours),
        "laboratory_range": [min(ours), max(ours)],
        "torch_seconds": {name: middle(times) for name, times in theirs.items()},
        # Round by round, since a busy spell of the machine lasts longer than a turn.
        "ratios": {
            name: middle([t / o for t, o in zip(times, ours, strict=True)]) for name, times in theirs.items()
        },
        "targets": case.targets,
        "flops": case.flops,
        "matrix_rate": middle(rates),
        "share_of_floor": middle([case.flops / r / o for r, o in zip(rates, ours, strict=True)]),
        "program_seconds": {"cold": cold, "warm": laboratory.compile_seconds},
        "lane_bytes": laboratory.lane_bytes,
        "program_bytes": laboratory.engine.bytes_needed,
        "process_bytes": _memory() - before,
    }


def matrix_rate() -> float:
    """Floating point operations a second of large float32 matrix products, PyTorch's, on all cores."""
    import torch

    a, seconds, count = torch.ones(1024, 1024), 0.0, 0
    while seconds < 0.3:
        began = time.perf_counter()
        torch.mm(a, a)
        seconds, count = seconds + time.perf_counter() - began, count + 1
    return count * 2 * 1024**3 / seconds


def _row(found: dict[str, typing.Any]) -> tuple[str, ...]:
    cells = [found["case"], str(found["runs"]), duration(found["laboratory_seconds"])]
    for name in ("released", "tuned"):
        target = found["targets"].get(name)
        wanted = f" (target {target})" if target else ""
        cells += [duration(found["torch_seconds"][name]), f"{found['ratios'][name]:.1f}{wanted}"]
    programs = found["program_seconds"]
    cells += [f"{found['share_of_floor']:.0%} of {found['matrix_rate'] / 1e9:.0f} GFLOP/s"]
    cells += [f"{programs['cold']:.1f} / {programs['warm']:.1f} s", f"{found['lane_bytes'] / 1e6:.2f} MB"]
    return tuple(cells)


def _time(step: Callable[[], None], count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        step()
    return time.perf_counter() - began


def _count_for(step: Callable[[], None]) -> int:
    _time(step, 3)
    return max(3, int(ROUND_SECONDS / (_time(step, 3) / 3)))


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
