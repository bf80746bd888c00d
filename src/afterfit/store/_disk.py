"""Publishing files whole or not at all, and locks that die with their process."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ._error import explain, StoreError


DIGEST = 32  # hexadecimal digits of a sha256 that a file's name carries
_OWNER = "~"  # ends the owner's name inside the name of a temporary file


def publish(folder: Path, name: str, parts: Iterable[bytes | np.ndarray], size: int, owner: str = "") -> Path:
    """Writes a file aside, flushes it to the disk and renames it, so that readers see all of it or nothing.

    `{digest}` in `name` becomes the sha256 of the content (32 hexadecimal digits). `owner` marks the
    temporary file, so that it can be swept when its session is dead. Raises `StoreError`, and leaves
    nothing behind.
    """
    temporary = folder / f".{owner}{_OWNER}{secrets.token_hex(6)}.tmp"
    digest = hashlib.sha256()
    try:
        with open(temporary, "xb", buffering=1 << 20) as file:
            for part in parts:
                # Arrays go as bytes because bfloat16 has no buffer protocol.
                whole = part if isinstance(part, bytes) else part.reshape(-1).view(np.uint8).data
                digest.update(whole)
                file.write(whole)
            file.flush()
            os.fsync(file.fileno())
        path = folder / name.format(digest=digest.hexdigest()[:DIGEST])
        os.rename(temporary, path)
        sync(folder)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise explain(error, folder / name.replace("{digest}", "*"), size) from error
        raise
    return path


def publish_json(folder: Path, name: str, content: Any) -> Path:
    """`publish` of a small JSON file."""
    text = (json.dumps(content, indent=1) + "\n").encode()
    return publish(folder, name, [text], len(text))


def owner(temporary: str) -> str:
    """The session that a temporary file's name belongs to."""
    return temporary[1:].partition(_OWNER)[0]


def temporaries(folder: Path) -> list[Path]:
    """The unfinished files of a folder."""
    return [path for path in folder.glob(".*.tmp") if _OWNER in path.name]


def sync(folder: Path) -> None:
    """Flushes a folder's list of names to the disk; without it a power loss may undo a rename."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that cannot flush a folder
            raise
    finally:
        os.close(handle)


def flush(folder: Path) -> None:
    """`sync` that raises `StoreError`."""
    try:
        sync(folder)
    except OSError as error:
        raise explain(error, folder) from error


def digest_of(path: Path) -> str:
    """The digest that `publish` would give to the file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGEST]


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, empty where the file is missing or damaged (claims and locks inform, nothing more)."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def hold(path: Path) -> int:
    """Takes a file's exclusive lock, waiting for it, and returns the handle: close it to let go.

    The kernel frees the lock when the process ends, however it ends. A *forked* child shares the handle and
    keeps the lock alive; children that are spawned do not.
    """
    # A link is not followed: whoever may write to a store could have files made elsewhere.
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """Holds a file's exclusive lock for the length of a `with` block."""
    try:
        handle = hold(path)
    except OSError as error:
        raise explain(error, path) from error
    try:
        yield
    finally:
        os.close(handle)


def is_held(path: Path) -> bool:
    """Whether a living process holds the file's lock. Askers share the lock, so they never see each other."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreError(f"Could not ask whether {path} is locked: {error.strerror}.") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def remove_folder(folder: Path) -> None:
    """Makes a folder vanish at once, then deletes what was in it."""
    aside = folder.with_name(f".old-{folder.name}-{secrets.token_hex(3)}")
    with contextlib.suppress(FileNotFoundError):
        os.rename(folder, aside)
    shutil.rmtree(aside, ignore_errors=True)
