"""A student of a teacher, with a factor at its output (Figures 8, 17 and 18).

Appendix 8.3.1, after Liu et al. 2023 ("Omnigrok"): tanh networks 5-100-100-5, 100 answers of the teacher to
learn from and 100 to be tested on, AdamW with rate 3e-4 and decay 0.05, and a student that starts at twice
the standard norm. Its output is multiplied by alpha and not centred, and the rate is not divided by alpha^2
(as in the authors' code). The seed draws teacher, examples and student.
"""

import dataclasses
import typing

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ... import models, tasks, training
from ...ensemble import Sweep, sweep
from .._study import Scale


if typing.TYPE_CHECKING:
    import xarray

SEEDS = {"smoke": 2, "laptop": 5, "paper": 5}
THRESHOLDS = (1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 1e-1)
"""Below which squared error an answer counts: those of the authors' code, and 1e-3, that of Figure 8."""

EXACT = 1e-3
"""Below which error an answer counts where each of its outputs must be that near (the text's words)."""


@dataclasses.dataclass(frozen=True)
class Within:
    """Shares of examples whose answers are near enough, for several meanings of that.

    **Returns:** `train_below_T` and `test_below_T` for each threshold T of the squared error, averaged over
    outputs; `train_exact` and `test_exact`, where no output is off by `exact` or more.
    """

    thresholds: tuple[float, ...] = eqx.field(static=True, default=THRESHOLDS)  # names of measures
    exact: float = EXACT

    def __call__(self, moment: training.Moment) -> dict[str, Float[Array, ""]]:
        """The shares, all between 0 and 1."""
        found = {}
        for split in ("train", "test"):
            inputs, targets, valid = moment.examples(split)
            error = moment.predict(inputs) - targets
            squared = jnp.mean(error**2, axis=-1)
            for threshold in self.thresholds:
                found[f"{split}_below_{threshold:g}"] = _share(squared < threshold, valid)
            found[f"{split}_exact"] = _share(jnp.max(jnp.abs(error), axis=-1) < self.exact, valid)
        return found


def _share(right: Bool[Array, " capacity"], valid: Bool[Array, " capacity"]) -> Float[Array, ""]:
    return jnp.mean(right, where=valid)


def student(*, alpha: float = 1.0, steps: int, **changes: typing.Any) -> training.Experiment:
    """The student; at all scales of the paper's size."""
    default: dict[str, typing.Any] = dict(
        model=models.MLP(hidden=(100, 100), activation="tanh"),
        optimiser=training.AdamW(learning_rate=3e-4, weight_decay=0.05, b1=0.9, b2=0.999, warmup=0),
        parametrisation=training.Parametrisation(init_scale=2.0, output_scale=alpha, centred=False),
        steps=steps,
        probes=(Within(),),
    )
    return training.Experiment(tasks.TeacherStudent(), **typing.cast(typing.Any, default | changes))


def grokked(scale: Scale) -> Sweep:
    """Training at alpha = 1 for 1e5 steps: the runs of Figures 17 and 18."""
    return sweep(student(steps=20 if scale == "smoke" else 100_000), {"seed": range(SEEDS[scale])})


def shares(data: "xarray.Dataset", what: str) -> "xarray.Dataset":
    """Shares of one meaning of `Within` in place of the accuracies, for `grokking_time`."""
    return data.assign({f"{split}_accuracy": data[f"within/{split}_{what}"] for split in ("train", "test")})
