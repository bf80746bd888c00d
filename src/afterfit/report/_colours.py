"""Colours that can be told apart on white and on dark paper."""

from collections.abc import Sequence

import numpy as np

from ._runs import COLOURS, Runs


PAIR = {"light": ("#c2571a", "#2457a6"), "dark": ("#f0a05c", "#7fb2ff")}  # train, test

# Ordered values run along a ramp whose ends keep a contrast of 3 with the paper.
_RAMPS = {
    "light": ("#e08214", "#c8385a", "#7b2a9e", "#1d1f6f"),
    "dark": ("#8f9bff", "#d679e0", "#ff8a7a", "#ffe08a"),
}
_KINDS = {
    "light": ("#2457a6", "#c2571a", "#1b7f5c", "#97339a", "#8a6d00", "#c0304b", "#3f8fb5", "#555b66"),
    "dark": ("#7fb2ff", "#f0a05c", "#5fd0a5", "#dd8ae0", "#e0c050", "#ff8095", "#7fd0ee", "#b4bac6"),
}


def palette(count: int, ordered: bool, theme: str) -> list[str]:
    """`count` colours for "light" or "dark" paper: a ramp for ordered values, else distinct hues."""
    if not ordered:
        return [_KINDS[theme][place % len(_KINDS[theme])] for place in range(count)]
    stops = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in _RAMPS[theme]])
    at = np.linspace(0, len(stops) - 1, count)
    mixed = np.stack([np.interp(at, np.arange(len(stops)), channel) for channel in stops.T], axis=1)
    return ["#" + "".join(f"{round(channel):02x}" for channel in colour) for colour in mixed.tolist()]


def line_colours(runs: Runs, theme: str) -> Sequence[str]:
    """The colours of `runs.colours`, or of train and test; a value keeps its own while others come and go."""
    if runs.colour is None:
        return PAIR[theme]
    values, ordered = len(runs.colour.labels), runs.colour.ordered
    if values > COLOURS:  # too many to have one each
        return palette(len(runs.colours), ordered, theme)
    colours = palette(values, ordered, theme)
    return [colours[place] for place in runs.colours]
