"""Recipe files: an experiment, its seed and its axes as TOML.

steps = 4000
seed = 0
[task]
kind = "BinaryOperation"
operation = "x/y"
[model]
kind = "Transformer"
[axes]
"optimiser.weight_decay" = [0.1, 1.0]
seed = [0, 1, 2]
"""

import dataclasses
import os
import pathlib
import tomllib
import typing
from collections.abc import Mapping

from ..training import brief, changed, from_plain, RecipeError, to_plain
from ._sweep import check_seed, read_axis, Sweep, sweep


def read_recipe(path: str | os.PathLike, changes: Mapping[str, typing.Any] | None = None) -> Sweep:
    """The sweep that a recipe file describes (without axes: one run).

    **Arguments:** `changes`: from dotted paths, `"seed"` included, to values that replace those of the file.

    **Raises:** `RecipeError` with every mistake and its path.
    """
    path = pathlib.Path(path)
    table = _with_parent(_table(path), (path.resolve(),))
    changes = dict(changes or {})
    seed, axes = table.pop("seed", 0), table.pop("axes", {})
    if not isinstance(axes, dict):
        raise RecipeError([f"axes: needs a table from fields to lists of values, got {brief(axes)}."])
    for name in changes:
        if name in axes:
            raise RecipeError([f"{name}: is an axis of this recipe, so no single value of it can be set."])
    seed = changes.pop("seed", seed)
    check_seed("seed", seed)
    folder = path.resolve().parent
    experiment = changed(from_plain(table, folder), changes, folder)
    axes = {name: read_axis(name, values) for name, values in axes.items()}
    return sweep(experiment, axes, seed=seed, folder=folder)


Plain = dict[str, typing.Any]

_MOST_BYTES = 1 << 26  # of a recipe: axes of millions of values


def _table(path: pathlib.Path, *, pipes: bool = True) -> Plain:
    try:
        if not pipes and not path.is_file() and path.exists():
            raise RecipeError([f"{str(path)!r} is no file."])
        with path.open("rb") as file:
            contents = file.read(_MOST_BYTES + 1)  # a device may never end
        if len(contents) > _MOST_BYTES:
            raise RecipeError([f"{str(path)!r} has more than {_MOST_BYTES:,} bytes: it is no recipe."])
        return tomllib.loads(contents.decode("utf-8-sig"))
    except RecipeError:
        raise
    except FileNotFoundError as error:
        raise RecipeError([f"there is no recipe {str(path)!r}."]) from error
    except OSError as error:
        raise RecipeError([f"cannot read the recipe {str(path)!r}: {error.strerror}."]) from error
    except (ValueError, RecursionError) as error:  # also of a number of thousands of digits
        raise RecipeError([f"{str(path)!r} is not TOML: {error}"]) from error


def _with_parent(table: Plain, files: tuple[pathlib.Path, ...]) -> Plain:
    """A fork that names the file of its parent, with all that it leaves out taken from there.

    `files`: that of the table, after those that name it as a parent.
    """
    fork = table.get("fork")
    if not isinstance(fork, dict) or not isinstance(fork.get("parent"), str):
        return table
    if "\0" in fork["parent"]:
        raise RecipeError([f"fork.parent: {fork['parent']!r} is no name of a file."])
    path = (files[-1].parent / fork["parent"]).resolve()
    try:
        if path in files:
            raise RecipeError([f"{fork['parent']!r} is a fork of itself."])
        if len(files) > _MOST_FORKS:
            raise RecipeError(
                [f"{fork['parent']!r} is the parent of {_MOST_FORKS} forks of forks: too many."]
            )
        # A pipe that the user names is written by somebody; of one that a file names nobody knows.
        parent = _with_parent(_table(path, pipes=False), (*files, path))
        if "axes" in parent:
            raise RecipeError([f"{fork['parent']!r} has axes, so it is many runs: name a recipe of one."])
        experiment = from_plain({name: parent[name] for name in parent if name != "seed"}, path.parent)
    except RecipeError as error:
        raise RecipeError([f"fork.parent: {mistake}" for mistake in error.mistakes]) from error
    return {**_merged(parent, table), "fork": {**fork, "parent": experiment}}


_MOST_FORKS = 10  # of forks: a recipe holds all its parents, and may lie so deep


def _merged(table: Plain, changes: Plain) -> Plain:
    """A table with other entries in place of its own; inner tables of one kind are merged in turn."""
    merged = dict(table)
    for name, value in changes.items():
        old = table.get(name)
        if isinstance(value, dict) and isinstance(old, dict):
            kind = old.get("kind")
            value = _merged(old, value) if value.get("kind", kind) == kind else value
        merged[name] = value
    return merged


def write_recipe(planned: Sweep, path: str | os.PathLike) -> None:
    """Writes a sweep as a recipe file that `read_recipe` reads back."""
    pathlib.Path(path).write_text(recipe_text(planned), encoding="utf-8")


def recipe_text(planned: Sweep) -> str:
    """A sweep as TOML."""
    import tomli_w

    table = _without_none(to_plain(planned.experiment))
    table.pop("kind")
    axes = {name: _axis(values) for name, values in planned.axes.items()}
    whole = {"seed": planned.seed, **table, **({"axes": axes} if axes else {})}
    return tomli_w.dumps(whole)


def _axis(values: typing.Any) -> typing.Any:
    if isinstance(values, Mapping):
        return {
            label: {name: _without_none(_plain(value)) for name, value in changes.items()}
            for label, changes in values.items()
        }
    return [_without_none(_plain(value)) for value in values]


def _plain(value: typing.Any) -> typing.Any:
    return to_plain(value) if dataclasses.is_dataclass(value) else value


def _without_none(plain: typing.Any) -> typing.Any:
    # TOML has no null; a field left out has its default, and no default but `None` gives way to `None`.
    if isinstance(plain, dict):
        return {name: _without_none(value) for name, value in plain.items() if value is not None}
    if isinstance(plain, list):
        return [_without_none(value) for value in plain]
    return plain
