"""Random molecules that respect valences, and an additive property of them."""

import itertools
import typing
from collections.abc import Hashable

import numpy as np


VALENCES = {6: 4, 7: 3, 8: 2, 9: 1}
"""Bonds of the heavy atoms, by atomic number."""

_SHARES = {6: 0.7, 7: 0.12, 8: 0.15, 9: 0.03}
_HEAVY = range(4, 10)  # as in QM9 nine at most; with all their hydrogens they are 29 atoms
_BOND_SHARES = {1: 0.75, 2: 0.18, 3: 0.07}

_PER_ATOM = {1: 1.85, 6: 7.04, 7: 5.02, 8: 3.17, 9: 2.14}
_PER_BOND = {1: 0.0, 2: 2.57, 3: 3.48}


class Molecule(typing.NamedTuple):
    """Atomic numbers, and bonds as (atom, atom, type)."""

    numbers: list[int]
    bonds: list[tuple[int, int, int]]


def distinct_molecules(count: int, random: np.random.Generator) -> list[Molecule]:
    """Random molecules, no two of them the same; a larger count begins with those of a smaller one."""
    made: dict[Hashable, Molecule] = {}
    while len(made) < count:  # a molecule on both sides of a split would leak its answer
        molecule = _random_molecule(random)
        made.setdefault(_surroundings(molecule), molecule)
    return list(made.values())


def additive_polarizability(numbers: list[int], bonds: list[tuple[int, int, int]]) -> float:
    """A sum over atoms and bonds, in cubic bohr."""
    return sum(_PER_ATOM[number] for number in numbers) + sum(_PER_BOND[kind] for *_, kind in bonds)


def _random_molecule(random: np.random.Generator) -> Molecule:
    heavy = random.choice(list(_SHARES), p=list(_SHARES.values()), size=random.choice(_HEAVY)).tolist()
    numbers, free, bonds = heavy[:1], [VALENCES[heavy[0]]], []

    def bind(one: int, other: int, kind: int) -> None:
        bonds.append((one, other, kind))
        free[one] -= kind
        free[other] -= kind

    # A tree ...
    for element in heavy[1:]:
        open_ = [atom for atom, left in enumerate(free) if left]
        if not open_:
            break
        other = int(random.choice(open_))
        numbers.append(element)
        free.append(VALENCES[element])
        kind = int(random.choice(list(_BOND_SHARES), p=list(_BOND_SHARES.values())))
        bind(len(free) - 1, other, min(kind, free[-1], free[other]))
    # ... up to two rings ...
    for _ in range(random.integers(0, 3)):
        bound = {frozenset(bond[:2]) for bond in bonds}
        open_ = [atom for atom, left in enumerate(free) if left]
        pairs = [pair for pair in itertools.combinations(open_, 2) if frozenset(pair) not in bound]
        if pairs:
            bind(*pairs[random.integers(len(pairs))], 1)
    # ... and hydrogens.
    for atom, left in enumerate(free):
        bonds += [(atom, len(numbers) + index, 1) for index in range(left)]
        numbers += [1] * left
    return Molecule(numbers, bonds)


def _surroundings(molecule: Molecule) -> Hashable:
    """Each atom with its neighbours: the same for the same molecule, however its atoms are numbered."""
    around: list[list[tuple[int, int]]] = [[] for _ in molecule.numbers]
    for one, other, kind in molecule.bonds:
        around[one].append((kind, molecule.numbers[other]))
        around[other].append((kind, molecule.numbers[one]))
    return tuple(sorted((own, *sorted(beside)) for own, beside in zip(molecule.numbers, around)))
