"""What words on the command line must be: checks for `argparse`, each with a message of what to do."""

import argparse
import contextlib
import difflib
import math
from collections.abc import Callable


def one_of(what: str, *names: str) -> Callable[[str], str]:
    """A check that a word is one of some names; the message has the nearest."""

    def check(word: str) -> str:
        if word in names:
            return word
        close = difflib.get_close_matches(word, names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(names)}"
        raise argparse.ArgumentTypeError(f"unknown {what} {word!r}: {hint}")

    return check


def positive(unit: str) -> Callable[[str], float]:
    """A check that a word is a positive number."""

    def check(word: str) -> float:
        with contextlib.suppress(ValueError):
            if 0 < float(word) < math.inf:
                return float(word)
        raise argparse.ArgumentTypeError(f"needs a positive number of {unit}, got {word!r}")

    return check


def count(text: str) -> int:
    """A positive whole number."""
    with contextlib.suppress(ValueError):
        if int(text) > 0:
            return int(text)
    raise argparse.ArgumentTypeError(f"needs a positive whole number, got {text!r}")


def shard(text: str) -> tuple[int, int]:
    """One of N shards, as I/N."""
    index, _, count = text.partition("/")
    with contextlib.suppress(ValueError):
        if 1 <= int(index) <= int(count):
            return int(index), int(count)
    raise argparse.ArgumentTypeError(f"needs I/N with I from 1 to N, such as 3/16, got {text!r}")


def port(text: str) -> int:
    """A port of this machine."""
    with contextlib.suppress(ValueError):
        if 0 < int(text) < 65536:
            return int(text)
    raise argparse.ArgumentTypeError(f"needs a number from 1 to 65535, got {text!r}")
