"""Molecules as padded graphs: from atoms and bonds, and from SMILES by RDKit.

Axes of this module
    atoms      29 places, hydrogens included: the most that a molecule of QM9 has; zeros where no atom is
    features   11 numbers of an atom
"""

import functools
import typing
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int8

from ._files import DataError


ROOM = 29
"""Places for atoms."""

ELEMENTS = {1: "H", 6: "C", 7: "N", 8: "O", 9: "F"}
"""Atomic numbers and symbols of the elements in QM9."""

FEATURES = 11
"""Of an atom: one-hot H, C, N, O, F; atomic number; aromatic, sp, sp2, sp3; number of hydrogens beside it.

The four in the middle are zero for every atom, as they are in the data that Liu et al. 2023 trained on: the
loader of PyTorch Geometric leaves out the step that would find them (its issues 8370 and 10560).
"""

BOND_TYPES = {"SINGLE": 1, "DOUBLE": 2, "TRIPLE": 3, "AROMATIC": 4}
"""What an entry of `bonds` says; 0 is no bond. Kekulised molecules have no aromatic ones."""


class Graph(typing.NamedTuple):
    """One molecule; small integers, since many are kept."""

    atoms: Int8[np.ndarray, "29 11"]
    bonds: Int8[np.ndarray, "29 29"]


def padded_graph(numbers: Sequence[int], bonds: Iterable[tuple[int, int, int]]) -> Graph:
    """The graph of a molecule given by atomic numbers and bonds (atom, atom, type).

    Raises a `DataError` for more than 29 atoms and for elements that QM9 lacks.
    """
    if len(numbers) > ROOM:
        raise DataError(f"a molecule must have at most {ROOM} atoms, got {len(numbers)}")
    others = sorted(set(numbers) - set(ELEMENTS))
    if others:
        raise DataError(f"atoms must be {', '.join(ELEMENTS.values())}, got atomic number {others[0]}")
    table = np.zeros((ROOM, ROOM), np.int8)
    for one, other, kind in bonds:
        table[one, other] = table[other, one] = kind
    own = np.zeros(ROOM, np.int8)
    own[: len(numbers)] = numbers
    atoms = np.zeros((ROOM, FEATURES), np.int8)
    atoms[:, : len(ELEMENTS)] = own[:, None] == np.array(list(ELEMENTS))
    atoms[:, len(ELEMENTS)] = own
    atoms[:, -1] = np.sum((table > 0) & (own == 1), axis=1)
    return Graph(_frozen(atoms), _frozen(table))


@functools.lru_cache(maxsize=200_000)  # all of QM9, at 1.2 kB each
def graph_of_smiles(smiles: str) -> Graph:
    """The graph of a SMILES string: hydrogens explicit, aromatic rings as single and double bonds in turn.

    Raises a `DataError` for what RDKit refuses, for what `padded_graph` refuses, and without RDKit.
    """
    chem, blocked = import_rdkit()
    with blocked():  # RDKit writes its complaints to standard error
        molecule = chem.MolFromSmiles(smiles)
        if molecule is None or molecule.GetNumAtoms() == 0:
            raise DataError(f"SMILES {smiles!r} is no molecule that RDKit understands")
        molecule = chem.AddHs(molecule)
        chem.Kekulize(molecule, clearAromaticFlags=True)
    numbers = [atom.GetAtomicNum() for atom in molecule.GetAtoms()]
    bonds = [
        (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), BOND_TYPES.get(str(bond.GetBondType()), 0))
        for bond in molecule.GetBonds()
    ]
    if not all(kind for _, _, kind in bonds):
        raise DataError(f"SMILES {smiles!r} has bonds other than single, double, triple and aromatic ones")
    return padded_graph(numbers, bonds)


def stacked_graphs(graphs: Sequence[Graph], room: int) -> dict[str, np.ndarray]:
    """Inputs of a task with a pool of `room` molecules; places left over are empty graphs."""
    atoms = np.zeros((room, ROOM, FEATURES), np.float32)
    bonds = np.zeros((room, ROOM, ROOM), np.int8)
    for place, graph in enumerate(graphs):
        atoms[place], bonds[place] = graph
    return {"atoms": _frozen(atoms), "bonds": _frozen(bonds)}


def import_rdkit() -> tuple[typing.Any, typing.Any]:
    """RDKit's chemistry, and the context in which it keeps silent.

    Raises a `DataError` that says how to install it.
    """
    try:
        from rdkit import Chem, rdBase
    except ImportError as error:
        raise DataError(
            "molecules are read by RDKit, which is not installed: pip install 'afterfit[molecules]'."
        ) from error
    return Chem, rdBase.BlockLogs


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
