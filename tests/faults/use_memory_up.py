"""Trains two packs under a limit on the memory of the process, one of which does not fit into it.

    python tests/faults/use_memory_up.py [GIGABYTES]

The runs of that pack must be `failed`, with a message that says what to do, and those of the other one
`done`. The limit (RLIMIT_AS) is one that the system does not tell of, so the memory ends in the middle of
things. Takes about half a minute.
"""

import pathlib
import resource
import sys
import tempfile

import afterfit as af
from afterfit.store import Store


EXPERIMENT = af.Experiment(
    af.tasks.BinaryOperation("x+y", modulus=5), af.models.MLP(hidden=(8,)), steps=40, record=af.Every(10)
)


def main() -> int:
    """Returns 0 if all ended as it should."""
    room = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    af.sweep(EXPERIMENT).run(display=af.ensemble.silent)  # all that training needs is loaded by now
    taken = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = taken + int(room * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    plan = af.sweep(EXPERIMENT, {"model.hidden": [(12_000, 12_000), (8,)], "seed": [0, 1]})
    with tempfile.TemporaryDirectory() as scratch:
        try:
            plan.run(scratch, display=af.ensemble.silent)
        except MemoryError as error:
            print(f"MemoryError: {error}")
        entries = {entry.run: entry for entry in Store(scratch).runs()}
        outcomes = [entries[run.id].outcome for run in plan.runs]
        advised = "try a smaller model" in entries[plan.runs[0].id].message.splitlines()[-1]
    print(f"outcomes: {', '.join(outcomes)}")
    return 0 if advised and outcomes == ["failed", "failed", "done", "done"] else 1


if __name__ == "__main__":
    sys.exit(main())
