"""Coarser matrix products: tf32 and bf16.

Sums stay in float32, and so does everything that is no matrix product. Accelerators have units for such
products. CPUs do not: there the operands are rounded to as many digits, at no gain in speed, so that the
effect of a precision can be studied anywhere.
"""

import functools
import typing
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun, Literal
from jaxtyping import Array, PyTree


Precision = typing.Literal["float32", "float64", "tf32", "bf16"]
PRECISIONS: tuple[str, ...] = typing.get_args(Precision)

_MANTISSA = {"tf32": 10, "bf16": 7}  # bits; both have the 8 bits of float32's exponent
# On an accelerator JAX's own default may be coarser than float32: what a recipe says is what is done.
_ON_ACCELERATORS = {
    "float32": "highest",
    "float64": "highest",
    "tf32": "tensorfloat32",
    "bf16": "BF16_BF16_F32",
}


def dtype_of(precision: str) -> str:
    """Of all arrays of a run; coarser products do not make coarser arrays."""
    return "float64" if precision == "float64" else "float32"


def in_precision(precision: str, function: Callable[..., Array], *arguments: PyTree) -> Array:
    """A function's value with its matrix products, and those of its derivatives, in a precision."""
    if jax.default_backend() != "cpu":
        with jax.default_matmul_precision(_ON_ACCELERATORS[precision]):
            return function(*arguments)
    if precision in _MANTISSA:
        return _rounded(function, _MANTISSA[precision], arguments)
    return function(*arguments)


def _rounded(function: Callable[..., Array], mantissa: int, arguments: tuple[PyTree, ...]) -> Array:
    """A function's value with the operands of all its matrix products rounded."""
    arrays, rest = eqx.partition(arguments, eqx.is_array)
    leaves, tree = jax.tree.flatten(arrays)
    call = lambda *new: function(*eqx.combine(jax.tree.unflatten(tree, new), rest))
    program = jax.make_jaxpr(call)(*leaves)
    (value,) = _evaluated(program.jaxpr, program.consts, leaves, mantissa)
    return value


def _evaluated(program: typing.Any, constants: list, arguments: list, mantissa: int) -> list:
    """The outputs of a traced program, with each of its matrix products rounded."""
    values = dict(zip((*program.constvars, *program.invars), (*constants, *arguments), strict=True))
    read = lambda variable: variable.val if isinstance(variable, Literal) else values[variable]
    for equation in program.eqns:
        inputs, name = [read(variable) for variable in equation.invars], equation.primitive.name
        if name == "dot_general":
            settings = {key: value for key, value in equation.params.items() if key != "out_sharding"}
            product = functools.partial(jax.lax.dot_general, **settings)
            floats = all(jnp.issubdtype(one.dtype, jnp.floating) for one in inputs)
            outputs = [_rounded_product(product, *inputs, mantissa) if floats else product(*inputs)]
        elif name in ("jit", "pjit"):
            inner = equation.params["jaxpr"]
            outputs = _evaluated(inner.jaxpr, inner.consts, inputs, mantissa)
        elif "dot_general" in str(equation) or "conv_general_dilated" in str(equation):
            raise ValueError(
                f"`precision` tf32 and bf16 do not reach the products inside {name!r} on CPUs, which the "
                "model uses: try float32."
            )
        else:
            # A program of this equation alone: how a primitive is bound differs between versions of JAX.
            variables = list(dict.fromkeys(v for v in equation.invars if not isinstance(v, Literal)))
            alone = program.replace(
                constvars=[], invars=variables, eqns=[equation], outvars=list(equation.outvars)
            )
            outputs = jaxpr_as_fun(ClosedJaxpr(alone, []))(*map(read, variables))
        values.update(zip(equation.outvars, outputs, strict=True))
    return [read(variable) for variable in program.outvars]


def _rounded_product(product: Callable[[Array, Array], Array], x: Array, y: Array, mantissa: int) -> Array:
    """A product of rounded operands, whose cotangent is rounded before it meets them."""

    def rounded(value: Array) -> Array:
        return jax.lax.reduce_precision(value, exponent_bits=8, mantissa_bits=mantissa)

    def operand(value: Array) -> Array:  # rounded forward; what comes back is a sum, which is not
        return value + jax.lax.stop_gradient(rounded(value) - value)

    result = product(operand(x), operand(y))
    # Forward the result itself, exactly; backward the rounding, which JAX takes for linear.
    return rounded(result) + jax.lax.stop_gradient(result - rounded(result))
