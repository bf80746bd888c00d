"""Folders outside a store that the rooms have in common."""

import contextlib
import os
import pathlib
import stat
import tempfile


def cache_folder() -> pathlib.Path:
    """Where compiled programs and downloaded data go: `AFTERFIT_CACHE`, or the user's cache folder.

    A user without a home folder (a container's) has one among the temporary files. Raises `PermissionError`
    where somebody else has taken its name there.
    """
    if chosen := os.environ.get("AFTERFIT_CACHE"):
        return pathlib.Path(chosen)
    if caches := os.environ.get("XDG_CACHE_HOME"):
        return pathlib.Path(caches) / "afterfit"
    try:
        return pathlib.Path.home() / ".cache" / "afterfit"
    except RuntimeError:
        return _temporary()


def _temporary() -> pathlib.Path:
    """A folder of this user alone: programs are loaded from it, and everybody may write beside it."""
    folder = pathlib.Path(tempfile.gettempdir()) / f"afterfit-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(
            f"Expected {folder} to be a folder that only user {os.getuid()} may write to: set AFTERFIT_CACHE "
            "to another one."
        )
    return folder
