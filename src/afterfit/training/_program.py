"""The pure functions of one training run: start, step, measure.

They know nothing of packs and lanes. Everything that may differ between runs of one pack comes in
as arrays: `numbers` (the float fields of all components), `seeds`, and the task's data.
"""

import dataclasses
import functools
import typing
from collections.abc import Callable, Hashable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key, PyTree, UInt32

from ..models import call_batch, named_key, trainable
from ..tasks import Data, Predict
from ._evaluation import batch_gradient, block_size, ExampleCounts, full_gradient, linearised
from ._experiment import Experiment, probe_name, Seeds
from ._modifiers import is_matrix
from ._moment import Moment
from ._numbers import graft, split
from ._precision import dtype_of, in_precision
from ._sampling import batch_at


DIVERGED = 1e6
"""A run has diverged when its training loss is not finite or exceeds this many times
1 + its first loss; the step before is the last one taken."""


class Twin(eqx.Module):
    """What the linearised twin of a run carries."""

    parameters: PyTree
    optimiser: PyTree


class State(eqx.Module):
    """All that a run carries from step to step; it can be stored and picked up again."""

    parameters: PyTree
    optimiser: PyTree
    twin: Twin | None
    initial: PyTree  # parameters at step 0
    frozen: PyTree  # arrays of the model that are not trained
    step: Int[Array, ""]
    first_loss: Float[Array, ""]
    diverged_at: Int[Array, ""]  # -1 while all is well

    @property
    def running(self) -> Array:
        """Whether the run may go on."""
        return self.diverged_at < 0


@typing.runtime_checkable
class CheckingProbe(typing.Protocol):
    """A probe that refuses runs which it could not measure, before they are trained.

    What it measures with is traced, so that there it cannot know how many examples a run has.
    """

    def check(self, moment: Moment, counts: ExampleCounts) -> None:
        """**Raises:** `ValueError` for runs with so many examples; of `moment` only shapes are known."""


class Recipe(typing.NamedTuple):
    """What of one run enters the program as arrays, the task's data apart."""

    numbers: Float[np.ndarray | Array, " numbers"]
    seeds: UInt32[np.ndarray | Array, " sources"]


@dataclasses.dataclass(frozen=True)
class Program:
    """The functions of all runs that share the structure of `experiment` and the shapes of `data`.

    Numbers of `experiment` are placeholders: those of a run come in with its `Recipe`.
    """

    experiment: Experiment
    sizes: typing.Any

    # --- making arrays of recipes -------------------------------------------------------------

    @staticmethod
    def parts(experiment: Experiment) -> tuple:
        """The components that enter the program (the task does only by its objective)."""
        return (
            experiment.model,
            experiment.optimiser,
            experiment.task.objective,
            experiment.parametrisation,
            experiment.noise,
            experiment.constraint,
            experiment.probes,
        )

    @classmethod
    def recipe(cls, experiment: Experiment, seeds: Seeds) -> Recipe:
        """A run's numbers and seeds as arrays."""
        numbers = np.asarray(split(cls.parts(experiment))[1], dtype_of(experiment.precision))
        return Recipe(numbers, np.asarray(dataclasses.astuple(seeds), np.uint32))

    @classmethod
    def structure(cls, experiment: Experiment) -> Hashable:
        """What two runs must have in common to share a program, shapes of data apart."""
        return (split(cls.parts(experiment))[0], experiment.batch, experiment.precision, experiment.twin)

    # --- the run --------------------------------------------------------------------------------

    def start(self, recipe: Recipe, data: Data) -> State:
        """The state at step 0."""
        del data  # initial parameters depend on shapes alone; the argument is there for those that look
        bound = self._bind(recipe)
        model = self._fitting(bound.model.build(self.sizes, key=_key(recipe, "init")))
        parameters, rest = eqx.partition(model, trainable(self._template))
        whole = not bound.parametrisation.matrices_only
        scale = bound.parametrisation.init_scale
        drawn = jax.tree.map(lambda leaf: leaf * scale if whole or is_matrix(leaf) else leaf, parameters)
        parameters = drawn if bound.constraint is None else bound.constraint.project(drawn, drawn)
        optimiser = bound.optimiser.direction().init(parameters)
        return State(
            parameters=parameters,
            optimiser=optimiser,
            twin=Twin(parameters, optimiser) if self.experiment.twin else None,
            initial=parameters,
            frozen=eqx.filter(rest, eqx.is_array),
            step=jnp.zeros((), jnp.int32),
            first_loss=jnp.full((), jnp.nan),
            diverged_at=jnp.full((), -1, jnp.int32),
        )

    def forked(self, recipe: Recipe, parent: State) -> State:
        """The state in which a fork begins, from its parent's at that step.

        What the fork does not change is taken over as it is, bit for bit.
        """
        experiment, fork = self.experiment, self.experiment.fork
        assert fork is not None
        bound = self._bind(recipe)
        # Projecting again what lies on the set already may cost a bit.
        moves = fork.noise > 0 or experiment.constraint != fork.parent.constraint

        def changed(parameters: PyTree, optimiser: PyTree) -> tuple[PyTree, PyTree]:
            if fork.noise > 0:
                deviation = jnp.asarray(fork.noise, dtype_of(experiment.precision))
                parameters = _disturbed(parameters, deviation, _key(recipe, "noise", parent.step, "fork"))
            if moves and bound.constraint is not None:
                parameters = bound.constraint.project(parameters, parent.initial)
            fresh = bound.optimiser.direction().init(parameters)
            fits = jax.tree.structure(fresh) == jax.tree.structure(optimiser)
            return parameters, optimiser if fits and not fork.reset_optimiser else fresh

        parameters, optimiser = changed(parent.parameters, parent.optimiser)
        twin = None if parent.twin is None else Twin(*changed(parent.twin.parameters, parent.twin.optimiser))
        return dataclasses.replace(parent, parameters=parameters, optimiser=optimiser, twin=twin)

    def step(self, recipe: Recipe, data: Data, state: State) -> State:
        """One update; a diverged run stays as it is."""
        bound = self._bind(recipe)
        loss, moved, optimiser = self._advanced(bound, recipe, data, state)
        first_loss = jnp.where(state.step == 0, loss, state.first_loss)
        # Written so that NaN counts as diverged.
        healthy = jnp.abs(loss) <= DIVERGED * (1 + jnp.abs(first_loss))
        twin = None
        if state.twin is not None:
            beside = dataclasses.replace(
                state, parameters=state.twin.parameters, optimiser=state.twin.optimiser
            )
            twin = Twin(*self._advanced(bound, recipe, data, beside, linear=True)[1:])
        # The last update of a run has no later loss to tell that it went wrong.
        healthy &= jnp.isfinite(optax.tree.norm(moved))

        def keep(new: PyTree, old: PyTree) -> PyTree:
            return jax.tree.map(lambda n, o: jnp.where(healthy, n, o), new, old)

        return State(
            parameters=keep(moved, state.parameters),
            optimiser=keep(optimiser, state.optimiser),
            twin=keep(twin, state.twin),
            initial=state.initial,
            frozen=state.frozen,
            step=jnp.where(healthy, state.step + 1, state.step),
            first_loss=first_loss,
            diverged_at=jnp.where(healthy, state.diverged_at, state.step),
        )

    def measure(self, recipe: Recipe, data: Data, state: State) -> dict[str, Array]:
        """The basic measures and those of all probes."""
        bound = self._bind(recipe)
        moment = self.moment(recipe, data, state)
        train, test = moment.scores("train"), moment.scores("test")
        measures = {
            "train_loss": train.loss,
            "train_accuracy": train.correct,
            "test_loss": test.loss,
            "test_accuracy": test.correct,
            "weight_norm": optax.tree.norm(state.parameters),
        }
        for probe in bound.probes:
            name, value = probe_name(probe), probe(moment)
            if isinstance(value, dict):
                measures |= {f"{name}/{key}": _measured(name, part) for key, part in value.items()}
            else:
                measures[name] = _measured(name, value)
        return measures

    def check(self, recipe: Recipe, data: Data, state: State, counts: Sequence[ExampleCounts]) -> None:
        """Asks the probes that check whether they can measure runs with so many examples; to be traced."""
        moment = self.moment(recipe, data, state)
        for probe in self._bind(recipe).probes:
            for one in counts if isinstance(probe, CheckingProbe) else ():
                probe.check(moment, one)

    def moment(self, recipe: Recipe, data: Data, state: State) -> Moment:
        """A run at a state, as probes see it."""
        return self._moment(self._bind(recipe), recipe, data, state)

    # --- its pieces -----------------------------------------------------------------------------

    def _bind(self, recipe: Recipe) -> "_Bound":
        return _Bound(*graft(self.parts(self.experiment), recipe.numbers))

    def _maker(self, bound: "_Bound", state: State, key: Key[Array, ""] | None) -> Callable[..., Predict]:
        """From parameters to predictions, output scale included."""
        static = self._static
        scale, centred = bound.parametrisation.output_scale, bound.parametrisation.centred

        def predict(parameters: PyTree, inputs: PyTree, block: int | Array) -> Array:
            its_key = None if key is None else jax.random.fold_in(key, block)
            model = eqx.combine(parameters, state.frozen, static)
            return in_precision(self.experiment.precision, call_batch, model, inputs, its_key)

        def make(parameters: PyTree, block: int | Array = 0) -> Predict:
            if scale is None:
                return lambda inputs: predict(parameters, inputs, block)
            if not centred:
                return lambda inputs: scale * predict(parameters, inputs, block)
            return lambda inputs: (
                scale * (predict(parameters, inputs, block) - predict(state.initial, inputs, block))
            )

        return make

    @functools.cached_property
    def _template(self) -> PyTree:
        """The model with shapes instead of arrays, and plain numbers where a run has its own.

        Which leaves are parameters is read off here: in the program a number of the recipe is an array
        too, and must not be trained.
        """
        return eqx.filter_eval_shape(lambda: self.experiment.model.build(self.sizes, key=jax.random.key(0)))

    @property
    def _static(self) -> PyTree:
        """The model without its arrays: functions and settings."""
        return eqx.filter(self._template, lambda leaf: not isinstance(leaf, jax.ShapeDtypeStruct))

    def _fitting(self, model: PyTree) -> PyTree:
        """The model, if it differs from the template in nothing but arrays."""
        try:
            fits = jax.tree.structure(model) == jax.tree.structure(self._template)
        except ValueError:  # traced numbers cannot be compared
            fits = False
        if not fits:
            name = type(self.experiment.model).__name__
            raise ValueError(
                f"{name}.build: a `float` field of {name} became part of the model's structure (a static "
                "field). Mark it so in the recipe too: `name: float = eqx.field(static=True, default=...)`."
            )
        return model

    def _moment(self, bound: "_Bound", recipe: Recipe, data: Data, state: State) -> Moment:
        scale = bound.parametrisation.output_scale
        return Moment(
            parameters=state.parameters,
            initial=state.initial,
            frozen=state.frozen,
            twin=None if state.twin is None else state.twin.parameters,
            # An array even in a moment of stored weights, whose numbers are NumPy's: it is no structure.
            output_scale=None if scale is None else jnp.asarray(scale),
            data=data,
            step=state.step,
            key=jax.random.fold_in(_key(recipe, "probe"), state.step),
            static=self._static,
            centred=scale is not None and bound.parametrisation.centred,
            objective=bound.objective,
            maker=self._maker(bound, state, key=None),
        )

    def _advanced(
        self, bound: "_Bound", recipe: Recipe, data: Data, state: State, linear: bool = False
    ) -> tuple[Array, PyTree, PyTree]:
        """The loss before an update, and parameters and optimiser after it."""
        loss, gradient = self._gradient(bound, recipe, data, state, linear)
        with jax.named_scope("optimiser"):
            direction, optimiser = self._direction(bound, recipe, gradient, state)
            rate = bound.optimiser.rate(state.step)
            if bound.parametrisation.scaled_rate:
                rate = rate / bound.parametrisation.output_scale**2
            moved = jax.tree.map(lambda p, d: p - (rate * d).astype(p.dtype), state.parameters, direction)
            if bound.constraint is not None:
                moved = bound.constraint.project(moved, state.initial)
        return loss, moved, optimiser

    def _gradient(
        self, bound: "_Bound", recipe: Recipe, data: Data, state: State, linear: bool
    ) -> tuple[Array, PyTree]:
        at = state.parameters
        noise = bound.noise
        if noise is not None and noise.weight is not None:
            at = _disturbed(at, noise.weight, _key(recipe, "noise", state.step, "weight"))
        maker = self._maker(bound, state, _key(recipe, "noise", state.step, "dropout"))
        if linear:
            maker = linearised(maker, state.initial)
        loss, gradient = self._loss_gradient(bound, recipe, data, state, maker, at)
        if noise is not None and noise.gradient is not None:
            gradient = _disturbed(gradient, noise.gradient, _key(recipe, "noise", state.step, "gradient"))
        return loss, gradient

    def _loss_gradient(self, bound, recipe, data, state, maker, at) -> tuple[Array, PyTree]:
        if self.experiment.batch is None:
            return full_gradient(maker, at, bound.objective, data, "train")
        capacity = min(self.experiment.batch, (data.train_capacity + 1) // 2)
        size = jnp.minimum(self.experiment.batch, (data.train_count + 1) // 2)
        with jax.named_scope("sampling"):
            batch = batch_at(_key(recipe, "batches"), state.step, capacity, size, data.train_count)
        # A batch that the recipe bounds is full; one that the training set bounds may fill half of its shape.
        block = capacity if capacity == self.experiment.batch else block_size(capacity)
        return batch_gradient(maker, at, bound.objective, data, batch, block)

    def _direction(self, bound, recipe, gradient, state) -> tuple[PyTree, PyTree]:
        # optax mixes integer counts with floats: strict promotion is a rule for our own code.
        with jax.numpy_dtype_promotion("standard"):
            transformation = optax.with_extra_args_support(bound.optimiser.direction())
            direction, optimiser = transformation.update(
                gradient, state.optimiser, state.parameters, initial=state.initial
            )
        if bound.noise is not None and bound.noise.update is not None:
            key = _key(recipe, "noise", state.step, "update")
            direction = _disturbed(direction, bound.noise.update, key)
        return direction, optimiser


class _Bound(typing.NamedTuple):
    """The components of a program with a run's numbers in their places."""

    model: typing.Any
    optimiser: typing.Any
    objective: typing.Any
    parametrisation: typing.Any
    noise: typing.Any
    constraint: typing.Any
    probes: typing.Any


_SOURCES = {field.name: index for index, field in enumerate(dataclasses.fields(Seeds))}


def _key(recipe: Recipe, source: str, step: Array | None = None, purpose: str = "") -> Key[Array, ""]:
    """A key by purpose and step, never by the order of calls: a new probe moves nothing."""
    seed = recipe.seeds[_SOURCES.get(source, _SOURCES["noise"])]
    key = named_key(named_key(jax.random.key(seed), source), purpose)
    return key if step is None else jax.random.fold_in(key, step)


def _measured(probe: str, value: typing.Any) -> Array:
    try:
        return jnp.asarray(value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"the probe {probe!r} must return an array or a dictionary of arrays, got {value!r}."
        ) from error


def _disturbed(tree: PyTree, deviation: Array, key: Key[Array, ""]) -> PyTree:
    leaves, treedef = jax.tree.flatten(tree)
    keys = jax.random.split(key, len(leaves))
    noisy = [
        x + (deviation * jax.random.normal(k, x.shape, x.dtype)) for x, k in zip(leaves, keys, strict=True)
    ]
    return jax.tree.unflatten(treedef, noisy)
