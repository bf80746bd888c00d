"""Tables as puzzles: what counts as filled in, on planted networks."""

import pathlib

import numpy as np
import pytest

from afterfit.statistics import Verdict
from afterfit.studies import Results
from afterfit.studies.power2022 import fig5
from afterfit.studies.power2022.fig5 import letters, Puzzle


def planted(wrong: list[tuple[int, int]] | None = None, accuracy: float = 1.0) -> Puzzle:
    """Addition mod 11 with every third cell blank; some cells answered wrongly."""
    truth = np.add.outer(np.arange(11), np.arange(11)) % 11
    answers = truth.copy()
    for cell in wrong or []:
        answers[cell] = 12  # the token of `=`: a network may answer that, too
    blank = np.arange(121).reshape(11, 11) % 3 == 0
    return Puzzle({"seed": 0}, 100, truth, answers, blank, accuracy)


@pytest.fixture
def results(monkeypatch):
    """Results whose network is planted."""

    def plant(puzzle: Puzzle | None) -> Results:
        monkeypatch.setattr(fig5, "puzzle", lambda results: puzzle)
        return Results("laptop", fig5.sweeps("laptop"), {}, pathlib.Path())

    return plant


def test_every_blank_must_be_right(results):
    assert fig5.solved(results(planted())).verdict == Verdict.HOLDS
    blank_wrong = fig5.solved(results(planted([(10, 7)])))
    assert blank_wrong.verdict == Verdict.FAILS
    assert blank_wrong.value == pytest.approx(40 / 41)
    # A wrong answer to what was shown is not what is claimed.
    assert fig5.solved(results(planted([(0, 1)]))).verdict == Verdict.HOLDS


def test_a_corner_is_judged_by_its_own_blanks(results):
    figure = fig5.FIGURE_1_RIGHT
    outside, inside = planted([(10, 7)]), planted([(0, 0)])
    assert figure.claims[0].judge(results(outside)).verdict == Verdict.HOLDS
    assert figure.claims[0].judge(results(inside)).verdict == Verdict.FAILS
    rows = figure.table(results(inside))
    assert len(rows) == inside.corner(fig5.CORNER).blanks
    assert [row for row in rows if row["answer"] != row["truth"]] == rows[:1]


def test_nothing_is_judged_without_a_network_that_generalises(results):
    for puzzle in (None, planted(accuracy=0.998)):
        assert fig5.solved(results(puzzle)).verdict == Verdict.UNDECIDED
    assert fig5.table(results(None)) == fig5.corner_table(results(None)) == []
    assert fig5.chart(results(None)).axes[0].get_title() == "no network was kept"


def test_charts_show_blanks_answers_and_truth(results):
    puzzle = planted([(10, 7)])
    shown, answered, true = fig5.chart(results(puzzle)).axes
    counts = [len(ax.texts) for ax in (shown, answered, true)]
    assert counts == [121 - puzzle.blanks, puzzle.blanks, 121]
    small = fig5.corner_chart(results(puzzle)).axes[2]
    assert len(small.texts) == fig5.CORNER**2


def test_names_are_distinct_letters_of_three_alphabets():
    names = letters(99)
    assert len(set(names)) == len(names) >= 99  # the paper's 97 symbols, and two more tokens
    assert names[:6] == ["a", "א", "α", "b", "ב", "β"]
    assert "ς" not in names and "ם" not in names
