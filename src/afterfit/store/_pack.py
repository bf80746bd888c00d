"""Finished runs, published once and never changed."""

import dataclasses
import functools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ._error import StoreError
from ._records import RunRecords
from ._runfile import RunFile, write_runs
from ._version import RESULTS_VERSION


SUFFIX = ".safetensors"
PACK_NAME = re.compile(rf"[0-9a-f]{{32}}\{SUFFIX}")


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
        return self._pack.texts[self._number]["recipe"]

    @property
    def message(self) -> str:
        """What the outcome has to say."""
        return self._pack.texts[self._number]["message"]

    @property
    def about(self) -> dict[str, Any]:
        """Versions, machine, wall seconds."""
        return self._pack.texts[self._number]["about"]

    @property
    def pack(self) -> Path:
        """The file that holds the run."""
        return self._pack.file.path

    @property
    def session(self) -> str:
        """The name of the session that published it."""
        return self._pack.file.index["session"]


class Pack:
    """One pack file."""

    def __init__(self, path: Path):
        self.file = RunFile(path)
        index = self.file.index
        if "outcomes" not in index:
            raise StoreError(
                f"{path} holds runs on their way, not finished ones: move it out of {path.parent}, where "
                "somebody has put it."
            )
        trunks = set(index.get("trunks", ()))  # packs from before there were forks have none
        self.entries: list[RunEntry] = [
            RunEntry(run, outcome, step, stop - start, version, number in trunks, self, number)
            for number, (run, outcome, step, version, (_, start, stop)) in enumerate(
                zip(
                    index["runs"],
                    index["outcomes"],
                    index["outcome_steps"],
                    index["results_versions"],
                    index["records"],
                    strict=True,
                )
            )
        ]

    @functools.cached_property
    def texts(self) -> list[dict[str, Any]]:
        """The JSON texts of all runs."""
        self.file.verify()
        with self.file.open() as reader:
            return [self.file.text(reader, number) for number in range(len(self.entries))]

    def read(self, numbers: Iterable[int], snapshots: bool) -> list[RunRecords]:
        """Some of the runs, by their places in the file, with or without their snapshots."""
        self.file.verify()
        found = []
        with self.file.open() as reader:
            for number in numbers:
                entry, text = self.entries[number], self.file.text(reader, number)
                steps, values = self.file.history(reader, number)
                found.append(
                    RunRecords(
                        entry.run,
                        text["recipe"],
                        steps,
                        values,
                        entry.outcome,
                        entry.outcome_step,
                        text["message"],
                        self.file.snapshots(reader, number) if snapshots else {},
                        text["about"],
                    )
                )
        return found


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


def read_entries(entries: Sequence[RunEntry], snapshots: bool) -> list[RunRecords]:
    """The records of some entries, in their order; each file is opened once."""
    places: dict[int, list[int]] = {}
    for place, entry in enumerate(entries):
        places.setdefault(id(entry._pack), []).append(place)
    found: dict[int, RunRecords] = {}
    for chosen in places.values():
        pack = entries[chosen[0]]._pack
        found |= zip(chosen, pack.read((entries[place]._number for place in chosen), snapshots), strict=True)
    return [found[place] for place in range(len(entries))]
