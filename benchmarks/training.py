"""Training steps of the laboratory beside eager PyTorch, interleaved."""

import statistics
import sys
import tempfile
import time
import typing
from collections.abc import Callable

from ._cases import Case, CASES
from ._laboratory import Laboratory
from ._table import duration, Table


ROUNDS = 7
ROUND_SECONDS = 2.0  # each side trains this long before the other has its turn


def measure() -> Table | None:
    """All cases; nothing where the other side of the comparison is missing."""
    try:
        import torch
    except ImportError:
        print("left out: training steps beside PyTorch, which is missing: make torch", file=sys.stderr)
        return None
    found = [compare(build()) for build in CASES.values()]
    head = ("training", "runs", "a model-step", "PyTorch, released", "ratio", "PyTorch, tuned", "ratio")
    head = (*head, "share of the floor", "start, cold / warm", "memory a lane")
    note = (
        "A model-step is one update of one run, all runs together. Ratios are medians over turns. The floor "
        "is the matrix products of a step (row lookups, shared prefixes and the answer position taken into "
        f"account) at the rate of large float32 products in the same run. PyTorch {torch.__version__} in one "
        f"process with {torch.get_num_threads()} threads. The released version of Nanda et al. takes its "
        "loss in float64, as theirs does; everything else is float32."
    )
    return Table("Training steps beside eager PyTorch", head, [_row(one) for one in found], found, (note,))


def compare(case: Case) -> dict[str, typing.Any]:
    """Medians over rounds in which each side has its turn."""
    print(f"{case.name} ...", file=sys.stderr, flush=True)
    cold, warm, laboratory = _starts(case)
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
        "program_seconds": {"cold": cold, "warm": warm},
        "lane_bytes": laboratory.lane_bytes,
        "program_bytes": laboratory.engine.bytes_needed,
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


def _starts(case: Case) -> tuple[float, float, Laboratory]:
    """Seconds to have the program with an empty cache of programs and with a filled one; and it."""
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    seconds, laboratory, kept = [], None, jax.config.values["jax_compilation_cache_dir"]
    with tempfile.TemporaryDirectory() as folder:
        jax.config.update("jax_compilation_cache_dir", folder)
        for _ in range(2):
            jax.clear_caches()
            compilation_cache.reset_cache()
            laboratory = Laboratory(case.experiment, case.runs)
            seconds.append(laboratory.compile_seconds)
    jax.config.update("jax_compilation_cache_dir", kept)
    compilation_cache.reset_cache()
    assert laboratory is not None
    return *seconds, laboratory
