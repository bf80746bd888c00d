"""What is learned."""

from ._algebra import operations as operations
from ._binary import BinaryOperation as BinaryOperation, PermutationOperation as PermutationOperation
from ._data import (
    AbstractObjective as AbstractObjective,
    AbstractTask as AbstractTask,
    CrossEntropy as CrossEntropy,
    Data as Data,
    HostOrDevice as HostOrDevice,
    MeanSquaredError as MeanSquaredError,
    Predict as Predict,
    Scores as Scores,
    Sizes as Sizes,
)
from ._equations import split_equations as split_equations
from ._table import TableTask as TableTask
from ._teacher import TeacherStudent as TeacherStudent
