"""Errors in the middle of training, told to the person whose code raised them."""

import itertools
import pathlib
import re
import sysconfig
import traceback
import types
from collections.abc import Iterator

import jax


_PACKAGE = pathlib.Path(__file__).parent
_STANDARD = pathlib.Path(sysconfig.get_path("stdlib"))
_MOST_LINES = 4  # of a message: JAX adds pages
_TRACEBACK = (
    "Traceback (most recent call last):"  # the error of a callback is text in the message of JAX's own
)
_DEVICE_CODES = ("ABORTED", "CANCELLED", "DATA_LOSS", "INTERNAL", "UNAVAILABLE", "UNKNOWN")
_FRAME = re.compile(r'File "(?P<file>.+)", line (?P<line>\d+), in (?P<name>\S+)')


def told(error: BaseException) -> str:
    """An error with its traceback, as text that ends with the error's own words."""
    whole = traceback.TracebackException.from_exception(error)
    whole.__notes__ = None  # JAX says of each that it has left frames out
    return "".join(whole.format())


def own_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """The frames of an error that lie in a user's own files, outermost first.

    Neither those of this package, the standard library and installed packages, nor those that called this
    package, count.
    """
    return [frame for frame in _inside(error.__traceback__) if not _is_library(frame.filename)]


def of_the_device(error: BaseException) -> bool:
    """Whether it was the device or its runtime that failed, as far as the message of JAX tells.

    Callbacks of a user's share a code with broken hardware, but their message holds a traceback.
    """
    text = str(error)
    return (
        isinstance(error, jax.errors.JaxRuntimeError)
        and text.startswith(_DEVICE_CODES)
        and _TRACEBACK not in text
    )


def describe_failure(error: Exception) -> str:
    """What went wrong, and where: in the user's files, or else in ours."""
    paragraph = str(error).strip().split("\n\n")[0].split("\nThe error occurred while tracing")[0]
    name = type(error).__name__
    lines = (f"{name}: {paragraph}" if paragraph else name).splitlines()[:_MOST_LINES]
    own = own_frames(error)
    if _TRACEBACK in paragraph:
        lines = [paragraph.splitlines()[-1]]
        own = [*own, *_called_back(paragraph)]
    ours = [
        frame for frame in _inside(error.__traceback__) if _PACKAGE in pathlib.Path(frame.filename).parents
    ]
    for frame in own or ours[-1:]:
        lines.append(f"  in {frame.filename}, line {frame.lineno}, {frame.name}: {frame.line}")
    if name.startswith(("Tracer", "Concretization")):
        lines.append("  Values are not known while a program is compiled: jnp.where chooses, `if` cannot.")
    if not own:
        lines.append(
            "  If parts of this recipe are your own, look there; `afterfit doctor` shows the machine."
        )
    return "\n".join(lines)


def _called_back(text: str) -> Iterator[traceback.FrameSummary]:
    """The frames of a traceback that lie in a user's own files."""
    for found in _FRAME.finditer(text.partition(_TRACEBACK)[2]):
        if not _is_library(found["file"]):
            yield traceback.FrameSummary(found["file"], int(found["line"]), found["name"])


def _inside(trace: types.TracebackType | None) -> Iterator[traceback.FrameSummary]:
    """Frames from the first of this package on."""
    return itertools.dropwhile(
        lambda frame: _PACKAGE not in pathlib.Path(frame.filename).parents, traceback.extract_tb(trace)
    )


def _is_library(filename: str) -> bool:
    path = pathlib.Path(filename)
    return (
        filename.startswith("<")
        or not {"site-packages", "dist-packages"}.isdisjoint(path.parts)
        or not {_PACKAGE, _STANDARD}.isdisjoint(path.parents)
    )
