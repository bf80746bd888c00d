"""Names for the activations of a model, so that a probe may ask for any of them."""

import contextvars
import typing

from jax.extend.core import get_opaque_trace_state
from jaxtyping import Array, PyTree


class _Call(typing.NamedTuple):
    """A call of a model whose named activations are wanted."""

    found: dict[str, Array]
    trace: object  # where JAX was tracing when the call began


_CALL: contextvars.ContextVar[_Call | None] = contextvars.ContextVar("call", default=None)


def named(x: Array, name: str) -> Array:
    """`x` itself: a model calls this on an activation in its `__call__` to give it a name.

    It costs nothing: a program that wants no activations is the same with it and without.

    **Raises:** `ValueError`, only where activations are wanted, for a second activation of the same name and
    inside a loop or a transformation.
    """
    call = _CALL.get()
    if call is None:
        return x
    if get_opaque_trace_state() != call.trace:
        raise ValueError(
            f"the activation {name!r} is named inside a loop or a transformation (`jax.lax.scan`, `jax.jit`, "
            "`jax.vmap`, ...), out of which no value can be taken: name what that returns."
        )
    if name in call.found:
        raise ValueError(f"two activations are called {name!r}: each needs a name of its own.")
    call.found[name] = x
    return x


def named_activations(model: PyTree, inputs: PyTree) -> dict[str, Array]:
    """All named activations of a model for one example, in the order of the computation.

    For many examples `jax.vmap` it. **Raises** what `named` does.
    """
    call = _Call({}, get_opaque_trace_state())
    token = _CALL.set(call)
    try:
        model(inputs)
    finally:
        _CALL.reset(token)
    return call.found
