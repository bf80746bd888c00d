"""Ways to make a mistake in a good recipe, each with the path that must be told."""

import copy
import datetime
import math
import typing
from collections.abc import Iterator

import tomli_w
from cli.recipes import Plain, RECIPES
from hypothesis import strategies as st


OUTSIDE: dict[str, list[typing.Any]] = {
    "steps": [0, -1, 2**31, 10**12],
    "seed": [-1, 2**32, 10**30],
    "batch": [0, -4, 2**31],
    "modulus": [0, 1, -5, 10**9, 10**30],
    "fraction": [0.0, 1.0, -0.5, 1.5, 1e300],
    "outliers": [-1, 10**6],
    "degree": [0, -1, 20, 10**9],
    "symbols": [0, 5, -8, 10**9],
    "hidden": [[0], [-8], [8, 0], [10**12]],
    "width": [0, -8, 10**12],
    "heads": [0, -2, 3, 10**9],
    "layers": [0, -1, 10**9],
    "mlp_width": [0, -1, 10**12],
    "dropout": [-0.1, 1.0, 2.0],
    "learning_rate": [0.0, -1.0],
    "weight_decay": [-0.1],
    "b1": [-0.1, 1.0, 1.5],
    "b2": [-0.1, 1.0, 1e9],
    "momentum": [-0.1, 1.0],
    "eps": [-1e-9],
    "norm": [0.0, -1.0],
    "factor": [],
    "every": [0, -10],
    "interval": [0, -5],
    "per_decade": [0, -4, 10**9],
    "chosen": [[-1], [0, -10]],
    "records": [0, -2],
    "gradient": [-0.1],
    "update": [-0.1],
    "weight": [-0.1],
    "output_scale": [0.0],
    "iterations": [0, -3],
    "outputs": [0, -4, 10**12],
    "mask": [[], [0.0] * 8, [0.5] * 8],
    "constraints": [[]],
    "table": [[], [[]], [[0, 1], [1]], [[0, -7]]],
    "inputs": [0, -6, 10**12],
    "train": [0, -8, 10**12],
    "test": [0, -9, 10**12],
    "keys": [[1], [1, 2, 3, 4], []],
    "points": [0, -8, 10**12],
    "spectrum": [-1, 5],
    "pool": [0, 3, 10**12],
    "ratio": [-1, 10**12],
    "boundary": [-1.0],
    "frequencies": [[1], [1, 2, 3]],
    "amplitudes": [[1.0], []],
    "features": [0, -3, 10**12],
    "bandwidth": [0.0, -1.5],
    "digits": [0, 1, -4, 10**9],
    "dimension": [0, -3, 10**12],
    "reviews": [0, 3, 10**12],
    "words": [0, -1, 10**12],
    "length": [0, -1, 10**12],
    "embedding": [0, -3, 10**12],
    "step": [-1, 41, 10**12],
    "KernelAlignment.points": [0, -8],
    "OInformation.points": [0, 1, -8],
    "Addition.modulus": [0, 1, -4, 10**30],
    "samples": [0, 1, -5, 10**12],
    "views": [0, -3, 10**12],
    "rays": [0, -3, 10**12],
    "discs": [0, 9, -1],
    "asked": [0, -2, 10**12],
    "index": [0, -1, 17],
    "size": [0, 1, -5, 10**6],
    "waves": [0, -1, 10**12],
    "frequency": [0, -1],
    "molecules": [0, 1, -5, 10**12],
    "edge_width": [0, -1, 10**12],
    "widths": [[], [0], [-5, 4], [10**12]],
    "readout": [0, -1, 10**12],
    "groups": [0, 1, -4],
    "draws": [0, 1, -5],
    "directions": [0, 1, -5],
    "epsilon": [0.0, -1.0],
    "beta": [0.0, -1.0],
    "good": [-0.1, 1.1],
    "count": [0, -1],
    "noise": [-0.1],
    "times": [0, -2],
}
"""Values of the right kind that a field of this name cannot have, whatever recipe above it is in."""

CHOICES = {
    "kind",
    "precision",
    "operation",
    "activation",
    "init",
    "dropout_on",
    "positions",
    "beta",
    "placement",
    "measure",
}
"""Fields that hold one of a few words."""

ALSO = {
    "heads": "width",
    "points": "spectrum",
    "frequencies": "amplitudes",
    "train": "pool",
    "test": "pool",
    "samples": "rays",
}
"""A field that may be told in place of the one that was changed: the two do not fit together."""

NAN, INF = math.nan, math.inf
DATE = datetime.date(2020, 1, 1)
NEVER: dict[type, list[typing.Any]] = {
    bool: ["true", "maybe", 0, 1, 1.0, [True], {"a": True}, DATE, []],
    int: ["five", "5", True, 2.5, NAN, INF, -INF, 10**400, [5], {"a": 5}, DATE, [], {}],
    float: ["half", "0.5", False, NAN, INF, -INF, [0.5], {"a": 0.5}, DATE, [], {}],
    str: [5, 0.5, True, ["text"], {"a": "text"}, DATE, [], "\u0000", "no such thing \u2028 \x1b[31m"],
    list: [5, "text", True, {"a": 1}, DATE, [{"a": 1}], [["x"]], ["x"], [[[1]]]],
    dict: [
        5,
        "no such kind",
        "",
        True,
        DATE,
        [],
        [1],
        {"kind": 5},
        {"kind": ""},
        {"kind": []},
        {"nobody": 1},
    ],
}
"""Values that never fit where a value of this type is right."""


def at(recipe: typing.Any, place: tuple) -> typing.Any:
    for name in place:
        recipe = recipe[name]
    return recipe


def dotted(place: tuple) -> str:
    text = ""
    for name in place:
        text += f"[{name}]" if isinstance(name, int) else f".{name}" if text else name
    return text


def places(part: typing.Any, place: tuple = ()) -> Iterator[tuple]:
    """All places of a recipe, tables and lists of tables included; those of `axes` apart."""
    if isinstance(part, dict):
        for name, value in part.items():
            if place == () and name == "axes":
                continue
            yield (*place, name)
            yield from places(value, (*place, name))
    elif isinstance(part, list) and any(isinstance(piece, dict) for piece in part):
        for index, piece in enumerate(part):
            yield (*place, index)
            yield from places(piece, (*place, index))


class Mistake(typing.NamedTuple):
    """A broken recipe, the path and word that must be told, and what is set beside it."""

    recipe: Plain
    paths: tuple[str, ...]
    word: str = ""
    assignment: str = ""


@st.composite
def mistakes(draw: st.DrawFn) -> Mistake:
    """A good recipe with one mistake in it."""
    recipe = copy.deepcopy(RECIPES[draw(st.sampled_from(sorted(RECIPES)))])
    make = draw(
        st.sampled_from([wrong_type, out_of_range, misspelt, unknown, missing, wrong_axis, wrong_setting])
    )
    return make(draw, recipe)


def wrong_type(draw: st.DrawFn, recipe: Plain) -> Mistake:
    """A value of another type somewhere."""
    place = draw(st.sampled_from(list(places(recipe))))
    *above, name = place
    value = at(recipe, tuple(above))[name]
    never = [one for one in NEVER[type(value)] if not (name == "kind" and one == {})]
    if name in FREE:
        never = [one for one in never if not isinstance(one, str)]
    at(recipe, tuple(above))[name] = draw(st.sampled_from(never))
    return Mistake(recipe, (dotted(tuple(above) if name == "kind" else place),))


FREE = {"layer"}
"""Fields that hold any text: only the network shows whether it means anything."""


def out_of_range(draw: st.DrawFn, recipe: Plain) -> Mistake:
    """A number that is too small, too large or no number of this kind."""
    place = draw(st.sampled_from([place for place in places(recipe) if outside(recipe, place)]))
    *above, name = place
    at(recipe, tuple(above))[name] = draw(st.sampled_from(outside(recipe, place)))
    others = [dotted((*above, ALSO[name]))] if name in ALSO else []
    return Mistake(recipe, (dotted(place), *others))


def outside(recipe: Plain, place: tuple) -> list[typing.Any]:
    """What the field at a place cannot be."""
    above, name, value = at(recipe, place[:-1]), place[-1], at(recipe, place)
    if not isinstance(above, dict) or isinstance(value, dict | str) or is_parts(value):
        return []
    return OUTSIDE.get(f"{above.get('kind')}.{name}", OUTSIDE.get(name, []))


def is_parts(value: typing.Any) -> bool:
    return isinstance(value, list) and any(isinstance(piece, dict) for piece in value)


def misspelt(draw: st.DrawFn, recipe: Plain) -> Mistake:
    """A name with a letter too many, or one of a few words so written."""
    named = [place for place in places(recipe) if isinstance(place[-1], str)]
    words = [place for place in named if place[-1] in CHOICES and isinstance(at(recipe, place), str)]
    place = draw(st.sampled_from(named if draw(st.booleans()) or not words else words))
    *above, name = place
    table = at(recipe, tuple(above))
    if name in CHOICES and isinstance(table[name], str) and draw(st.booleans()):
        word = table[name].rpartition(":")[2]
        table[name] = f"{table[name]}{draw(st.sampled_from(['z', 'qq', table[name][-1]]))}"
        return Mistake(recipe, (dotted(place),), word)
    index = draw(st.integers(0, len(name) - 1))
    wrong = name[:index] + name[index] + name[index:]
    table[wrong] = table.pop(name)
    if name == "kind":
        return Mistake(recipe, (dotted(tuple(above)),), "`kind`")
    return Mistake(recipe, (dotted((*above, wrong)),), f"did you mean {name!r}?")


def unknown(draw: st.DrawFn, recipe: Plain) -> Mistake:
    """A name that nobody knows, in any table."""
    tables = [(), *(place for place in places(recipe) if isinstance(at(recipe, place), dict))]
    place = draw(st.sampled_from(tables))
    name = draw(st.sampled_from(["nobody", "__class__", "source_", "x y", "0", "\u00e4\u00f6", "../../etc"]))
    at(recipe, place)[name] = draw(st.sampled_from([1, "text", {"a": 1}, [], True, DATE]))
    return Mistake(recipe, (dotted((*place, name)),))


def missing(draw: st.DrawFn, recipe: Plain) -> Mistake:
    """Something left out that has no default."""
    place = draw(st.sampled_from([place for place in places(recipe) if is_required(recipe, place)]))
    *above, name = place
    del at(recipe, tuple(above))[name]
    return Mistake(recipe, (dotted(tuple(above) if name == "kind" else place),))


def is_required(recipe: Plain, place: tuple) -> bool:
    above, name = at(recipe, place[:-1]), place[-1]
    if not isinstance(above, dict):
        return False
    if name == "kind":
        return True
    if recipe.get("fork", {}).get("parent") == "parent.toml":
        return place in [("fork", "step"), ("fork", "parent")]
    return name in REQUIRED.get(
        above.get(
            "kind",
            "Experiment"
            if place[:-1] in ((), ("fork", "parent"))
            else "Fork"
            if place[:-1] == ("fork",)
            else "",
        ),
        (),
    )


REQUIRED = {
    "Experiment": ("task", "model"),
    "Fork": ("parent", "step"),
    "Every": ("interval",),
    "At": ("chosen",),
    "Separate": ("part", "optimiser", "rest"),
    "TableTask": ("table",),
    "InTurn": ("constraints",),
    "KeepUnits": ("layer", "mask"),
    "Padded": ("model",),
}


def wrong_axis(draw: st.DrawFn, recipe: Plain) -> Mistake:
    """An axis that is none, or a value that is none of its field."""
    axes = recipe.setdefault("axes", {"seed": [1, 2]})
    name = draw(st.sampled_from(sorted(axes)))
    values, where = axes[name], f"axes.{name}"
    what = draw(st.sampled_from(["all", "empty", "no list", "unknown", "value", "twice", "taken"]))
    if what == "all":
        recipe["axes"] = draw(st.sampled_from([5, "seed", [1, 2], True, DATE, [], [{"seed": [1]}]]))
        return Mistake(recipe, ("axes",))
    if what == "empty":
        axes[name] = draw(st.sampled_from([[], {}]))
        return Mistake(recipe, (where,))
    if what == "no list":
        axes[name] = draw(st.sampled_from([1, "text", True, DATE, 0.5, {"a": 1}, {"a": [1]}, {"a": "b"}]))
        return Mistake(recipe, (where,))
    if what == "taken":
        taken = draw(st.sampled_from(["step", "run", "outcome", "train_loss", "weight_norm"]))
        axes[taken] = {"a": {"steps": 13}}
        return Mistake(recipe, (f"axes.{taken}",))
    if what == "unknown" and name != "pull":
        letter = draw(st.sampled_from(range(len(name))))
        wrong = f"{name[:letter]}{name[letter]}{name[letter:]}" if name[letter] != "." else f"{name}.{name}"
        axes[wrong] = axes.pop(name)
        return Mistake(recipe, (f"axes.{wrong}",))
    if name == "pull":
        field = draw(st.sampled_from(sorted(values["gently"])))
        values["gently"][field] = draw(st.sampled_from([*NEVER[float], -1.0]))
        return Mistake(recipe, (f"{where}.gently.{field}",))
    if what == "twice":
        axes[name] = [*values, values[0]]
        return Mistake(recipe, (f"{where}[{len(values)}]",))
    index = draw(st.integers(0, len(values)))
    bad = NEVER[type(values[0])]
    if OUTSIDE.get(name.split(".")[-1]) and draw(st.booleans()):
        bad = OUTSIDE[name.split(".")[-1]]
    axes[name] = [*values[:index], draw(st.sampled_from(bad)), *values[index:]]
    return Mistake(recipe, (f"{where}[{index}]",))


def wrong_setting(draw: st.DrawFn, recipe: Plain) -> Mistake:
    """A good recipe with one wrong `--set`."""
    settable = [
        place
        for place in places(recipe)
        if all(isinstance(name, str) for name in place)
        and "kind" not in place
        and dotted(place) not in recipe.get("axes", ())
    ]
    if recipe.get("axes") and draw(st.booleans()):
        axis = draw(st.sampled_from([axis for axis in recipe["axes"] if axis != "pull"]))
        return Mistake(recipe, (axis,), "is an axis", f"{axis}=1")
    place = draw(st.sampled_from(settable))
    value, name = at(recipe, place), place[-1]
    what = draw(st.sampled_from(["type", "range", "name"]))
    if what == "name":
        place = (*place[:-1], name + name[-1])
        return Mistake(recipe, (dotted(place),), "", f"{dotted(place)}={inline(value)}")
    bad = outside(recipe, place) if what == "range" else []
    if not bad:
        bad = [one for one in NEVER[type(value)] if not (name in FREE and isinstance(one, str))]
    also = [dotted((*place[:-1], ALSO[name]))] if name in ALSO else []
    wrong = draw(st.sampled_from(bad))
    # A word needs no quotation marks, unless it would mean something else without.
    bare = isinstance(wrong, str) and wrong.isalpha() and wrong != "true" and draw(st.booleans())
    return Mistake(recipe, (dotted(place), *also), "", f"{dotted(place)}={wrong if bare else inline(wrong)}")


def inline(value: typing.Any) -> str:
    """A value as TOML in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{inline(str(name))} = {inline(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(inline, value))}]"
    return tomli_w.dumps({"x": value}).strip().removeprefix("x = ")


@st.composite
def broken_files(draw: st.DrawFn) -> bytes:
    """What is no TOML, made from a good recipe."""
    text = tomli_w.dumps(RECIPES[draw(st.sampled_from(sorted(RECIPES)))]).encode()
    at = draw(st.integers(0, len(text)))
    how = draw(
        st.sampled_from(["no text", "nul", "cut", "utf-16", "latin", "twice", "deep", "binary", "stray"])
    )
    quotes = [place for place, byte in enumerate(text) if byte == 34]
    return {
        "no text": text[:at] + draw(st.sampled_from([b"\xff", b"\xc3\x28", b"\xed\xa0\x80"])) + text[at:],
        "nul": text[:at] + b"\0" + text[at:],
        "cut": text[: draw(st.sampled_from(quotes[::2])) + 1],  # inside a text
        "utf-16": text.decode().encode("utf-16"),
        "latin": b"# L\xf6sung\n" + text,
        "twice": text + b"\n[task]\nkind = 5\n" + text,
        "deep": text + b"\n[x]\ny = " + b"[" * draw(st.sampled_from([3_000, 100_000])),
        "binary": b"\x1f\x8b\x08" + draw(st.binary(max_size=50)),
        "stray": text
        + draw(st.sampled_from([b"\n= 5", b"\nx", b"\n[", b"\nx = 1_", b"\n'", b"\nx = {a = 1,,}"])),
    }[how]
