"""Binary operations on residues and on permutations: the tasks of Power et al. 2022.

@article{power2022grokking,
    author={Power, Alethea and Burda, Yuri and Edwards, Harri and Babuschkin, Igor and Misra, Vedant},
    title={Grokking: Generalization Beyond Overfitting on Small Algorithmic Datasets},
    journal={arXiv:2201.02177},
    year={2022},
}
"""

import dataclasses
import typing

import numpy as np
from jaxtyping import Int

from ._algebra import permutation_operation, permutation_table, residue_operation, residue_table
from ._data import AbstractObjective, AbstractTask, CrossEntropy, Data
from ._equations import check_equations, check_memory, check_whole, split_equations


@dataclasses.dataclass(frozen=True)
class BinaryOperation(AbstractTask):
    """Learn the table of an operation on residues modulo p from a random part of it.

    **Arguments:**

    - `operation`: a formula or its alias, see `operations`; an alias is replaced by its formula.
    - `modulus`: p, at least 2; division needs a prime.
    - `fraction`: share of the equations that train, strictly between 0 and 1.
    - `outliers`: training equations whose answers are falsified (Power et al. 2022, section 3.4).
    - `symbols`: size of the vocabulary, by default p. Tasks of different moduli or families that
        share it share one compiled program.
    - `objective`: how answers are scored, by default softmax cross-entropy in nats.

    Raises a `ValueError` that names the field at fault.
    """

    shared: typing.ClassVar[tuple[str, ...]] = ("inputs",)

    operation: str = "x+y"
    modulus: int = 97
    fraction: float = 0.5
    outliers: int = 0
    symbols: int | None = None
    objective: AbstractObjective = dataclasses.field(
        default=CrossEntropy(), metadata={"room": "afterfit.tasks"}
    )

    def __post_init__(self):
        object.__setattr__(self, "operation", residue_operation(self.operation))
        check_whole("modulus", self.modulus, least=2)
        check_memory(self.modulus**2, modulus=self.modulus)
        check_equations(self.answers, self.fraction, outliers=self.outliers, symbols=self.symbols)

    @property
    def title(self) -> str:
        return f"{self.operation} mod {self.modulus}"

    @property
    def answers(self) -> Int[np.ndarray, "left right"]:
        """The complete, true table, with -1 where there is no equation."""
        return residue_table(self.operation, self.modulus)

    def data(self, seed: int) -> Data:
        """The arrays under the split that `seed` draws; see `split_equations`."""
        return split_equations(
            self.answers, self.fraction, outliers=self.outliers, symbols=self.symbols, seed=seed
        )


@dataclasses.dataclass(frozen=True)
class PermutationOperation(AbstractTask):
    """Learn the table of an operation in the symmetric group S_n from a random part of it.

    Elements are numbered in the lexicographic order of their images, and a product applies its left
    factor first.

    **Arguments:**

    - `operation`: a formula or its alias, see `operations`; an alias is replaced by its formula.
    - `degree`: n, from 2 to 6; S_n has n! elements.
    - `fraction`, `outliers`, `objective`: as in `BinaryOperation`.
    - `symbols`: size of the vocabulary, by default n!. Tasks of different degrees or families that
        share it share one compiled program.

    Raises a `ValueError` that names the field at fault.
    """

    shared: typing.ClassVar[tuple[str, ...]] = ("inputs",)

    operation: str = "x.y"
    degree: int = 5
    fraction: float = 0.5
    outliers: int = 0
    symbols: int | None = None
    objective: AbstractObjective = dataclasses.field(
        default=CrossEntropy(), metadata={"room": "afterfit.tasks"}
    )

    def __post_init__(self):
        object.__setattr__(self, "operation", permutation_operation(self.operation))
        check_whole("degree", self.degree, least=2)
        check_equations(self.answers, self.fraction, outliers=self.outliers, symbols=self.symbols)

    @property
    def title(self) -> str:
        return f"{self.operation} in S{self.degree}"

    @property
    def answers(self) -> Int[np.ndarray, "left right"]:
        """The complete, true table."""
        return permutation_table(self.operation, self.degree)

    def data(self, seed: int) -> Data:
        """The arrays under the split that `seed` draws; see `split_equations`."""
        return split_equations(
            self.answers, self.fraction, outliers=self.outliers, symbols=self.symbols, seed=seed
        )
