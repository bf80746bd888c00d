"""Guess and check: random networks a second beside NumPy, and memory against their number.

Each number of networks runs in a process of its own, so that its peak memory is that of the whole process.
"""

import dataclasses
import json
import resource
import subprocess
import sys
import time
import typing
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import afterfit as af
from afterfit.ensemble._machine import prepare
from afterfit.tasks import AbstractObjective, Predict, Scores

from ._table import duration, Table


WIDTH, TRAIN, TEST, GOOD = 64, 8, 200, 0.9
COUNTS = (100_000, 1_000_000)
SINGLE, BATCHED, BATCH = 5_000, 50_000, 500  # networks of the other ways, and at a time
ROUNDS = 3


@dataclasses.dataclass(frozen=True)
class Sign(AbstractObjective):
    """The logistic loss (nats) of an output for the sign of the teacher's; correct where the signs agree."""

    def score(self, predict: Predict, inputs: jax.Array, targets: jax.Array) -> Scores:
        margins = predict(inputs)[:, 0] * jnp.sign(targets[:, 0])
        return Scores(jax.nn.softplus(-margins), margins > 0)


TASK = af.tasks.TeacherStudent(
    hidden=(100, 100), outputs=1, train=TRAIN, test=TEST, pool=TRAIN + TEST, objective=Sign()
)


def measure() -> Table:
    """Networks 5-64-1 (tanh) that answer 8 examples as a teacher does, tested on 200."""
    inputs, signs = _examples()
    rates: dict[str, list[float]] = {"single": [], "batched": [], "ours": []}
    ours: dict[int, dict[str, float]] = {}
    for _ in range(ROUNDS):  # in turn, so that a busy spell of the machine meets all ways alike
        rates["single"].append(SINGLE / _timed(_one_by_one, inputs, signs, SINGLE))
        rates["batched"].append(BATCHED / _timed(_in_batches, inputs, signs, BATCHED))
        ours = {count: _in_a_process(count) for count in COUNTS}
        rates["ours"].append(ours[COUNTS[-1]]["rate"])
    best = {way: max(values) for way, values in rates.items()}
    names = {
        "single": "NumPy, one network after another",
        "batched": f"NumPy, {BATCH} networks at a time",
        "ours": "`RandomNetworks`",
    }
    rows: list[tuple[str, ...]] = [
        (name, f"{best[way]:,.0f}", duration(1e6 / best[way]), f"{best['ours'] / best[way]:.1f}")
        for way, name in names.items()
    ]
    draws = _timed(_draws_alone, BATCHED) / BATCHED
    few, many = (ours[count] for count in COUNTS)
    notes = (
        f"Networks 5-{WIDTH}-1, {TRAIN} training and {TEST} test examples, by processor time; the best of "
        f"{ROUNDS} rounds in turn. Of {COUNTS[-1]:,} networks {many['fits']:,.0f} fit, and only these are "
        f"tested. The normal numbers alone take NumPy {duration(1e6 * draws)} for a million networks.",
        f"A first call takes {duration(many['first'])} for a million, compiling included. Its process peaks "
        f"at {few['peak'] / 1e6:.0f} MB for {COUNTS[0]:,} networks and at {many['peak'] / 1e6:.0f} MB for "
        f"{COUNTS[1]:,}.",
    )
    head = ("way", "networks a second", "a million", "`RandomNetworks` is faster by")
    return Table("Guess and check", head, rows, {"rates": rates, "ours": ours}, notes)


def _timed(way: Callable, *arguments: typing.Any) -> float:
    """Processor time (s): threads of a library's own are no gain of one core."""
    began = time.process_time()
    way(*arguments)
    return time.process_time() - began


def _examples() -> tuple[np.ndarray, np.ndarray]:
    data = TASK.data(0)
    return data.inputs, np.sign(data.targets[:, 0])


def _one_by_one(inputs: np.ndarray, signs: np.ndarray, count: int) -> list[float]:
    """Test accuracies of the networks that fit."""
    random, found = np.random.default_rng(0), []
    for _ in range(count):
        point = random.standard_normal(7 * WIDTH + 1, np.float32)
        point /= np.linalg.norm(point)
        weight, bias = point[: 5 * WIDTH].reshape(5, WIDTH), point[5 * WIDTH : 6 * WIDTH]
        readout, last = point[6 * WIDTH : 7 * WIDTH], point[-1]
        answer = lambda x, w=weight, b=bias, v=readout, c=last: np.tanh(x @ w + b) @ v + c
        if (answer(inputs[:TRAIN]) * signs[:TRAIN] > 0).all():
            found.append(np.mean(answer(inputs[TRAIN:]) * signs[TRAIN:] > 0))
    return found


def _in_batches(inputs: np.ndarray, signs: np.ndarray, count: int) -> list[float]:
    random, found = np.random.default_rng(0), []
    for _ in range(count // BATCH):
        points = random.standard_normal((BATCH, 7 * WIDTH + 1), np.float32)
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        fits = (_answers(points, inputs[:TRAIN]) * signs[:TRAIN] > 0).all(axis=1)
        correct = _answers(points[fits], inputs[TRAIN:]) * signs[TRAIN:] > 0
        found += list(correct.mean(axis=1))
    return found


def _draws_alone(count: int) -> None:
    random = np.random.default_rng(0)
    for _ in range(count // BATCH):
        random.standard_normal((BATCH, 7 * WIDTH + 1), np.float32)


def _answers(points: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """Of all networks to all inputs."""
    weight = points[:, : 5 * WIDTH].reshape(-1, 5, WIDTH)
    bias, readout = points[:, None, 5 * WIDTH : 6 * WIDTH], points[:, 6 * WIDTH : 7 * WIDTH, None]
    return (np.tanh(inputs @ weight + bias) @ readout)[..., 0] + points[:, -1:]


def _in_a_process(count: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.guesses", str(count)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main() -> None:
    """Measures so many networks once they are compiled, and says so as JSON."""
    prepare()
    count = int(sys.argv[1])
    experiment = af.Experiment(TASK, af.models.MLP(hidden=(WIDTH,), activation="tanh"), steps=1)
    run = af.sweep(experiment).runs[0]
    model = experiment.model.build(TASK.data(0).sizes, key=jax.random.key(0))
    leaves = af.models.by_path(eqx.filter(model, eqx.is_inexact_array))
    moment = run.moment({path: np.asarray(leaf) for path, leaf in leaves.items()}, 0)
    probe = af.probes.RandomNetworks(count, GOOD)
    call = eqx.filter_jit(lambda moment: probe(moment))
    first = _timed(lambda: jax.block_until_ready(call(moment)))
    seconds = _timed(lambda: jax.block_until_ready(call(moment)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    fits = int(call(moment)["fits"])
    print(json.dumps({"rate": count / seconds, "first": first, "peak": peak, "fits": fits}))


if __name__ == "__main__":
    main()
