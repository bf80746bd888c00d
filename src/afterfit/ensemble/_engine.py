"""Lanes on devices: one compiled program that advances every lane of a pack.

`advance` takes each lane through a number of legs. A leg trains to a step and, if asked, measures
there; both are data, so records at uneven steps cost no compilation. A lane marked fresh starts
anew, so the same program also initialises.

- On CPUs the lanes of a device run one after another (a batched small matrix product is slower
  there than a sequence of plain ones). The lanes of a device are a fixed number whatever the
  pack, so a run alone and a run in company execute the same machine code.
- On accelerators they run side by side under `vmap`, as many as memory allows.
"""

import dataclasses
import functools
import time
import typing
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Int, PyTree

from ..tasks import Data, HostOrDevice
from ..training import Program, Recipe, State
from ._pack import example_counts, own_data, Pack, stacked


class Legs(typing.NamedTuple):
    """What each lane does in one call; a leg to where a lane already is stands still."""

    fresh: Bool[HostOrDevice, " lanes"]
    until: Int[HostOrDevice, "lanes legs"]
    record: Bool[HostOrDevice, "lanes legs"]


class Outcome(typing.NamedTuple):
    """What one call brought, leg by leg; measures are zero where none were asked for."""

    measures: dict[str, HostOrDevice]  # "lanes legs ..."
    steps: Int[HostOrDevice, "lanes legs"]
    diverged_at: Int[HostOrDevice, " lanes"]


class Lane(typing.NamedTuple):
    """The arrays of one lane that do not change as it trains."""

    recipe: Recipe
    data: Data


@dataclasses.dataclass(frozen=True)
class Layout:
    """How lanes are laid out.

    **Fields:** devices; lanes on each; whether these run side by side or in turn; legs of a call.
    """

    devices: tuple[jax.Device, ...]
    lanes: int
    side_by_side: bool
    legs: int = 8

    @property
    def width(self) -> int:
        """Lanes on all devices together."""
        return self.lanes * len(self.devices)

    def halved(self) -> "Layout":
        """Half as many lanes on each device."""
        return dataclasses.replace(self, lanes=self.lanes // 2)


Shapes = tuple[State, dict[str, jax.ShapeDtypeStruct]]
"""Of a run's state and of one record."""


class Engine:
    """A pack's compiled program on a layout; its `shapes`, where they are known, are not traced again."""

    def __init__(self, pack: Pack, layout: Layout, shapes: Shapes | None = None):
        self.pack, self.layout = pack, layout
        self._mesh = Mesh(np.asarray(layout.devices), ("device",))
        self._split = NamedSharding(self._mesh, PartitionSpec("device"))
        self._common = jax.device_put(pack.shared, NamedSharding(self._mesh, PartitionSpec()))
        first = self.lane(pack.runs[0])
        self.state_template, self._record = shapes or self.shapes(pack)
        self._lanes = stacked([first] * layout.width)
        self._device_lanes: PyTree = None
        self._states = jax.device_put(self._blank_states(), self._split)
        began = time.perf_counter()
        self._advance = self._compile()
        self.compile_seconds = time.perf_counter() - began

    # --- lanes ----------------------------------------------------------------------------------

    @staticmethod
    def lane(run: typing.Any) -> Lane:
        """The arrays of a run."""
        return Lane(Program.recipe(run.experiment, run.seeds), own_data(run))

    def seat(self, slot: int, lane: Lane) -> None:
        """Puts a run's arrays into a slot; its state starts with the next fresh leg or `load`."""

        def put(stack: np.ndarray, value: typing.Any) -> None:
            stack[slot] = value

        jax.tree.map(put, self._lanes, lane)
        self._device_lanes = None

    def states(self, slots: Sequence[int]) -> list[State]:
        """Copies of the states in some slots, on the host."""
        chosen = np.asarray(slots, int)
        host = jax.tree.map(lambda leaf: np.asarray(leaf)[chosen], self._states)
        return [jax.tree.map(lambda leaf, i=i: leaf[i], host) for i in range(len(slots))]

    def load(self, states: dict[int, State]) -> None:
        """Puts states, e.g. from a resume point, into slots."""
        host = jax.tree.map(lambda leaf: np.array(leaf), self._states)
        for slot, state in states.items():

            def put(stack: np.ndarray, value: typing.Any, slot: int = slot) -> None:
                stack[slot] = value

            jax.tree.map(put, host, state)
        self._states = jax.device_put(host, self._split)

    def advance(self, legs: Legs) -> "Outcome":
        """Takes every lane through its legs."""
        if self._device_lanes is None:
            self._device_lanes = jax.device_put(self._lanes, self._split)
        legs = jax.device_put(legs, self._split)
        self._states, outcome = self._advance(self._common, self._device_lanes, self._states, legs)
        return jax.tree.map(np.asarray, outcome)

    @property
    def bytes_needed(self) -> int:
        """Bytes of one device's memory that the compiled program works in."""
        memory = self._advance.memory_analysis()
        if memory is None:  # some backends do not tell
            return 0
        total = memory.argument_size_in_bytes + memory.output_size_in_bytes + memory.temp_size_in_bytes
        return total - memory.alias_size_in_bytes

    # --- compilation ----------------------------------------------------------------------------

    def _compile(self) -> jax.stages.Compiled:
        body = _side_by_side if self.layout.side_by_side else _one_after_another
        share = PartitionSpec("device")
        block = jax.shard_map(
            functools.partial(body, self.pack.program, self.whole, self._record),
            mesh=self._mesh,
            in_specs=(PartitionSpec(), share, share, share),
            out_specs=(share, share),
            check_vma=False,
        )
        shape = (self.layout.width, self.layout.legs)
        none = Legs(np.zeros(shape[0], bool), np.zeros(shape, np.int32), np.zeros(shape, bool))
        arguments = (self._common, jax.device_put(self._lanes, self._split), self._states)
        compiled = jax.jit(block, donate_argnums=2)
        return compiled.lower(*arguments, jax.device_put(none, self._split)).compile()

    def _blank_states(self) -> PyTree:
        shape = lambda leaf: np.zeros((self.layout.width, *leaf.shape), leaf.dtype)
        return jax.tree.map(shape, self.state_template)

    @classmethod
    def shapes(cls, pack: Pack) -> Shapes:
        """Shapes of a run's state and of one record."""
        state = cls.state_shapes(pack)
        arguments = cls.whole(pack.shared, cls.lane(pack.runs[0]))
        return state, jax.eval_shape(pack.program.measure, *arguments, state)

    @classmethod
    def state_shapes(cls, pack: Pack) -> State:
        """Shapes of a run's state."""
        return jax.eval_shape(pack.program.start, *cls.whole(pack.shared, cls.lane(pack.runs[0])))

    @classmethod
    def check(cls, pack: Pack) -> None:
        """**Raises:** what a probe has against a run of the pack."""
        recipe, data = cls.whole(pack.shared, cls.lane(pack.runs[0]))
        counts = example_counts(pack)

        def look(recipe: Recipe, data: Data) -> None:
            pack.program.check(recipe, data, pack.program.start(recipe, data), counts)

        jax.eval_shape(look, recipe, data)

    @staticmethod
    def whole(shared: dict[str, PyTree], lane: Lane) -> tuple[Recipe, Data]:
        """A lane's recipe and its task's data, with what the pack shares back in place."""
        return lane.recipe, dataclasses.replace(lane.data, **shared)


def _one_after_another(program, whole, record, shared, lanes, states, legs):
    """The lanes of one device in turn, each with loops of its own length."""
    shape = legs.until.shape
    blank = Outcome(
        jax.tree.map(lambda m: jnp.zeros((*shape, *m.shape), m.dtype), record),
        jnp.zeros(shape, jnp.int32),
        jnp.zeros(shape[0], jnp.int32),
    )

    def run_lane(slot, carry):
        states, outcome = carry
        recipe, data = whole(shared, _at(lanes, slot))
        state = _at(states, slot)
        fresh, until, asked = _at(legs, slot)
        state = jax.lax.cond(fresh, lambda: program.start(recipe, data), lambda: state)

        def go(state, leg):
            until, asked = leg
            state = jax.lax.while_loop(
                lambda state: (state.step < until) & state.running,
                lambda state: program.step(recipe, data, state),
                state,
            )
            blank = jax.tree.map(lambda m: jnp.zeros(m.shape, m.dtype), record)
            taken = jax.lax.cond(asked, lambda: program.measure(recipe, data, state), lambda: blank)
            return state, (taken, state.step)

        state, (taken, steps) = jax.lax.scan(go, state, (until, asked))
        return _put(states, slot, state), _put(outcome, slot, Outcome(taken, steps, state.diverged_at))

    # All lanes; but a trip count that the compiler knew would let it unroll a single lane into other code.
    opaque_count = jnp.sum(legs.until[:, 0] >= 0, dtype=jnp.int32)
    return jax.lax.fori_loop(0, opaque_count, run_lane, (states, blank))


def _side_by_side(program, whole, record, shared, lanes, states, legs):
    """The lanes of one device under `vmap`; those that have arrived wait for the others."""

    def each(function: Callable) -> Callable:
        return jax.vmap(lambda lane, state: function(*whole(shared, lane), state))

    def begin(states):
        new = jax.vmap(lambda lane: program.start(*whole(shared, lane)))(lanes)
        return _where(legs.fresh, new, states)

    states = jax.lax.cond(jnp.any(legs.fresh), begin, lambda states: states, states)
    blank = jax.tree.map(lambda m: jnp.zeros((len(legs.fresh), *m.shape), m.dtype), record)

    def go(states, leg):
        until, asked = leg

        def waiting(states):
            return (states.step < until) & states.running

        states = jax.lax.while_loop(
            lambda states: jnp.any(waiting(states)),
            lambda states: _where(waiting(states), each(program.step)(lanes, states), states),
            states,
        )
        measure = lambda: each(program.measure)(lanes, states)
        return states, (jax.lax.cond(jnp.any(asked), measure, lambda: blank), states.step)

    states, by_leg = jax.lax.scan(go, states, (legs.until.T, legs.record.T))
    measures, steps = jax.tree.map(lambda m: jnp.swapaxes(m, 0, 1), by_leg)
    return states, Outcome(measures, steps, states.diverged_at)


def _at(tree: PyTree, slot: Int[Array, ""] | int) -> PyTree:
    return jax.tree.map(lambda leaf: jax.lax.dynamic_index_in_dim(leaf, slot, keepdims=False), tree)


def _put(tree: PyTree, slot: Int[Array, ""], value: PyTree) -> PyTree:
    return jax.tree.map(
        lambda leaf, new: jax.lax.dynamic_update_index_in_dim(leaf, new, slot, 0), tree, value
    )


def _where(chosen: Bool[Array, " lanes"], new: PyTree, old: PyTree) -> PyTree:
    return jax.tree.map(lambda n, o: jnp.where(chosen.reshape(-1, *[1] * (n.ndim - 1)), n, o), new, old)
