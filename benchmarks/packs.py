"""One program for many runs: 12 operations x 3 fractions x 2 weight decays x 2 seeds, beside single runs.

    python -m benchmarks.packs

Prints how many programs were compiled, and the wall time of the sweep beside 144 times that of a single
run: of a run as a process of its own would have it (compilation included), and of its training alone.
"""

import statistics
import time

import jax

import afterfit as af
from afterfit.ensemble import Progress


OPERATIONS = [
    "add", "sub", "mul", "div", "mix", "quad1", "quad2", "quad3", "cube1", "cube2", "square_add", "add_mul",
]  # fmt: skip

EXPERIMENT = af.Experiment(
    task=af.tasks.BinaryOperation("add", modulus=31),
    model=af.models.Transformer(width=32, heads=4),
    optimiser=af.AdamW(learning_rate=1e-3, weight_decay=1.0),
    batch=512,
    steps=200,
)
AXES = {
    "task.operation": OPERATIONS,
    "task.fraction": [0.3, 0.5, 0.7],
    "optimiser.weight_decay": [0.0, 1.0],
    "seed": [0, 1],
}


def timed(axes: dict) -> tuple[float, Progress]:
    """Wall seconds of a sweep, compiled anew, and its last progress."""
    seen: list[Progress] = []
    jax.clear_caches()
    began = time.perf_counter()
    af.sweep(EXPERIMENT, axes).run(display=seen.append)
    return time.perf_counter() - began, seen[-1]


def main() -> None:
    """Prints the comparison."""
    jax.config.update("jax_enable_compilation_cache", False)
    whole, progress = timed(AXES)
    singles = [timed({"seed": [seed]}) for seed in (0, 1, 2)]
    single = statistics.median(seconds for seconds, _ in singles)
    training = statistics.median(seconds - one.compile_seconds for seconds, one in singles)
    print(f"144 lanes: {progress.programs} program compiled in {progress.compile_seconds:.1f} s")
    print(f"wall time of the sweep: {whole:.1f} s")
    print(f"a single run: {single:.1f} s, of which training {training:.1f} s (median of 3)")
    print(f"144 single runs, each compiled: {144 * single:.0f} s, {144 * single / whole:.1f} times the sweep")
    print(
        f"144 times the training alone: {144 * training:.0f} s, {144 * training / whole:.2f} times the sweep"
    )


if __name__ == "__main__":
    main()
