"""The binary operations of the grokking literature: their names, and their tables of answers.

Two families: residues modulo p, and permutations of n points. Names are formulas ("x/y"); each has
a short alias ("div"). The list is that of Power et al. 2022, appendix A.1.1, and of the code
published with it.

Axes of this module
    left      elements in the place of x
    right     elements in the place of y
"""

import dataclasses
import difflib
import functools
import math
import typing
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Int

from ._group import compose, DEGREES, permutations, rank


Grid = Int[np.ndarray, "left right"]


@dataclasses.dataclass(frozen=True)
class _Residues:
    name: str
    alias: str
    rule: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # of x, y and 1/y; reduced later
    note: str = "all x and y"
    domain: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None  # where x, y has an answer
    divisors: Callable[[np.ndarray], np.ndarray] | None = None  # the y that are divided by

    @property
    def description(self) -> str:
        return f"residues modulo p, {self.note}"


@dataclasses.dataclass(frozen=True)
class _Permutations:
    name: str
    alias: str
    rule: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # of images of x, y and x^-1
    note: str

    @property
    def description(self) -> str:
        return f"permutations of n points, {self.note}"


def _nonzero(x: np.ndarray, y: np.ndarray) -> Bool[np.ndarray, "left right"]:
    return (x != 0) & (y != 0)


def _divisor_nonzero(x: np.ndarray, y: np.ndarray) -> Bool[np.ndarray, "left right"]:
    return np.broadcast_to(y != 0, np.broadcast_shapes(x.shape, y.shape))


_RESIDUES = (
    _Residues("x+y", "add", lambda x, y, _: x + y),
    _Residues("x-y", "sub", lambda x, y, _: x - y),
    _Residues("x*y", "mul", lambda x, y, _: x * y, "zeros included"),
    _Residues("x*y nonzero", "mul_nonzero", lambda x, y, _: x * y, "x and y not 0", _nonzero),
    _Residues("x/y", "div", lambda x, _, inverse: x * inverse, "y not 0", _divisor_nonzero, lambda y: y != 0),
    _Residues(
        "x/y nonzero",
        "div_nonzero",
        lambda x, _, inverse: x * inverse,
        "x and y not 0",
        _nonzero,
        lambda y: y != 0,
    ),
    _Residues(
        "x/y if y odd else x-y",
        "mix",
        lambda x, y, inverse: np.where(y % 2 == 1, x * inverse, x - y),
        divisors=lambda y: y % 2 == 1,
    ),
    _Residues("x^2+y^2", "quad1", lambda x, y, _: x**2 + y**2),
    _Residues("x^2+xy+y^2", "quad2", lambda x, y, _: x**2 + x * y + y**2),
    _Residues("x^2+xy+y^2+x", "quad3", lambda x, y, _: x**2 + x * y + y**2 + x),
    _Residues("x^3+xy", "cube1", lambda x, y, _: x**3 + x * y),
    _Residues("x^3+xy^2+y", "cube2", lambda x, y, _: x**3 + x * y**2 + y),
    _Residues("x^2+y", "square_add", lambda x, y, _: x**2 + y),
    _Residues("x^3+y", "cube_add", lambda x, y, _: x**3 + y),
    _Residues("x+y if x even else x*y", "add_mul", lambda x, y, _: np.where(x % 2 == 0, x + y, x * y)),
    _Residues("x+y if x even else x-y", "add_sub", lambda x, y, _: np.where(x % 2 == 0, x + y, x - y)),
)
_PERMUTATIONS = (
    _Permutations("x.y", "product", lambda x, y, _: compose(x, y), "apply x, then y"),
    _Permutations(
        "x.y.x^-1",
        "conjugation",
        lambda x, y, inverse: compose(compose(x, y), inverse),
        "apply x, then y, then the inverse of x",
    ),
    _Permutations("x.y.x", "aba", lambda x, y, _: compose(compose(x, y), x), "apply x, then y, then x again"),
)


def operations() -> dict[str, str]:
    """Every operation by its name, with one line of description that ends in its alias."""
    return {
        entry.name: f"{entry.description} (alias {entry.alias})" for entry in (*_RESIDUES, *_PERMUTATIONS)
    }


def residue_operation(name: str) -> str:
    """The full name of an operation on residues, given its name (spaces aside) or alias.

    Raises a `ValueError` that suggests the nearest name.
    """
    return _find(name, _RESIDUES, _PERMUTATIONS, "acts on permutations, use `PermutationOperation`").name


def permutation_operation(name: str) -> str:
    """The full name of an operation on permutations, given its name (spaces aside) or alias.

    Raises a `ValueError` that suggests the nearest name.
    """
    return _find(name, _PERMUTATIONS, _RESIDUES, "acts on residues, use `BinaryOperation`").name


@functools.lru_cache(maxsize=64)
def residue_table(name: str, modulus: int) -> Grid:
    """The answers of an operation modulo p, with -1 where there is none: `Int32["p p"]`, read-only.

    Raises a `ValueError` if the modulus is below 2 or the operation divides by residues that have no
    inverse.
    """
    operation = _find(name, _RESIDUES)
    if modulus < 2:
        raise ValueError(f"`modulus` must be at least 2, got {modulus}")
    residues = np.arange(modulus, dtype=np.int64)
    if operation.divisors is not None:
        _check_divisors(operation.name, residues[operation.divisors(residues)].tolist(), modulus)
    inverse = np.array([pow(y, -1, modulus) if math.gcd(y, modulus) == 1 else 0 for y in range(modulus)])
    x, y = residues[:, None], residues[None, :]
    answers = np.broadcast_to(operation.rule(x, y, inverse[None, :]) % modulus, (modulus, modulus))
    defined = True if operation.domain is None else operation.domain(x, y)
    return _frozen(np.where(defined, answers, -1))


@functools.lru_cache(maxsize=16)
def permutation_table(name: str, degree: int) -> Grid:
    """The answers of an operation in S_n: `Int32["n! n!"]`, read-only.

    Permutations are tuples of images in lexicographic order. A product applies its left factor
    first, then the right one, as the code of Power et al. does; the other convention transposes the
    table of "x.y" and renames x in that of "x.y.x^-1".

    Raises a `ValueError` if the degree is not in 2 .. 6.
    """
    operation = _find(name, _PERMUTATIONS)
    if degree not in DEGREES:
        raise ValueError(f"`degree` must be from {DEGREES[0]} to {DEGREES[-1]}, got {degree}")
    elements = permutations(degree)
    shape = (len(elements), len(elements), degree)
    x, y = np.broadcast_to(elements[:, None], shape), np.broadcast_to(elements[None, :], shape)
    inverse = np.broadcast_to(np.argsort(elements, axis=-1)[:, None], shape)
    return _frozen(rank(operation.rule(x, y, inverse)))


_Entry = typing.TypeVar("_Entry", _Residues, _Permutations)


def _find(name: str, family: tuple[_Entry, ...], others: tuple = (), others_are: str = "") -> _Entry:
    wanted = "".join(name.split())
    for entry in family:
        if wanted in ("".join(entry.name.split()), entry.alias):
            return entry
    for entry in others:
        if wanted in (entry.name.replace(" ", ""), entry.alias):
            raise ValueError(f"operation {name!r} {others_are}")
    known = [entry.name for entry in family] + [entry.alias for entry in family]
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    suggestion = f"did you mean {nearest[0]!r}? " if nearest else ""
    raise ValueError(f"unknown operation {name!r}: {suggestion}`afterfit list operations` shows them all")


def _check_divisors(name: str, divisors: list[int], modulus: int) -> None:
    bad = [y for y in divisors if math.gcd(y, modulus) > 1]
    if bad:
        listed = ", ".join(map(str, bad[:12])) + (f" and {len(bad) - 12} more" if len(bad) > 12 else "")
        prime = next(
            n for n in range(modulus + 1, 2 * modulus) if all(n % d for d in range(2, math.isqrt(n) + 1))
        )
        raise ValueError(
            f"operation {name!r} divides by y = {listed}, without inverse modulo {modulus}: "
            f"take a prime `modulus`, for instance {prime}"
        )


def _frozen(table: np.ndarray) -> Grid:
    table = np.ascontiguousarray(table, dtype=np.int32)
    table.flags.writeable = False
    return table
