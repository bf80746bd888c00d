"""Figure 6c and f: the way of a network over the toy's landscape, and how long it takes.

Liu et al. 2023 ("Omnigrok"), section 5.1. Norm and messiness follow Eq. 6, `dw/dt = -eta (dl/dw + gamma w)`,
`dm/dt = -eta dl/dm`, on the reduced training loss: down into the region that can be fitted, along its floor
to smaller norms, then along its boundary to the star, the least test loss at m = 0. On the way the test loss
rises and falls more than once. The time is `(L + h tan theta) / (eta gamma)`, with L and h the distances to
the star in ln w and m, theta the angle of the boundary.

The paper draws the way by hand and computes no time. Here Eq. 6 is integrated on the landscapes of Figure 6a
(45 pairs), m in the unit of the paper's axis. The formula takes lengths in (ln w, m) while Eq. 6 has w; the
exact time along the boundary (`boundary_time`) is judged beside it.
"""

import dataclasses
import functools
import typing

import jax.numpy as jnp
import numpy as np

from ...ensemble import Sweep
from ...landscape import boundary_time, count_maxima, flow, Path, predicted_time
from ...statistics import judge, Judgement, Verdict
from .._draw import COLOURS, panels
from .._judging import agreed, middle
from .._maps import ALPHA
from .._study import Claim, Figure, Results, Scale
from ._toy import complete, FLOOR, LABELLED, landscapes, plane, SHOWN, surface
from .fig6ab import edge
from .fig6de import angle, star


# --- the experiment and its axes at each scale ----------------------------------------------------

RATE = 1e-3
DECAYS = (3e-5, 1e-4, 3e-4, 1e-3)  # our choice: small beside the slope of the wall
STARTS = ((6.0, 1.0), (6.0, 0.7), (8.0, 0.9))  # (alpha, m as labelled): fitted, messy
HIGH = (2.0, 1.0)  # A: cannot be fitted there
NEAR = 0.05  # in (ln w, m): it has arrived


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """The landscapes of Figure 6a and b."""
    return {"landscape": landscapes(scale, [SHOWN])}


# --- the statistics -------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Way:
    """A path of Eq. 6 over one landscape, and how long it takes.

    Times are in units of 1 / (eta gamma).
    """

    path: Path
    alpha: np.ndarray
    test: np.ndarray
    decay: float
    arrived: float  # +inf where the path still moves at its end, or rests with a messy representation
    formula: float  # L + h tan theta; NaN without a boundary
    exact: float  # a drift to the boundary and the integral along it; NaN without a boundary that is a curve


def ways(results: Results, seed: int) -> list[Way]:
    """The paths from all starts under all decays on the landscape of one seed; none where it has a hole."""
    return _ways(_Key(results, seed))


def from_high_loss(results: Results, seed: int | None) -> Way | None:
    """The path from A, which cannot be fitted, at decay 3e-4; without a seed, over the mean landscape."""
    return _from_high_loss(_Key(results, seed))


@dataclasses.dataclass(frozen=True)
class _Key:
    """Landscapes are looked at by several claims, and a path takes seconds."""

    results: Results
    seed: int | None

    def __hash__(self) -> int:
        return hash((id(self.results), self.seed))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.results is other.results and self.seed == other.seed


@functools.lru_cache(maxsize=32)
def _ways(key: _Key) -> list[Way]:
    made = [_way(key.results, key.seed, start, decay) for start in STARTS for decay in DECAYS]
    return [way for way in made if way is not None]


@functools.lru_cache(maxsize=32)
def _from_high_loss(key: _Key) -> Way | None:
    return _way(key.results, key.seed, HIGH, DECAYS[2])


def _way(results: Results, seed: int | None, start: tuple[float, float], decay: float) -> Way | None:
    if not complete(results, SHOWN, seed):
        return None
    standard = standard_norm(results)
    train, test = (_Surface(plane(results, SHOWN, seed, split), standard) for split in ("train", "test"))
    try:
        path = flow(
            train,
            (start[0] * standard, start[1]),
            decay=decay,
            decoder_rate=RATE,
            representation_rate=RATE,
            duration=3 / (RATE * decay),  # a drift over three e-foldings of the norm
        )
    except ValueError:  # the landscape of one seed may be too rough
        return None
    away = np.hypot(np.log(path.norm / path.norm[-1]), path.messiness - path.messiness[-1])
    arrived = float(path.time[np.flatnonzero(away > NEAR)[-1] + 1]) if (away > NEAR).any() else 0.0
    rests = path.speed[-1] < 0.05 * RATE * decay and path.messiness[-1] <= 2 * NEAR
    alpha, unit = path.norm / standard, RATE * decay
    times = (np.nan, np.nan) if seed is None else _expected(results, seed, start, decay, standard)
    return Way(
        path,
        alpha,
        path.along(test),
        decay,
        arrived * unit if rests else np.inf,
        *(one * unit for one in times),
    )


def _expected(
    results: Results, seed: int, start: tuple[float, float], decay: float, standard: float
) -> tuple[float, float]:
    """Steps to the star by the formula, and by the exact integral along the boundary."""
    end, theta = star(results, SHOWN, seed), angle(results, SHOWN, seed)
    by_formula = exact = float("nan")
    if np.isfinite(end) and 0 <= theta < np.pi / 2:
        by_formula = predicted_time(float(np.log(start[0] / end)), start[1], theta, decay=decay, rate=RATE)
    norms, m = edge(results, SHOWN)[seed], results["landscape"]["model.messiness"].values * LABELLED
    curve = np.isfinite(norms) & (m <= start[1] + 1e-9)
    if curve.sum() >= 2 and curve[0]:
        outer = norms[curve][-1]
        try:
            along = boundary_time(
                np.log(norms[curve] * standard),
                m[curve],
                decay=decay,
                decoder_rate=RATE,
                representation_rate=RATE,
            )
            exact = float(np.log(start[0] / outer)) / (RATE * decay) + along
        except ValueError:  # the boundary turns round
            pass
    return by_formula, exact


class _Surface(typing.NamedTuple):
    """A reduced loss at (w, m), m as labelled."""

    smooth: typing.Any
    standard: float

    def __call__(self, norm: typing.Any, m: typing.Any) -> typing.Any:
        return jnp.exp(self.smooth(jnp.log(norm / self.standard), m / LABELLED)) - FLOOR


def standard_norm(results: Results) -> float:
    """Norm of the decoder's standard start, mean over all runs."""
    norm = results["landscape"]["weight_norm"].isel(step=0)
    return float((norm / norm[ALPHA]).mean())


def multiple_descent(results: Results) -> Judgement:
    """Maxima of the test loss (prominence 0.1) on the way from A; the training loss must stay low.

    Over the landscapes of single seeds; a bump of one seed alone does not count, so the mean landscape of all
    must show one too.
    """
    counts: list[int] = []
    held: list[bool | None] = []
    whole = from_high_loss(results, None)
    for seed in range(_seeds(results)):
        way = from_high_loss(results, seed)
        if way is None:
            held.append(None)
            continue
        counts.append(count_maxima(way.test, prominence=0.1))
        held.append(counts[-1] >= 1 and _stays_fitted(way))
    found = agreed(held, middle(counts), runs=int(results["landscape"]["outcome"].size), note="at least 1")
    if whole is None or (found.verdict == Verdict.HOLDS and count_maxima(whole.test, prominence=0.1) < 1):
        note = f"{found.note}; the mean landscape does not show it"
        return dataclasses.replace(found, verdict=Verdict.UNDECIDED, note=note)
    return found


def _stays_fitted(way: Way) -> bool:
    fallen = np.flatnonzero(way.path.train <= 0.05)
    return bool(fallen.size and way.path.train[fallen[0] :].max() <= 0.05)


def formula(results: Results) -> Judgement:
    """Slope of arrival times, in 1 / (eta gamma), on `L + h tan theta`, through the origin; and R^2."""
    return _regressed(results, "formula", 0.7, 1.4)


def exact_time(results: Results) -> Judgement:
    """The same on the exact time along the boundary."""
    return _regressed(results, "exact", 0.7, 1.4)


def _regressed(results: Results, which: str, least: float, most: float) -> Judgement:
    found = [way for seed in range(_seeds(results)) for way in ways(results, seed)]
    pairs = np.array([(getattr(way, which), way.arrived) for way in found])
    pairs = pairs[np.isfinite(pairs).all(axis=1)] if len(pairs) else pairs
    counted = f"{len(pairs)} of {len(found)} ways arrive"
    if len(pairs) < 4:
        return Judgement(Verdict.UNDECIDED, runs=len(pairs), note=counted)
    slope = float((pairs[:, 0] @ pairs[:, 1]) / (pairs[:, 0] @ pairs[:, 0]))
    rest = pairs[:, 1] - slope * pairs[:, 0]
    explained = 1 - float(rest @ rest) / float(((pairs[:, 1] - pairs[:, 1].mean()) ** 2).sum())
    note = f"{least} to {most} with R^2 of at least 0.9 ({explained:.3f}); {counted}"
    if explained < 0.9:
        return Judgement(Verdict.FAILS, slope, None, _seeds(results), len(pairs), note)
    return judge(slope, least=least, most=most, seeds=_seeds(results), runs=len(pairs), note=note)


def _seeds(results: Results) -> int:
    return results["landscape"].sizes["seed"]


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "multiple descent",
        "On the way from high training loss to the end the test loss rises and falls at least once more.",
        "section 5.1, Figure 6c",
        "multiple descent",
        multiple_descent,
    ),
    Claim(
        "time formula",
        "The time to the star is (L + h tan theta) / (eta gamma).",
        "section 5.1, Figure 6f",
        "a slope of 1",
        formula,
    ),
    Claim(
        "exact time",
        "The time is that of a drift to the boundary and a slide along it, by the exact integral.",
        "our check of section 5.1, Figure 6f",
        "a slope of 1",
        exact_time,
    ),
)


# --- the chart ------------------------------------------------------------------------------------


def chart(results: Results) -> typing.Any:
    """Ways over the mean landscape, losses along the way from A, and times beside the formula."""
    figure, axes = panels(1, 3, width=3.4, height=2.9)
    alpha, m, loss = surface(results, SHOWN, None, "train")
    shown = axes[0, 0].pcolormesh(alpha, m * LABELLED, loss.T, shading="nearest", rasterized=True)
    figure.colorbar(shown, ax=axes[0, 0])
    for seed in range(_seeds(results)):
        first = from_high_loss(results, seed)
        if first is None:
            continue
        late = first.path.time > 0
        for values, label, colour in (
            (first.path.train, "training", COLOURS[1]),
            (first.test, "test", COLOURS[2]),
        ):
            axes[0, 1].plot(first.path.time[late], values[late], color=colour, label=label, linewidth=0.8)
        paths = (first, *ways(results, seed)[1 :: len(DECAYS)])
        for way, colour in zip(paths, ("white", *COLOURS[1:]), strict=False):
            axes[0, 0].plot(way.alpha, way.path.messiness, color=colour, linewidth=0.9)
    axes[0, 0].set(
        xscale="log", xlabel=r"$\alpha$", ylabel="m (as labelled)", title="training loss, and ways"
    )
    handles, labels = axes[0, 1].get_legend_handles_labels()
    axes[0, 1].legend(handles[:2], labels[:2], frameon=False)
    axes[0, 1].set(xscale="log", xlabel="steps", ylabel="loss", title="from A (white), each seed")
    found = [way for seed in range(_seeds(results)) for way in ways(results, seed)]
    for which, colour in (("formula", COLOURS[0]), ("exact", COLOURS[1])):
        places = [getattr(way, which) for way in found], [way.arrived for way in found]
        axes[0, 2].plot(*places, "o", color=colour, markersize=3, label=which)
    axes[0, 2].axline((0, 0), slope=1, color=COLOURS[5], linestyle="--", linewidth=0.8)
    axes[0, 2].set(xlabel=r"expected time, $1 / (\eta\gamma)$", ylabel="time to arrive")
    axes[0, 2].legend(frameon=False)
    return figure


def table(results: Results) -> list[dict[str, typing.Any]]:
    """Every way: where it starts and ends, and its times in 1 / (eta gamma)."""
    return [
        {
            "seed": seed,
            "decay": way.decay,
            "alpha_start": float(way.alpha[0]),
            "m_start": float(way.path.messiness[0]),
            "alpha_end": float(way.alpha[-1]),
            "m_end": float(way.path.messiness[-1]),
            "arrived": way.arrived,
            "formula": way.formula,
            "exact": way.exact,
        }
        for seed in range(_seeds(results))
        for way in ways(results, seed)
    ]


FIGURE = Figure("fig6cf", "ways over the toy's landscape, and their time", sweeps, CLAIMS, chart, table)
