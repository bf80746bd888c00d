"""The neural tangent kernel of any model, in blocks: no Jacobian of more than a block ever exists.

Axes of this module
    left, right   examples on the two sides of a kernel
    output        outputs of the model
"""

import functools
import typing
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .._memory import free_memory
from ..training import Moment


BLOCK_BYTES = 1 << 27
"""Of the Jacobian of one block of examples."""


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

    **Raises:** `ValueError` for a kernel that does not fit into the memory that is free, for an output that
    the model does not have, and for a block below 1.

    Jacot, Gabriel, Hongler 2018, "Neural Tangent Kernel: Convergence and Generalization in Neural Networks".
    """
    at = moment.parameters if parameters is None else parameters
    answer = functools.partial(_answer, moment, output)
    example = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), left)
    outputs = jax.eval_shape(lambda one: moment.answer(one, at), example).shape[0]
    if output is not None and not 0 <= output < outputs:
        raise ValueError(f"`output` must be from 0 to {outputs - 1}, got {output}.")
    if block is not None and block < 1:
        raise ValueError(f"`block` must be at least 1 example, got {block}. Leave it out.")
    rows = 1 if output is not None else outputs
    leaf = jax.tree.leaves(at)[0]
    _check_memory(_count(left), _count(left if right is None else right), rows if full else 1, leaf.dtype)
    if block is None:
        size = sum(leaf.size for leaf in jax.tree.leaves(at)) * leaf.dtype.itemsize * rows
        block = max(1, BLOCK_BYTES // size)
    contract = _all_pairs if full else _summed
    with jax.default_matmul_precision("highest"):
        kernel = _in_blocks(answer, at, left, right, contract, rows if full else 1, block)
    return kernel if full else kernel[:, 0, :, 0]


def kernel_rows(
    moment: Moment, left: PyTree, right: PyTree, *, rows: int = 1000, **options: typing.Any
) -> Iterator[tuple[slice, Array]]:
    """A kernel too large for the memory, some rows at a time: `(slice of left, kernel of it with right)`.

    **Arguments:** as of `neural_tangent_kernel`; `rows`: examples of `left` at a time.
    """
    for start in range(0, _count(left), rows):
        part = slice(start, min(start + rows, _count(left)))
        chosen = jax.tree.map(lambda leaf, part=part: leaf[part], left)
        yield part, neural_tangent_kernel(moment, chosen, right, **options)


# --- its pieces -------------------------------------------------------------------------------------

Answer = Callable[[PyTree, PyTree], Float[Array, " output"]]
"""From parameters and one example to outputs."""


def _answer(moment: Moment, output: int | None, parameters: PyTree, example: PyTree) -> Array:
    outputs = moment.answer(example, parameters)
    return outputs if output is None else outputs[output : output + 1]


def _jacobian(answer: Answer, at: PyTree, inputs: PyTree) -> list[Float[Array, "batch output parameter"]]:
    """Of each parameter array, example by example."""
    found = jax.vmap(lambda one: jax.jacrev(answer)(at, one))(inputs)
    return [leaf.reshape(*leaf.shape[:2], -1) for leaf in jax.tree.leaves(found)]


def _summed(left: list[Array], right: list[Array]) -> Float[Array, "left 1 right 1"]:
    parts = [jnp.einsum("aop,bop->ab", one, other) for one, other in zip(left, right, strict=True)]
    return sum(parts[1:], parts[0])[:, None, :, None]


def _all_pairs(left: list[Array], right: list[Array]) -> Float[Array, "left output right output"]:
    parts = [jnp.einsum("aop,bqp->aobq", one, other) for one, other in zip(left, right, strict=True)]
    return sum(parts[1:], parts[0])


def _in_blocks(
    answer: Answer,
    at: PyTree,
    left: PyTree,
    right: PyTree | None,
    contract: Callable[[list[Array], list[Array]], Array],
    outputs: int,
    block: int,
) -> Float[Array, "left output right output"]:
    """The kernel block by block; without `right` only blocks on and above the diagonal are computed."""
    symmetric = right is None
    right = left if right is None else right
    counts = _count(left), _count(right)
    block = min(block, max(counts))
    if max(counts) == block:  # all of it is one block
        own = _jacobian(answer, at, left)
        return contract(own, own if symmetric else _jacobian(answer, at, right))
    lefts, rights = _blocks(left, block), _blocks(right, block)
    down, across = _count(lefts), _count(rights)
    dtype = jax.tree.leaves(at)[0].dtype
    kernel = jnp.zeros((down, across, block, outputs, block, outputs), dtype)

    def row(i: Array, kernel: Array) -> Array:
        mine = _jacobian(answer, at, jax.tree.map(lambda leaf: leaf[i], lefts))

        def cell(j: Array, kernel: Array) -> Array:
            its = _jacobian(answer, at, jax.tree.map(lambda leaf: leaf[j], rights))
            return kernel.at[i, j].set(contract(mine, its))

        return jax.lax.fori_loop(i if symmetric else 0, across, cell, kernel)

    kernel = jax.lax.fori_loop(0, down, row, kernel)
    kernel = kernel.transpose(0, 2, 3, 1, 4, 5).reshape(down * block, outputs, across * block, outputs)
    kernel = kernel[: counts[0], :, : counts[1]]
    if not symmetric:
        return kernel
    flat = kernel.reshape(counts[0] * outputs, -1)
    above = jnp.triu(flat)  # cells below the diagonal of blocks are empty, those on it are whole
    return (above + jnp.triu(flat, 1).T).reshape(kernel.shape)


def _blocks(inputs: PyTree, block: int) -> PyTree:
    """Inputs as "blocks block ...", the last one filled up with zeros."""

    def split(leaf: Array) -> Array:
        padding = [(0, -leaf.shape[0] % block)] + [(0, 0)] * (leaf.ndim - 1)
        return jnp.pad(leaf, padding).reshape(-1, block, *leaf.shape[1:])

    return jax.tree.map(split, inputs)


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
