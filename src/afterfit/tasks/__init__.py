"""What is learned."""

from ._addition import Addition as Addition, NearestTemplate as NearestTemplate
from ._algebra import operations as operations
from ._binary import BinaryOperation as BinaryOperation, PermutationOperation as PermutationOperation
from ._collocation import PhysicsInformed as PhysicsInformed
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
from ._differential import Burgers as Burgers, Heat as Heat, Poisson as Poisson
from ._equations import split_equations as split_equations
from ._files import DataError as DataError, find_file as find_file, Official as Official
from ._flatland import Flatland as Flatland
from ._images import Digits as Digits, LinearRepresentation as LinearRepresentation, MNIST as MNIST
from ._molecules import GeneratedMolecules as GeneratedMolecules, QM9 as QM9
from ._polynomial import (
    hermite as hermite,
    KernelEigenvector as KernelEigenvector,
    Polynomial as Polynomial,
)
from ._residual import (
    AbstractEquation as AbstractEquation,
    Condition as Condition,
    Derivatives as Derivatives,
    derivatives as derivatives,
    Residual as Residual,
)
from ._reviews import (
    BinaryCrossEntropy as BinaryCrossEntropy,
    GeneratedReviews as GeneratedReviews,
    Reviews as Reviews,
)
from ._signals import CosineImage as CosineImage, DigitImage as DigitImage
from ._table import TableTask as TableTask
from ._teacher import Signs as Signs, TeacherStudent as TeacherStudent
