"""What is measured.

A probe is any function of a `afterfit.training.Moment`, or a component called so. It returns an
array, or a dictionary of arrays; these are recorded under its name.
"""

from ._norms import (
    distance_from_initial as distance_from_initial,
    gradient_norm as gradient_norm,
    layer_norms as layer_norms,
)
