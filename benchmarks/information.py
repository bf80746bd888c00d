"""O-information of a layer: beside the library `hoi`, beside a loop of Cholesky factorisations, and in a run.

Activations are those of the network of Clauw et al. 2024 (250 units, 3,763 training examples) after 150 steps
with weight decay 2.
"""

import dataclasses
import itertools
import statistics
import time
import typing
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

import afterfit as af
from afterfit.ensemble import silent
from afterfit.ensemble._runner import run_all
from afterfit.probes import gaussian_copula, multiplets, OInformation

from ._laboratory import training_seconds
from ._table import duration, Table


GROUPS, SAMPLES, STEPS, ROUNDS = 10, 3763, 150, 3
NETWORK = af.Experiment(
    af.tasks.BinaryOperation("x+y", modulus=97, fraction=0.4),
    af.models.MLP(hidden=(250,), output_bias=False),
    af.AdamW(0.03, 2.0, warmup=0),
    steps=STEPS,
    record=af.At((STEPS,)),
)


def measure() -> Table:
    """Both readings beside others, and the share of a probe in the training of the paper's network."""
    moment, values = _trained()
    probe = OInformation("layers[0]", points=SAMPLES)
    found, ours, cold = _timed(eqx.filter_jit(lambda moment: probe(moment)), moment)
    labels = np.asarray(found["labels"])
    means = np.stack([values[:, labels == one].mean(axis=1) for one in range(GROUPS)], axis=1)
    extremes, theirs = _once(_loop, values, labels)
    rows = [_row("a record, reading `neurons`", "a loop of Cholesky factorisations", ours, theirs)]
    figures: dict[str, typing.Any] = {
        "neurons": {"seconds": ours, "other": theirs, "first": cold}
        | {"difference": _apart((float(found["synergy"]), float(found["redundancy"])), extremes)}
    }
    sets, ours, cold = _timed(lambda means: multiplets(means, ties="ordinal").o_information, means)
    extremes, theirs = _once(_hoi, means)
    rows.append(_row("`multiplets` of ten means", "`hoi` 0.0.7", ours, theirs, " (target 100)"))
    figures["means"] = {"seconds": ours, "other": theirs, "first": cold} | {
        "difference": _apart((-float(sets.min()), float(sets.max())), extremes)
    }
    share = _share()
    figures["share"] = share
    notes = (
        "A record is all of it: activations of 250 neurons on 3,763 examples, ranks, Ward's clustering into "
        "ten groups, all 1,013 unions, both extremes. The loop gets groups and correlations for nothing. All "
        "968 multiplets of three to ten means: of one array, by both; `hoi` compiles at every call. "
        f"The extremes differ by {figures['neurons']['difference']:.0e} and "
        f"{figures['means']['difference']:.0e} bits.",
        f"A record of reading `neurons` takes {duration(figures['neurons']['seconds'])} on one core (target: "
        f"below 0.4 s on two). {share['runs']} runs of {share['steps']} steps with {share['records']} "
        f"records, the default schedule, take {share['ratio']:.2f} times as long with the probe as without.",
    )
    head = ("what", "its time", "the other way", "its time", "ratio")
    return Table("O-information of a layer", head, rows, figures, notes)


def _row(name: str, other: str, ours: float, theirs: float, target: str = "") -> tuple[str, ...]:
    return name, duration(ours), other, duration(theirs), f"{theirs / ours:.0f}{target}"


def _apart(ours: tuple[float, float], theirs: tuple[float, float]) -> float:
    return max(abs(a - b) for a, b in zip(ours, theirs, strict=True))


def _trained() -> tuple[af.training.Moment, np.ndarray]:
    """The trained network as probes see it, and its activations."""
    planned = af.sweep(dataclasses.replace(NETWORK, snapshots=af.At((STEPS,)), probes=(_activations,)))
    (records,) = run_all(planned.runs, None, display=silent, resume_every=60.0)
    moment = planned.runs[0].moment(records.snapshots[STEPS], STEPS)
    return moment, records.values["_activations"][-1]


def _activations(moment: af.training.Moment) -> jax.Array:
    return moment.activations("layers[0]", moment.examples("train").inputs[:SAMPLES])


def _timed(function: Callable, argument: typing.Any) -> tuple[typing.Any, float, float]:
    """What a compiled function finds, its median time, and that of its first call."""
    began = time.perf_counter()
    found = jax.block_until_ready(function(argument))
    cold = time.perf_counter() - began
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        jax.block_until_ready(function(argument))
        times.append(time.perf_counter() - began)
    return found, statistics.median(times), cold


def _once(function: Callable, *arguments: typing.Any) -> tuple[tuple[float, float], float]:
    began = time.perf_counter()
    found = function(*arguments)
    return found, time.perf_counter() - began


def _hoi(means: np.ndarray) -> tuple[float, float]:
    """Synergy and redundancy of the means of groups, by the library."""
    import hoi

    found = hoi.metrics.Oinfo(means.astype(float), verbose=False).fit(
        minsize=3, maxsize=GROUPS, method="gc", biascorrect=False
    )
    return -float(found.min()), float(found.max())


def _loop(values: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Synergy and redundancy of all unions of groups, every neuron a variable."""
    correlation = np.asarray(gaussian_copula(jnp.asarray(values)).correlation)
    found = []
    for count in range(2, GROUPS + 1):
        for union in itertools.combinations(range(GROUPS), count):
            inside = np.isin(labels, union)
            factor = np.linalg.cholesky(correlation[np.ix_(inside, inside)])
            half = scipy.linalg.solve_triangular(factor, np.eye(len(factor), dtype=factor.dtype), lower=True)
            log_det = 2 * np.log(np.diag(factor)).sum()
            found.append(-log_det - 0.5 * np.log((half**2).sum(axis=0)).sum())
    return -min(found) / np.log(2), max(found) / np.log(2)


def _share() -> dict[str, typing.Any]:
    """Training of the paper's length (4,000 steps) with the probe and without, at the default schedule."""
    probe = OInformation("layers[0]", points=SAMPLES)
    plain = dataclasses.replace(NETWORK, steps=4000, record=af.LogSpaced())
    runs = len(jax.devices())
    seconds = {}
    for name, probes in (("without", ()), ("with", (probe,))):
        planned = dataclasses.replace(plain, probes=probes)
        for steps in (50, 4000):  # the first to have the program compiled
            one = af.sweep(dataclasses.replace(planned, steps=steps), {"seed": range(runs)})
            seconds[name] = training_seconds(one, None)
    return {
        "steps": 4000,
        "records": len(plain.record.steps(4000)),
        "runs": runs,
        "seconds": seconds,
        "ratio": seconds["with"] / seconds["without"],
    }
