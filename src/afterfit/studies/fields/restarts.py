"""Constrained restarts: where minima lie on spheres, how wide their surroundings are, and which are good.

The student of Liu et al. 2023, section 3, learns 100 answers of one teacher, on spheres of constant norm and
from many starts, in several widths. A minimum fits if its training loss is at most 1e-5, and is good if its
test loss is at most 1e-3 too. If wide networks are good because they have more good minima for each unit of
volume, then with the width the zone of good norms should widen, the way to a good minimum shorten, and good
minima gain on bad ones in volume. Around each minimum the distance at which the training loss reaches ten
times 1e-5 is measured along random great circles: the mean of its logarithm is a volume for each parameter.
"""

import typing

import numpy as np
from jaxtyping import Float

from ... import models
from ...ensemble import Sweep
from ...landscape import spheres, zone_width
from ...probes import angle_from_initial, LocalVolume
from ...statistics import bootstrap, judge, Judgement, spearman
from ...training import At
from .._draw import COLOURS, panels, short_log_axis
from .._judging import middle
from .._maps import ALPHA, ALPHA_LABEL
from .._study import Claim, Figure, Results, Scale
from .._trends import falls, rises
from ..omnigrok._recipe import teacher_student
from ._volumes import QUESTION


# --- the experiment and its axes at each scale ----------------------------------------------------

WIDTHS = {"smoke": (4, 8), "laptop": (10, 30, 100, 300), "paper": (10, 30, 100, 300, 1000)}
NORMS = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
STARTS = {"smoke": 2, "laptop": 8, "paper": 40}
FITS, GOOD = 1e-5, 1e-3
FEWEST = 3
"""Minima of a kind, below which they are not compared."""


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """One teacher, and starts that differ in their initial weights alone."""
    steps = 30 if scale == "smoke" else 10_000
    base = teacher_student(
        steps=steps,
        record=At((0, steps // 10, steps // 3, 2 * steps // 3, steps)),
        snapshots=At((steps,)),
        probes=(angle_from_initial, LocalVolume(epsilon=FITS)),
    )
    axis = {
        str(width): {"model": models.MLP(hidden=(width, width), activation="tanh")} for width in WIDTHS[scale]
    }
    norms = NORMS[::2] if scale == "smoke" else NORMS
    return {"restarts": spheres(base, norms, {"width": axis, "seeds.init": range(STARTS[scale])})}


# --- the statistics -------------------------------------------------------------------------------


def last(results: Results, measure: str) -> Float[np.ndarray, "start width alpha"]:
    """A measure at the last record."""
    values = results["restarts"][measure].isel(step=-1)
    return values.transpose("seeds.init", "width", ALPHA).values.astype(float)


def kinds(results: Results) -> tuple[np.ndarray, np.ndarray]:
    """Which minima fit, and which of them are good."""
    fits = last(results, "train_loss") <= FITS
    return fits, fits & (last(results, "test_loss") <= GOOD)


def zone_widens(results: Results) -> Judgement:
    """Spearman's correlation of the width of the zone of low test loss with that of the network, by start."""
    alpha, loss = results["restarts"][ALPHA].values, last(results, "test_loss")
    zones = np.array([[zone_width(alpha, row) for row in rows] for rows in loss])
    return rises(_widths(results), zones, least=0.7, note=_medians(zones))


def way_shortens(results: Results) -> Judgement:
    """The same of the angle from start to good minimum at the standard norm, where falling is expected.

    Widths without good minima are left out; lazy training alone would shorten the way too.
    """
    at = results["restarts"][ALPHA].values.tolist().index(1.0)
    good = kinds(results)[1][:, :, at]
    angle = last(results, "angle_from_initial")[:, :, at]
    kept = good.all(axis=0)
    if kept.sum() < 3:
        return judge(np.nan, note=f"{int(kept.sum())} widths of which all minima are good: three are needed")
    return falls(_widths(results)[kept], angle[:, kept], least=0.7, note=_medians(angle[:, kept]))


def good_gain_volume(results: Results) -> Judgement:
    """Growth with width of what good minima gain on bad ones in log volume, over all parameters.

    In each width the gain is the mean difference of the mean log distance, over norms that have enough of
    both kinds, times the number of parameters; the statistic is Spearman's correlation with the width.
    """
    gains = volume_gains(results)
    known = np.isfinite(gains)
    note = "good less bad (nats): " + ", ".join(f"{gain:.0f}" for gain in gains[known])
    if known.sum() < 3:
        told = f"{int(known.sum())} widths have norms with {FEWEST} minima of both kinds"
        return judge(np.nan, seeds=gains.size, note=told)
    widths = _widths(results)[known]
    return judge(
        spearman(widths, gains[known], draws=1)[0],
        least=0.7,
        seeds=len(last(results, "train_loss")),
        runs=int(last(results, "train_loss").size),
        note=note,
    )


def volume_gains(results: Results) -> Float[np.ndarray, " width"]:
    """Log volume (nats) that good minima gain on bad ones at equal norms; NaN where there are too few."""
    fits, good = kinds(results)
    radius, parameters = relative_radius(results), _parameters(results)
    gains = np.full(len(parameters), np.nan)
    for width in range(len(parameters)):
        found = []
        for alpha in range(fits.shape[2]):
            of = [
                kind[:, width, alpha] & np.isfinite(radius[:, width, alpha]) for kind in (good, fits & ~good)
            ]
            if min(kind.sum() for kind in of) >= FEWEST:
                means = [radius[kind, width, alpha].mean() for kind in of]
                found.append(means[0] - means[1])
        if found:
            gains[width] = parameters[width] * float(np.mean(found))
    return gains


def flat_are_good(results: Results) -> Judgement:
    """Correlation over norms of volume and test loss among minima that fit, in the widest network."""
    radius, loss = (values[:, -1] for values in _of_minima(results))

    def correlation(radius: np.ndarray, loss: np.ndarray) -> float:
        known = np.isfinite(radius)
        return spearman(radius[known], loss[known], draws=1)[0] if known.sum() >= 8 else np.nan

    return judge(
        correlation(radius, loss),
        bootstrap(correlation, radius, loss),
        most=-0.5,
        seeds=len(radius),
        runs=int(np.isfinite(radius).sum()),
        note="criterion -0.5; starts are resampled; the norm moves both",
    )


def flat_are_good_at_one_norm(results: Results) -> Judgement:
    """The same at equal norm and width: mean over the cells of these in which six minima and more fit."""
    radius, loss = _of_minima(results)
    cells = np.isfinite(radius).sum(axis=0) >= 2 * FEWEST
    if cells.sum() < 3:
        return judge(np.nan, note=f"{int(cells.sum())} cells with {2 * FEWEST} minima that fit")

    def correlation(radius: np.ndarray, loss: np.ndarray) -> float:
        found = []
        for one, other in zip(radius[:, cells].T, loss[:, cells].T, strict=True):
            known = np.isfinite(one)
            found.append(spearman(one[known], other[known], draws=1)[0])
        return float(np.nanmean(found))

    return judge(
        correlation(radius, loss),
        bootstrap(correlation, radius, loss),
        most=-0.3,
        seeds=len(radius),
        runs=int(np.isfinite(radius[:, cells]).sum()),
        note=f"criterion -0.3; {int(cells.sum())} cells; starts are resampled",
    )


def _of_minima(results: Results) -> tuple[Float[np.ndarray, "start width alpha"], ...]:
    """Log distances over the norm, NaN where a run does not fit, and test losses."""
    radius = np.where(kinds(results)[0], relative_radius(results), np.nan)
    return radius, last(results, "test_loss")


def relative_radius(results: Results) -> Float[np.ndarray, "start width alpha"]:
    """Mean log distance over the norm, which differs between widths: in radians along the sphere."""
    return last(results, "local_volume/log_radius") - np.log(last(results, "weight_norm"))


def _medians(values: Float[np.ndarray, "start width"]) -> str:
    return "medians with growing width: " + ", ".join(f"{middle(column):.2f}" for column in values.T)


def _widths(results: Results) -> Float[np.ndarray, " width"]:
    return np.array([float(name) for name in results["restarts"]["width"].values])


def _parameters(results: Results) -> Float[np.ndarray, " width"]:
    """How many parameters the 5-width-width-5 networks have."""
    width = _widths(results)
    return 6 * width + (width + 1) * width + (width + 1) * 5


def clusters(results: Results) -> list[dict[str, typing.Any]]:
    """How far minima of one sphere are from each other, in angle and in function, by width and norm.

    Functions of two minima count as one where they differ by less than a tenth of the size of the answers,
    root-mean-square over the test set (single linkage).
    """
    import scipy.cluster.hierarchy
    import scipy.spatial.distance

    groups: dict[tuple[str, float], list[tuple[np.ndarray, np.ndarray]]] = {}
    for place, run, records in results.records("restarts"):
        step = run.experiment.steps
        if step not in records.snapshots:
            continue
        moment = results.moment(run, records, step)
        examples = moment.examples("test")
        count = int(moment.data.test_count)
        outputs = np.asarray(moment.predict(examples.inputs))[:count]
        scale = np.sqrt(np.mean(np.asarray(examples.targets)[:count] ** 2))
        weights = np.concatenate(
            [np.ravel(leaf) for path, leaf in sorted(records.snapshots[step].items()) if "state" not in path]
        )
        groups.setdefault((str(place["width"]), float(place[ALPHA])), []).append(
            (weights, outputs.ravel() / scale)
        )
    rows = []
    for (width, alpha), found in groups.items():
        weights, outputs = (np.stack(part) for part in zip(*found, strict=True))
        angles = np.arccos(np.clip(1 - scipy.spatial.distance.pdist(weights, "cosine"), -1, 1))
        apart = scipy.spatial.distance.pdist(outputs) / np.sqrt(outputs.shape[1])
        labels = scipy.cluster.hierarchy.fcluster(scipy.cluster.hierarchy.linkage(apart), 0.1, "distance")
        rows.append(
            {
                "width": width,
                ALPHA: alpha,
                "pairwise_angle": float(np.median(angles)),
                "pairwise_difference": float(np.median(apart)),
                "functions": int(labels.max()),
            }
        )
    return rows


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "the zone widens",
        "The wider the network, the wider the zone of norms with low test loss.",
        QUESTION,
        "more good minima in wide networks",
        zone_widens,
    ),
    Claim(
        "the way shortens",
        "The wider the network, the smaller the angle from start to good minimum at the standard norm.",
        QUESTION,
        "more good minima in wide networks",
        way_shortens,
    ),
    Claim(
        "good minima gain volume",
        "What good minima gain on bad ones in volume grows with the width.",
        QUESTION,
        "volume explains generalisation",
        good_gain_volume,
    ),
    Claim(
        "volume goes with goodness",
        "In the widest network, minima with larger surroundings have lower test loss.",
        QUESTION,
        "flat minima are good",
        flat_are_good,
    ),
    Claim(
        "volume goes with goodness at one norm",
        "Among minima of one norm and width, those with larger surroundings have lower test loss.",
        QUESTION,
        "flat minima are good, norm apart; added after the runs",
        flat_are_good_at_one_norm,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Test loss, angle and log distance against the norm, a colour for each width."""
    figure, axes = panels(1, 4, width=2.9, height=2.7)
    alpha, (fits, good) = results["restarts"][ALPHA].values, kinds(results)
    for index, (width, colour) in enumerate(zip(results["restarts"]["width"].values, COLOURS, strict=False)):
        for ax, found in (
            (axes[0, 0], last(results, "test_loss")),
            (axes[0, 1], last(results, "angle_from_initial")),
            (axes[0, 2], relative_radius(results)),
        ):
            values = found[:, index]
            ax.plot(alpha, [middle(column) for column in values.T], "-", color=colour, label=str(width))
            for kind, marker in ((good, "o"), (fits & ~good, "x")):
                for start in values * np.where(kind[:, index], 1.0, np.nan):
                    ax.plot(alpha, start, marker, color=colour, markersize=3, alpha=0.5, linestyle="none")
        share = good[:, index].mean(axis=0)
        axes[0, 3].plot(alpha, share, "o-", color=colour, label=str(width), markersize=3)
    titles = (
        "test loss",
        "angle from the start (radians)",
        "mean log distance over norm (nats)",
        "share of good minima",
    )
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set(xscale="log", xlabel=ALPHA_LABEL, title=title)
        short_log_axis(ax.xaxis)
    axes[0, 0].set(yscale="log")
    axes[0, 0].legend(frameon=False, fontsize=7, title="width (o good, x bad)", title_fontsize=7)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Medians over starts, shares of fitting and good minima, and how far minima are apart."""
    fits, good = kinds(results)
    apart = {(row["width"], row[ALPHA]): row for row in clusters(results)}
    rows = []
    for index, width in enumerate(results["restarts"]["width"].values.tolist()):
        for place, alpha in enumerate(results["restarts"][ALPHA].values.tolist()):
            row: dict[str, typing.Any] = {"width": width, ALPHA: alpha, "starts": len(fits)}
            row |= {"fit": int(fits[:, index, place].sum()), "good": int(good[:, index, place].sum())}
            for measure in ("test_loss", "angle_from_initial", "weight_norm"):
                row[measure] = middle(last(results, measure)[:, index, place])
            row["log_radius_over_norm"] = middle(relative_radius(results)[:, index, place])
            rows.append(row | apart.get((width, alpha), {}))
    return rows


FIGURE = Figure("restarts", "minima on spheres in networks of several widths", sweeps, CLAIMS, chart, table)
