"""Molecules: a property from the graph of atoms and bonds, real (QM9) and generated.

Axes of this module
    pool      molecules, in the order of their ids or of their making
"""

import dataclasses
import functools
import typing
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Int

from ._data import AbstractObjective, AbstractTask, Data, MeanSquaredError
from ._equations import check_memory, check_whole
from ._files import DataError
from ._graphs import Graph, graph_of_smiles, import_rdkit, padded_graph, stacked_graphs
from ._properties import Properties, properties_digest, read_properties
from ._random_molecules import additive_polarizability, distinct_molecules


@dataclasses.dataclass(frozen=True)
class QM9(AbstractTask):
    """Learn a property of small organic molecules from their graphs, without positions of atoms.

    Inputs are `{"atoms": float32 "29 11", "bonds": int8 "29 29"}`. An atom has 11 features: one-hot H, C, N,
    O, F, the atomic number, aromatic, sp, sp2, sp3 (these four always zero, as in the authors' data), and
    the number of hydrogens beside it. Hydrogens are atoms. A bond is 1 single, 2 double, 3 triple, 4 aromatic
    (never: rings are kekulised), 0 none. Places without an atom are zeros. RDKit makes the graphs:
    `pip install 'afterfit[molecules]'`.

    Files in the folder `qm9` of the data: the official `dsgdb9nsd.xyz.tar.bz2`, or `qm9.csv` or
    `qm9_sample.csv` (with `.gz` or without), which have columns `mol_id`, `smiles` and one for each
    property. A molecule that a table repeats counts once.

    Defaults: Liu et al. 2023 ("Omnigrok"), section 4 and appendix A, and their code.

    **Arguments:**

    - `molecules`: how many, training and test together; a random half trains.
    - `target`: the property, by the name of its column; "alpha" is the isotropic polarizability (cubic bohr).
    - `standardised`: whether targets lose the mean of the training part and are divided by its deviation.
    - `order`: "first" takes the molecules with the smallest ids, which are the smallest molecules; "random"
      takes any, drawn by the seed of the split.
    - `room`: room for so many molecules, by default as many as there are; tasks that share it share one
      compiled program.
    - `objective`: how answers are scored.

    Raises a `ValueError` that names the field at fault; `data` raises a `DataError` for what is wrong with
    the file.

    @article{ramakrishnan2014quantum,
        author={Ramakrishnan, Raghunathan and Dral, Pavlo O. and Rupp, Matthias and
            von Lilienfeld, O. Anatole},
        title={Quantum chemistry structures and properties of 134 kilo molecules},
        journal={Scientific Data},
        year={2014},
    }
    """

    molecules: int = 100
    target: str = "alpha"
    standardised: bool = False
    order: typing.Literal["first", "random"] = "first"
    room: int | None = None
    objective: AbstractObjective = dataclasses.field(
        default=MeanSquaredError(), metadata={"room": "afterfit.tasks"}
    )

    def __post_init__(self):
        _check_counts(self.molecules, self.room)
        if self.order not in ("first", "random"):
            raise ValueError(f"`order` must be first or random, got {self.order!r}.")

    @property
    def shared(self) -> tuple[str, ...]:  # ty: ignore[incompatible-property-override]
        """The first molecules are the same for every seed; a pack holds them once."""
        return ("inputs",) if self.order == "first" else ()

    @property
    def title(self) -> str:
        return f"{self.target} of {self.molecules} molecules of QM9"

    @property
    def digest(self) -> str:
        return properties_digest()

    def data(self, seed: int) -> Data:
        """The molecules, and which of them `seed` lets train."""
        table = read_properties(self.target)
        if len(table.ids) < self.molecules:
            raise DataError(
                f"`molecules` must be at most {len(table.ids)}, the molecules in {table.source}, "
                f"got {self.molecules}."
            )
        split, choice = np.random.SeedSequence((seed, 0x9319)).spawn(2)
        room = self.molecules if self.room is None else self.room
        if self.order == "first":
            chosen = range(min(room, len(table.ids)))
            inputs = _first_graphs(table, room)
        else:
            chosen = np.random.default_rng(choice).permutation(len(table.ids))[:room].tolist()
            inputs = stacked_graphs(_graphs(table, chosen), room)
        order = np.random.default_rng(split).permutation(self.molecules)
        return _data(inputs, table.values[list(chosen)], order, self.standardised)


@dataclasses.dataclass(frozen=True)
class GeneratedMolecules(AbstractTask):
    """Learn an additive property of random molecules: a stand-in for QM9 without its data and without RDKit.

    A molecule is a random tree of up to 9 atoms of C, N, O and F, with some double and triple bonds and some
    rings, and hydrogens wherever a valence is left; no two are the same. Its target is a sum over atoms
    (H 1.85, C 7.04, N 5.02, O 3.17, F 2.14) and bonds (2.57 for each double, 3.48 for each triple): the
    least-squares fit to the polarizability (cubic bohr) of 3,000 molecules of QM9, with errors of 2.1
    (root-mean-square). The seed of the split draws the molecules. Inputs are those of `QM9`.

    **Arguments:**

    - `molecules`: how many, training and test together; a random half trains.
    - `standardised`, `room`, `objective`: as in `QM9`.

    Raises a `ValueError` that names the field at fault.
    """

    molecules: int = 100
    standardised: bool = False
    room: int | None = None
    objective: AbstractObjective = dataclasses.field(
        default=MeanSquaredError(), metadata={"room": "afterfit.tasks"}
    )

    def __post_init__(self):
        _check_counts(self.molecules, self.room)

    @property
    def title(self) -> str:
        return f"{self.molecules} generated molecules"

    def data(self, seed: int) -> Data:
        """The molecules that `seed` draws; more of them begin with the same ones."""
        split, draws = np.random.SeedSequence((seed, 0x309EC)).spawn(2)
        room = self.molecules if self.room is None else self.room
        made = distinct_molecules(room, np.random.default_rng(draws))
        inputs = stacked_graphs([padded_graph(*molecule) for molecule in made], room)
        values = np.array([additive_polarizability(*molecule) for molecule in made])
        order = np.random.default_rng(split).permutation(self.molecules)
        return _data(inputs, values, order, self.standardised)


def _check_counts(molecules: int, room: int | None) -> None:
    check_whole("molecules", molecules, least=2)
    if room is not None:
        check_whole("room", room, least=molecules, reason=" (`molecules`)")
    check_memory((room or molecules) * _NUMBERS_OF_A_MOLECULE, molecules=molecules, room=room or 0)


_NUMBERS_OF_A_MOLECULE = 4_000  # about


def _data(
    inputs: dict[str, np.ndarray],
    values: Float[np.ndarray, " made"],
    order: Int[np.ndarray, " molecules"],
    standardised: bool,
) -> Data:
    """The first half of `order` trains and the rest tests; the pool is as large as the inputs."""
    room, train = len(inputs["atoms"]), len(order) // 2
    if standardised:
        known = values[order[:train]]
        if not known.std() > 0:
            raise DataError(
                f"`standardised` needs training molecules with different targets, got {train} of {known[0]}."
            )
        values = (values - known.mean()) / known.std()
    targets, rows = np.zeros((room, 1), np.float32), np.full(room, order[0], np.int32)
    targets[: len(values), 0] = values
    rows[: len(order)] = order
    return Data(
        inputs=inputs,
        targets=targets,
        rows=rows,
        train_count=np.asarray(train, np.int32),
        test_count=np.asarray(len(order) - train, np.int32),
        outputs=1,
        most_train=room // 2,
    )


@functools.lru_cache(maxsize=4)
def _first_graphs(table: Properties, room: int) -> dict[str, np.ndarray]:
    return stacked_graphs(_graphs(table, range(min(room, len(table.ids)))), room)


def _graphs(table: Properties, chosen: Iterable[int]) -> list[Graph]:
    import_rdkit()  # where it is missing, no molecule is to blame
    graphs = []
    for index in chosen:
        try:
            graphs.append(graph_of_smiles(table.smiles[index]))
        except DataError as error:
            raise DataError(f"{table.source}, {table.ids[index]}: {error}.") from error
    return graphs
