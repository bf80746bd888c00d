"""An experiment: the whole recipe of one training run except its seed."""

import dataclasses
import operator
import typing
from collections.abc import Callable

from .._html import table
from .._sizes import MOST
from ..models import AbstractArchitecture
from ..tasks import AbstractTask
from ._brief import brief_fields, brief_lines
from ._kinds import nearest
from ._modifiers import AbstractConstraint, Noise, Parametrisation
from ._optimisers import AbstractOptimiser, AdamW
from ._precision import Precision, PRECISIONS
from ._schedule import AbstractSchedule, LogSpaced, Sustained


@dataclasses.dataclass(frozen=True)
class Fork:
    """Where a run branches off another, its parent; made by `fork`.

    The run takes over the parent's state at a step, optimiser and all, and goes on under its own recipe.

    **Fields:**

    - `parent`: the experiment of the parent, whose seeds are those of the fork.
    - `step`: of the parent. 0 branches off its start.
    - `reset_optimiser`: begin with a fresh optimiser state, as a change of the kind of optimiser does anyway.
    - `noise`: standard deviation of Gaussian noise that is added to all parameters, once.
    """

    parent: "Experiment"
    step: int
    reset_optimiser: bool = False
    noise: float = 0.0

    def __post_init__(self):
        if not isinstance(self.parent, Experiment):
            raise ValueError(f"`parent` must be an Experiment, got {type(self.parent).__name__}.")
        if not isinstance(self.step, int) or isinstance(self.step, bool):
            raise ValueError(f"`step` must be a whole number, got {self.step!r}.")
        if not self.parent.first_step <= self.step <= self.parent.steps:
            raise ValueError(
                f"`step` must be one of the parent's, from {self.parent.first_step} to {self.parent.steps}, "
                f"got {self.step}."
            )
        if not self.noise >= 0:
            raise ValueError(f"`noise` must not be negative, got {self.noise}.")


@dataclasses.dataclass(frozen=True)
class Experiment:
    """The whole recipe of one training run except its seed.

    **Main fields:**

    - `task`: what is learned.
    - `model`: what learns.
    - `optimiser`: how parameters move.
    - `batch`: examples in a step; half of the training set where that is fewer (Power et al. 2022,
      appendix A.1.2: the smaller of the two), so larger values change nothing. `None` takes the full
      training set.
    - `steps`: how many updates.

    **Other fields:**

    - `parametrisation`: initial scale and centred output scale.
    - `noise`, `constraint`: additions to plain training.
    - `twin`: whether the run also trains a linearised twin: the network's first-order expansion around its
      initial weights, with the same data, optimiser and steps. Probes compare both (`afterfit.probes.twin`).
    - `record`: at which steps measurements are taken.
    - `snapshots`: at which recorded steps the state is kept (`None`: never): parameters, to be measured
      again, and all that it takes to go on from there, which with AdamW is four times as much.
    - `stop`: a condition on the records that ends the run early.
    - `probes`: further measurements, each a function of a `Moment` or a component that is called so.
    - `fork`: where the run branches off another (`None`: nowhere). Steps count on from there, and the first
      record is taken at that step, after the change.
    - `precision`: of all arithmetic, "float32" or "float64"; or "tf32" or "bf16", which round the operands
      of the model's matrix products alone (faster on hardware that has them).
    """

    task: AbstractTask
    model: AbstractArchitecture
    optimiser: AbstractOptimiser = AdamW()
    batch: int | None = None
    steps: int = 10_000
    parametrisation: Parametrisation = Parametrisation()
    noise: Noise | None = None
    constraint: AbstractConstraint | None = None
    twin: bool = False
    record: AbstractSchedule = LogSpaced()
    snapshots: AbstractSchedule | None = None
    stop: Sustained | None = None
    probes: tuple[Callable, ...] = dataclasses.field(default=(), metadata={"room": "afterfit.probes"})
    fork: Fork | None = None
    precision: Precision = "float32"

    @property
    def first_step(self) -> int:
        """Where training begins: 0, or the step of the fork."""
        return 0 if self.fork is None else self.fork.step

    def __repr__(self) -> str:
        return brief_lines(self)

    def _repr_html_(self) -> str:
        return table(brief_fields(self).items())

    def __post_init__(self):
        for field, contract in (
            ("task", AbstractTask),
            ("model", AbstractArchitecture),
            ("optimiser", AbstractOptimiser),
        ):
            if not isinstance(getattr(self, field), contract):
                found = type(getattr(self, field)).__name__
                raise ValueError(f"`{field}` must be a subclass of {contract.__name__}, got {found}.")
        try:
            hash(self.task)
        except TypeError as error:
            raise ValueError(f"`task` must be hashable ({error}): use tuples in its fields.") from error
        for field in ("steps", "batch"):
            value = getattr(self, field)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
                raise ValueError(f"`{field}` must be a whole number, got {value!r}.")
        if not 1 <= self.steps <= MOST:
            raise ValueError(f"`steps` must be from 1 to {MOST}, got {self.steps}.")
        if self.batch is not None and not 1 <= self.batch <= MOST:
            raise ValueError(
                f"`batch` must be from 1 to {MOST}, or None for the full training set, got {self.batch}."
            )
        if self.precision not in PRECISIONS:
            raise ValueError(f"`precision` must be one of {', '.join(PRECISIONS)}, got {self.precision!r}.")
        names = [probe_name(probe) for probe in self.probes]
        for name in names:
            if names.count(name) > 1 or name in BASIC_MEASURES:
                raise ValueError(f"`probes`: two measures are called {name!r}, rename one of them.")
        known = (*BASIC_MEASURES, *names)
        if self.stop is not None and self.stop.measure.split("/")[0] not in known:
            raise ValueError(
                f"`stop.measure` {self.stop.measure!r} is not measured{nearest(self.stop.measure, known)}"
            )
        if self.fork is not None:
            self._check_fork(self.fork)

    def _check_fork(self, fork: Fork) -> None:
        if fork.step >= self.steps:
            raise ValueError(f"`steps` must be above {fork.step}, the step of the fork, got {self.steps}.")
        start = ("model", "parametrisation.init_scale", "parametrisation.matrices_only")
        for field in (*start, "twin", "precision"):
            own, its = (operator.attrgetter(field)(one) for one in (self, fork.parent))
            if own != its:
                raise ValueError(f"`{field}` must be that of the fork's parent, {its!r}, got {own!r}.")


BASIC_MEASURES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "weight_norm")
"""What is measured at every recorded step, probes or not."""


def probe_name(probe: typing.Any) -> str:
    """The name of a probe's measure.

    A function's own; a component's field `name`, or its class in lower case with underscores.
    """
    for attribute in ("__name__", "name"):
        if isinstance(getattr(probe, attribute, None), str):
            return getattr(probe, attribute)
    letters = [("_" + c.lower()) if c.isupper() else c for c in type(probe).__name__]
    return "".join(letters).lstrip("_")


@dataclasses.dataclass(frozen=True)
class Seeds:
    """The four sources of chance of a run; `Seeds.of(3)` drives all four by one seed."""

    split: int
    init: int
    batches: int
    noise: int

    @classmethod
    def of(cls, seed: int, **fixed: int) -> "Seeds":
        """All sources from one seed, except those given by name."""
        return cls(**{source: fixed.get(source, seed) for source in ("split", "init", "batches", "noise")})

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**32:
                raise ValueError(f"seed `{field.name}` must be an integer in [0, 2**32), got {value!r}.")
