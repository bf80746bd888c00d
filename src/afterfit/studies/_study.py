"""Studies: the figures of one paper, each with its sweeps, its chart and its claims."""

import dataclasses
import os
import re
import typing
from collections.abc import Callable, Mapping, Sequence

from ..ensemble import Run, Sweep
from ..statistics import Judgement, Verdict
from ..store import RunRecords, Store
from ..training import Moment


if typing.TYPE_CHECKING:
    import matplotlib.figure
    import xarray

Scale = typing.Literal["smoke", "laptop", "paper"]
"""How big a study runs: seconds, for tests; minutes on two cores; the paper's own sizes."""

SCALES: tuple[Scale, ...] = typing.get_args(Scale)
"""All scales, the smallest first."""


@dataclasses.dataclass(frozen=True)
class Results:
    """What a figure's sweeps brought, by their names."""

    scale: Scale
    sweeps: Mapping[str, Sweep]
    data: "Mapping[str, xarray.Dataset]"
    store: str | os.PathLike

    def __getitem__(self, name: str) -> "xarray.Dataset":
        return self.data[name]

    def records(self, name: str) -> list[tuple[dict[str, typing.Any], Run, RunRecords]]:
        """Each run of a sweep with its place on the axes and its records, snapshots included."""
        plan = self.sweeps[name]
        runs = plan.runs
        loaded = Store(self.store, create=False, readonly=True).load([run.id for run in runs])
        return list(zip(plan.coordinates, runs, loaded, strict=True))

    def moment(
        self,
        run: Run,
        records: RunRecords,
        step: int,
        precision: typing.Literal["float32", "float64"] | None = None,
    ) -> Moment:
        """A run as it was at a step whose snapshot is kept."""
        return run.moment(records.snapshots[step], step, precision)

    @property
    def missing(self) -> list[str]:
        """Runs without which nothing may be judged, each with its place on the axes."""
        found = []
        for name, plan in self.sweeps.items():
            outcomes = self.data[name]["outcome"].values.ravel().tolist()
            for place, outcome in zip(plan.coordinates, outcomes, strict=True):
                if outcome in ("", "failed"):
                    found.append(f"{name} {place}: {outcome or 'not run'}")
        return found


@dataclasses.dataclass(frozen=True)
class Claim:
    """A sentence of a paper that a statistic of a figure's data can support or refute.

    **Fields:**

    - `name`: short, unique in its figure.
    - `sentence`: what is claimed.
    - `source`: where: section, figure, caption.
    - `paper`: its number or its words.
    - `judge`: the statistic and its criterion.
    """

    name: str
    sentence: str
    source: str
    paper: str
    judge: Callable[[Results], Judgement]


@dataclasses.dataclass(frozen=True)
class Figure:
    """One figure of a paper.

    **Fields:**

    - `name`: as in `afterfit reproduce PAPER/NAME`, and of the files of its chart and table.
    - `title`: what it shows, in a line.
    - `sweeps`: from a scale to the sweeps that make its data, by name.
    - `claims`: what the paper says it shows.
    - `chart`: the picture.
    - `table`: the numbers behind the picture, as rows (small: it is committed).
    - `note`: what a reader should know of choices and limits.
    - `then`: from what the sweeps brought to further sweeps, whose recipes rest on it.

    **Raises:** `ValueError` for a name that is no plain file name, and for two claims of one name.
    """

    name: str
    title: str
    sweeps: Callable[[Scale], dict[str, Sweep]]
    claims: tuple[Claim, ...]
    chart: "Callable[[Results], matplotlib.figure.Figure]"
    table: Callable[[Results], list[dict[str, typing.Any]]]
    note: str = ""
    then: Callable[[Results], dict[str, Sweep]] | None = None

    def __post_init__(self):
        _check_name("figure", self.name)
        _check_distinct(f"claims of {self.name}", [claim.name for claim in self.claims])

    def judged(self, results: Results) -> list[tuple[Claim, Judgement]]:
        """Each claim with its judgement; nothing is judged on runs that are missing."""
        missing = results.missing
        if missing:
            shown = "; ".join(missing[:5]) + (f"; and {len(missing) - 5} more" if len(missing) > 5 else "")
            count = "1 run is" if len(missing) == 1 else f"{len(missing)} runs are"
            lacking = Judgement(Verdict.UNDECIDED, note=f"{count} missing: {shown}")
            return [(claim, lacking) for claim in self.claims]
        judged = [(claim, claim.judge(results)) for claim in self.claims]
        if results.scale == "smoke":
            note = "the smoke scale shows that all of it runs, and nothing else"
            return [
                (claim, dataclasses.replace(one, verdict=Verdict.UNDECIDED, note=note))
                for claim, one in judged
            ]
        return judged


@dataclasses.dataclass(frozen=True)
class Study:
    """The reproduction of one paper.

    **Raises:** `ValueError` for a name that is no plain file name, and for two figures of one name.
    """

    name: str
    title: str
    reference: str
    figures: tuple[Figure, ...]

    def __post_init__(self):
        _check_name("study", self.name)
        _check_distinct(f"figures of {self.name}", [figure.name for figure in self.figures])


def _check_name(what: str, name: str) -> None:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(
            f"the name of a {what} must be lower case letters and digits, with single hyphens, got {name!r}."
        )


def _check_distinct(what: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"the {what} must have names of their own, got {', '.join(twice)} more than once.")
