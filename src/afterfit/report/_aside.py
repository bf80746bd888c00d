"""Files that are replaced only once the new one is complete."""

import contextlib
import pathlib
import secrets
from collections.abc import Generator


def inside(folder: pathlib.Path, name: str) -> pathlib.Path:
    """The place of a file in a folder that may be somebody else's.

    **Raises:** `ValueError` if it is a link that leads out of the folder, or no file.
    """
    path = folder / name
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is no file: remove it, or name another --output.")
    if folder.resolve() not in path.resolve().parents:
        raise ValueError(
            f"{path} is a link to {path.resolve()}, outside of {folder}: remove it, or name another --output."
        )
    return path


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
    aside = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")  # nobody has put a link there
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
