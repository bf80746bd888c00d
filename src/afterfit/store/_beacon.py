"""Beacons: how workers learn that the driver which sent them has been stopped."""

import contextlib
import os
import re
import secrets
import types
from typing import Self

from ._disk import hold, is_held, locked
from ._error import StoreError
from ._shared import AbstractShared


_NAME = re.compile(r"beacon-[0-9a-f]{16}")


class Beacon:
    """A file that says: go on. Made by `Store.beacon`; lit until the `with` block ends or `put_out`.

    It burns on where a driver dies without a word: its workers then finish what they have in hand. A file
    whose driver is dead is removed by the next one.
    """

    def __init__(self, shared: AbstractShared):
        self.name = f"beacon-{secrets.token_hex(8)}"
        self._shared = shared
        running = shared.running
        with locked(running / "lock"):  # a beacon that is not held yet would be taken for a dead one
            for name in os.listdir(running):
                if _NAME.fullmatch(name) and not is_held(running / name):
                    self._remove(name)
            self._lock: int | None = hold(running / self.name)
        try:
            shared.light(self.name)
        except BaseException:
            self.put_out()
            raise

    def put_out(self) -> None:
        """Tells the workers to stop at the next resume point.

        Where the network fails nothing is raised, as the driver may be on its way out with another error. The
        workers then finish what they have in hand.
        """
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        self._remove(self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self.put_out()

    def _remove(self, name: str) -> None:
        """Puts a beacon out that nobody holds; if that fails its file stays, for the next driver to try."""
        with contextlib.suppress(OSError, StoreError):
            self._shared.put_out(name)
            (self._shared.running / name).unlink()
