"""Checks of settings that are one of a few names."""

import collections.abc
import difflib

from .._sizes import MOST


def check_choice(field: str, value: object, allowed: collections.abc.Iterable[str]) -> None:
    """Raise `ValueError` naming the field, the value, what is allowed and the nearest valid name."""
    names = tuple(allowed)
    if value in names:
        return
    near = difflib.get_close_matches(str(value), names, n=1, cutoff=0.5)
    advice = f"did you mean '{near[0]}'?" if near else f"use one of {', '.join(map(repr, names))}."
    raise ValueError(f"unknown {field} {value!r}: {advice}")


MOST_LAYERS = 256
"""Each is a part of the program: thousands would be compiled for hours, until the memory is gone."""


def check_widths(field: str, widths: tuple[object, ...], most: int = MOST) -> None:
    """Raise `ValueError` unless every width is an integer from 1 to `most`."""
    if len(widths) > MOST_LAYERS:
        raise ValueError(f"{field} must name at most {MOST_LAYERS} layers, got {len(widths):,}.")
    for width in widths:
        if not isinstance(width, int) or isinstance(width, bool) or width < 1:
            raise ValueError(f"{field} must consist of integers of at least 1, got {width!r}.")
        if width > most:
            raise ValueError(f"{field} must consist of integers of at most {most:,}, got {width!r}.")
