"""How a set of runs was made: their recipes, the versions and the machines, as texts for a page."""

import os
import typing
from collections.abc import Mapping, Sequence

from ..store import RunEntry, Store


if typing.TYPE_CHECKING:
    import xarray

Plain = Mapping[str, typing.Any]
_SHOWN = 12  # values of a field that are listed


def making(store: str | os.PathLike, data: "xarray.Dataset", *, recipes: bool = True) -> dict[str, str]:
    """Texts by their headings, for `write_page`: what the recipes share, what differs, versions and machine.

    **Arguments:**

    - `store`: that has the runs of `data`; others in it are left out.
    - `recipes`: whether to tell them. Who has the sweep has its recipe in full, as `Sweep.about`.
    """
    wanted = {str(run) for run in data["run"].values.ravel()}
    entries = [
        entry for entry in Store(store, create=False, readonly=True).runs(trunks=True) if entry.run in wanted
    ]
    texts = {}
    if recipes and entries:
        tables = [_without_none(entry.recipe) for entry in entries]
        alone = "Recipe" if len(tables) == 1 else f"Recipe: what all {len(tables):,} runs share"
        texts[alone] = _toml(_shared(tables))
        if differing := _differing([_flat(table) for table in tables]):
            texts["Fields that differ between runs"] = differing
    if entries:
        texts["Versions and machine"] = _makers(entries)
    return texts


def _toml(table: Plain) -> str:
    import tomli_w

    return tomli_w.dumps(table)


def _without_none(plain: typing.Any) -> typing.Any:
    if isinstance(plain, Mapping):  # TOML has no null
        return {name: _without_none(value) for name, value in plain.items() if value is not None}
    return [_without_none(one) for one in plain if one is not None] if isinstance(plain, list) else plain


def _shared(recipes: Sequence[Plain]) -> dict[str, typing.Any]:
    """The entries of nested tables that are the same in all of them."""
    first, *others = recipes
    shared = {}
    for name, value in first.items():
        if isinstance(value, Mapping):
            tables = [other.get(name) for other in others]
            if all(isinstance(table, Mapping) for table in tables):
                inner = _shared([value, *(table for table in tables if isinstance(table, Mapping))])
                if inner or not value:
                    shared[name] = inner
        elif all(other.get(name) == value for other in others):
            shared[name] = value
    return shared


def _flat(table: Plain, above: str = "") -> dict[str, typing.Any]:
    found = {}
    for name, value in table.items():
        found |= _flat(value, f"{above}{name}.") if isinstance(value, Mapping) else {f"{above}{name}": value}
    return found


def _differing(recipes: Sequence[Plain]) -> str:
    """A line for each field that varies: its values, in the order of the runs."""
    lines = []
    for name in dict.fromkeys(name for recipe in recipes for name in recipe):
        values = dict.fromkeys(str(recipe.get(name, "none")) for recipe in recipes)
        if len(values) > 1:
            shown = ", ".join([*values][:_SHOWN])
            more = f", and {len(values) - _SHOWN:,} more" if len(values) > _SHOWN else ""
            lines.append(f"{name}: {shown}{more}")
    return "\n".join(lines)


def _makers(entries: Sequence[RunEntry]) -> str:
    """A paragraph for each way in which runs were made."""
    makers: dict[str, list[str]] = {}
    for entry in entries:
        about = entry.about
        versions = [f"{name} {version}" for name, version in about.get("versions", {}).items()]
        lines = [", ".join([*versions, f"Python {about['python']}"] if about.get("python") else versions)]
        lines.append(", ".join(str(about[name]) for name in ("machine", "devices") if about.get(name)))
        lines.append(
            f"results version {entry.results_version}" + (" (not the current one)" * (not entry.current))
        )
        makers.setdefault("\n".join(filter(None, lines)), []).append(str(about.get("started", "")))
    paragraphs = []
    for maker, started in makers.items():
        count = f"{len(started):,} run{'s' * (len(started) != 1)}"
        first, last = min(started), max(started)
        when = "" if not first else f", begun {first}" + (f" to {last}" if last != first else "")
        paragraphs.append(f"{count}{when}\n{maker}")
    return "\n\n".join(paragraphs)
