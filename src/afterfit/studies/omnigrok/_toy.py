"""The toy of section 5: digits are embedded, added and decoded; its landscape over norm and messiness.

Axes of this module
    alpha       norm of the decoder's weights over that of the standard start
    messiness   m in the authors' code, from 0 to 0.2; their axes are labelled with five times that
"""

import functools
import typing
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ... import models, tasks, training
from ...ensemble import Sweep
from ...landscape import Plane, spheres
from .._maps import ALPHA, minima
from .._study import Results, Scale


MESSINESS = "model.messiness"
SIZE = "task.train"
LABELLED = 5.0
"""What the paper's axes say is this many times the m of the authors' code, which is the one used here."""

ALPHAS = {"smoke": (1.0, 3.0, 6.0), "laptop": (0.5, 1.0, 1.5, 2.0, 2.4, 2.8, 3.2, 3.6, 4.0, 4.5, 6.0, 9.0)}
MESSY = {"smoke": (0.0, 0.1, 0.2), "laptop": (0.0, 0.01, 0.02, 0.04, 0.06, 0.1, 0.15, 0.2)}
SEEDS = {"smoke": 2, "laptop": 3, "paper": 10}
SIZES = {"smoke": (25, 45), "laptop": (25, 35, 45, 54), "paper": (25, 35, 45, 54)}
SHOWN = 45  # training pairs of Figures 6a to c


def toy(scale: Scale, **changes: typing.Any) -> training.Experiment:
    """Ten digits, sums modulo ten, templates of 30 numbers; a decoder 2-200-200-30 of frozen representations.

    As in the authors' code the rate is 1e-2 and falls to a fifth three times; here twice, over 3,000 steps in
    miniature (15,000 in the paper). ReLU, as the text says, where their code has a leaky one.
    """
    steps = {"smoke": 30, "laptop": 3000, "paper": 15_000}[scale]
    adam = training.Adam(learning_rate=1e-2, b1=0.9, b2=0.99, warmup=0)
    width = 16 if scale == "smoke" else 200
    default = dict(
        model=models.AdditionDecoder(hidden=(width, width), messiness=0.0, learned=False),
        optimiser=training.StepDecay(adam, factor=0.2, every=max(steps // 3, 1)),
        steps=steps,
    )
    return training.Experiment(tasks.Addition(train=SHOWN), **typing.cast(typing.Any, default | changes))


def landscapes(scale: Scale, sizes: Sequence[int]) -> Sweep:
    """Spheres over norm, messiness, training pairs and seeds."""
    alpha = ALPHAS[scale] if scale != "paper" else tuple(np.linspace(0.45, 9, 20).round(3).tolist())
    m = MESSY[scale] if scale != "paper" else tuple(np.linspace(0, 0.2, 21).round(3).tolist())
    return spheres(toy(scale), alpha, {MESSINESS: m, SIZE: list(sizes), "seed": range(SEEDS[scale])})


def surface(
    results: Results, size: int, seed: int | None, split: str
) -> tuple[
    Float[np.ndarray, " alpha"], Float[np.ndarray, " messiness"], Float[np.ndarray, "alpha messiness"]
]:
    """Reduced loss of one landscape (`None`: the mean over seeds) with its places."""
    found = minima(results).sel({SIZE: size})
    loss = found[f"{split}_loss"]
    loss = loss.mean("seed") if seed is None else loss.isel(seed=seed)
    loss = loss.transpose(ALPHA, MESSINESS)
    return loss[ALPHA].values.astype(float), loss[MESSINESS].values.astype(float), loss.values.astype(float)


def complete(results: Results, size: int, seed: int | None) -> bool:
    """Whether both losses of a landscape are known everywhere, as a smooth surface needs."""
    return all(np.isfinite(surface(results, size, seed, split)[2]).all() for split in ("train", "test"))


@functools.lru_cache(maxsize=32)
def _fitted(alpha: bytes, m: bytes, loss: bytes, shape: tuple[int, int]) -> Plane:
    places = (np.frombuffer(one, float) for one in (alpha, m))
    return Plane.fit(
        *(np.log(next(places)), next(places)), np.log(np.frombuffer(loss, float).reshape(shape) + FLOOR)
    )


FLOOR = 1e-3
"""Added to a loss before the logarithm is fitted: what lies below it is flat for the flow."""


def plane(results: Results, size: int, seed: int | None, split: str) -> Plane:
    """A smooth surface through the logarithm of a reduced loss plus 1e-3, over (ln alpha, m)."""
    alpha, m, loss = surface(results, size, seed, split)
    return _fitted(alpha.tobytes(), m.tobytes(), np.ascontiguousarray(loss).tobytes(), loss.shape)
