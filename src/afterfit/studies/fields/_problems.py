"""The fields that are learned, each with what counts as fitted and as solved.

Defaults are those of the digest's spot checks: two hidden layers of 64, AdamW at rate 1e-3 on the full batch,
standard initial weights times alpha.
"""

import dataclasses
import typing

from ... import models, tasks, training
from ...probes import density_error, solution_error
from .._study import Scale


Split = typing.Literal["train", "test"]


@dataclasses.dataclass(frozen=True)
class Problem:
    """A field to be learned.

    **Fields:**

    - `title`: in a few words.
    - `task`, `model`, `rate`: the experiment.
    - `measure`, `called`: what tells whether the field is right, and how charts call it.
    - `fitted`, `solved`: a run has fitted its training set where its loss is at most the first, and has
      solved the problem where the measure is at most the second.
    - `radii`: of the landscape, over the norm of the standard start.
    - `large`: the norm, over the standard one, from which runs are late.
    - `decays`: weight decays; the first one is 0.
    - `late`: the decay at which they should grok.
    - `steps`: on spheres, and with decay.
    - `delay`: how many times later than fitting counts as late.
    - `probes`: what is measured beside losses.
    """

    title: str
    task: tasks.AbstractTask
    model: models.AbstractArchitecture
    measure: str
    called: str
    fitted: float
    solved: float
    radii: tuple[float, ...]
    large: float
    decays: tuple[float, ...] = (0.0, 0.03, 0.05, 0.1, 0.17, 0.3, 1.0)
    late: float = 0.1
    rate: float = 1e-3
    steps: tuple[int, int] = (6_000, 40_000)
    delay: float = 10.0
    seeds: int = 5
    probes: tuple = ()

    def experiment(self, scale: Scale, *, alpha: float = 1.0, **changes: typing.Any) -> training.Experiment:
        """Training with decay from the standard weights times alpha."""
        default = dict(
            steps=30 if scale == "smoke" else self.steps[1],
            parametrisation=training.Parametrisation(init_scale=alpha),
            probes=self.probes,
            record=training.LogSpaced(6 if scale == "smoke" else 40),
        )
        return training.Experiment(
            self.task,
            self.model,
            training.AdamW(self.rate, 0.0, b1=0.9, b2=0.999, warmup=0),
            **typing.cast(typing.Any, default | changes),
        )


_PLAIN = models.MLP(hidden=(64, 64), activation="tanh")
_ERROR = dict(measure="solution_error", called="relative squared error", solved=0.1, probes=(solution_error,))

POISSON = Problem(
    "a network that solves u'' = f at 16 points",
    tasks.PhysicsInformed(tasks.Poisson(), points=16),
    _PLAIN,
    fitted=1e-3,
    radii=(0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 12.0),
    large=8.0,
    seeds=10,
    **typing.cast(typing.Any, _ERROR),
)
HEAT = Problem(
    "a network that solves the heat equation at 24 points",
    tasks.PhysicsInformed(tasks.Heat(), points=24),
    _PLAIN,
    fitted=1e-3,
    radii=(0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0),
    large=8.0,
    **typing.cast(typing.Any, _ERROR),
)
BURGERS = Problem(
    "a network that solves Burgers' equation at 100 points",
    tasks.PhysicsInformed(tasks.Burgers(), points=100),
    _PLAIN,
    fitted=1e-2,
    radii=(0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0),
    large=6.0,
    steps=(10_000, 40_000),
    seeds=3,
    **typing.cast(typing.Any, _ERROR),
)
IMAGE = Problem(
    "an image of waves from 200 of 576 pixels",
    tasks.CosineImage(),
    models.CoordinateNetwork(),
    measure="test_loss",
    called="test loss",
    fitted=1e-3,
    solved=0.2,
    radii=(0.5, 0.8, 1.25, 2.0, 3.0, 5.0, 8.0),
    large=5.0,
    steps=(5_000, 30_000),
    delay=3.0,
)
SINES = dataclasses.replace(
    IMAGE,
    title="the same image, by a network of sines",
    model=models.Siren(frequency=10.0),
    radii=(0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0),
    large=2.0,
)
DIGIT = dataclasses.replace(
    IMAGE,
    title="a digit of MNIST from 235 of 784 pixels",
    task=tasks.DigitImage(),
    model=models.CoordinateNetwork(bandwidth=2.0),
    solved=0.4,
)
FLATLAND = Problem(
    "a scene in the plane from 8 views",
    tasks.Flatland(samples=16),
    models.RadianceField(),
    measure="test_loss",
    called="squared error of rays",
    fitted=1e-3,
    solved=2e-3,
    radii=(0.5, 1.0, 2.0, 3.0, 5.0),
    large=5.0,
    steps=(2_000, 12_000),
    delay=3.0,
    seeds=3,
    probes=(density_error,),
)
