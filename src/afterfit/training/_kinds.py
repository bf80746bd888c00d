"""The names of components: of this library, of importable modules, of a user's own files."""

import dataclasses
import difflib
import importlib
import importlib.util
import inspect
import pathlib
import reprlib
import sys
import traceback
import types
import typing
from collections.abc import Callable, Iterable


class RecipeError(ValueError):
    """Mistakes in a recipe, each with its path."""

    def __init__(self, mistakes: list[str]):
        self.mistakes = mistakes
        super().__init__("\n".join(mistakes))

    def __reduce__(self):
        return type(self), (self.mistakes,)  # an exception is made anew of its text, if nobody says better


def nearest(name: str, allowed: Iterable[str]) -> str:
    """`": did you mean 'x'?"`, or the allowed names where none is near."""
    names = sorted(map(str, allowed))
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f": did you mean {close[0]!r}?"
    return f" (there are: {', '.join(names)})" if names else ""


def brief(value: typing.Any) -> str:
    """A value as a message shows it: of a long or deep one, the beginning."""
    return _BRIEF.repr(value)


_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = _BRIEF.maxlong = 80
_BRIEF.maxlist = _BRIEF.maxtuple = _BRIEF.maxdict = 10


Contracts = tuple[type, ...]
"""The abstract classes that a component must be of; none where any function will do."""


def kinds(room: str, contracts: Contracts = ()) -> dict[str, typing.Any]:
    """The public components of a room of this library, by name."""
    public = {
        name: value
        for name, value in vars(importlib.import_module(room)).items()
        if not name.startswith(("_", "Abstract"))
    }
    return {name: value for name, value in public.items() if _complaint(value, contracts) is None}


def find(
    kind: str,
    room: str,
    contracts: Contracts = (),
    folder: pathlib.Path | None = None,
    own_code: bool = True,
) -> typing.Any:
    """The class or function that a kind names; modules and files are imported only with `own_code`.

    **Raises:** `RecipeError` with the nearest name.
    """
    if ":" not in kind:
        known = kinds(room, contracts)
        if kind not in known:
            raise RecipeError([f"unknown kind {kind!r}{nearest(kind, known)}"])
        return known[kind]
    if not own_code:
        raise RecipeError([f"{kind!r} is somebody's own code, which is not imported unless it is allowed."])
    place, name = kind.rsplit(":", 1)
    module = _load(place, folder or pathlib.Path.cwd())
    if not hasattr(module, name):
        own = {
            public: value
            for public, value in vars(module).items()
            if getattr(value, "__module__", None) == module.__name__ and not public.startswith("_")
        }
        raise RecipeError([f"{place} has no {name!r}{nearest(name, own)}"])
    definition = getattr(module, name)
    complaint = _complaint(definition, contracts)
    if complaint is not None:
        raise RecipeError([f"{kind} {complaint}"])
    return definition


def _complaint(definition: typing.Any, contracts: Contracts) -> str | None:
    """Why a definition cannot stand where these contracts are asked for."""
    if not contracts and isinstance(definition, types.FunctionType):
        return None
    names = " or ".join(contract.__name__ for contract in contracts)
    wanted = f"a class made from {names}" if contracts else "a function, or a class with `__call__`"
    fits = isinstance(definition, type) and (
        issubclass(definition, contracts)
        if contracts
        else any("__call__" in vars(c) for c in definition.__mro__)
    )
    if not fits:
        return f"must be {wanted}."
    if not dataclasses.is_dataclass(definition) or not definition.__dataclass_params__.frozen:
        return "must be a frozen dataclass: put @dataclasses.dataclass(frozen=True) above it."
    if inspect.isabstract(definition):
        return f"lacks {', '.join(sorted(definition.__abstractmethods__))}."
    return None


def _load(place: str, folder: pathlib.Path) -> types.ModuleType:
    is_file = place.endswith(".py")
    if not is_file and place in sys.modules:
        return sys.modules[place]
    path = folder / (place if is_file else place.replace(".", "/") + ".py")
    if not path.exists():
        if is_file:
            raise RecipeError([f"there is no file {place!r} beside the recipe."])
        return _guarded(place, lambda: importlib.import_module(place))
    name = path.stem
    if name in sys.modules:  # loaded once: two copies of a class would not be equal
        found = getattr(sys.modules[name], "__file__", None)
        if found is None or pathlib.Path(found).resolve() != path.resolve():
            raise RecipeError([f"another module called {name!r} is loaded already: rename {path.name!r}."])
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    loader, module = spec.loader, importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        _guarded(place, lambda: loader.exec_module(module))
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _guarded(place: str, load: Callable[[], typing.Any]) -> typing.Any:
    try:
        return load()
    except (Exception, SystemExit) as error:  # a script that ends with sys.exit() is no module to load
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = (
            ""
            if last.filename.startswith("<")
            else f" ({pathlib.Path(last.filename).name}, line {last.lineno})"
        )
        reason = f"{type(error).__name__}: {error}"
        raise RecipeError([f"{place!r} cannot be loaded: {reason}{where}"]) from error
