"""The folder where records, snapshots and recipes live."""

import json
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ._beacon import Beacon, is_lit
from ._disk import publish_json
from ._error import explain, StoreError, StoreWarning
from ._pack import Pack, PACK_NAME, read_entries, RunEntry, SUFFIX
from ._records import RunRecords
from ._session import held, Session
from ._status import listing_digest, read_status, StoreStatus
from ._version import FORMAT


_MARKER = "afterfit.json"


class Store:
    """A folder of runs, keyed by run.

    Any number of processes may read it while others write. Readers see whole files or none, and nothing
    that was published is ever changed.

    **Arguments:**

    - `path`: the folder.
    - `create`: make it where there is none, or an empty one.
    - `readonly`: only look; needs no permission to write.

    Raises `StoreError`: the path is a file, or a folder of other things; the store was written by a newer
    version; the folder cannot be written to; its marker file is damaged.
    """

    def __init__(self, path: str | os.PathLike[str], *, create: bool = True, readonly: bool = False):
        self.path = Path(path)
        self.readonly = readonly
        self._packs: dict[str, Pack] = {}
        self._entries: dict[str, list[RunEntry]] = {}
        self._passed_over: set[str] = set()
        _open(self.path, create and not readonly)
        if not readonly:
            _require_writable(self.path)

    def has(self, runs: Iterable[str]) -> set[str]:
        """Those of `runs` that need not be run: stored with this version's numbers, and not failed."""
        self._refresh()
        return {run for run in runs if any(entry.stored for entry in self._entries.get(run, ()))}

    def runs(self, *, trunks: bool = False) -> list[RunEntry]:
        """The table of contents: the best entry of each run (current numbers first, failures last).

        The trunks of forks are left out, unless they are asked for.
        """
        self._refresh()
        best = [max(entries, key=lambda entry: entry.rank) for entries in self._entries.values()]
        return [entry for entry in best if trunks or not entry.trunk]

    def load(self, runs: Iterable[str | RunEntry], *, snapshots: bool = True) -> list[RunRecords]:
        """The records of some runs, in their order; only their rows are read, and snapshots if wanted.

        Raises `StoreError` where a run is not stored (in any version), or its file is damaged.
        """
        self._refresh()
        entries: list[RunEntry] = []
        for run in runs:
            if isinstance(run, RunEntry):
                entries.append(run)
            elif run in self._entries:
                entries.append(max(self._entries[run], key=lambda entry: entry.rank))
            else:
                raise StoreError(
                    f"Expected a stored run, got {run!r}: {self.path} holds {len(self._entries)} others. "
                    "`Store.runs` lists them."
                )
        try:
            return read_entries(entries, snapshots)
        except FileNotFoundError as error:
            raise StoreError(
                f"{error.filename or error} was removed while it was being read: try again."
            ) from error

    def claim(self, runs: Sequence[str], about: dict[str, Any] | None = None) -> Session:
        """The right to train `runs`, for the length of a `with` block.

        `about` (plain data: versions, machine) goes with every run that the session publishes. Raises
        `StoreBusy` where a living process holds one of the runs, `StoreError` where the store cannot be
        written to.
        """
        self._make_folders()
        return Session(self.path, list(dict.fromkeys(runs)), about or {}, self.has)

    def claim_free(self, runs: Sequence[str], about: dict[str, Any] | None = None) -> Session:
        """As `claim`, for those of `runs` that are neither stored nor held by a living process.

        `Session.runs` says which; they may be none.
        """
        self._make_folders()
        return Session(self.path, list(dict.fromkeys(runs)), about or {}, self.has, free=True)

    def held(self, runs: Iterable[str]) -> set[str]:
        """Those of `runs` that living processes are training, or have claimed to train."""
        return held(self.path / "running", runs)

    def beacon(self) -> Beacon:
        """A sign that a driver is at work, for the length of a `with` block; `lit` sees it."""
        self._make_folders()
        return Beacon(self.path / "running")

    def lit(self, beacon: str) -> bool:
        """Whether the beacon of this name is lit still."""
        return is_lit(self.path / "running", beacon)

    def status(self) -> StoreStatus:
        """What is done, what is running and what was interrupted."""
        return read_status(self.path, lambda: self.runs(trunks=True))

    def version(self) -> str:
        """Text that is another one as soon as a reader would see something else.

        It comes from the names of files, each of which carries a digest of its content, and from which
        processes live; so it is cheap, and the same in every process.
        """
        return listing_digest(self.path)

    def _make_folders(self) -> None:
        if self.readonly:
            raise StoreError(f"Expected a store open for writing, got {self.path} with readonly=True.")
        for name in ("packs", "running"):
            _make(self.path / name)

    def _refresh(self) -> None:
        # Packs never change, so a header is read once. A store of very many packs could keep these entries
        # in a file of the user's cache folder, keyed by pack name and rebuilt at will; it would be read and
        # written here.
        folder = self.path / "packs"
        try:
            found = {name for name in os.listdir(folder) if name.endswith(SUFFIX) and name[0] != "."}
        except FileNotFoundError:
            found = set()
        names = {name for name in found if PACK_NAME.fullmatch(name)}
        self._pass_over(found - names)
        if not self._packs.keys() <= names:  # somebody deleted a pack
            self._packs, self._entries = {}, {}
        for name in sorted(names - self._packs.keys()):
            try:
                pack = self._packs[name] = Pack(folder / name)
            except FileNotFoundError:
                continue
            for entry in pack.entries:
                self._entries.setdefault(entry.run, []).append(entry)

    def _pass_over(self, names: set[str]) -> None:
        """Warns once of files that are not called as packs are."""
        for name in sorted(names - self._passed_over):
            warnings.warn(
                StoreWarning(
                    f"{self.path / 'packs' / name} is passed over, because packs are called by 32 "
                    "hexadecimal digits: give it back its name, or move it elsewhere."
                ),
                stacklevel=2,
            )
        self._passed_over |= names


def _open(path: Path, create: bool) -> None:
    marker = path / _MARKER
    try:
        if path.exists() and not path.is_dir():
            raise StoreError(f"Expected a folder, got the file {path}: name another place for the store.")
        if not path.exists() and not create:
            raise StoreError(f"Expected a store, got {path}, which does not exist.")
        if not marker.exists():
            # Names that begin with a dot are nobody's work: our temporary files, or a desktop's notes.
            others = sorted(name for name in os.listdir(path) if name[0] != ".") if path.exists() else []
            if marker.exists():  # another process made it in the meantime
                pass
            elif others:
                raise StoreError(
                    f"{path} is not a store: it has no {_MARKER}, but {others[0]!r} and "
                    f"{len(others) - 1} more. Name an empty folder, or one that afterfit made."
                )
            elif not create:
                raise StoreError(f"{path} is not a store: it has no {_MARKER}.")
            else:
                path.mkdir(parents=True, exist_ok=True)
                _require_writable(path)
                publish_json(path, _MARKER, {"format": FORMAT})
        _check_marker(marker)
    except OSError as error:
        raise explain(error, marker) from error


def _check_marker(marker: Path) -> None:
    try:
        found = json.loads(marker.read_bytes())["format"]
        if type(found) is not int:
            raise ValueError(f"a format that is {found!r}")
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f'{marker} is damaged: expected a number under "format", got {error}. Everything else may be '
            f'intact: if this store is of format {FORMAT}, put back {{"format": {FORMAT}}}.'
        ) from error
    if found > FORMAT:
        raise StoreError(
            f"{marker.parent} has format {found}, this afterfit reads up to {FORMAT}: upgrade afterfit."
        )


def _require_writable(path: Path) -> None:
    if not os.access(path, os.W_OK | os.X_OK):
        raise StoreError(
            f"Expected a folder that can be written to, got {path}. "
            "Try another store, or open this one with readonly=True to look at it."
        )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise explain(error, folder) from error
