"""Beacons: how workers learn that the driver which sent them has been stopped."""

import contextlib
import os
import re
import secrets
import types
from pathlib import Path
from typing import Self

from ._disk import hold, is_held, locked


_NAME = re.compile(r"beacon-[0-9a-f]{16}")


class Beacon:
    """A file that says: go on. Made by `Store.beacon`; lit until the `with` block ends or `put_out`.

    It burns on where a driver dies without a word: its workers then finish what they have in hand. A file
    whose driver is dead is removed by the next one.
    """

    def __init__(self, running: Path):
        self.name = f"beacon-{secrets.token_hex(8)}"
        self._path = running / self.name
        with locked(running / "lock"):  # a beacon that is not held yet would be taken for a dead one
            for name in os.listdir(running):
                if _NAME.fullmatch(name) and not is_held(running / name):
                    _remove(running / name)
            self._lock: int | None = hold(self._path)

    def put_out(self) -> None:
        """Tells the workers to stop at the next resume point."""
        _remove(self._path)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self.put_out()


def is_lit(running: Path, name: str) -> bool:
    """Whether a beacon burns."""
    return (running / name).exists()


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
