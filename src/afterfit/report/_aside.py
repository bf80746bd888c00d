"""Files that are replaced only once the new one is complete."""

import contextlib
import pathlib
from collections.abc import Generator


@contextlib.contextmanager
def written_aside(target: pathlib.Path) -> Generator[pathlib.Path]:
    """Where to write, inside a `with` block, what becomes `target` when the block ends well.

    **Raises:** `ValueError` if it cannot be written: it is a folder, its folder does not exist or cannot be
    written to, the disk is full. What was at `target` is still there then.
    """
    if target.is_dir():
        raise ValueError(f"{target} is a folder: name a file in it.")
    if not target.parent.is_dir():
        raise ValueError(f"there is no folder {target.parent} to put {target.name} into: make it first.")
    if target.exists() and not target.is_file():  # /dev/stdout: nothing to protect, and not to be replaced
        yield target
        return
    target = target.resolve()  # a link stays a link
    aside = target.with_name(f".{target.name}.part")
    try:
        yield aside
        aside.replace(target)
    except OSError as error:
        raise ValueError(
            f"cannot write {target}: {error.strerror or error}. Name a file somewhere else."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()
