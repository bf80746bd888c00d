"""Finished runs, published once and never changed."""

import dataclasses
import functools
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ._error import StoreError
from ._records import RunRecords
from ._runfile import RunFile, write_runs
from ._version import RESULTS_VERSION


@dataclasses.dataclass(frozen=True, slots=True)
class RunEntry:
    """A line of the store's table of contents; recipe, message and versions are read when asked for.

    **Arguments:**

    - `run`: the run's identity.
    - `outcome`, `outcome_step`: how it ended, and at which step.
    - `records`: how many steps were recorded.
    - `results_version`: the version of the numbers; `current` where it is this library's.
    - `trunk`: whether it is the trunk of forks: what they have in common, which nobody asked for.
    """

    run: str
    outcome: str
    outcome_step: int
    records: int
    results_version: int
    trunk: bool
    _pack: "Pack" = dataclasses.field(repr=False, compare=False)
    _number: int = dataclasses.field(repr=False, compare=False)

    @property
    def current(self) -> bool:
        """Whether this version of the library would give the same numbers."""
        return self.results_version == RESULTS_VERSION

    @property
    def stored(self) -> bool:
        """Whether the run need not be run again."""
        return self.current and self.outcome != "failed"

    @property
    def rank(self) -> tuple[bool, int, bool]:
        """Of several entries of one run, the highest is shown: current numbers first, failures last."""
        return self.current, self.results_version, self.outcome != "failed"

    @property
    def recipe(self) -> dict[str, Any]:
        """The complete recipe."""
        return _texts(self._pack.path)[self._number]["recipe"]

    @property
    def message(self) -> str:
        """What the outcome has to say."""
        return _texts(self._pack.path)[self._number]["message"]

    @property
    def about(self) -> dict[str, Any]:
        """Versions, machine, wall seconds."""
        return _texts(self._pack.path)[self._number]["about"]

    @property
    def no_text(self) -> dict[str, Any]:
        """What stands for the texts of a run where they are not wanted."""
        return {"recipe": {}, "message": "", "about": {"results_version": self.results_version}}

    @property
    def pack(self) -> Path:
        """The file that holds the run."""
        return self._pack.path

    @property
    def session(self) -> str:
        """The name of the session that published it."""
        return self._pack.session


@dataclasses.dataclass(frozen=True, slots=True)
class Contents:
    """What a pack's header tells of its runs: enough for the store's table of contents.

    **Arguments:** `session`: that published it; `trunks`: places of trunks; the others have an item a run.
    """

    session: str
    runs: list[str]
    outcomes: list[str]
    outcome_steps: list[int]
    records: list[int]
    results_versions: list[int]
    trunks: list[int]

    @staticmethod
    def read(path: Path) -> "Contents":
        """From the file; raises as `RunFile` does, and `StoreError` for a resume point."""
        index = RunFile(path).index
        if "outcomes" not in index:
            raise StoreError(
                f"{path} holds runs on their way, not finished ones: move it out of {path.parent}, where "
                "somebody has put it."
            )
        return Contents(
            index["session"],
            index["runs"],
            index["outcomes"],
            index["outcome_steps"],
            [stop - start for _, start, stop in index["records"]],
            index["results_versions"],
            index.get("trunks", []),  # packs from before there were forks have none
        )


class Wanted(NamedTuple):
    """What of a run's records is read: snapshots, texts (recipe, message, `about`), all measures or some."""

    snapshots: bool
    texts: bool
    measures: Collection[str] | None


class Pack:
    """One pack file; it is opened when something of its runs is read."""

    def __init__(self, path: Path, contents: Contents):
        self.path, self.session = path, contents.session
        trunks = set(contents.trunks)
        self.entries: list[RunEntry] = [
            RunEntry(run, sys.intern(outcome), step, records, version, number in trunks, self, number)
            for number, (run, outcome, step, records, version) in enumerate(
                zip(
                    contents.runs,
                    contents.outcomes,
                    contents.outcome_steps,
                    contents.records,
                    contents.results_versions,
                    strict=True,
                )
            )
        ]

    def read(self, numbers: Sequence[int], wanted: Wanted) -> list[RunRecords]:
        """Some of the runs, by their places in the file."""
        file = _opened(self.path)
        file.verify()
        found = []
        with file.open(whole=2 * len(numbers) > len(self.entries)) as reader:
            for number in numbers:
                entry = self.entries[number]
                text = file.text(reader, number) if wanted.texts else entry.no_text
                steps, values = file.history(reader, number, wanted.measures)
                found.append(
                    RunRecords(
                        entry.run,
                        text["recipe"],
                        steps,
                        values,
                        entry.outcome,
                        entry.outcome_step,
                        text["message"],
                        file.snapshots(reader, number) if wanted.snapshots else {},
                        text["about"],
                    )
                )
        return found


# Who reads a run reads its neighbours next; to keep all packs open would keep what they hold of all runs.
_opened = functools.lru_cache(maxsize=4)(RunFile)


@functools.lru_cache(maxsize=4)
def _texts(path: Path) -> list[dict[str, Any]]:
    """The JSON texts of all runs of a pack."""
    file = _opened(path)
    file.verify()
    with file.open(whole=True) as reader:
        return [file.text(reader, number) for number in range(len(file.runs))]


def write_pack(folder: Path, runs: Sequence[RunRecords], about: dict[str, Any], owner: str) -> Path:
    """Publishes finished runs as one file; `about` fills in what a run does not say of itself."""
    abouts = [{"results_version": RESULTS_VERSION, **about, **run.about} for run in runs]
    texts = [
        {"recipe": run.recipe, "message": run.message, "about": one}
        for run, one in zip(runs, abouts, strict=True)
    ]
    index = {
        "session": owner,
        "outcomes": [run.outcome for run in runs],
        "outcome_steps": [int(run.outcome_step) for run in runs],
        "results_versions": [int(one["results_version"]) for one in abouts],
        "trunks": [number for number, run in enumerate(runs) if run.recipe.get("trunk")],
    }
    return write_runs(folder, "{digest}.safetensors", runs, texts, index, owner)


def read_entries(entries: Sequence[RunEntry], wanted: Wanted) -> list[RunRecords]:
    """The records of some entries, in their order; each file is opened once."""
    places: dict[int, list[int]] = {}
    for place, entry in enumerate(entries):
        places.setdefault(id(entry._pack), []).append(place)
    found: dict[int, RunRecords] = {}
    for chosen in places.values():
        pack = entries[chosen[0]]._pack
        numbers = [entries[place]._number for place in chosen]
        found |= zip(chosen, pack.read(numbers, wanted), strict=True)
    return [found[place] for place in range(len(entries))]
