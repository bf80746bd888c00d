"""Lines of constant value on a grid, from the values as they are: nothing is smoothed.

Axes of this module
    x         places along a row, increasing; norms as a rule
    y         rows
    alpha     norms, increasing
    point     corners of one line, in order; its columns are x and y
"""

import numpy as np
from jaxtyping import Float

from ._shape import check_alpha, FLOOR


def contours(
    x: Float[np.ndarray, " x"],
    y: Float[np.ndarray, " y"],
    values: Float[np.ndarray, "y x"],
    level: float,
    *,
    log_x: bool = False,
    log_y: bool = False,
) -> list[Float[np.ndarray, "point 2"]]:
    """The lines on which values, interpolated between the points of a grid, are at a level.

    A line has the larger values on its left. Cells with a NaN at a corner have no lines.

    **Arguments:**

    - `x`, `y`: places of the columns and rows of `values`.
    - `log_x`, `log_y`: interpolate between the logarithms of places. For a loss give the logarithms of
        values and level too.

    **Returns:** one array for each connected line; a closed one ends where it starts.

    Raises `ValueError` for places that do not increase, or are not positive where logarithms are taken.
    """
    for name, places, logarithmic in (("x", x, log_x), ("y", y, log_y)):
        if not np.all(np.diff(places) > 0) or len(places) < 2:
            raise ValueError(f"`{name}` must be at least two increasing places, got {places}. Try `np.sort`.")
        if logarithmic and not places[0] > 0:
            raise ValueError(f"`{name}` must be positive for logarithms, got {places[0]}. Try a linear axis.")
    import contourpy

    generator = contourpy.contour_generator(
        np.log(x) if log_x else x, np.log(y) if log_y else y, np.ma.masked_invalid(values), name="serial"
    )
    lines = [np.array(line, float) for line in generator.lines(level)]
    for line in lines:
        for column, logarithmic in enumerate((log_x, log_y)):
            if logarithmic:
                line[:, column] = np.exp(line[:, column])
    return lines


def boundary(
    alpha: Float[np.ndarray, " alpha"], rows: Float[np.ndarray, "y alpha"], level: float
) -> Float[np.ndarray, " y"]:
    """For each row the largest alpha at which the training loss falls below a level as alpha grows.

    Beyond it lies the region in which the training set can be fitted. It is interpolated linearly in
    (ln alpha, log10 loss) between neighbours in the row.

    **Arguments:**

    - `rows`: training losses; entries that are not finite are left out, losses below 1e-8 count as 1e-8.
    - `level`: of the loss.

    **Returns:** one alpha for each row; NaN where the loss does not fall through the level.

    Raises `ValueError` for alphas that are not positive and increasing, and a level not above 1e-8.

    Liu et al. 2023 ("Omnigrok"), Figure 6: levels 0.05 and 0.02.
    """
    check_alpha(alpha)
    if not level > FLOOR:
        raise ValueError(f"`level` must be above {FLOOR}, got {level}. Try 0.02.")
    found = np.full(len(rows), np.nan)
    for index, row in enumerate(rows):
        known = np.isfinite(row)
        place = np.log(alpha[known])
        above = np.log10(np.maximum(row[known], FLOOR)) - np.log10(level)
        falls = np.flatnonzero((above[:-1] >= 0) & (above[1:] < 0))
        if len(falls):
            at = falls[-1]
            share = above[at] / (above[at] - above[at + 1])
            found[index] = np.exp(place[at] + share * (place[at + 1] - place[at]))
    return found
