"""Physics-informed networks: a differential equation to be solved at a few points of its box."""

import dataclasses
import typing

import numpy as np
from jaxtyping import Float

from ._data import AbstractTask, Data
from ._differential import Poisson
from ._equations import check_memory, check_whole
from ._residual import AbstractEquation, Residual


Placement = typing.Literal["even", "random"]


@dataclasses.dataclass(frozen=True)
class PhysicsInformed(AbstractTask):
    """Solve a differential equation: its residual is made small at collocation points.

    The training loss is the mean squared residual over these points, in units of the equation's scale, plus
    the misfit at the edges of the box; the test loss is the mean squared residual over a dense grid. So a
    network may solve the equation at its points and nowhere else. `afterfit.probes.solution_error` compares
    it with the solution.

    **Arguments:**

    - `equation`: `Poisson()`, `Heat()`, `Burgers()`, or your own.
    - `points`: how many collocation points.
    - `placement`: "even" (equal distances inside a line; Halton's sequence in a plane), or "random", drawn
      by the seed of the split. Many random points with a small `batch` stand for fresh points at each step.
    - `boundary`: weight of the misfit at the edges.
    - `resolution`: points of the test grid along each axis, by default 201 on a line and 41 in a plane.
    - `room`: for so many collocation points; tasks that share it share one compiled program.
    - `tolerance`: a point counts as correct where the root of its loss is below it.

    Raises a `ValueError` that names the field at fault.

    Raissi, Perdikaris, Karniadakis 2019, "Physics-informed neural networks"; defaults are those of
    experiments on grokking with them.
    """

    equation: AbstractEquation = dataclasses.field(default=Poisson(), metadata={"room": "afterfit.tasks"})
    points: int = 16
    placement: Placement = "even"
    boundary: float = 1.0
    resolution: int | None = None
    room: int | None = None
    tolerance: float = 1e-3**0.5

    def __post_init__(self):
        if not isinstance(self.equation, AbstractEquation):
            raise ValueError(
                f"`equation` must be a differential equation such as Poisson(), got {self.equation!r}."
            )
        check_whole("points", self.points, least=1)
        if self.placement not in typing.get_args(Placement):
            raise ValueError(f"`placement` must be even or random, got {self.placement!r}.")
        if not self.boundary >= 0:
            raise ValueError(f"`boundary` must not be negative, got {self.boundary}.")
        if self.resolution is not None:
            check_whole("resolution", self.resolution, least=2)
        if self.room is not None:
            check_whole("room", self.room, least=self.points, reason=" (points)")
        resolution = self.resolution or 2
        check_memory(
            10 * (resolution ** len(self.equation.low) + (self.room or self.points)),
            points=self.points,
            resolution=resolution,
            room=self.room or 0,
        )

    @property
    def title(self) -> str:
        return f"the {type(self.equation).__name__} equation at {self.points} points"

    @property
    def objective(self) -> Residual:
        return Residual(self.equation, self.tolerance)

    def data(self, seed: int) -> Data:
        """Collocation points, those that `seed` draws if they are random, and the test grid."""
        shown, asked = self._shown(seed), self._grid(self.resolution)
        padding = np.repeat(shown[:1], (self.room or self.points) - self.points, axis=0)
        places = np.concatenate([shown, asked, padding])
        one = np.ones(len(places))
        trained = np.arange(len(places)) < self.points
        targets = {
            "source": self.equation.source(places),
            "weight": one / self.equation.scale(self._grid(None)),  # whatever the resolution of the test
            "boundary": np.where(trained, self.boundary, 0.0),
            "solution": self.equation.solution(places),
        }
        return Data(
            inputs=places.astype(np.float32),
            targets={name: values.astype(np.float32) for name, values in targets.items()},
            rows=np.arange(len(places), dtype=np.int32),
            train_count=np.asarray(self.points, np.int32),
            test_count=np.asarray(len(asked), np.int32),
            outputs=1,
            most_train=self.room or self.points,
        )

    def _shown(self, seed: int) -> Float[np.ndarray, "point axis"]:
        low, high = np.array(self.equation.low), np.array(self.equation.high)
        if self.placement == "random":
            generator = np.random.default_rng(np.random.SeedSequence((seed, 0xC0110C)))
            return generator.uniform(low, high, (self.points, len(low)))
        if len(low) == 1:
            return np.linspace(low, high, self.points + 2)[1:-1]
        import scipy.stats

        sequence = scipy.stats.qmc.Halton(len(low), scramble=False)
        sequence.fast_forward(1)  # its first point is a corner
        return low + (high - low) * sequence.random(self.points)

    def _grid(self, resolution: int | None) -> Float[np.ndarray, "point axis"]:
        low, high = self.equation.low, self.equation.high
        count = resolution or (201 if len(low) == 1 else 41)
        axes = [np.linspace(*ends, count) for ends in zip(low, high, strict=True)]
        return np.stack([one.reshape(-1) for one in np.meshgrid(*axes, indexing="ij")], axis=1)
