"""What can go wrong with a store, in words."""

import errno
from pathlib import Path


class StoreError(ValueError):
    """The store cannot do what was asked; the message says why and what to try."""


class StoreBusy(StoreError):
    """Another living process is training some of the runs that were claimed."""


class StoreWarning(UserWarning):
    """Something in the store is damaged and was passed over; the message says what it costs."""


def explain(error: OSError, path: Path, needed: int = 0) -> StoreError:
    """The `StoreError` for an operating system's error while writing `path` (`needed` bytes)."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            f"No space left on the disk (or in the quota) of {path.parent}: {path.name} needs "
            f"{readable(needed)}. Everything already stored is intact. Make room and start again: "
            "the store goes on from there."
        )
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return StoreError(
            f"Expected a folder that can be written to, got {path.parent} ({error.strerror}). "
            "Try another store, or open this one with readonly=True to look at it."
        )
    return StoreError(
        f"Could not write {path}: {error.strerror or error}. Everything already stored is intact."
    )


def check_plain(path: Path) -> None:
    """Raises `StoreError` for a pipe, a device or a folder in a file's place: opening a pipe may never end.

    What is not there is somebody else's matter.
    """
    if path.exists() and not path.is_file():
        raise StoreError(f"{path} is no plain file, and afterfit puts none there: move it elsewhere.")


def damage(where: Path | str) -> StoreError:
    """The error for a file, or an object at an address, whose content is not what was written."""
    return StoreError(
        f"{where} is damaged: its content is not what its name says (a failing disk, an edit, a new name). "
        "Try a backup of it, or delete it: its runs are trained again when they are asked for."
    )


def readable(size: int) -> str:
    """A number of bytes for people: 1234567 is `1.2 MB`."""
    amount = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
