"""A run: an experiment with its seed, known by a hash of its complete recipe."""

import dataclasses
import functools
import hashlib
import json
import typing

from ..training import Experiment, Seeds, to_plain


@dataclasses.dataclass(frozen=True)
class Run:
    """An experiment with its seeds."""

    experiment: Experiment
    seeds: Seeds

    @functools.cached_property
    def recipe(self) -> dict[str, typing.Any]:
        """The complete recipe as plain data."""
        return {**to_plain(self.experiment), "seeds": dataclasses.asdict(self.seeds)}

    @functools.cached_property
    def id(self) -> str:
        """Twenty hexadecimal digits of the SHA-256 of the recipe."""
        text = json.dumps(self.recipe, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    @functools.cached_property
    def record_steps(self) -> list[int]:
        """The steps at which this run is recorded."""
        return [int(step) for step in self.experiment.record.steps(self.experiment.steps)]

    @functools.cached_property
    def snapshot_steps(self) -> frozenset[int]:
        """The recorded steps at which parameters are kept."""
        if self.experiment.snapshots is None:
            return frozenset()
        chosen = {int(step) for step in self.experiment.snapshots.steps(self.experiment.steps)}
        return frozenset(chosen & set(self.record_steps))
