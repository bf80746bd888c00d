"""Digests of a user's own definitions, so that an edited one is not taken for what it was."""

import ast
import functools
import hashlib
import inspect
import sys
import textwrap
import types
import typing
import uuid

from ._kinds import RecipeError


_THIS_PROCESS = uuid.uuid4().hex[:16]


@functools.cache
def source_digest(definition: typing.Any) -> str:
    """Sixteen hexadecimal digits of the source of a class or function and of what it uses of its module.

    A definition whose source cannot be read (typed at a prompt) has the digest of this process alone:
    its runs are stored, and never taken for those of another definition.

    **Raises:** `RecipeError` for functions that hold values of their own (closures, lambdas).
    """
    if isinstance(definition, types.FunctionType) and (
        definition.__closure__ or "<lambda>" in definition.__qualname__
    ):
        raise RecipeError(
            [
                f"{definition.__qualname__!r} cannot stand in a recipe: nothing tells it from others made at "
                "the same place. Make it a frozen dataclass with a `__call__`, or a function with a name."
            ]
        )
    sources: dict[str, str] = {}
    try:
        _gather(definition, sources)
    except (OSError, TypeError):
        return _THIS_PROCESS
    text = "\n".join(sources[name] for name in sorted(sources))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _gather(definition: typing.Any, sources: dict[str, str]) -> None:
    """Adds the source of a definition, and of the classes and functions of its module that it names."""
    if definition.__qualname__ in sources:
        return
    source = textwrap.dedent(inspect.getsource(definition))
    sources[definition.__qualname__] = source
    module = vars(sys.modules[definition.__module__])
    for node in ast.walk(ast.parse(source)):
        used = module.get(node.id) if isinstance(node, ast.Name) else None
        if isinstance(used, (type, types.FunctionType)) and used.__module__ == definition.__module__:
            _gather(used, sources)
