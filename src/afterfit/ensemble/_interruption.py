"""Signals that wait until a step of work is whole."""

import contextlib
import signal
import threading
import typing
from collections.abc import Generator


@contextlib.contextmanager
def uninterrupted(*, even_twice: bool = False) -> Generator[None]:
    """Holds SIGINT and SIGTERM back until the block is done, then delivers them.

    A second signal does not wait, unless `even_twice`. A SIGTERM that nobody handles becomes
    `KeyboardInterrupt`, so that it can be cleaned up after. Ignored signals stay ignored; outside the main
    thread, where Python delivers none, the block simply runs.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []

    def hold(number: int, frame: typing.Any) -> None:
        del frame
        if caught and not even_twice:
            raise KeyboardInterrupt
        caught.append(number)

    before: dict[int, typing.Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            before[number] = signal.signal(number, hold)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in caught:
            if before[number] is signal.SIG_DFL:
                raise KeyboardInterrupt
            signal.raise_signal(number)
