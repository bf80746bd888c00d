"""A store whose packs are objects of an object store, S3 for instance, reached through fsspec."""

import concurrent.futures
import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

from .._folders import cache_folder
from ._disk import digest_of, hold
from ._error import damage, explain, StoreError
from ._shared import AbstractShared, MARKER, visible


HOW_TO_GET_FSSPEC = (
    "pip install 'afterfit[object-stores]' for S3; others need fsspec and its part for them, such as gcsfs."
)
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://(.+)")
_AT_ONCE = 16  # packs that are fetched at the same time
_LOOK_EVERY = 10.0  # seconds between looks at a beacon: each is a request to the store


def is_address(text: str) -> bool:
    """Whether a text names an object store, and not a folder.

    Raises `StoreError` for what is neither: an address that has passed through a `Path`, or a folder with
    `file://` before it.
    """
    if re.match(r"(file|local):/", text):
        raise StoreError(f"Expected the path of a folder, got {text}: leave out what is before the path.")
    if re.match(r"[a-z][a-z0-9+.-]+:/(?!/)", text):
        raise StoreError(
            f"Expected a path, or an address such as s3://bucket/runs, got {text}: write // in it."
        )
    return _ADDRESS.fullmatch(text) is not None


class SharedObjects(AbstractShared):
    """The shared part of a store as objects below an address, such as `s3://bucket/runs`.

    Packs are read from this machine's folder in the user's cache, where each is fetched once, whole. All
    methods raise `StoreError` where the object store cannot be reached or refuses; nothing is lost then.
    """

    def __init__(self, address: str):
        self.address = address.rstrip("/")
        self._files, self._root = _connect(self.address)
        key = hashlib.sha256(self.address.encode()).hexdigest()[:16]
        self.folder = cache_folder() / "stores" / f"{self.address.rsplit('/', 1)[-1]}-{key}"
        self.outbox = self.folder / "unsent"
        self._fetched = self.folder / "packs"
        self._looked: dict[str, tuple[float, bool]] = {}
        try:
            for folder in (self.outbox, self._fetched):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise explain(error, self.outbox) from error

    @property
    def marker(self) -> bytes | None:
        with self._asking(), contextlib.suppress(FileNotFoundError):
            return self._files.cat_file(f"{self._root}/{MARKER}")

    @property
    def others(self) -> list[str] | None:
        return sorted(name for name in self._list("") if name[0] != ".") or None

    def mark(self, content: dict[str, Any]) -> None:
        with self._asking():
            self._files.pipe_file(f"{self._root}/{MARKER}", (json.dumps(content) + "\n").encode())

    def require_writable(self) -> None:
        # Only trying tells, and better now than after hours of training.
        probe = f"beacon-{os.urandom(8).hex()}"
        self.light(probe)
        self.put_out(probe)

    def names(self) -> set[str]:
        return visible(self._list("/packs"))

    def files(self, names: Iterable[str]) -> Iterator[tuple[str, Path]]:
        names = list(names)
        with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
            found = pool.map(self._file, names)
            yield from ((name, path) for name, path in zip(names, found, strict=True) if path is not None)

    def mend(self, name: str) -> bool:
        with self._aside(name) as handle:
            try:
                whole = f"{digest_of(self._fetched / name)}.safetensors" == name
            except OSError:  # gone, or on a part of the disk that cannot be read
                whole = False
            return whole or self._fetch(name, handle)

    def send(self) -> None:
        for path in sorted(self.outbox.glob("*.safetensors")):
            with self._asking():
                try:
                    self._files.put_file(str(path), f"{self._root}/packs/{path.name}")
                except FileNotFoundError:
                    if path.exists():
                        raise
            with contextlib.suppress(
                FileNotFoundError
            ):  # another process has sent it, and moves what it sent
                os.rename(path, self._fetched / path.name)

    def light(self, beacon: str) -> None:
        with self._asking():
            self._files.pipe_file(f"{self._root}/beacons/{beacon}", b"lit")

    def put_out(self, beacon: str) -> None:
        with self._asking(), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(f"{self._root}/beacons/{beacon}")

    def is_lit(self, beacon: str) -> bool:
        at, lit = self._looked.get(beacon, (-_LOOK_EVERY, True))
        if time.monotonic() - at > _LOOK_EVERY:
            with contextlib.suppress(StoreError):  # no news is no reason to stop
                lit = beacon in self._list("/beacons")
            self._looked[beacon] = time.monotonic(), lit
        return lit

    def _list(self, folder: str) -> list[str]:
        with self._asking():
            self._files.invalidate_cache()  # others write meanwhile
            try:
                found = self._files.ls(f"{self._root}{folder}", detail=False)
            except FileNotFoundError:  # nothing has this prefix
                return []
        return [name for path in found if (name := path.rstrip("/").rsplit("/", 1)[-1])]

    def _file(self, name: str) -> Path | None:
        """One pack on this machine, `None` where somebody has deleted it."""
        path = self._fetched / name
        if path.exists():
            return path
        with self._aside(name) as handle:
            return path if path.exists() or self._fetch(name, handle) else None

    @contextlib.contextmanager
    def _aside(self, name: str) -> Generator[int]:
        """The handle of the file that a pack is fetched to, locked, so that two who want it fetch it once."""
        try:
            handle = hold(self._fetched / f".{name}.part")
        except OSError as error:
            raise explain(error, self._fetched / name) from error
        try:
            yield handle
        finally:
            os.close(handle)

    def _fetch(self, name: str, handle: int) -> bool:
        """Whether a pack could be fetched; its file aside is locked by `handle`."""
        there, aside = f"packs/{name}", self._fetched / f".{name}.part"
        try:
            with self._asking():
                try:
                    self._files.get_file(f"{self._root}/{there}", str(aside))
                except FileNotFoundError:
                    return False
            if f"{digest_of(aside)}.safetensors" != name:
                raise damage(f"{self.address}/{there}")
            os.fsync(handle)  # else a power cut may leave the name without the content
        except BaseException:
            os.ftruncate(handle, 0)  # not removed: another process may be waiting for its lock
            raise
        os.rename(aside, self._fetched / name)
        return True

    @contextlib.contextmanager
    def _asking(self) -> Generator[None]:
        """Turns whatever a request may raise into a `StoreError`: each kind of object store has errors of its
        own."""
        try:
            yield
        except Exception as error:
            told = (str(error) or type(error).__name__).rstrip(".")
            raise StoreError(
                f"{self.address} could not be reached, or refused: {told}. Check address, network and "
                "credentials. Nothing is lost: start the same command again to go on."
            ) from error


def _connect(address: str) -> tuple[Any, str]:
    """The fsspec file system of an address, and the path of its root in it."""
    try:
        import fsspec
    except ImportError as error:
        raise StoreError(f"{address} needs fsspec, which is not installed: {HOW_TO_GET_FSSPEC}") from error
    try:
        return fsspec.url_to_fs(address)
    except ImportError as error:
        raise StoreError(f"{address} cannot be opened here: {error}. {HOW_TO_GET_FSSPEC}") from error
    except ValueError as error:
        raise StoreError(f"Expected an address that fsspec knows, got {address}: {error}.") from error
