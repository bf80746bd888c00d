"""The tangent kernel of 1,000 examples beside the plain way: the whole Jacobian, then one product.

Each way runs in a process of its own, so that its peak memory is that of the whole process.
"""

import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
import typing

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

import afterfit as af
from afterfit.ensemble._machine import prepare

from ._table import duration, Table


COUNT = 1000
ROUNDS, REPEATS = 2, 2  # processes of each way, and calls in each after the first
TARGET = 2e9  # bytes of the whole process
WAYS = {"dense": "the whole Jacobian, then one product", "ours": "`neural_tangent_kernel`"}


def measure() -> Table:
    """One output of the transformer of Nanda et al. (modulus 113, width 128), float32."""
    with tempfile.TemporaryDirectory() as folder:
        # In turn, so that a busy spell of the machine meets both ways alike.
        rounds = [
            {way: _in_a_process(way, pathlib.Path(folder) / f"{way}.npy") for way in WAYS}
            for _ in range(ROUNDS)
        ]
        figures = {way: _best([one[way] for one in rounds]) for way in WAYS}
        dense, ours = (np.load(pathlib.Path(folder) / f"{way}.npy") for way in WAYS)
    rows: list[tuple[str, ...]] = [
        (
            name,
            *(duration(figures[way][key]) for key in ("wall", "processor", "first")),
            _gigabytes(figures[way]),
        )
        for way, name in WAYS.items()
    ]
    apart = float(np.abs(dense - ours).max() / np.abs(dense).max())
    ratio = figures["dense"]["processor"] / figures["ours"]["processor"]
    wall = figures["dense"]["wall"] / figures["ours"]["wall"]
    notes = (
        f"{COUNT:,} x {COUNT:,} examples, {figures['ours']['parameters']:,} parameters. "
        f"`neural_tangent_kernel` is {ratio:.2f} times as fast by processor time and {wall:.2f} times by the "
        f"clock (the best of {ROUNDS * REPEATS} calls of each, {ROUNDS} processes in turn), and its process "
        f"peaks at {_gigabytes(figures['ours'])} (target: below {TARGET / 1e9:.0f} GB). The largest "
        f"difference is {apart:.1e} of the largest entry.",
    )
    head = ("way", "time", "processor time", "that of the first call", "peak memory of the process")
    return Table("A tangent kernel of a transformer", head, rows, figures | {"difference": apart}, notes)


def _best(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The shortest times, and the highest peak of memory."""
    return {key: (max if key == "peak" else min)(figures[key] for figures in rounds) for key in rounds[0]}


def _gigabytes(figures: dict[str, float]) -> str:
    return f"{figures['peak'] / 1e9:.2f} GB"


def _in_a_process(way: str, file: pathlib.Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.kernel", way, str(file)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def _dense(moment: af.training.Moment, inputs: Array) -> Array:
    def gradient(at: PyTree, example: Array) -> PyTree:
        return jax.grad(lambda at: moment.answer(example, at)[0])(at)

    @jax.jit
    def kernel(at: PyTree, inputs: Array) -> Array:
        leaves = jax.tree.leaves(jax.vmap(gradient, in_axes=(None, 0))(at, inputs))
        jacobian = jnp.concatenate([leaf.reshape(len(inputs), -1) for leaf in leaves], axis=1)
        with jax.default_matmul_precision("highest"):
            return jacobian @ jacobian.T

    return kernel(moment.parameters, inputs)


def _ours(moment: af.training.Moment, inputs: Array) -> Array:
    return af.probes.neural_tangent_kernel(moment, inputs, output=0)


def _moment() -> af.training.Moment:
    """A transformer at its start."""
    task = af.tasks.BinaryOperation("x+y", modulus=113, fraction=0.3)
    (run,) = af.sweep(af.Experiment(task, af.models.nanda_transformer())).runs
    model = run.experiment.model.build(task.data(0).sizes, key=jax.random.key(0))
    paths = jax.tree_util.tree_leaves_with_path(model)
    return run.moment({jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in paths}, 0)


def _main(way: str, file: str) -> None:
    prepare()
    moment = _moment()
    inputs = moment.examples("train").inputs[:COUNT]
    kernel = {"dense": _dense, "ours": _ours}[way]
    times: list[tuple[float, float]] = []
    for _ in range(1 + REPEATS):
        began = time.process_time(), time.perf_counter()
        found = jax.block_until_ready(kernel(moment, inputs))
        times.append((time.process_time() - began[0], time.perf_counter() - began[1]))
    np.save(file, np.asarray(found))
    figures: dict[str, typing.Any] = {
        "first": times[0][0],
        "processor": min(processor for processor, _ in times[1:]),
        "wall": min(wall for _, wall in times[1:]),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(moment.parameters)),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    _main(*sys.argv[1:])
