"""Packs: the runs that share one compiled program."""

import collections
import dataclasses
import functools
import hashlib
import math
from collections.abc import Hashable, Sequence

import jax
import numpy as np
from jaxtyping import PyTree

from .._failure import own_frames
from ..tasks import AbstractTask, Data
from ..training import ExampleCounts, Program
from ._run import Run


@dataclasses.dataclass(frozen=True)
class Pack:
    """Runs that share static structure, and the program that trains them."""

    program: Program
    runs: tuple[Run, ...]
    shared: dict[str, PyTree]
    """Fields of the task's data that all runs hold in common."""


def packs(runs: Sequence[Run]) -> list[Pack]:
    """Groups runs by static structure, in order of first appearance; runs with an obstacle are left out."""
    groups: dict[tuple[Hashable, Hashable], list[Run]] = collections.defaultdict(list)
    datas: dict[Hashable, Data] = {}
    signatures, blocked = _signatures(runs)
    for run in runs:
        if blocked and run.id in blocked:  # what has no obstacle need not be hashed
            continue
        task = run.experiment.task
        signature = signatures[task]
        if signature not in datas:
            datas[signature] = task_data(task, run.seeds.split)
        groups[(signature, Program.structure(run.experiment))].append(run)
    return [
        Pack(
            program=Program(members[0].experiment, datas[signature].sizes),
            runs=tuple(members),
            shared={name: getattr(datas[signature], name) for name in members[0].experiment.task.shared},
        )
        for (signature, _), members in groups.items()
    ]


def obstacles(runs: Sequence[Run]) -> dict[str, Exception]:
    """What stands in the way of some runs, by run: errors of the code of a user's task, or too little memory.

    **Raises:** what the library's own tasks have against their settings or files.
    """
    return _signatures(runs)[1]


def shares(runs: Sequence[Run]) -> list[Sequence[Run]]:
    """The runs of each pack, and as one more share those with an obstacle: who takes it stores why."""
    blocked = obstacles(runs)
    rest = [run for run in runs if run.id in blocked]
    return [*(pack.runs for pack in packs(runs)), *([rest] if rest else [])]


def _signatures(runs: Sequence[Run]) -> tuple[dict[AbstractTask, Hashable], dict[str, Exception]]:
    """The signature of each task, a matter of the task whatever the seed, and the obstacles."""
    found: dict[AbstractTask, Hashable] = {}
    blocked: dict[str, Exception] = {}
    for run in runs:
        task = run.experiment.task
        if task in found:
            continue
        try:
            found[task] = _signature(task, run.seeds.split)
        except Exception as error:
            if isinstance(error, (OSError, ValueError)) and not own_frames(error):
                raise
            blocked[run.id] = error
    return found, blocked


def own_data(run: Run) -> Data:
    """A run's data without what its pack shares (those fields are `None`)."""
    data = task_data(run.experiment.task, run.seeds.split)
    return _without(data, run.experiment.task.shared)


def example_counts(pack: Pack) -> list[ExampleCounts]:
    """The distinct numbers of examples of a pack's runs; like shapes, a matter of the task."""
    split_seeds = {run.experiment.task: run.seeds.split for run in pack.runs}
    datas = (task_data(task, seed) for task, seed in split_seeds.items())
    distinct = dict.fromkeys((int(data.train_count), int(data.test_count)) for data in datas)
    return [{"train": train, "test": test} for train, test in distinct]


@functools.lru_cache(maxsize=64)
def task_data(task: AbstractTask, seed: int) -> Data:
    """A task's arrays, made once for runs that differ in neither task nor split.

    **Raises:** `ValueError` if they do not fit together.
    """
    data = task.data(seed)
    train, test, rows = int(data.train_count), int(data.test_count), len(data.rows)
    if not (1 <= train <= data.train_capacity and test >= 1 and train + test <= rows):
        raise ValueError(
            f"{type(task).__name__}.data: {train} training and {test} test examples in {rows} rows, of "
            f"which at most {data.train_capacity} may train: both need one at least, and must fit together."
        )
    return data


def _without(data: Data, fields: tuple[str, ...]) -> Data:
    return dataclasses.replace(data, **dict.fromkeys(fields))


@functools.lru_cache(maxsize=4096)
def _signature(task: AbstractTask, seed: int) -> Hashable:
    """Shapes of what each lane holds, and contents of what a pack shares."""
    data = task_data(task, seed)
    own = _without(data, task.shared)
    leaves, treedef = jax.tree.flatten(own)
    shapes = tuple((np.shape(leaf), np.asarray(leaf).dtype.str) for leaf in leaves)
    return treedef, shapes, tuple(_digest(getattr(data, name)) for name in task.shared)


def _digest(tree: PyTree) -> str:
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(tree):
        array = np.ascontiguousarray(leaf)
        digest.update(f"{array.shape}{array.dtype.str}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def stacked(trees: Sequence[PyTree]) -> PyTree:
    """NumPy leaves of equal trees, stacked along a new first axis."""
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *trees)


def tree_bytes(shapes: PyTree) -> int:
    """Bytes that arrays of these shapes take."""
    return sum(math.prod(leaf.shape) * np.dtype(leaf.dtype).itemsize for leaf in jax.tree.leaves(shapes))
