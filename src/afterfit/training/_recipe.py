"""Recipes: experiments as plain data, to TOML and back, with every mistake named by its path.

A component is written as a table: `kind` names its class, the other entries its fields. A kind is a
class of this library (`"AdamW"`), of an importable module (`"package.module:Name"`) or of a file
(`"my_models.py:Name"`, looked up beside the recipe). Fields left out have their defaults.
"""

import dataclasses
import functools
import inspect
import math
import pathlib
import re
import types
import typing
from collections.abc import Iterator

import numpy as np
import pydantic

from ._experiment import Experiment, Fork
from ._kinds import brief, Contracts, find, kinds, nearest, RecipeError
from ._numbers import number_fields
from ._source import source_digest


# --- to plain data ------------------------------------------------------------------------------


def to_plain(part: typing.Any) -> typing.Any:
    """A component as plain data: dictionaries, lists, strings, numbers, `None`.

    User components carry a digest of their source, so that an edited class is another recipe.
    """
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        numeric = number_fields(type(part))
        plain = _kind_of(type(part))
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            if field.name in numeric and value is not None:
                plain[field.name] = [*map(float, value)] if isinstance(value, tuple) else float(value)
            else:
                plain[field.name] = to_plain(value)
        return plain
    if isinstance(part, (tuple, list)):
        return [to_plain(piece) for piece in part]
    if isinstance(part, types.FunctionType):
        return _kind_of(part)
    if part is None or isinstance(part, (bool, int, float, str)):
        return part
    if hasattr(part, "item"):  # a NumPy scalar
        return part.item()
    raise RecipeError(
        [f"{part!r} ({type(part).__name__}) cannot stand in a recipe: use plain values or dataclasses."]
    )


def _kind_of(definition: typing.Any) -> dict[str, typing.Any]:
    module = definition.__module__
    if module.split(".")[0] == "afterfit":
        return {"kind": definition.__name__}
    return {"kind": f"{module}:{definition.__qualname__}", "source": source_digest(definition)}


# --- from plain data ----------------------------------------------------------------------------


def from_plain(
    plain: dict[str, typing.Any], folder: pathlib.Path | None = None, *, own_code: bool = True
) -> Experiment:
    """The experiment that a table describes.

    **Arguments:**

    - `folder`: where kinds that name a file are looked up.
    - `own_code`: whether kinds may name modules and files, which are imported then. Not for a recipe that
      nobody here has asked to be run: one that was found in a store, say.

    **Raises:** `RecipeError` with all mistakes at once, each with its path.
    """
    reader = _Reader(folder, own_code)
    if plain.get("kind", Experiment.__name__) != Experiment.__name__:
        raise RecipeError([f"kind: a recipe is an {Experiment.__name__}, got {brief(plain['kind'])}."])
    experiment = reader.component(Experiment, plain, "")
    if reader.mistakes:
        raise RecipeError(reader.mistakes)
    return experiment


BESIDE = ("seed", "axes")
"""What a recipe file has beside the fields of its experiment."""

_DEEPEST = 30  # parts of parts: far from where Python gives up


@dataclasses.dataclass
class _Reader:
    """Reads one table and gathers its mistakes."""

    folder: pathlib.Path | None
    own_code: bool = True
    mistakes: list[str] = dataclasses.field(default_factory=list)

    def component(self, cls: typing.Any, plain: dict, path: str) -> typing.Any:
        """A dataclass from its table, or `None` after noting what is wrong."""
        before = len(self.mistakes)
        if path.count(".") > _DEEPEST:
            self.mistakes.append(f"{path[:60]}...: a part lies more than {_DEEPEST} parts deep in others.")
            return None
        fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
        values = {}
        try:
            plain = getattr(cls, "written_out", dict)(plain)  # a class may have a shorter form of its tables
        except Exception as error:
            self.mistakes.append(f"{path}: {_reason(error)}")
            return None
        try:
            _hints(cls)
        except Exception as error:  # a user's class that names what it does not import
            self.mistakes.append(f"{path}: the annotations of {cls.__name__} cannot be read: {error}")
            return None
        written = ("kind",) if cls.__module__.startswith("afterfit.") else ("kind", "source")
        for name, value in plain.items():
            if name in written:
                continue
            where = f"{path}.{name}" if path else name
            if name not in fields:
                known = (*fields, *(() if path else BESIDE))
                self.mistakes.append(f"{where}: unknown field of {cls.__name__}{nearest(name, known)}")
                continue
            values[name] = self.value(cls, fields[name], value, where)
        for name, field in fields.items():
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            if required and name not in plain:
                where = f"{path}.{name}" if path else name
                self.mistakes.append(f"{where}: {cls.__name__} needs this field.")
        if len(self.mistakes) > before:
            return None
        try:
            return cls(**values)
        except Exception as error:  # a user's class may raise anything, and a table may not fit into memory
            self.mistakes.append(located(cls, path, error))
            return None

    def value(self, cls: type, field: dataclasses.Field, value: typing.Any, path: str) -> typing.Any:
        """One field's value, checked against its annotation."""
        hint = _hints(cls)[field.name]
        room = field.metadata.get("room") or _room(hint)
        if room is None:
            return self.plain(hint, value, path)
        several = typing.get_origin(hint) is tuple
        if isinstance(value, (list, tuple)) != several and not (value is None and not several):
            self.mistakes.append(
                f"{path}: needs {'a list' if several else 'one component'}, got {brief(value)}."
            )
            return None
        if several:
            return tuple(self.in_slot(hint, room, piece, f"{path}[{i}]") for i, piece in enumerate(value))
        return None if value is None else self.in_slot(hint, room, value, path)

    def in_slot(self, hint: typing.Any, room: str, value: typing.Any, path: str) -> typing.Any:
        """A component for a slot: already made, a kind's name, or a table."""
        contracts = _contracts(hint)
        made = isinstance(value, contracts) if contracts else callable(value)
        if made and not isinstance(value, type):
            return value
        listed = nearest("", kinds(room, contracts))
        if not isinstance(value, (str, dict)):
            self.mistakes.append(f"{path}: needs a component{listed}, got {brief(value)}.")
            return None
        table = {"kind": value} if isinstance(value, str) else dict(value)
        kind = table["kind"] if "kind" in table else _only_class(hint)
        if not isinstance(kind, (str, type)):
            wrong = f", got {brief(kind)}" if kind is not None else ""
            self.mistakes.append(f"{path}: say which `kind`{listed}{wrong}")
            return None
        try:
            definition = (
                kind if isinstance(kind, type) else find(kind, room, contracts, self.folder, self.own_code)
            )
        except RecipeError as error:
            self.mistakes += [f"{path}.kind: {mistake}" for mistake in error.mistakes]
            return None
        if isinstance(definition, types.FunctionType):
            for name in table.keys() - {"kind", "source"}:
                self.mistakes.append(f"{path}.{name}: {kind} is a function, which has no fields.")
            return definition
        return self.component(definition, table, path)

    def plain(self, hint: typing.Any, value: typing.Any, path: str) -> typing.Any:
        """A plain value, checked against its annotation."""
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return value
        try:
            read = _adapter(hint).validate_python(value)
        except pydantic.errors.PydanticUserError:
            self.mistakes.append(f"{path}: a recipe holds no {hint!r}: annotate it with a plain type.")
            return None
        except pydantic.ValidationError as error:
            for mistake in error.errors(include_url=False):
                inner = "".join(f"[{part}]" for part in mistake["loc"] if isinstance(part, int))
                message = mistake["msg"].removeprefix("Value error, ").removeprefix("Input ")
                self.mistakes.append(f"{path}{inner}: {message}, got {brief(mistake['input'])}.")
            return None
        strange = [f"{path}{place}: {wrong}" for place, wrong in _strange(hint, value)]
        self.mistakes += strange
        return None if strange else read


@functools.cache
def _hints(cls: type) -> dict[str, typing.Any]:
    return typing.get_type_hints(cls)


@functools.cache
def _adapter(hint: typing.Any) -> pydantic.TypeAdapter:
    return pydantic.TypeAdapter(hint)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"


def _mentioned(hint: typing.Any) -> set[typing.Any]:
    """A hint and everything inside it."""
    return {hint}.union(*(_mentioned(inner) for inner in typing.get_args(hint)))


def _strange(hint: typing.Any, value: typing.Any, place: str = "") -> Iterator[tuple[str, str]]:
    """What pydantic would take for something else: "5" for 5, 1 for true, true for 1; and what is no number.

    **Yields:** places inside the value, and what is wrong there.
    """
    if isinstance(value, (list, tuple)):
        for index, piece in enumerate(value):
            yield from _strange(hint, piece, f"{place}[{index}]")
        return
    mentioned = _mentioned(hint)
    texts = str in mentioned or any(isinstance(one, str) for one in mentioned)
    if isinstance(value, bool):
        if bool not in mentioned:
            yield place, f"should be no truth value, got {value!r}."
    elif isinstance(value, str):
        if not texts:
            yield place, f"should be no text, got {value!r}: leave the quotation marks out."
    elif isinstance(value, (int, float)):
        if not {int, float} & mentioned and not any(type(one) in (int, float) for one in mentioned):
            yield place, f"should be {'true or false' if bool in mentioned else 'no number'}, got {value!r}."
        elif isinstance(value, float) and not math.isfinite(value):
            yield place, f"should be a finite number, got {value!r}."
        elif not -(2**63) <= value < 2**63 and isinstance(value, int):
            yield place, f"should be a number of 64 bits, got {brief(value)}."


_QUOTED = re.compile(r"`([\w.]+)`")
_NAMED_FIRST = re.compile(r"(?:unknown )?(\w+)\b")


def located(cls: typing.Any, path: str, error: Exception) -> str:
    """What a component said against its fields, with the path of the field that it named first."""
    reason = _reason(error)
    fields = {field.name for field in dataclasses.fields(cls) if field.init}
    first = _NAMED_FIRST.match(reason)
    candidates = [*_QUOTED.findall(reason), *([first[1]] if first else [])]
    named = [name for name in candidates if name.split(".")[0] in fields]
    where = ".".join(filter(None, (path, *named[:1])))
    return f"{where}: {reason}" if where else reason


def _contracts(hint: typing.Any) -> Contracts:
    """The classes of this library whose components a field holds; none for plain values and functions."""
    candidates = (hint, *typing.get_args(hint))
    return tuple(
        one for one in candidates if isinstance(one, type) and one.__module__.startswith("afterfit.")
    )


def _room(hint: typing.Any) -> str | None:
    """The room of this library that a field's components are from, or `None` for plain values."""
    for contract in _contracts(hint):
        return ".".join(contract.__module__.split(".")[:2])
    return None


def _only_class(hint: typing.Any) -> type | None:
    """The class a slot always holds, or `None` if it may hold several."""
    for candidate in (hint, *typing.get_args(hint)):
        if dataclasses.is_dataclass(candidate) and not inspect.isabstract(candidate):
            return typing.cast(type, candidate)
    return None


# --- changing fields ----------------------------------------------------------------------------


def changed(
    experiment: Experiment, changes: dict[str, typing.Any], folder: pathlib.Path | None = None
) -> Experiment:
    """The experiment with fields named by dotted paths replaced, e.g. `{"task.fraction": 0.3}`.

    Changes to one component are made together: only their outcome must be valid.

    **Raises:** `RecipeError` for unknown fields (with the nearest) and values of the wrong kind.
    """
    reader = _Reader(folder)
    tree = _Changes()
    for path, value in changes.items():
        if path.count(".") > _DEEPEST:
            raise RecipeError([f"{path[:60]}...: no field lies so deep."])
        tree.add(path.split("."), value)
    result = _apply(reader, experiment, tree, "")
    if reader.mistakes:
        raise RecipeError(reader.mistakes)
    return result


def fork(
    experiment: Experiment,
    step: int | np.integer,
    changes: dict[str, typing.Any] | None = None,
    *,
    reset_optimiser: bool = False,
    noise: float = 0.0,
) -> Experiment:
    """An experiment that branches off another at a step, with some fields changed from there on.

    **Arguments:**

    - `experiment`: the parent.
    - `changes`: as of `changed`, e.g. `{"optimiser.weight_decay": 0.0}`.
    - `reset_optimiser`, `noise`: as in `Fork`.

    **Raises:** `RecipeError` as `changed`, and for a step that the parent does not have.
    """
    step = step.item() if isinstance(step, np.integer) else step
    try:
        branch = Fork(experiment, step, reset_optimiser, noise)
    except ValueError as error:
        raise RecipeError([f"fork: {error}"]) from error
    return changed(experiment, {**(changes or {}), "fork": branch})


_UNCHANGED = object()


class _Changes:
    """What changes at one place of an experiment: the whole part, or parts of it, or both."""

    def __init__(self):
        self.whole: typing.Any = _UNCHANGED
        self.parts: dict[str, _Changes] = {}

    def add(self, names: list[str], value: typing.Any) -> None:
        if not names:
            self.whole = value
            return
        self.parts.setdefault(names[0], _Changes()).add(names[1:], value)


def _apply(reader: _Reader, part: typing.Any, changes: _Changes, path: str) -> typing.Any:
    before = len(reader.mistakes)
    fields = (
        {field.name: field for field in dataclasses.fields(part)} if dataclasses.is_dataclass(part) else {}
    )
    values = {}
    for name, change in changes.parts.items():
        where = f"{path}.{name}" if path else name
        if name not in fields:
            advice = nearest(name, fields)
            if name == "kind" and path:
                advice = f": give the whole component, {path} = {change.whole!r}"
            reader.mistakes.append(f"{where}: {path or 'an experiment'} has no such field{advice}")
            continue
        new = getattr(part, name)
        if change.whole is not _UNCHANGED:
            new = reader.value(type(part), fields[name], change.whole, where)
        if change.parts:
            only = _only_class(_hints(type(part))[name])
            if new is None and only is not None:
                # An optional component is made by the first change inside it, if no field of it is required.
                new = reader.component(only, {}, where)
                if new is None:
                    continue
            new = _apply(reader, new, change, where)
        values[name] = new
    if len(reader.mistakes) > before:
        return None
    try:
        return dataclasses.replace(part, **values)
    except Exception as error:  # as in `_Reader.component`
        reader.mistakes.append(located(type(part), path, error))
        return None
