"""Where the time of one training step goes.

    python -m benchmarks.profile CASE [--top N]

CASE is one of the trainings of `python -m benchmarks training`: teacher, mlp, power, nanda, graph, lstm. The
parts are read off the compiled program: each kernel that the profiler timed carries the name of the operation
it came from. On one device; recording and the host's share are told beside a step.
"""

import argparse
import collections
import glob
import gzip
import json
import re
import tempfile
import time
import typing

import jax

import afterfit as af
from afterfit.ensemble._engine import Engine
from afterfit.ensemble._machine import prepare
from afterfit.ensemble._pack import packs

from ._cases import CASES
from ._table import duration, Table


STEPS = 10

# The first pattern that the operation's name matches says what it is part of.
PARTS = (
    ("sampling", r"sampling"),
    ("optimiser", r"optimiser"),
    ("attention", r"attention"),
    ("matrix products", r"dot_general"),
    ("loss", r"log_softmax|logsumexp|one_hot"),
    ("row lookups and their gradients", r"gather|scatter"),
)
OTHER = "activations, norms, copies"


def measure(name: str, top: int) -> Table:
    """The parts of a step of one case."""
    case = CASES[name]()
    (run,) = af.sweep(case.experiment, {"seed": [0]}).runs
    (pack,) = packs([run])
    recipe, data = jax.device_put(Engine.whole(pack.shared, Engine.lane(run)))
    state = jax.jit(pack.program.start)(recipe, data)
    step = jax.jit(pack.program.step).lower(recipe, data, state).compile()
    record = jax.jit(pack.program.measure).lower(recipe, data, state).compile()
    seconds = _seconds(lambda: step(recipe, data, state))
    recording = _seconds(lambda: record(recipe, data, state))
    operations = _operations(step.as_text() or "")
    kernels = _kernel_times(lambda: step(recipe, data, state), operations)
    parts: collections.Counter[str] = collections.Counter()
    for kernel, spent in kernels.items():
        parts[_part(operations[kernel])] += spent
    known = sum(parts.values())
    rows: list[tuple[str, ...]] = [(part, f"{spent / known:.0%}") for part, spent in parts.most_common()]
    rows.append(("a step", duration(seconds)))
    rows.append(("a record of the basic measures", duration(recording)))
    rows += [
        (f"`{operations[kernel][-60:]}`", f"{spent / known:.1%}")
        for kernel, spent in kernels.most_common(top)
    ]
    return Table(f"{case.name}: where a step goes, one device", ("part", "share"), rows, dict(parts))


def _operations(program: str) -> dict[str, str]:
    """From the kernels of a compiled program to the operations they came from.

    The name says `dot_general` where a kernel holds a matrix product, whatever else is fused into it.
    """
    bodies = dict(re.findall(r"^%?([\w.\-]+) [^\n]*\{\n(.*?)^\}", program, re.MULTILINE | re.DOTALL))
    found = {}
    for line in program.splitlines():
        named = re.match(r"\s*(?:ROOT )?%?([\w.\-]+) = (?:\([^=]*\)|\S+) ([\w\-]+)\(", line)
        if named and named[2] not in ("while", "conditional", "call"):
            origin = re.search(r'op_name="([^"]*)"', line)
            called = re.search(r"calls=%?([\w.\-]+)", line)
            body = bodies.get(called[1], "") if called else ""
            product = named[2] == "dot" or " dot(" in body
            found[named[1]] = (origin[1] if origin else "") + ("/dot_general" if product else "")
    return found


def _kernel_times(call: typing.Callable, operations: dict[str, str]) -> collections.Counter[str]:
    """Microseconds of each kernel in a call."""
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(STEPS):
                jax.block_until_ready(call())
        (trace,) = glob.glob(f"{folder}/**/*.trace.json.gz", recursive=True)
        with gzip.open(trace) as file:
            events = json.load(file)["traceEvents"]
    times: collections.Counter[str] = collections.Counter()
    for event in events:
        if event.get("ph") == "X" and event["name"] in operations:
            times[event["name"]] += event["dur"] / STEPS
    return times


def _part(operation: str) -> str:
    return next((part for part, pattern in PARTS if re.search(pattern, operation)), OTHER)


def _seconds(call: typing.Callable) -> float:
    jax.block_until_ready(call())
    times = []
    for _ in range(STEPS):
        began = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    """Prints the parts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--top", type=int, default=0, help="list so many kernels too")
    arguments = parser.parse_args()
    prepare()
    print(measure(arguments.case, arguments.top).markdown)


if __name__ == "__main__":
    main()
