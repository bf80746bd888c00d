"""What is measured.

A probe is any function of a `afterfit.training.Moment`, or a component called so. It returns an
array, or a dictionary of arrays; these are recorded under its name.
"""

from ._curvature import (
    FisherTrace as FisherTrace,
    HessianTrace as HessianTrace,
    TopEigenvalue as TopEigenvalue,
)
from ._fourier import (
    ExcludedLoss as ExcludedLoss,
    fourier_power as fourier_power,
    RestrictedLoss as RestrictedLoss,
)
from ._groups import group_scores as group_scores
from ._norms import (
    distance_from_initial as distance_from_initial,
    gradient_norm as gradient_norm,
    layer_norms as layer_norms,
)
from ._sharpness import keskar_sharpness as keskar_sharpness
