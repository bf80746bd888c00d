"""Experiments as people read them: only what differs from the defaults."""

import dataclasses
import types
import typing


_LONG = 72  # characters of a value
_WIDE = 88  # characters of a line


def brief(part: typing.Any) -> str:
    """A component on one line, as it would be written in Python; long values are cut."""
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        fields = ", ".join(f"{name}={text}" for name, text in brief_fields(part).items())
        return f"{type(part).__name__}({fields})"
    if isinstance(part, types.FunctionType | type):
        return part.__name__
    if isinstance(part, tuple) and any(map(_is_part, part)):
        return "(" + ", ".join(map(brief, part)) + ("," if len(part) == 1 else "") + ")"
    text = repr(part)
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"


def brief_fields(part: typing.Any) -> dict[str, str]:
    """The fields of a component that have no default, or another value."""
    return {
        field.name: brief(getattr(part, field.name))
        for field in dataclasses.fields(part)
        if field.repr and not _is_default(getattr(part, field.name), field)
    }


def brief_lines(part: typing.Any) -> str:
    """A component on one line where it fits, else with a line for each field."""
    line = brief(part)
    if len(line) <= _WIDE:
        return line
    fields = "".join(f"    {name}={text},\n" for name, text in brief_fields(part).items())
    return f"{type(part).__name__}(\n{fields})"


def _is_part(value: typing.Any) -> bool:
    return dataclasses.is_dataclass(value) or isinstance(value, types.FunctionType)


def _is_default(value: typing.Any, field: dataclasses.Field) -> bool:
    default = field.default
    if default is dataclasses.MISSING:
        if field.default_factory is dataclasses.MISSING:
            return False
        default = field.default_factory()
    return value is default or (type(value) is type(default) and bool(value == default))
