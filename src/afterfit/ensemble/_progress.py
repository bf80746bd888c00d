"""What a sweep tells while it runs."""

import dataclasses
import math
import sys
import time
import typing


_ENDS = ("done", "stopped")  # phases after which nothing follows
ROUNDS_TO_KNOW = 3
"""Rounds of training before which a speed says little: the first ones are short and full of records."""


@dataclasses.dataclass
class Progress:
    """Where a sweep stands."""

    runs: int
    noun: str = "runs"  # or what else is trained, for runs to begin from
    done: int = 0  # runs ended, whatever their outcome, this time
    stored: int = 0  # runs that the store already had
    diverged: int = 0
    active: int = 0
    steps: int = 0  # steps taken this time
    steps_to_go: int = 0  # of this pack, at most: a run may stop early
    steps_later: int = 0  # of packs to come
    steps_per_second: float = 0.0  # model steps, all runs together
    programs: int = 0  # programs compiled
    compile_seconds: float = 0.0
    rounds: int = 0  # of training
    phase: str = "preparing"
    train_accuracy: float = float("nan")  # median over active runs, last record
    test_accuracy: float = float("nan")
    started: float = dataclasses.field(default_factory=time.monotonic)

    def advance(self, steps: int, seconds: float, active: int) -> None:
        """Takes in one round of training: steps of all runs, wall seconds, runs still active."""
        self.phase = "training"
        self.active = active
        self.steps += steps
        self.rounds += 1
        speed = steps / max(seconds, 1e-9)
        self.steps_per_second = 0.7 * self.steps_per_second + 0.3 * speed if self.steps_per_second else speed

    @property
    def summary(self) -> dict[str, typing.Any]:
        """What others may want to know, as plain data."""
        names = ("runs", "done", "stored", "diverged", "active", "steps_per_second", "seconds_left")
        to_go = self.steps_to_go + self.steps_later
        return {name: getattr(self, name) for name in names} | {"steps_to_go": to_go}

    @property
    def seconds_left(self) -> float:
        """At the present speed; infinite while it is unknown."""
        return (
            (self.steps_to_go + self.steps_later) / self.steps_per_second
            if self.steps_per_second
            else float("inf")
        )


@typing.runtime_checkable
class Display(typing.Protocol):
    """Anything that can be called with the progress, e.g. a function that draws it."""

    def __call__(self, progress: Progress, /) -> None:
        """Shows where a sweep stands; called about once a second."""


def silent(progress: Progress) -> None:
    """Shows nothing."""
    del progress


class Terminal:
    """A live line on a terminal and in a notebook; elsewhere a plain line every ten seconds."""

    def __init__(self, stream: typing.TextIO | None = None):
        self._stream = stream or sys.stderr
        self._notebook = None if stream else _notebook()
        self._output: typing.Any = None  # of a notebook's cell
        self._live: typing.Any = None
        self._last = 0.0
        self._phase = ""

    def __call__(self, progress: Progress) -> None:
        if self._notebook is not None:
            self._replace(self._notebook, describe(progress))
            if progress.phase in _ENDS:
                self._output = None
            return
        if self._stream.isatty():
            self._show(progress)
            return
        now = time.monotonic()
        if now - self._last >= 10 or progress.phase != self._phase:
            self._last, self._phase = now, progress.phase
            print(describe(progress), file=self._stream, flush=True)

    def _replace(self, notebook: typing.Any, line: str) -> None:
        """Puts a line in the place of the one before."""
        content = {"text/plain": line}
        if self._output is None:
            self._output = notebook.display(content, raw=True, display_id=True)
        else:
            self._output.update(content, raw=True)

    def _show(self, progress: Progress) -> None:
        if self._live is None:
            import rich.console
            import rich.live

            self._live = rich.live.Live(console=rich.console.Console(file=self._stream), refresh_per_second=8)
            self._live.start()
        self._live.update(describe(progress))
        if progress.phase in _ENDS:
            self._live.stop()
            self._live = None


def _notebook() -> typing.Any:
    """IPython's display module if this is a notebook, else `None`; nothing is imported to find out."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)
    return sys.modules.get("IPython.display") if hasattr(get_ipython(), "kernel") else None


def describe(progress: Progress) -> str:
    """One line that says where a sweep stands."""
    pieces = [f"{progress.done + progress.stored} of {progress.runs} {progress.noun}"]
    if progress.stored:
        pieces.append(f"{progress.stored} already stored")
    if progress.diverged:
        pieces.append(f"{progress.diverged} diverged")
    if progress.phase == "training":
        accuracy = ""  # of those in training: it falls when the first ones end
        if math.isfinite(progress.train_accuracy):  # some record has been taken
            accuracy = (
                f" with accuracy train {progress.train_accuracy:.0%}, test {progress.test_accuracy:.0%}"
            )
        pieces.append(f"{progress.active} in training{accuracy}")
        pieces.append(f"{progress.steps_per_second:,.0f} steps/s")
        if progress.rounds > ROUNDS_TO_KNOW:
            pieces.append(f"at most {duration(progress.seconds_left)} left")
    elif progress.phase == "done":
        pieces.append(f"{duration(time.monotonic() - progress.started)} in all")
        pieces.append(f"{progress.programs} program{'s' * (progress.programs != 1)} compiled")
    else:
        pieces.append(progress.phase)
    return " · ".join(pieces)


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds == float("inf"):
        return "some time"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
