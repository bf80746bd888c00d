"""Phases of learning of the toy: on planted times, and a tiny run."""

import math

import numpy as np
import pytest

from afterfit.studies.omnigrok import phases

from ..planted import check, diverged, judged, planted, step_up


FIGURE = phases.FIGURE
RATES, DECAYS = phases.RATES["laptop"], phases.DECAYS["laptop"]
TIMES = {
    "confusion": (math.inf, math.inf),
    "memorisation": (100, math.inf),
    "grokking": (100, 2000),
    "comprehension": (100, 600),
}


def _by_decay(decay, rate, seed):
    """All four phases."""
    if rate < 2e-4:
        return "confusion"
    return "memorisation" if decay == 0 else "grokking" if decay < 2 else "comprehension"


def _results(phase=_by_decay):
    def rule(steps, place):
        fitted, learned = TIMES[phase(place[phases.DECAY], place[phases.RATE], place["seed"])]
        return {"train_accuracy": step_up(steps, fitted), "test_accuracy": step_up(steps, learned)}

    return planted(FIGURE, {"phases": rule})


def test_each_run_has_its_phase():
    found = phases.phases(_results())
    assert found.shape == (3, len(DECAYS), len(RATES))
    expected = [[phases.PHASES.index(_by_decay(decay, rate, 0)) for rate in RATES] for decay in DECAYS]
    np.testing.assert_array_equal(found, [expected] * 3)


def test_what_answers_the_test_set_alone_is_confused(monkeypatch):
    monkeypatch.setitem(TIMES, "grokking", (math.inf, 600))
    assert (phases.phases(_results(lambda decay, rate, seed: "grokking")) == 0).all()


def test_a_thousand_steps_make_the_difference(monkeypatch):
    monkeypatch.setitem(TIMES, "grokking", (100, 1050))
    assert (phases.phases(_results(lambda decay, rate, seed: "grokking")) == 3).all()


@pytest.mark.parametrize(
    ("claim", "phase", "verdict", "value"),
    [
        ("four phases", _by_decay, "holds", 4),
        ("four phases", lambda decay, rate, seed: "memorisation" if decay == 0 else "grokking", "fails", 2),
        (
            "four phases",
            lambda decay, rate, seed: _by_decay(decay, rate, seed) if seed else "grokking",
            "undecided",
            4,
        ),
        ("decay helps", _by_decay, "holds", 6 / 7),
        ("decay helps", lambda decay, rate, seed: "grokking", "fails", 0),
        ("decay helps", lambda decay, rate, seed: "grokking" if decay == 0 else "memorisation", "fails", -1),
        # One decay of five that helps is not the median.
        ("decay helps", lambda decay, rate, seed: "grokking" if decay == 1 else "memorisation", "fails", 0),
        (
            "decay helps",
            lambda decay, rate, seed: "grokking" if decay or not seed else "confusion",
            "undecided",
            1,
        ),
    ],
)
def test_the_claims(claim, phase, verdict, value):
    check(FIGURE, claim, _results(phase), verdict, value)


def test_shares_are_told():
    note = judged(FIGURE, "four phases", _results()).note
    assert note.startswith("confusion 14%, memorisation 14%, grokking 29%, comprehension 43%")


def test_a_run_that_diverged_learned_nothing():
    found = phases.phases(diverged(_results(), "phases", len(RATES) * len(DECAYS) * 3 - 1, 5))
    assert found[2, -1, -1] == 0 and (found[:2, -1, -1] == 3).all()


def test_smoke(reproduced, tmp_path):
    rows = reproduced(FIGURE)
    assert [row["verdict"] for row in rows] == ["undecided"] * len(FIGURE.claims)
    lines = (tmp_path / "out" / "phases.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * 2 * 2 and any(name in lines[1] for name in phases.PHASES)
