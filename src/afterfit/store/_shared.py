"""What all processes of a store see, wherever they run: its marker, its packs, the beacons of drivers.

The rest of a store, claims and resume points, needs file locks and stays in a folder of this machine.
"""

import abc
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ._disk import publish_json
from ._error import check_plain, StoreError


MARKER = "afterfit.json"
PACK_NAME = re.compile(r"[0-9a-f]{32}\.safetensors")


def visible(names: Iterable[str]) -> set[str]:
    """Those of the names in a folder that are published files, or were meant to be."""
    return {name for name in names if name.endswith(".safetensors") and name[0] != "."}


class AbstractShared(abc.ABC):
    """The shared part of one store.

    **Fields:**

    - `address`: what any process on any machine would name the store by.
    - `folder`: of this machine: claims and resume points are in it, and the packs where they are read.
    - `outbox`: where a pack is written before it is sent.
    """

    address: str
    folder: Path
    outbox: Path

    @property
    def running(self) -> Path:
        """The folder of those who train on this machine."""
        return self.folder / "running"

    @property
    @abc.abstractmethod
    def marker(self) -> bytes | None:
        """The content of the marker, `None` where there is none."""

    @property
    @abc.abstractmethod
    def others(self) -> list[str] | None:
        """Names of what is there instead of a marker, `None` where there is not even a place for it."""

    @abc.abstractmethod
    def mark(self, content: dict[str, Any]) -> None:
        """Makes the store, by its marker."""

    @abc.abstractmethod
    def require_writable(self) -> None:
        """Raises `StoreError` where nothing can be published."""

    @abc.abstractmethod
    def names(self) -> set[str]:
        """The names of all packs, and of what lies among them and is called otherwise."""

    @abc.abstractmethod
    def files(self, names: Iterable[str]) -> Iterator[tuple[str, Path]]:
        """Packs, each with its file on this machine, but for those that somebody has deleted.

        Raises `StoreError` where one cannot be had whole.
        """

    @abc.abstractmethod
    def mend(self, name: str) -> bool:
        """Gets a pack anew if its file on this machine is damaged; `False` where there is no other one.

        Raises `StoreError` as `files` does.
        """

    @abc.abstractmethod
    def send(self) -> None:
        """Publishes what is in the outbox, be it from a process that died.

        Raises `StoreError` with the packs still there.
        """

    @abc.abstractmethod
    def light(self, beacon: str) -> None:
        """Lets other machines see a beacon, of which there is a file among those who train."""

    @abc.abstractmethod
    def put_out(self, beacon: str) -> None:
        """Ends what `light` did, if it did."""

    @abc.abstractmethod
    def is_lit(self, beacon: str) -> bool:
        """Whether a beacon burns."""


class SharedFolder(AbstractShared):
    """A folder that all processes reach by its path: everything is in it.

    Raises `StoreError` where the path is a file.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.address = str(folder.resolve())
        self.outbox = folder / "packs"
        if folder.exists() and not folder.is_dir():
            raise StoreError(f"Expected a folder, got the file {folder}: name another place for the store.")

    @property
    def marker(self) -> bytes | None:
        check_plain(self.folder / MARKER)
        try:
            return (self.folder / MARKER).read_bytes()
        except FileNotFoundError:
            return None

    @property
    def others(self) -> list[str] | None:
        try:
            # Names that begin with a dot are nobody's work: our temporary files, or a desktop's notes.
            return sorted(name for name in os.listdir(self.folder) if name[0] != ".")
        except FileNotFoundError:
            return None

    def mark(self, content: dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.require_writable()
        publish_json(self.folder, MARKER, content)

    def require_writable(self) -> None:
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise StoreError(
                f"Expected a folder that can be written to, got {self.folder}. "
                "Try another store, or open this one with readonly=True to look at it."
            )

    def names(self) -> set[str]:
        try:
            return visible(os.listdir(self.outbox))
        except FileNotFoundError:
            return set()

    def files(self, names: Iterable[str]) -> Iterator[tuple[str, Path]]:
        return ((name, self.outbox / name) for name in names)

    def mend(self, name: str) -> bool:
        return False

    def send(self) -> None:
        pass  # a pack in this outbox is published

    def light(self, beacon: str) -> None:
        pass  # whoever sees the folder sees the beacon's file

    def put_out(self, beacon: str) -> None:
        pass

    def is_lit(self, beacon: str) -> bool:
        return (self.running / beacon).exists()
