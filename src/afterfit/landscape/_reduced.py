"""The reduced landscape: every metric at the training minimum of each sphere of constant norm.

With w = r u, |u| = 1, the reduced function of a metric f is `f(r u*(r))`, `u*(r) = argmin_u loss(r u)`:
only the direction is trained, and what is left is a function of the norm alone (Liu et al. 2023,
"Omnigrok: Grokking Beyond Algorithmic Data", section 2).

Axes of this module
    axes      those of the sweep
    step      the recorded steps
"""

import dataclasses
import math
import typing
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from ..ensemble import Sweep, sweep
from ..training import AbstractOptimiser, ConstantNorm, Experiment


if typing.TYPE_CHECKING:
    import xarray

ALPHA = "parametrisation.init_scale"
_SOURCES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
_LATE = 2 / 3  # of the steps: what the loss still falls from here on tells whether it has converged
_FALL = 0.1


def spheres(
    experiment: Experiment,
    alpha: Sequence[float] | Float[np.ndarray, " alpha"],
    axes: Mapping[str, typing.Any] | None = None,
    *,
    seed: int = 0,
) -> Sweep:
    """The experiment on spheres of constant norm, as a sweep over their radii.

    After each step the parameters are scaled back to the norm of the start (`ConstantNorm`), which is
    `alpha` times that of the standard one. Weight decay, where the optimiser has one, is 0. The radius is
    a number and not a shape: it costs no further program.

    **Arguments:**

    - `alpha`: radii, as ratios to the norm of the standard start.
    - `axes`: further axes, as in `afterfit.sweep`; `"seed"` is one.
    - `seed`: of all runs, where no axis says otherwise.

    **Returns:** the sweep. Its first axis is `"parametrisation.init_scale"`, the radii; the others follow.

    Raises `ValueError` for radii that are not positive numbers, for an experiment with a constraint of its
    own, and for axes that move what the spheres fix; `RecipeError` as `afterfit.sweep` does.

    Liu et al. 2023, section 2 and footnote 4: that training finds the least loss on a sphere is assumed;
    compare seeds.
    """
    for value in alpha:
        if not 0 < value < math.inf:
            raise ValueError(
                f"`alpha` must be positive numbers, got {value}. Try (0.1, 0.3, 1.0, 3.0, 10.0)."
            )
    if experiment.constraint not in (None, ConstantNorm()):
        raise ValueError(
            f"`constraint` must be left to the spheres, got {experiment.constraint}. Leave it out."
        )
    if ALPHA in (axes or {}):
        raise ValueError(f"`axes` must leave {ALPHA!r} to the spheres, got it. Try `alpha`.")
    constrained = dataclasses.replace(
        experiment, constraint=ConstantNorm(), optimiser=_without_decay(experiment.optimiser)
    )
    made = sweep(constrained, {ALPHA: list(alpha), **(axes or {})}, seed=seed)
    for run, place in zip(made.runs, made.coordinates, strict=True):
        fixed = run.experiment.constraint == ConstantNorm()
        fixed &= run.experiment.parametrisation.init_scale == place[ALPHA]
        fixed &= run.experiment.optimiser == _without_decay(run.experiment.optimiser)
        if not fixed:
            raise ValueError(
                "`axes` must leave radius, constraint and weight decay to the spheres, got other ones at "
                f"{place}. Try `afterfit.sweep`."
            )
    return made


def _without_decay(optimiser: AbstractOptimiser) -> AbstractOptimiser:
    """The same optimiser, and those that it is made from, without weight decay."""
    part: typing.Any = optimiser
    changes: dict[str, typing.Any] = {}
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if isinstance(value, AbstractOptimiser):
            changes[field.name] = _without_decay(value)
        elif field.name == "weight_decay":
            changes[field.name] = 0.0
    return dataclasses.replace(part, **changes)


def reduced(
    data: "xarray.Dataset", *, tolerance: float = 1e-5, measures: Sequence[str] = ()
) -> "xarray.Dataset":
    """From the records of runs on spheres to values at their training minima.

    The best record of a run is the first one with its least training loss; a record counts while its
    training loss is finite.

    **Arguments:**

    - `data`: what `spheres(...).run()` returns.
    - `tolerance`: a training loss at or below it has converged, whatever it does next.
    - `measures`: further ones, each a number a record, whose values at the best record are wanted.

    **Returns:** variables over the axes of `data`, their coordinates kept, the step gone:

    - `train_loss`, `train_error`, `test_loss`, `test_error`: at the best record. An error is 1 - accuracy.
        So test values are never chosen by the test set.
    - the same with `_last`: at the last record.
    - the same with `_best`: the least of each by itself over all records, as in the code of Liu et al.
        Test values are stopped early on the test set there.
    - `best_step`: the step of the best record.
    - `converged`: the least training loss is at or below `tolerance`; or it fell by less than a tenth over
        the last third of the steps, in a run that did not diverge. Where a run has no record before that
        third, only the tolerance counts.

    **Degenerate inputs:** NaN, and not converged, for a run without any such record.

    Raises `ValueError` for a missing variable.

    Liu et al. 2023, sections 2 and 3 (their code takes the last or the best-of-each, by task).
    """
    missing = [name for name in (*_SOURCES, *measures, "step") if name not in data]
    if missing:
        raise ValueError(f"`data` must be the records of a sweep, got none of {', '.join(missing)}.")
    import xarray

    axes = [dim for dim in data["train_loss"].dims if dim != "step"]
    tables = {name: _table(data[name], axes) for name in _SOURCES}
    # Rounding: a float32 mean of ones may be just above 1.
    curves = {
        name.replace("accuracy", "error"): np.maximum(1 - table, 0) if "accuracy" in name else table
        for name, table in tables.items()
    }
    loss, steps = curves["train_loss"], np.asarray(data["step"].values)
    usable = np.isfinite(loss)
    least = np.minimum.accumulate(np.where(usable, loss, np.inf), axis=-1)
    best = np.where(usable, loss, np.inf).argmin(axis=-1)
    last = loss.shape[-1] - 1 - usable[..., ::-1].argmax(axis=-1)
    empty = ~usable.any(axis=-1)
    diverged = np.zeros(empty.shape, bool)
    if "outcome" in data:
        diverged = data["outcome"].transpose(*axes).values == "diverged"

    found = {
        name + suffix: np.where(empty, np.nan, values)
        for name, curve in curves.items()
        for suffix, values in (
            ("", _at(curve, best)),
            ("_last", _at(curve, last)),
            ("_best", np.fmin.reduce(np.where(usable, curve, np.nan), axis=-1)),
        )
    }
    found |= {name: np.where(empty, np.nan, _at(_table(data[name], axes), best)) for name in measures}
    found["best_step"] = np.where(empty, np.nan, steps[best])
    settled = _settled(least, steps, last) & ~diverged
    found["converged"] = ~empty & ((least[..., -1] <= tolerance) | settled)
    return xarray.Dataset(
        {name: (axes, values) for name, values in found.items()},
        coords={name: data[name] for name in data.coords if set(data[name].dims) <= set(axes)},
        attrs=dict(data.attrs),
    )


def _table(variable: "xarray.DataArray", axes: list) -> Float[np.ndarray, "*axes step"]:
    return np.asarray(variable.transpose(*axes, "step").values, float)


def _at(
    curve: Float[np.ndarray, "*axes step"], place: Int[np.ndarray, "*axes"]
) -> Float[np.ndarray, "*axes"]:
    return np.take_along_axis(curve, place[..., None], axis=-1)[..., 0]


def _settled(
    least: Float[np.ndarray, "*axes step"], steps: Int[np.ndarray, " step"], last: Int[np.ndarray, "*axes"]
) -> Bool[np.ndarray, "*axes"]:
    """Whether the least loss so far fell by less than a tenth over the last third of each run's steps."""
    before = np.searchsorted(steps, _LATE * steps[last], side="right") - 1
    earlier = _at(least, np.maximum(before, 0))
    return (before >= 0) & (before < last) & np.isfinite(earlier) & (least[..., -1] > (1 - _FALL) * earlier)
