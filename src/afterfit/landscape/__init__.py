"""Maps, not trajectories: constant-norm minima, their shapes and contours, and the flow on them."""

from ._contour import boundary as boundary, contours as contours
from ._flow import (
    boundary_time as boundary_time,
    count_maxima as count_maxima,
    flow as flow,
    Path as Path,
    predicted_time as predicted_time,
    Surface as Surface,
)
from ._plane import Plane as Plane
from ._reduced import reduced as reduced, spheres as spheres
from ._shape import (
    critical_size as critical_size,
    l_shape as l_shape,
    LShape as LShape,
    mismatch as mismatch,
    u_shape as u_shape,
    UShape as UShape,
    zone_width as zone_width,
)
