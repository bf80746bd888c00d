"""Which fields of a component are numbers (data) and which are structure (program).

A component is a frozen dataclass of plain values. Its fields annotated `float` or `float | None`
are data: they may differ between the lanes of one compiled program. All other fields are
structure. `split` takes the numbers out, `graft` puts other numbers, traced ones included, in.
"""

import dataclasses
import functools
import types
import typing
from collections.abc import Hashable, Iterator


@functools.cache
def number_fields(cls: typing.Any) -> frozenset[str]:
    """Names of the fields of a component class that are annotated `float` or `float | None`.

    Those declared by `eqx.field(static=True)` are structure all the same.
    """
    hints = typing.get_type_hints(cls)
    return frozenset(
        field.name
        for field in dataclasses.fields(cls)
        if _is_number(hints[field.name]) and not field.metadata.get("static", False)
    )


def _is_number(hint: typing.Any) -> bool:
    if hint is float:
        return True
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return union and set(typing.get_args(hint)) <= {float, int, type(None)} and float in typing.get_args(hint)


def split(part: typing.Any) -> tuple[Hashable, list[float]]:
    """The structure of a component (or of a tuple or dictionary of components) and its numbers."""
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        numeric = number_fields(type(part))
        shape: list[Hashable] = []
        numbers: list[float] = []
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            if field.name in numeric and value is not None:
                numbers.append(float(value))
                shape.append((field.name, "number"))
            else:
                inner, inner_numbers = split(value)
                shape.append((field.name, inner))
                numbers += inner_numbers
        return (type(part), tuple(shape)), numbers
    if isinstance(part, (tuple, list)):
        pieces = [split(piece) for piece in part]
        return (tuple, tuple(piece[0] for piece in pieces)), [n for piece in pieces for n in piece[1]]
    # `True == 1 == 1.0` would let two programs share a key.
    return (type(part), part if isinstance(part, Hashable) else repr(part)), []


def graft(part: typing.Any, numbers: typing.Any) -> typing.Any:
    """The same component with its numbers, in the order of `split`, replaced by `numbers[0]`, ..."""
    return _graft(part, iter(numbers[i] for i in range(len(split(part)[1]))))


def _graft(part: typing.Any, numbers: Iterator) -> typing.Any:
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        numeric = number_fields(type(part))
        # Past `__init__`: the checks of `__post_init__` compare plain numbers and cannot see traced ones.
        copy = object.__new__(type(part))
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            is_number = field.name in numeric and value is not None
            object.__setattr__(copy, field.name, next(numbers) if is_number else _graft(value, numbers))
        return copy
    if isinstance(part, (tuple, list)):
        return tuple(_graft(piece, numbers) for piece in part)
    return part
