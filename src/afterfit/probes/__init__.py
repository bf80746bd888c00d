"""What is measured.

A probe is any function of a `afterfit.training.Moment`, or a component called so. It returns an
array, or a dictionary of arrays; these are recorded under its name.
"""

from ._alignment import (
    effective_rank as effective_rank,
    kernel_alignment as kernel_alignment,
    KernelAlignment as KernelAlignment,
    KernelRegression as KernelRegression,
)
from ._committee import committee_loss as committee_loss
from ._copula import Copula as Copula, gaussian_copula as gaussian_copula
from ._curvature import (
    FisherTrace as FisherTrace,
    HessianTrace as HessianTrace,
    TopEigenvalue as TopEigenvalue,
)
from ._field import density_error as density_error, solution_error as solution_error
from ._fourier import (
    ExcludedLoss as ExcludedLoss,
    fourier_power as fourier_power,
    RestrictedLoss as RestrictedLoss,
)
from ._grouping import (
    AbstractGrouping as AbstractGrouping,
    ByHand as ByHand,
    Spectral as Spectral,
    Ward as Ward,
)
from ._groups import group_scores as group_scores
from ._guesses import RandomNetworks as RandomNetworks
from ._information import (
    Information as Information,
    information as information,
    local_o_information as local_o_information,
    o_information_gradients as o_information_gradients,
)
from ._kernel import kernel_rows as kernel_rows, neural_tangent_kernel as neural_tangent_kernel
from ._local_volume import LocalVolume as LocalVolume
from ._norms import (
    angle_from_initial as angle_from_initial,
    distance_from_initial as distance_from_initial,
    gradient_norm as gradient_norm,
    layer_norms as layer_norms,
)
from ._o_information import OInformation as OInformation
from ._projection import Projection as Projection, projection as projection
from ._sharpness import keskar_sharpness as keskar_sharpness
from ._tempered import TemperedVolume as TemperedVolume
from ._twin import relative_change as relative_change, twin as twin
from ._unions import Multiplets as Multiplets, multiplets as multiplets
