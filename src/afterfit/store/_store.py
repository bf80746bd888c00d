"""The place where records, snapshots and recipes live."""

import json
import os
import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ._beacon import Beacon
from ._error import explain, StoreError, StoreWarning
from ._index import recall, remember, Stamp, stamp
from ._objects import is_address, SharedObjects
from ._pack import Contents, Pack, read_entries, RunEntry, Wanted
from ._records import RunRecords
from ._session import held, Session
from ._shared import AbstractShared, MARKER, PACK_NAME, SharedFolder
from ._status import listing_digest, read_status, StoreStatus
from ._version import FORMAT


_T = TypeVar("_T")


class Store:
    """A folder of runs, keyed by run, or as much in an object store.

    Any number of processes may read it while others write. Readers see whole files or none, and nothing
    that was published is ever changed.

    **Arguments:**

    - `path`: the folder, or the address of an object store: `s3://bucket/runs`, or another that fsspec knows.
    - `create`: make it where there is none, or an empty one.
    - `readonly`: only look; needs no permission to write.

    Raises `StoreError`: the path is a file, or a folder of other things; the store was written by a newer
    version; the folder cannot be written to; its marker file is damaged; the object store cannot be reached,
    or what it takes to reach it is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], *, create: bool = True, readonly: bool = False):
        text = os.fspath(path)
        self._shared: AbstractShared = SharedObjects(text) if is_address(text) else SharedFolder(Path(text))
        self.readonly = readonly
        self._packs: dict[str, Pack] = {}
        self._best: dict[str, RunEntry] = {}
        self._passed_over: set[str] = set()
        self._remembered: dict[Stamp, Contents] | None = None
        _open(self._shared, create and not readonly)
        if not readonly:
            self._shared.require_writable()

    @property
    def path(self) -> Path:
        """The folder; of an object store that of this machine: claims, resume points, and packs to read."""
        return self._shared.folder

    @property
    def address(self) -> str:
        """What the store is opened by from anywhere: its absolute path, or its address."""
        return self._shared.address

    @property
    def name(self) -> str:
        """The last part of its address."""
        return self.address.rpartition("/")[2]

    def has(self, runs: Iterable[str]) -> set[str]:
        """Those of `runs` that need not be run: stored with this version's numbers, and not failed."""
        self._refresh()
        return {run for run in runs if run in self._best and self._best[run].stored}

    def runs(self, *, trunks: bool = False) -> list[RunEntry]:
        """The table of contents: the best entry of each run (current numbers first, failures last).

        The trunks of forks are left out, unless they are asked for.
        """
        self._refresh()
        return [entry for entry in self._best.values() if trunks or not entry.trunk]

    def load(
        self,
        runs: Iterable[str | RunEntry],
        *,
        snapshots: bool = True,
        texts: bool = True,
        measures: Collection[str] | None = None,
    ) -> list[RunRecords]:
        """The records of some runs, in their order; only what is wanted is read.

        **Arguments:** `measures`: of which values are wanted, by default all; `snapshots`: whether they are;
        `texts`: whether recipe, message and `about` are, which take more room than short records. Without
        them these are empty, but for the results version.

        Raises `StoreError` where a run is not stored (in any version), or its file is damaged.
        """
        self._refresh()
        entries: list[RunEntry] = []
        for run in runs:
            if isinstance(run, RunEntry):
                entries.append(run)
            elif run in self._best:
                entries.append(self._best[run])
            else:
                raise StoreError(
                    f"Expected a stored run, got {run!r}: {self.address} holds {len(self._best)} others. "
                    "`Store.runs` lists them."
                )
        packs = {entry.pack.name for entry in entries}
        try:
            return self._mending(packs, lambda: read_entries(entries, Wanted(snapshots, texts, measures)))
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
        return Session(self._shared, list(dict.fromkeys(runs)), about or {}, self.has)

    def claim_free(self, runs: Sequence[str], about: dict[str, Any] | None = None) -> Session:
        """As `claim`, for those of `runs` that are neither stored nor held by a living process.

        `Session.runs` says which; they may be none.
        """
        self._make_folders()
        return Session(self._shared, list(dict.fromkeys(runs)), about or {}, self.has, free=True)

    def held(self, runs: Iterable[str]) -> set[str]:
        """Those of `runs` that living processes are training, or have claimed to train."""
        return held(self._shared.running, runs)

    def beacon(self) -> Beacon:
        """A sign that a driver is at work, for the length of a `with` block; `lit` sees it."""
        self._make_folders()
        return Beacon(self._shared)

    def lit(self, beacon: str) -> bool:
        """Whether the beacon of this name is lit still."""
        return self._shared.is_lit(beacon)

    def status(self) -> StoreStatus:
        """What is done, what is running and what was interrupted."""
        return read_status(self._shared.running, lambda: self.runs(trunks=True))

    def version(self) -> str:
        """Text that is another one as soon as a reader would see something else.

        It comes from the names of files, each of which carries a digest of its content, and from which
        processes live; so it is cheap, and the same in every process.
        """
        return listing_digest(self._shared.running, self._shared.names())

    def _make_folders(self) -> None:
        if self.readonly:
            raise StoreError(f"Expected a store open for writing, got {self.path} with readonly=True.")
        for folder in (self._shared.outbox, self._shared.running):
            _make(folder)

    def _refresh(self) -> None:
        # Packs never change, so one is looked into once.
        found = self._shared.names()
        names = {name for name in found if PACK_NAME.fullmatch(name)}
        self._pass_over(found - names)
        if not self._packs.keys() <= names:  # somebody deleted a pack
            self._packs, self._best = {}, {}
        if new := sorted(names - self._packs.keys()):
            self._take(new)

    def _take(self, names: Sequence[str]) -> None:
        fresh: dict[Stamp, Contents] = {}
        for name, path in self._shared.files(names):
            try:
                one = stamp(path)
                if self._remembered is None:
                    self._remembered = recall(path.parent)
                contents = self._remembered.pop(one, None)
                if contents is None:
                    contents = self._mending([name], lambda path=path: Contents.read(path))
                    fresh[stamp(path)] = contents
            except FileNotFoundError:
                continue
            pack = self._packs[name] = Pack(path, contents)
            for entry in pack.entries:
                if entry.run not in self._best or self._best[entry.run].rank < entry.rank:
                    self._best[entry.run] = entry
        if self._packs:
            remember(next(iter(self._packs.values())).path.parent, fresh, self._packs.keys())

    def _mending(self, packs: Iterable[str], read: Callable[[], _T]) -> _T:
        """What `read` gives of some packs; a copy that is damaged here is fetched anew first."""
        try:
            return read()
        except StoreError:
            if not all(self._shared.mend(name) for name in packs):
                raise
            return read()

    def _pass_over(self, names: set[str]) -> None:
        """Warns once of files that are not called as packs are."""
        for name in sorted(names - self._passed_over):
            warnings.warn(
                StoreWarning(
                    f"{self.address}/packs/{name} is passed over, because packs are called by 32 "
                    "hexadecimal digits: give it back its name, or move it elsewhere."
                ),
                stacklevel=2,
            )
        self._passed_over |= names


def _open(shared: AbstractShared, create: bool) -> None:
    try:
        if shared.marker is None:
            others = shared.others
            if shared.marker is not None:  # another process made it in the meantime
                pass
            elif others:
                raise StoreError(
                    f"{shared.address} is not a store: it has no {MARKER}, but {others[0]!r} and "
                    f"{len(others) - 1} more. Name an empty folder, or one that afterfit made."
                )
            elif create:
                shared.mark({"format": FORMAT})
            elif others is None:
                raise StoreError(f"Expected a store, got {shared.address}, which does not exist.")
            else:
                raise StoreError(f"{shared.address} is not a store: it has no {MARKER}.")
        _check_marker(shared.address, shared.marker or b"")
    except OSError as error:
        raise explain(error, shared.folder / MARKER) from error


def _check_marker(address: str, content: bytes) -> None:
    try:
        found = json.loads(content)["format"]
        if type(found) is not int:
            raise ValueError(f"a format that is {found!r}")
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f'{address}/{MARKER} is damaged: expected a number under "format", got {error}. Everything else '
            f'may be intact: if this store is of format {FORMAT}, put back {{"format": {FORMAT}}}.'
        ) from error
    if found > FORMAT:
        raise StoreError(
            f"{address} has format {found}, this afterfit reads up to {FORMAT}: upgrade afterfit."
        )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise explain(error, folder) from error
    if folder.is_symlink():
        raise StoreError(
            f"{folder} is a link to {folder.resolve()}, and a store writes and deletes only in itself: put "
            "that folder in the place of the link, or move the whole store to where there is room."
        )
