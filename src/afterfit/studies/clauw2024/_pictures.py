"""Figures 2 to 4: progress curves of synergy and redundancy, their plane, and phases."""

import typing
from collections.abc import Callable

import numpy as np

from ...ensemble import Sweep
from ...statistics import information_phases
from .._draw import COLOURS, panels
from .._study import Claim, Figure, Scale
from ._course import Course, courses, Select
from ._networks import LABELS, LIMITS, TIES


if typing.TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure
    import xarray

LINES = (
    ("synergy", "synergy", COLOURS[0]),
    ("redundancy", "redundancy", COLOURS[1]),
    ("size", "size of the most synergistic set", COLOURS[4]),
    ("test_loss", "test loss", COLOURS[2]),
)


def story(
    name: str,
    title: str,
    sweeps: Callable[[Scale], dict[str, Sweep]],
    claims: tuple[Claim, ...],
    select: Select,
) -> Figure:
    """A figure that follows synergy and redundancy through the training of some runs."""
    return Figure(
        name,
        title,
        sweeps,
        claims,
        chart=lambda results: _chart(select(results)),
        table=lambda results: _rows(select(results)),
        note=LIMITS,
    )


def _chart(data: "xarray.Dataset") -> "matplotlib.figure.Figure":
    """For each rule of ties: measures over their highest value against steps, in bits, and the plane."""
    figure, axes = panels(len(TIES), 3, width=3.8, height=2.6)
    for row, ties in zip(axes, TIES, strict=True):
        found = courses(data, ties)
        _draw_progress(row[0], found)
        row[0].set_title(LABELS[ties])
        _draw_bits(row[1], found)
        _draw_plane(row[2], found[0])
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=5, frameon=False)
    return figure


def _draw_progress(ax: "matplotlib.axes.Axes", found: list[Course]) -> None:
    """Each measure over its highest value in its own run from step 1 on; thin: runs, thick: medians."""
    steps = found[0].steps
    for name, label, colour in LINES:
        table = np.stack([_over_highest(getattr(one, name)) for one in found])
        for one in table:
            ax.plot(steps[1:], one[1:], color=colour, alpha=0.25, linewidth=0.6)
        ax.plot(steps[1:], np.nanmedian(table, axis=0)[1:], color=colour, label=label, linewidth=1.4)
    _draw_accuracy(ax, found)
    ax.set(xscale="log", xlabel="step", ylabel="share of the highest value", ylim=(-0.05, 1.05))


def _draw_bits(ax: "matplotlib.axes.Axes", found: list[Course]) -> None:
    """Synergy and redundancy in bits, and the phases of the first run as bands."""
    steps = found[0].steps
    for name, label, colour in LINES[:2]:
        table = np.stack([getattr(one, name) for one in found])
        for one in table:
            ax.plot(steps[1:], one[1:], color=colour, alpha=0.25, linewidth=0.6)
        ax.plot(steps[1:], np.median(table, axis=0)[1:], color=colour, label=label, linewidth=1.4)
    for index, span in enumerate(_phases(found[0])):
        start, end = max(span.start, 1), max(span.end, 1)
        ax.axvspan(start, end, color=COLOURS[5], alpha=0.04 + 0.06 * (index % 2), linewidth=0)
        ax.annotate(
            span.phase,
            (np.sqrt(start * end), 0.98),
            xycoords=("data", "axes fraction"),
            rotation=90,
            fontsize=5,
            ha="center",
            va="top",
        )
    _draw_accuracy(ax.twinx(), found)
    ax.set(xscale="log", xlabel="step", ylabel="bits")
    ax.set_title("phases of the first run", fontsize=7)


def _draw_accuracy(ax: "matplotlib.axes.Axes", found: list[Course]) -> None:
    table = np.stack([one.test_accuracy for one in found])
    ax.plot(found[0].steps[1:], np.median(table, axis=0)[1:], ":", color="black", label="test accuracy")
    ax.set_ylim(-0.05, 1.05)


def _draw_plane(ax: "matplotlib.axes.Axes", run: Course) -> None:
    """Synergy against redundancy of one run, coloured by log step."""
    late = run.steps > 0
    ax.plot(run.redundancy[late], run.synergy[late], color="grey", linewidth=0.4)
    shown = ax.scatter(
        run.redundancy[late], run.synergy[late], c=np.log10(run.steps[late]), s=9, cmap="viridis", zorder=2
    )
    ax.figure.colorbar(shown, ax=ax, label="log10 step")
    ax.set(xlabel="redundancy, bits", ylabel="synergy, bits", title="first run")


def _phases(run: Course) -> list[typing.Any]:
    """The phases of a run from step 1 on."""
    late = run.steps > 0
    return information_phases(run.steps[late], run.synergy[late], run.redundancy[late], run.test_loss[late])


def _over_highest(values: np.ndarray) -> np.ndarray:
    highest = np.nanmax(values[1:])
    return values / highest if highest > 0 else np.full_like(values, np.nan)


def _rows(data: "xarray.Dataset") -> list[dict[str, typing.Any]]:
    """Medians over initial values at each step, and the phases of each run."""
    found: list[dict[str, typing.Any]] = []
    for ties in TIES:
        runs = courses(data, ties)
        for index, step in enumerate(runs[0].steps):
            row: dict[str, typing.Any] = {"ties": ties, "step": int(step)}
            for name in ("synergy", "redundancy", "size", "train_accuracy", "test_accuracy", "test_loss"):
                row[name] = float(np.median([getattr(one, name)[index] for one in runs]))
            found.append(row)
        for number, run in enumerate(runs):
            found += [
                {"ties": ties, "run": number, "phase": span.phase, "start": span.start, "end": span.end}
                for span in _phases(run)
            ]
    return found
