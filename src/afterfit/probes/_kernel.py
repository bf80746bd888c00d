"""The neural tangent kernel of any model, in blocks: only a part of the Jacobian ever exists.

Of a block of examples the Jacobian is held; the others pass by a few at a time. Of the kernel of one set of
examples with itself only half of the products are made: they are the greater part of the work.

Axes of this module
    left, right   examples on the two sides of a kernel
    output        outputs of the model
"""

import dataclasses
import typing
from collections.abc import Callable, Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .._memory import free_memory
from ..training import Moment


BLOCK_BYTES = 1 << 27
"""Of the Jacobian of one block of examples. Twice as many gained 6% of the time of a transformer's kernel."""

CHUNK = 64
"""Examples that are differentiated at a time: activations of a model may be larger than its parameters."""


def neural_tangent_kernel(
    moment: Moment,
    left: PyTree,
    right: PyTree | None = None,
    *,
    output: int | None = None,
    full: bool = False,
    parameters: PyTree | None = None,
    block: int | None = None,
) -> Array:
    """The kernel `K(x, x') = sum_p df(x)/dp df(x')/dp` of the trained function, output scale included.

    **Arguments:**

    - `moment`: the run at one step.
    - `left`, `right`: inputs with leaves "batch ..."; without `right` the kernel of `left` with itself.

    **Other arguments:**

    - `output`: of the model, whose kernel is wanted; by default the sum of the kernels of all outputs.
    - `full`: all pairs of outputs instead.
    - `parameters`: where, by default those of the moment; `moment.initial` gives the kernel at the start.
    - `block`: examples whose Jacobian is held at a time; by default as many as take 128 MiB.

    **Returns:** "left right", in squared units of the function; "left output right output" if `full`.
    Positive semi-definite without `right`.

    **Raises:** `ValueError` for a kernel that does not fit into half of the free memory, for an output that
    the model does not have, for a block below 1, and for no examples.

    Jacot, Gabriel, Hongler 2018, "Neural Tangent Kernel: Convergence and Generalization in Neural Networks".
    """
    at = moment.parameters if parameters is None else parameters
    counts = _count(left), _count(left if right is None else right)
    if 0 in counts:
        raise ValueError(f"a kernel needs examples on both sides, got {counts[0]} and {counts[1]}.")
    example = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), left)
    outputs = jax.eval_shape(lambda one: moment.answer(one, at), example).shape[0]
    if output is not None and not 0 <= output < outputs:
        raise ValueError(f"`output` must be from 0 to {outputs - 1}, got {output}.")
    if block is not None and block < 1:
        raise ValueError(f"`block` must be at least 1 example, got {block}. Leave it out.")
    wanted = 1 if output is not None else outputs
    pairs = wanted if full else 1
    dtype = jax.tree.leaves(at)[0].dtype
    _check_memory(*counts, pairs, dtype)
    if block is None:
        block = max(1, BLOCK_BYTES // (wanted * sum(leaf.nbytes for leaf in jax.tree.leaves(at))))
    # What else a moment holds (an objective with numbers of the run) may be no part of a compiled program.
    bare = dataclasses.replace(moment, twin=None, objective=None, maker=_no_maker)
    kernel = _kernel(_Plan(output, pairs, block), bare, at, left, right)
    return kernel.reshape(counts[0], pairs, counts[1], pairs) if full else kernel


def kernel_rows(
    moment: Moment, left: PyTree, right: PyTree, *, rows: int = 1000, **options: typing.Any
) -> Iterator[tuple[slice, Array]]:
    """A kernel too large for the memory, some rows at a time: `(slice of left, kernel of it with right)`.

    **Arguments:** as of `neural_tangent_kernel`; `rows`: examples of `left` at a time.

    **Raises:** `ValueError` for fewer than 1 row, and as `neural_tangent_kernel`.
    """
    if rows < 1:
        raise ValueError(f"`rows` must be at least 1, got {rows}. Leave it out.")
    for start in range(0, _count(left), rows):
        part = slice(start, min(start + rows, _count(left)))
        chosen = jax.tree.map(lambda leaf, part=part: leaf[part], left)
        yield part, neural_tangent_kernel(moment, chosen, right, **options)


# --- its pieces -------------------------------------------------------------------------------------

Jacobian = list[Float[Array, "batch output _"]]
"""Of each parameter array: numbers of it come last."""


class _Plan(typing.NamedTuple):
    """What is computed, in which pieces."""

    output: int | None
    pairs: int  # outputs that the kernel tells apart: each example has so many rows
    block: int


def _no_maker(parameters: PyTree) -> typing.NoReturn:
    raise AssertionError("the kernel works example by example")


@eqx.filter_jit
def _kernel(
    plan: _Plan, moment: Moment, at: PyTree, left: PyTree, right: PyTree | None
) -> Float[Array, "down across"]:
    """Block by block; without `right` half of it, and the rest is mirrored."""

    def answer(at: PyTree, example: PyTree) -> Float[Array, " output"]:
        outputs = moment.answer(example, at)
        return outputs if plan.output is None else outputs[plan.output : plan.output + 1]

    @jax.vmap
    def gradients(example: PyTree) -> list[Array]:
        found = jax.tree.leaves(jax.jacrev(answer)(at, example))
        return [leaf.reshape(leaf.shape[0], -1) for leaf in found]

    symmetric, pairs = right is None, plan.pairs
    counts = _count(left), _count(left if right is None else right)
    chunk = _even(max(counts), min(CHUNK, plan.block))
    block = chunk * _even(-(-counts[0] // chunk), max(1, plan.block // chunk))
    left = _padded(left, -counts[0] % block)
    right = left if right is None else _padded(right, -counts[1] % chunk)
    kernel = jnp.zeros((_count(left) * pairs, _count(right) * pairs), jax.tree.leaves(at)[0].dtype)

    def row(i: Array | int, kernel: Array) -> Array:
        mine = _in_chunks(gradients, _part(left, i * block, block), chunk)
        if symmetric:
            kernel = _put(kernel, i * block * pairs, i * block * pairs, _own_product(mine, pairs))

        def cell(j: Array, kernel: Array) -> Array:
            product = _product(mine, gradients(_part(right, j * chunk, chunk)), pairs)
            place = i * block * pairs, j * chunk * pairs
            kernel = _put(kernel, *place, product)
            return _put(kernel, *place[::-1], product.T) if symmetric else kernel

        first = (i + 1) * (block // chunk) if symmetric else 0
        return jax.lax.fori_loop(first, -(-counts[1] // chunk), cell, kernel)

    with jax.default_matmul_precision("highest"):
        if symmetric and block >= counts[0]:  # all of it is one block, and nothing passes by
            kernel = _own_product(_in_chunks(gradients, left, chunk), pairs)
        else:
            kernel = jax.lax.fori_loop(0, _count(left) // block, row, kernel)
    return kernel[: counts[0] * pairs, : counts[1] * pairs]


def _even(count: int, most: int) -> int:
    """The size of equal pieces, the last one perhaps less, none above `most`."""
    return -(-count // -(-count // most))


def _in_chunks(gradients: Callable[[PyTree], Jacobian], inputs: PyTree, chunk: int) -> Jacobian:
    """The Jacobian of a whole number of chunks."""
    if _count(inputs) == chunk:
        return gradients(inputs)
    chunks = jax.tree.map(lambda leaf: leaf.reshape(-1, chunk, *leaf.shape[1:]), inputs)
    return [leaf.reshape(-1, *leaf.shape[2:]) for leaf in jax.lax.map(gradients, chunks)]


def _product(
    left: list[Float[Array, "left output _"]], right: list[Float[Array, "right output _"]], pairs: int
) -> Float[Array, "left_output right_output"]:
    """Summed over parameters, and over outputs unless they are told apart."""
    flat = lambda leaf: leaf.reshape(leaf.shape[0] * pairs, -1)
    parts = [flat(one) @ flat(other).T for one, other in zip(left, right, strict=True)]
    return sum(parts[1:], parts[0])


def _own_product(jacobian: Jacobian, pairs: int) -> Float[Array, "left_output left_output"]:
    """The product with itself: strips of it from the diagonal on, the rest mirrored."""
    count = _count(jacobian)
    step = max(CHUNK, -(-count // 8))
    strips = []
    for start in range(0, count, step):
        rows = [leaf[start : start + step] for leaf in jacobian]
        strip = _product(rows, [leaf[start:] for leaf in jacobian], pairs)
        strips.append(jnp.pad(strip, ((0, 0), (start * pairs, 0))))
    above = jnp.concatenate(strips)
    return jnp.triu(above) + jnp.triu(above, 1).T


def _put(kernel: Array, down: Array | int, across: Array | int, cell: Array) -> Array:
    return jax.lax.dynamic_update_slice(kernel, cell, (down, across))


def _part(inputs: PyTree, start: Array | int, size: int) -> PyTree:
    return jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, size), inputs)


def _padded(inputs: PyTree, more: int) -> PyTree:
    """Inputs with so many examples of zeros behind them."""
    return jax.tree.map(lambda leaf: jnp.pad(leaf, [(0, more)] + [(0, 0)] * (leaf.ndim - 1)), inputs)


def _count(inputs: PyTree) -> int:
    return jax.tree.leaves(inputs)[0].shape[0]


def _check_memory(left: int, right: int, outputs: int, dtype: typing.Any) -> None:
    needed = left * right * outputs**2 * dtype.itemsize
    free = free_memory(jax.local_devices()[0])
    if needed > free // 2:
        several = f" and {outputs} outputs" if outputs > 1 else ""
        raise ValueError(
            f"a kernel of {left:,} x {right:,} examples{several} takes {needed / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB are free: take a part of the examples, or rows of it at a time "
            "(afterfit.probes.kernel_rows)."
        )
