"""The benchmarks: `python -m benchmarks [NAME ...]`.

Ratios are measured side by side in one run: they hold for the machine they were measured on, and one
that is busy with other work slows eager PyTorch more than the laboratory.
"""

import argparse
import importlib
import pathlib

from afterfit.ensemble._machine import prepare


BENCHMARKS = {
    "training": "training steps beside eager PyTorch",
    "recording": "what records, probes, the store and the display cost",
    "landscape": "231 constrained trainings beside eager PyTorch",
    "kernel": "a tangent kernel of 1,000 examples beside the dense Jacobian",
    "information": "O-information of a layer beside `hoi`, and beside a loop",
    "guesses": "random networks a second beside NumPy, and their memory",
    "diagram": "588 runs as one program, beside single runs in turn",
    "sizes": "speed and memory against the number of runs",
    "refill": "runs that end at very different times",
    "second-start": "from the command to the first step, with a warm cache",
    "precision": "grokking times under coarser matrix products (minutes)",
    "memory": "what grows with a sweep, and how a store of 100,000 runs opens (minutes)",
    "many": "a sweep of 100,000 tiny runs (minutes)",
    "packs": "144 runs as one program, beside single runs (minutes)",
    "page": "the live page with 1,000 runs in a browser (needs Chromium)",
    "cluster": "a million runs on 1 to 10,000 workers, simulated (minutes)",
    "cluster-check": "real sweeps beside what that simulation foretells (minutes)",
    "startup": "processor time of `afterfit --help`",
}
LONG = ("precision", "memory", "many", "packs", "cluster", "cluster-check")


def main() -> None:
    """Runs the benchmarks that were asked for, by default all but the longest."""
    listed = "\n".join(f"  {name:<14}{about}" for name, about in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"benchmarks:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all but {', '.join(LONG)}")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("results/benchmarks/cpu"))
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in BENCHMARKS:
            parser.error(f"unknown benchmark {name!r}: choose from {', '.join(BENCHMARKS)}")
    prepare()
    for name in arguments.names or [name for name in BENCHMARKS if name not in LONG]:
        module = importlib.import_module(f".{name.replace('-', '_')}", __package__)
        table = module.measure()
        if table is None:
            continue
        table.write(arguments.output, name)
        print(f"{table.markdown}\nwritten: {arguments.output / name}.md\n", flush=True)


if __name__ == "__main__":
    main()
