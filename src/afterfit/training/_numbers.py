"""Which fields of a component are numbers (data) and which are structure (program).

A component is a frozen dataclass of plain values. Its fields annotated `float`, `float | None` or
`tuple[float, ...]` are data: they may differ between the lanes of one compiled program (a tuple's
length may not). All other fields are structure. `split` takes the numbers out, `graft` puts other
numbers, traced ones included, in: a tuple's as one array.
"""

import dataclasses
import functools
import itertools
import types
import typing
from collections.abc import Hashable, Iterator


@functools.cache
def number_fields(cls: typing.Any) -> frozenset[str]:
    """Names of the fields of a component class that hold numbers.

    Those declared by `eqx.field(static=True)` are structure all the same.
    """
    hints = typing.get_type_hints(cls)
    return frozenset(
        field.name
        for field in dataclasses.fields(cls)
        if _is_number(hints[field.name]) and not field.metadata.get("static", False)
    )


@functools.cache
def _fields(cls: typing.Any) -> tuple[tuple[str, bool], ...]:
    """Names of the fields of a component class, and whether each holds numbers."""
    numeric = number_fields(cls)
    return tuple((field.name, field.name in numeric) for field in dataclasses.fields(cls))


def _is_number(hint: typing.Any) -> bool:
    if hint in (float, tuple[float, ...]):
        return True
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return union and set(typing.get_args(hint)) <= {float, int, type(None)} and float in typing.get_args(hint)


_PLAIN = frozenset({bool, int, float, str, type(None)})


def split(part: typing.Any) -> tuple[Hashable, list[float]]:
    """The structure of a component (or of a tuple or dictionary of components) and its numbers."""
    if type(part) in _PLAIN:  # most of them: a sweep of thousands of runs asks this of each of its fields
        return (type(part), part), []
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        shape: list[Hashable] = []
        numbers: list[float] = []
        for name, numeric in _fields(type(part)):
            value = getattr(part, name)
            if numeric and value is not None:
                several = isinstance(value, tuple)
                numbers += map(float, value if several else (value,))
                shape.append((name, ("numbers", len(value)) if several else "number"))
            else:
                inner, inner_numbers = split(value)
                shape.append((name, inner))
                numbers += inner_numbers
        return (type(part), tuple(shape)), numbers
    if isinstance(part, (tuple, list)):
        pieces = [split(piece) for piece in part]
        return (tuple, tuple(piece[0] for piece in pieces)), [n for piece in pieces for n in piece[1]]
    # `True == 1 == 1.0` would let two programs share a key.
    return (type(part), part if isinstance(part, Hashable) else repr(part)), []


def graft(part: typing.Any, numbers: typing.Any) -> typing.Any:
    """The same component with its numbers, in the order of `split`, replaced by `numbers[0]`, ..."""
    return _graft(part, numbers, itertools.count())


def _graft(part: typing.Any, numbers: typing.Any, places: Iterator[int]) -> typing.Any:
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        numeric = number_fields(type(part))
        # Past `__init__`: the checks of `__post_init__` compare plain numbers and cannot see traced ones.
        copy = object.__new__(type(part))
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            if field.name not in numeric or value is None:
                new = _graft(value, numbers, places)
            elif isinstance(value, tuple):
                own = [next(places) for _ in value]
                new = numbers[own[0] : own[-1] + 1] if own else ()
            else:
                new = numbers[next(places)]
            object.__setattr__(copy, field.name, new)
        return copy
    if isinstance(part, (tuple, list)):
        return tuple(_graft(piece, numbers, places) for piece in part)
    return part
