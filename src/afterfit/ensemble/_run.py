"""A run: an experiment with its seed, known by a hash of its complete recipe."""

import dataclasses
import functools
import hashlib
import json
import pathlib
import typing
from collections.abc import Hashable, Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from ..models import from_paths
from ..tasks import Data, Predict
from ..training import (
    AbstractSchedule,
    Experiment,
    from_plain,
    Moment,
    Program,
    Recipe,
    RecipeError,
    Seeds,
    State,
    to_plain,
)


@dataclasses.dataclass(frozen=True)
class Run:
    """An experiment with its seeds.

    A `trunk` is what forks of one parent have in common: nobody asked for its records.
    """

    experiment: Experiment
    seeds: Seeds
    trunk: bool = False

    @property
    def recipe(self) -> dict[str, typing.Any]:
        """The complete recipe as plain data, made anew each time: a sweep must not keep those of all runs."""
        digest = self.experiment.task.digest
        files = {} if digest is None else {"files": digest}
        role = {"trunk": True} if self.trunk else {}  # the names of all other runs stay as they were
        return {**to_plain(self.experiment), **files, **role, "seeds": dataclasses.asdict(self.seeds)}

    @functools.cached_property
    def id(self) -> str:
        """Twenty hexadecimal digits of the SHA-256 of the recipe."""
        return hashlib.sha256(_text(self.recipe).encode()).hexdigest()[:20]

    @functools.cached_property
    def parent(self) -> "Run | None":
        """The run that this one is a fork of, if it is one."""
        fork = self.experiment.fork
        return None if fork is None else Run(fork.parent, self.seeds)

    @functools.cached_property
    def record_steps(self) -> list[int]:
        """The steps at which this run is recorded: those of its schedule, for a fork from its step on."""
        experiment = self.experiment
        first = None if experiment.fork is None else experiment.first_step
        return _record_steps(experiment.record, experiment.steps, first)

    def moment(
        self,
        parameters: Mapping[str, np.ndarray],
        step: int,
        precision: typing.Literal["float32", "float64"] | None = None,
    ) -> Moment:
        """The run as it was with these parameters (a stored snapshot, by path), to be measured again.

        A probe under `equinox.filter_jit` compiles once for the moments of all runs of one structure.

        **Arguments:** `precision`: of the measurement, by default that of the run. What is computed in
        float64 must be computed inside `with jax.enable_x64(True)`.
        """
        # The start is drawn in the run's own precision: in another one it would be another start.
        with jax.enable_x64(self.experiment.precision == "float64"):
            data = jax.tree.map(jnp.asarray, self.experiment.task.data(self.seeds.split))
            program, recipe = (
                Program(self.experiment, data.sizes),
                Program.recipe(self.experiment, self.seeds),
            )
            numbers = jax.tree.map(jnp.asarray, recipe)
            state = _first(self, data)
            kept = from_paths(state.parameters, parameters)
            trained = jax.tree.map(lambda leaf, own: jnp.asarray(leaf, own.dtype), kept, state.parameters)
            # A snapshot keeps the network, not its twin.
            state = dataclasses.replace(
                state, parameters=trained, twin=None, step=jnp.asarray(step, jnp.int32)
            )
            measured = dataclasses.replace(self.experiment, precision=precision or self.experiment.precision)
            maker = _Revived(_Structure(measured), numbers, data, state)
            # NumPy's scalars, which can be hashed: the objective becomes part of a compiled program.
            moment = dataclasses.replace(program.moment(recipe, data, state), maker=maker)
        return moment if precision is None else moment.cast(precision)

    @functools.cached_property
    def snapshot_steps(self) -> frozenset[int]:
        """The recorded steps at which parameters are kept."""
        if self.experiment.snapshots is None:
            return frozenset()
        return _snapshot_steps(self.experiment.snapshots, self.experiment.steps, tuple(self.record_steps))


# The schedules of a sweep are few, and its runs may be very many.
@functools.lru_cache(maxsize=256)
def _record_steps(schedule: AbstractSchedule, last: int, first: int | None) -> list[int]:
    chosen = [int(step) for step in schedule.steps(last)]
    return chosen if first is None else [first, *(step for step in chosen if step > first)]


@functools.lru_cache(maxsize=256)
def _snapshot_steps(schedule: AbstractSchedule, last: int, recorded: tuple[int, ...]) -> frozenset[int]:
    return frozenset({int(step) for step in schedule.steps(last)} & set(recorded))


def _text(recipe: Mapping[str, typing.Any]) -> str:
    return json.dumps(recipe, sort_keys=True, separators=(",", ":"))


def read_run(
    recipe: Mapping[str, typing.Any], folder: pathlib.Path | None = None, *, own_code: bool = True
) -> Run:
    """The run that has this recipe (`Run.recipe`).

    **Arguments:** `folder`: where modules that the recipe names are looked up first; `own_code`: whether
    they are imported at all.

    **Raises:** `RecipeError` where it cannot be read, or where a definition or a data file that it names is
    another one here.
    """
    plain = dict(recipe)
    seeds, trunk = Seeds(**plain.pop("seeds")), plain.pop("trunk", False)
    plain.pop("files", None)
    run = Run(from_plain(plain, folder, own_code=own_code), seeds, trunk)
    if _text(run.recipe) != _text(recipe):
        differing = sorted(name for name in recipe if run.recipe.get(name) != recipe[name])
        raise RecipeError(
            [
                f"{', '.join(differing)}: not the same here as where the sweep was started. Workers need the "
                "same version of afterfit, the same files of your own parts, and the same data sets."
            ]
        )
    return run


def _first(run: Run, data: Data) -> State:
    """The state at step 0, where a fork was its parent still."""
    while run.parent is not None:
        run = run.parent
    recipe = jax.tree.map(jnp.asarray, Program.recipe(run.experiment, run.seeds))
    return Program(run.experiment, data.sizes).start(recipe, data)


@dataclasses.dataclass(frozen=True, eq=False)
class _Structure:
    """An experiment that equals all others of its structure, as they share compiled programs."""

    experiment: Experiment

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Structure) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @functools.cached_property
    def _key(self) -> Hashable:
        return Program.structure(self.experiment)


class _Revived(eqx.Module):
    """The function that a run trains, with its numbers as leaves: what is compiled for one serves others."""

    structure: _Structure = eqx.field(static=True)
    recipe: Recipe
    data: Data
    state: State

    def __call__(self, parameters: PyTree, block: int | Array = 0) -> Predict:
        program = Program(self.structure.experiment, self.data.sizes)
        return program.moment(self.recipe, self.data, self.state).maker(parameters, block)
