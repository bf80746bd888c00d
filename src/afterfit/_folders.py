"""Folders outside a store that the rooms have in common."""

import os
import pathlib


def cache_folder() -> pathlib.Path:
    """Where compiled programs and downloaded data go: `AFTERFIT_CACHE`, or the user's cache folder."""
    chosen = os.environ.get("AFTERFIT_CACHE")
    if chosen:
        return pathlib.Path(chosen)
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "afterfit"
