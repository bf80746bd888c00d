"""Packs: the runs that share one compiled program."""

import collections
import dataclasses
import hashlib
import typing
from collections.abc import Hashable, Sequence

import jax
import numpy as np
from jaxtyping import PyTree

from ..tasks import Data
from ..training import Program
from ._run import Run


@dataclasses.dataclass(frozen=True)
class Pack:
    """Runs that share static structure, and the program that trains them."""

    program: Program
    runs: tuple[Run, ...]
    shared: dict[str, PyTree]
    """Fields of the task's data that all runs hold in common."""


def packs(runs: Sequence[Run]) -> list[Pack]:
    """Groups runs by static structure, in order of first appearance."""
    groups: dict[tuple[Hashable, Hashable], list[Run]] = collections.defaultdict(list)
    datas: dict[Hashable, Data] = {}
    signatures: dict[Hashable, Hashable] = {}
    for run in runs:
        task = run.experiment.task
        draw = (task, run.seeds.split)  # many runs of a sweep differ in neither
        if draw not in signatures:
            data = task.data(run.seeds.split)
            signatures[draw] = _signature(data, task.shared)
            datas.setdefault(signatures[draw], data)
        signature = signatures[draw]
        groups[(signature, Program.structure(run.experiment))].append(run)
    return [
        Pack(
            program=Program(members[0].experiment, datas[signature].sizes),
            runs=tuple(members),
            shared={name: getattr(datas[signature], name) for name in members[0].experiment.task.shared},
        )
        for (signature, _), members in groups.items()
    ]


def own_data(run: Run) -> Data:
    """A run's data without what its pack shares (those fields are `None`)."""
    data = run.experiment.task.data(run.seeds.split)
    return replaced(data, {name: None for name in run.experiment.task.shared})


def replaced(data: Data, fields: dict[str, PyTree]) -> Data:
    """Data with some fields exchanged."""
    return dataclasses.replace(data, **fields)


def _signature(data: Data, shared: tuple[str, ...]) -> Hashable:
    """Shapes of what each lane holds, and contents of what a pack shares."""
    own = replaced(data, {name: None for name in shared})
    leaves, treedef = jax.tree.flatten(own)
    shapes = tuple((np.shape(leaf), np.asarray(leaf).dtype.str) for leaf in leaves)
    return treedef, shapes, tuple(_digest(getattr(data, name)) for name in shared)


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


Paths = dict[str, typing.Any]


def by_path(tree: PyTree) -> Paths:
    """The leaves of a tree by their paths, e.g. `.blocks[0].attention.query`."""
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
