"""The landscapes of Figures 3 to 5 on stand-ins, so that a machine without data shows the effect too.

Scikit-learn's digits of 8 x 8 pixels for MNIST, generated reviews for IMDb, generated molecules for QM9. On
each, networks of large norm fit a small training set and answer others worse than networks of the standard
norm. The stand-ins are easier or harder than what they stand for: their numbers say nothing about the
paper's data.
"""

import functools
import typing

import numpy as np

from ...ensemble import Sweep
from ...landscape import spheres
from ...statistics import bootstrap, judge, Judgement
from ...tasks import Digits, GeneratedMolecules, GeneratedReviews
from .._draw import panels
from .._maps import ALPHA, cells, draw_row, minima
from .._study import Claim, Figure, Results, Scale
from ._images import network
from ._molecules import molecular
from ._reviews import LENGTH, recurrent


# --- the experiments and their axes at each scale -------------------------------------------------

STEPS = {"smoke": 20, "laptop": 1500, "paper": 10_000}


def _seeds(scale: Scale) -> range:
    return range(2 if scale == "smoke" else 3)


def digits(scale: Scale) -> dict[str, Sweep]:
    """Digits: 100 and 1,200 of them."""
    base = network(scale, Digits(train=100, test=500), steps=STEPS[scale])
    axes = {"task.train": [100, 1200], "seed": _seeds(scale)}
    return {"landscape": spheres(base, (0.1, 0.3, 1.0, 3.0, 6.0, 10.0), axes)}


def reviews(scale: Scale) -> dict[str, Sweep]:
    """Generated reviews: 200 and 1,200 of them."""
    sizes = [60, 80] if scale == "smoke" else [200, 1200]
    task = GeneratedReviews(reviews=sizes[-1], length=LENGTH[scale], room=sizes[-1])
    base = recurrent(scale, task, rate=1e-3, steps={"smoke": 10, "laptop": 400, "paper": 2000}[scale])
    axes = {"task.reviews": sizes, "seed": _seeds(scale)}
    return {"landscape": spheres(base, (0.3, 1.0, 3.0, 6.0), axes)}


def molecules(scale: Scale) -> dict[str, Sweep]:
    """Generated molecules: 50 and 1,000 of them."""
    sizes = [20, 40] if scale == "smoke" else [50, 1000]
    base = molecular(
        scale, GeneratedMolecules(molecules=sizes[-1], standardised=True, room=sizes[-1]), steps=STEPS[scale]
    )
    axes = {"task.molecules": sizes, "seed": _seeds(scale)}
    return {"landscape": spheres(base, (0.4, 0.7, 1.0, 1.4, 2.0), axes)}


# --- the statistics -------------------------------------------------------------------------------


def norm_harms(results: Results, measure: str) -> Judgement:
    """Test value of the smaller set at the largest norm over the least one over norms, median over seeds."""
    test = (
        minima(results)[f"test_{measure}"]
        .isel({_size(results): 0})
        .transpose("seed", ALPHA)
        .values.astype(float)
    )
    if measure == "error":
        values, least = test[:, -1] - test.min(axis=1), 0.1
    else:
        values, least = np.log10(test[:, -1] / test.min(axis=1)), 0.5
    return judge(
        float(np.median(values)),
        bootstrap(np.median, values),
        least=least,
        seeds=len(values),
        runs=int(results["landscape"]["outcome"].size),
    )


def data_help(results: Results, measure: str) -> Judgement:
    """The same with the larger set, as a share of that with the smaller one."""
    found = minima(results)[f"test_{measure}"].transpose(_size(results), "seed", ALPHA).values.astype(float)
    found = found if measure == "error" else np.log10(found)
    rises = found[:, :, -1] - found.min(axis=2)
    share = np.divide(rises[-1], rises[0], out=np.full(len(rises[0]), np.nan), where=rises[0] > 0)
    return judge(
        float(np.median(share)),
        bootstrap(np.median, share),
        most=0.8,
        seeds=share.size,
        runs=int(results["landscape"]["outcome"].size),
    )


def _size(results: Results) -> str:
    return next(str(dim) for dim in results["landscape"].dims if str(dim).startswith("task."))


# --- the claims -----------------------------------------------------------------------------------


def _claims(what: str, measure: str) -> tuple[Claim, ...]:
    return (
        Claim(
            "norm harms",
            f"With few {what} the largest norm generalises worse than the best one.",
            "after Figures 3 to 5, on a stand-in",
            "a U",
            functools.partial(norm_harms, measure=measure),
        ),
        Claim(
            "data help",
            f"With more {what} it does so by less.",
            "after Figures 3 to 5, on a stand-in",
            "the mismatch closes",
            functools.partial(data_help, measure=measure),
        ),
    )


# --- the chart ------------------------------------------------------------------------------------


def _chart(results: Results, measure: str) -> typing.Any:
    figure, axes = panels(1, 2, width=3.6, height=2.8)
    found, size = minima(results), _size(results)
    for ax, count in zip(axes[0], found[size].values, strict=True):
        draw_row(ax, found.sel({size: count}), measure)
        ax.set(ylabel=measure, title=f"{count:,} {size.removeprefix('task.')}")
        if measure == "loss":
            ax.set_yscale("log")
        ax.legend(frameon=False)
    return figure


def _table(results: Results) -> list[dict[str, typing.Any]]:
    return cells(minima(results), ("train_error", "test_error", "train_loss", "test_loss"))


def _figure(name: str, sweeps: typing.Any, measure: str) -> Figure:
    return Figure(
        name.replace(" ", "-"),
        f"landscape of {name}, a stand-in",
        sweeps,
        _claims(name, measure),
        functools.partial(_chart, measure=measure),
        _table,
    )


DIGITS = _figure("digits", digits, "error")
REVIEWS = _figure("generated reviews", reviews, "error")
MOLECULES = _figure("generated molecules", molecules, "loss")
