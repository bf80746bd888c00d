"""Training steps of the laboratory beside eager PyTorch, interleaved in one run.

    python -m benchmarks [teacher mlp power nanda] [--rounds N] [--output DIR]

Prints a table, and writes it with all figures to `--output`. Ratios hold for the machine they were
measured on; one that is busy with other work slows eager PyTorch more than the laboratory.
"""

import argparse
import json
import os
import pathlib
import platform
import resource
import statistics
import time
import typing
from collections.abc import Callable

from ._cases import Case, CASES
from ._laboratory import Laboratory


ROUND_SECONDS = 2.0  # each side trains this long before the other has its turn


def main() -> None:
    """Runs the cases that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; default: all")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each side (default: 7)")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("results/benchmarks/cpu"))
    arguments = parser.parse_args()
    unknown = [name for name in arguments.cases if name not in CASES]
    if unknown:
        parser.error(f"unknown case {unknown[0]!r}: choose from {', '.join(CASES)}")
    try:
        import torch  # noqa: F401
    except ImportError:
        parser.error("the other side of the comparison is missing: make torch")
    rows = []
    for name in arguments.cases or CASES:
        rows.append(compare(CASES[name](), arguments.rounds))
        print(as_text(rows[-1]), flush=True)
    arguments.output.mkdir(parents=True, exist_ok=True)
    written = {"machine": machine(), "cases": rows}
    (arguments.output / "training.json").write_text(json.dumps(written, indent=1) + "\n")
    (arguments.output / "training.md").write_text(as_markdown(rows))
    print(f"written: {arguments.output / 'training.md'}")


def compare(case: Case, rounds: int) -> dict[str, typing.Any]:
    """Medians over rounds in which each side has its turn."""
    torch_steps = {name: build() for name, build in case.torch.items()}
    before = _memory()
    laboratory = Laboratory(case.experiment, case.runs)
    torch_counts = {name: _count_for(step) for name, step in torch_steps.items()}
    steps = max(1, int(ROUND_SECONDS / (laboratory.advance(2) / 2)))
    ours, theirs, rates = [], {name: [] for name in torch_steps}, []
    for _ in range(rounds):
        rates.append(matrix_rate())
        ours.append(laboratory.advance(steps) / steps / case.runs)
        for name, step in torch_steps.items():
            theirs[name].append(_time(step, torch_counts[name]) / torch_counts[name])
    middle = statistics.median
    floor = case.flops / middle(rates)
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
        "share_of_floor": floor / middle(ours),
        "program_seconds": laboratory.compile_seconds,
        "lane_bytes": laboratory.lane_bytes,
        "program_bytes": laboratory.engine.bytes_needed,
        "process_bytes": _memory() - before,
    }


def matrix_rate() -> float:
    """Floating point operations a second of float32 matrix products, PyTorch's, on all cores."""
    import torch

    a, seconds, count = torch.ones(1024, 1024), 0.0, 0
    while seconds < 0.3:
        began = time.perf_counter()
        torch.mm(a, a)
        seconds, count = seconds + time.perf_counter() - began, count + 1
    return count * 2 * 1024**3 / seconds


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


def machine() -> dict[str, typing.Any]:
    """What was measured on."""
    import jax
    import torch

    return {
        "python": platform.python_version(),
        "jax": jax.__version__,
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "devices": f"{jax.local_device_count()} x {jax.local_devices()[0].device_kind}",
        "load": os.getloadavg()[0],
        "date": time.strftime("%Y-%m-%d"),
    }


def as_text(row: dict[str, typing.Any]) -> str:
    """A case as a few lines."""
    lines = [
        f"{row['case']}: {_duration(row['laboratory_seconds'])} a model-step, {row['runs']} runs together"
    ]
    for name, seconds in row["torch_seconds"].items():
        target = row["targets"].get(name)
        wanted = f" (target {target})" if target else ""
        lines.append(f"  PyTorch, {name}: {_duration(seconds)}; {row['ratios'][name]:.1f} times ours{wanted}")
    lines.append(
        f"  {row['share_of_floor']:.0%} of what {row['matrix_rate'] / 1e9:.0f} GFLOP/s would allow; program "
        f"ready in {row['program_seconds']:.1f} s; {row['lane_bytes'] / 1e6:.2f} MB a lane"
    )
    return "\n".join(lines)


def as_markdown(rows: list[dict[str, typing.Any]]) -> str:
    """The cases as the documentation shows them."""
    head = (
        "| training | runs | laboratory | PyTorch, released | ratio | PyTorch, tuned | ratio | of the floor |"
    )
    lines = [head, "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        cells = [row["case"], str(row["runs"]), _duration(row["laboratory_seconds"])]
        for name in ("released", "tuned"):
            cells += [_duration(row["torch_seconds"][name]), f"{row['ratios'][name]:.1f}"]
        lines.append("| " + " | ".join([*cells, f"{row['share_of_floor']:.0%}"]) + " |")
    return "\n".join(lines) + "\n"


def _duration(seconds: float) -> str:
    return f"{1e6 * seconds:.0f} us" if seconds < 1e-3 else f"{1e3 * seconds:.1f} ms"


if __name__ == "__main__":
    main()
