"""Figures 5 and 1 (right): tables of operations as puzzles.

Power et al. 2022, appendix A.2 and the introduction. Training on a part of a table amounts to filling in
its blanks, as in a puzzle. Figure 5 shows a table that a network fills in perfectly, its symbols renamed
to English, Hebrew and Greek letters; the operation is not told. Figure 1 (right) shows a small table with
blanks and invites the reader to guess them.

Neither is an experiment. Here both show the network of Figure 3 that adds modulo p: what it was shown,
what it fills in, and the truth; Figure 1 (right) the corner of the first eight symbols.
"""

import dataclasses
import functools
import itertools
import typing

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Int

from ...ensemble import Sweep, sweep
from ...statistics import judge, Judgement, Verdict
from ...tasks import BinaryOperation
from .._draw import panels
from .._study import Claim, Figure, Results, Scale
from ._networks import addition, chosen_step


# --- the experiment and its axes at each scale ----------------------------------------------------

SEEDS = {"smoke": [0, 1], "laptop": [0, 1, 2], "paper": [0, 1, 2]}
CORNER = 8
"""Symbols of the small table (our choice)."""
SHOWN = 31
"""Symbols that a chart has room for."""


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """The networks of Figure 3 that add with weight decay; no further training."""
    return {"puzzle": sweep(addition(scale), {"seed": SEEDS[scale]})}


# --- the statistics -------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Puzzle:
    """A table with blanks, what a network makes of it, and the truth.

    **Fields:**

    - `place`, `step`: which network, and when.
    - `truth`, `answers`: elements, `Int["left right"]`.
    - `blank`: the cells that were never shown.
    - `accuracy`: the network's validation accuracy as recorded while it trained.
    """

    place: dict[str, typing.Any]
    step: int
    truth: Int[np.ndarray, "left right"]
    answers: Int[np.ndarray, "left right"]
    blank: Bool[np.ndarray, "left right"]
    accuracy: float

    def corner(self, size: int) -> "Puzzle":
        """The part of the table whose rows and columns are the first symbols."""
        cut = {name: getattr(self, name)[:size, :size] for name in ("truth", "answers", "blank")}
        return dataclasses.replace(self, **cut)

    @property
    def filled(self) -> int:
        """Blanks that the network fills in rightly."""
        return int(np.sum(self.blank & (self.answers == self.truth)))

    @property
    def blanks(self) -> int:
        """How many cells were never shown."""
        return int(np.sum(self.blank))


def puzzle(results: Results) -> Puzzle | None:
    """The table of the network with the best validation accuracy among those kept; `None` if none is."""
    best = None
    for place, run, records in results.records("puzzle"):
        step = chosen_step(records, 1.0)
        if step < 0:
            continue
        accuracy = float(records.values["test_accuracy"][np.searchsorted(records.steps, step)])
        if best is None or accuracy > best[0]:
            best = (accuracy, place, run, records, step)
    if best is None:
        return None
    accuracy, place, run, records, step = best
    task = typing.cast(BinaryOperation, run.experiment.task)
    # The full table is asked anew: the claim does not rest on the accuracy recorded while training.
    data, moment = task.data(run.seeds.split), results.moment(run, records, step)
    logits = np.asarray(moment.predict(jnp.asarray(data.inputs)))
    blank = np.zeros(len(data.inputs), bool)
    blank[data.rows[int(data.train_count) :][: int(data.test_count)]] = True
    shape = task.answers.shape
    answers = logits.argmax(axis=1).reshape(shape).astype(np.int64)
    return Puzzle(place, step, task.answers.astype(np.int64), answers, blank.reshape(shape), accuracy)


def solved(results: Results, size: int | None = None) -> Judgement:
    """Share of the blanks, or of those of a corner, that a network with validation 100% fills in rightly."""
    found = puzzle(results)
    if found is None or found.accuracy < 1:
        best = "none was kept" if found is None else f"best {found.accuracy:.1%}"
        return Judgement(Verdict.UNDECIDED, note=f"no network reached validation accuracy 100%: {best}")
    part = found.corner(size or len(found.truth))
    if not part.blanks:
        return Judgement(Verdict.UNDECIDED, note="this part of the table has no blanks")
    note = f"{part.filled} of {part.blanks} blanks, filled in by the network of seed {part.place['seed']}"
    return judge(part.filled / part.blanks, least=1, seeds=1, runs=1, note=note)


# --- the claims -----------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        "solved",
        "A network fills in every blank of its table of an operation.",
        "appendix A.2, Figure 5",
        "perfectly",
        solved,
    ),
)
CORNER_CLAIMS = (
    Claim(
        "guess",
        "The blanks of a small table can be guessed from the other cells.",
        "section 1, Figure 1 right",
        "left to the reader",
        functools.partial(solved, size=CORNER),
    ),
)


# --- the charts -----------------------------------------------------------------------------------


def letters(count: int) -> list[str]:
    """Names that tell nothing: letters of the English, Hebrew and Greek alphabets in turn, then capitals."""
    english = [chr(ord("a") + i) for i in range(26)]
    # Without the forms that letters take at the end of a word.
    hebrew = [chr(c) for c in range(0x5D0, 0x5EB) if c not in (0x5DA, 0x5DD, 0x5DF, 0x5E3, 0x5E5)]
    greek = [chr(c) for c in range(0x3B1, 0x3CA) if c != 0x3C2]
    mixed = [one for three in itertools.zip_longest(english, hebrew, greek) for one in three if one]
    names = mixed + [one.upper() for one in english]
    return names + [f"{name}'" for name in names][: max(0, count - len(names))]


def chart(results: Results) -> typing.Any:
    """The table as shown, as filled in, and as it is."""
    return _picture(results, SHOWN, 3.6)


def corner_chart(results: Results) -> typing.Any:
    """The corner of the first symbols as shown, as filled in, and as it is."""
    return _picture(results, CORNER, 2.0)


def _picture(results: Results, size: int, inches: float) -> typing.Any:
    figure, axes = panels(1, 3, width=inches, height=inches * 1.12)
    whole = puzzle(results)
    if whole is None:
        axes[0, 0].set_title("no network was kept")
        return figure
    part = whole.corner(size)
    names = letters(1 + int(max(part.truth.max(), part.answers.max())))
    right = part.answers == part.truth
    background = {
        "what the network is shown": np.where(part.blank, "white", "#e4e4e4"),
        "what it fills in": np.where(part.blank, np.where(right, "#bfe3d0", "#f2b8a8"), "#e4e4e4"),
        "the truth": np.where(part.blank, "#bfe3d0", "#e4e4e4"),
    }
    tables = (np.where(part.blank, -1, part.truth), np.where(part.blank, part.answers, -1), part.truth)
    for ax, (title, colours), table in zip(axes[0], background.items(), tables, strict=True):
        _draw_table(ax, table, colours, names, fontsize=min(9, inches * 40 / len(table)))
        ax.set_title(title)
    shown = "" if len(part.truth) == len(whole.truth) else f"; first {len(part.truth)} of {len(whole.truth)}"
    wrong = part.blanks - part.filled
    for ax, text in zip(
        axes[0],
        (
            f"{part.blanks} blanks{shown}\nseed {whole.place['seed']}, step {whole.step:,}",
            f"{part.filled} filled in rightly (green)\n{wrong} wrongly (red)",
            f"that is: {results.sweeps['puzzle'].experiment.task.title}",
        ),
        strict=True,
    ):
        ax.set_xlabel(text)
    return figure


def _draw_table(ax: typing.Any, table: np.ndarray, colours: np.ndarray, names: list[str], fontsize: float):
    import matplotlib.colors

    size = len(table)
    ax.imshow(matplotlib.colors.to_rgba_array(colours.ravel()).reshape(size, size, 4))
    style = dict(ha="center", va="center", fontsize=fontsize)
    for (row, column), symbol in np.ndenumerate(table):
        if symbol >= 0:
            # Thousands of cells would take the layout minutes.
            ax.text(column, row, names[symbol], **style).set_in_layout(False)
    ax.set(xticks=range(size), yticks=range(size))
    ax.set_xticklabels(names[:size], fontsize=fontsize)
    ax.set_yticklabels(names[:size], fontsize=fontsize)
    ax.tick_params(length=0, pad=1, labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)


def table(results: Results) -> list[dict[str, typing.Any]]:
    """How many blanks are filled in rightly."""
    found = puzzle(results)
    if found is None:
        return []
    return [
        {
            "seed": found.place["seed"],
            "step": found.step,
            "cells": found.truth.size,
            "blanks": found.blanks,
            "filled_rightly": found.filled,
            "test_accuracy": found.accuracy,
        }
    ]


def corner_table(results: Results) -> list[dict[str, typing.Any]]:
    """The blanks of the corner, by their letters."""
    found = puzzle(results)
    if found is None:
        return []
    part = found.corner(CORNER)
    names = letters(1 + int(max(part.truth.max(), part.answers.max())))
    return [
        {
            "left": names[left],
            "right": names[right],
            "answer": names[part.answers[left, right]],
            "truth": names[part.truth[left, right]],
        }
        for left, right in np.argwhere(part.blank)
    ]


FIGURE = Figure("fig5", "a table that the network fills in", sweeps, CLAIMS, chart, table)
FIGURE_1_RIGHT = Figure(
    "fig1-right", "a small table with blanks", sweeps, CORNER_CLAIMS, corner_chart, corner_table
)
