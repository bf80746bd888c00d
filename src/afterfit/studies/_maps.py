"""What figures of reduced landscapes share: minima over seeds, rows against the norm, maps, tables.

Axes of this module
    alpha   the norm of the weights over that of the standard start
    place   the other axis of a landscape: size of the training set, messiness of the representation
"""

import typing
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Shaped

from ..landscape import l_shape, reduced
from ..statistics import Judgement
from ._draw import COLOURS, short_log_axis, with_band
from ._judging import agreed
from ._study import Results


if typing.TYPE_CHECKING:
    import matplotlib.axes
    import xarray

ALPHA = "parametrisation.init_scale"
ALPHA_LABEL = r"weight norm $\alpha = w / w_0$"


def minima(
    results: Results, name: str = "landscape", alpha: str = ALPHA, measures: Sequence[str] = ()
) -> "xarray.Dataset":
    """Minima of the training loss on spheres, and what was measured there; `alpha` first, `seed` last."""
    found = reduced(results[name], measures=measures)
    return found.transpose(alpha, ..., "seed")


def by_seed(
    found: "xarray.Dataset",
    holds: Callable[["xarray.Dataset"], bool | np.bool | np.ndarray | None],
    value: float | None = None,
    note: str = "",
) -> Judgement:
    """A statement about the landscape of one seed, put to all of them; a hole in it leaves it open."""
    answers: list[bool | None] = []
    for seed in range(found.sizes["seed"]):
        one = found.isel(seed=seed)
        answer = holds(one) if bool(np.isfinite(one["train_loss"]).all()) else None
        answers.append(None if answer is None else bool(answer))
    return agreed(answers, value, runs=int(found["train_loss"].size), note=note)


def falls_to_an_l(one: "xarray.Dataset", measure: str, kind: typing.Literal["loss", "error"]) -> bool | None:
    """Whether training values of one seed are an L; open where cells that miss it have not converged."""
    values = one[f"train_{measure}"].values.astype(float)
    shape = l_shape(one[ALPHA].values, values, kind=kind)
    beyond = one[ALPHA].values > shape.knee
    unsettled = beyond & (values > shape.low) & ~one["converged"].values
    return None if not shape.holds and unsettled.any() else shape.holds


def at(values: "xarray.DataArray", **where: float) -> Float[np.ndarray, "..."]:
    """Values at the grid points nearest to these."""
    alpha = where.pop("alpha", None)
    places = dict(where) if alpha is None else {ALPHA: alpha, **where}
    return values.sel(places, method="nearest").values.astype(float)


# --- charts ---------------------------------------------------------------------------------------


def draw_row(
    ax: "matplotlib.axes.Axes",
    found: "xarray.Dataset",
    measure: str,
    *,
    floor: float = 0.0,
    alpha: str = ALPHA,
) -> None:
    """Training and test values of a measure against the norm: medians over seeds, and their range."""
    for split, label, colour in (("train", "training", COLOURS[1]), ("test", "test", COLOURS[2])):
        values = found[f"{split}_{measure}"].transpose("seed", alpha).astype(float) + floor
        low, half, high = values.min("seed"), values.median("seed"), values.max("seed")
        with_band(ax, found[alpha].values, low.values, half.values, high.values, colour=colour, label=label)
    ax.set(xscale="log", xlabel=ALPHA_LABEL)
    short_log_axis(ax.xaxis)


def draw_map(
    ax: "matplotlib.axes.Axes",
    values: "xarray.DataArray",
    *,
    place: str,
    levels: Sequence[float] = (),
    most: float | None = None,
    alpha: str = ALPHA,
) -> typing.Any:
    """The mean over seeds on the raw grid as cells, with contours; returns the cells for a colour bar."""
    mean = values.mean("seed").transpose(place, alpha)
    x, y = mean[alpha].values, mean[place].values
    shown = ax.pcolormesh(edges(x), edges(y), mean.values, cmap="viridis", vmin=0, vmax=most, rasterized=True)
    inside = [level for level in levels if float(mean.min()) < level < float(mean.max())]
    if inside and min(mean.shape) > 1:
        lines = ax.contour(x, y, mean.values, levels=inside, colors="white", linewidths=0.8)
        ax.clabel(lines, fmt="%g", fontsize=6)
    ax.set(xscale="log", xlabel=ALPHA_LABEL)
    short_log_axis(ax.xaxis)
    return shown


def edges(centres: Shaped[np.ndarray, " cell"]) -> Float[np.ndarray, " edge"]:
    """Where cells of a map begin and end: half-way in ratio over a decade and more, else in distance.

    Of ratios half-way in distance may lie at 0, which a logarithmic axis does not have.
    """
    ratios = bool(centres.min() > 0) and centres.max() >= 10 * centres.min()
    places = np.log(centres) if ratios else centres.astype(float)
    if places.size == 1:
        between = places[:0]
        first, last = places[0] - 0.5, places[0] + 0.5
    else:
        between = (places[1:] + places[:-1]) / 2
        first, last = 2 * places[0] - between[0], 2 * places[-1] - between[-1]
    found = np.concatenate([[first], between, [last]])
    return np.exp(found) if ratios else found


def cells(found: "xarray.Dataset", measures: Sequence[str]) -> list[dict[str, typing.Any]]:
    """A row for each cell of a landscape: median over seeds of each measure, and how many cells converged."""
    axes = [str(dim) for dim in found["train_loss"].dims if dim != "seed"]
    middle = found.median("seed")
    rows = []
    for place in np.ndindex(*(found.sizes[axis] for axis in axes)):
        where = dict(zip(axes, place, strict=True))
        row: dict[str, typing.Any] = {axis: found[axis].values[index].item() for axis, index in where.items()}
        row |= {measure: float(middle[measure].isel(where)) for measure in measures}
        row["seeds"] = found.sizes["seed"]
        row["converged"] = int(found["converged"].isel(where).sum())
        rows.append(row)
    return rows
