"""Figure 2b and c of Liu et al. 2023: a student's times against decay, on planted curves and a tiny run."""

import math

import numpy as np
import pytest

from afterfit.studies.omnigrok import fig2bc

from ..planted import check, DECAY, diverged, judged, planted, step_up


FIGURE = fig2bc.FIGURE
START, CRITICAL = 17.0, 10.0  # norms at the start, and where networks generalise
DRIFT = math.log(START / CRITICAL) / fig2bc.RATE  # steps from one to the other at decay 1
ROUNDING = 0.08  # recorded steps lie 6% apart


def _shrinking(steps, decay, seed=0):
    return START * np.exp(-fig2bc.RATE * decay * steps)


def _results(
    *,
    fitted=lambda decay, seed: 600,
    late=lambda decay, seed: DRIFT / decay,
    without=lambda seed: 0.16,
    small=lambda decay, seed: 1200,
    norm=_shrinking,
):
    """Students that fit and generalise at these steps; `without` is what they get to without decay."""

    def large(steps, place):
        decay, seed = place[DECAY], place["seed"]
        return {
            "train_accuracy": step_up(steps, fitted(decay, seed)),
            "test_accuracy": step_up(steps, late(decay, seed)) if decay else without(seed),
            "weight_norm": norm(steps, decay, seed),
        }

    def from_small(steps, place):
        test = step_up(steps, small(place[DECAY], place["seed"]))
        return {"train_accuracy": step_up(steps, 800), "test_accuracy": test}

    return planted(FIGURE, {"large": large, "small": from_small})


def _never(decay, seed):
    return math.inf


@pytest.mark.parametrize(
    ("claim", "curves", "verdict", "value"),
    [
        ("none without decay", {}, "holds", 0.16),
        ("none without decay", {"without": lambda seed: 0.7}, "fails", 0.7),
        ("none without decay", {"without": lambda seed: 0.3 + 0.1 * seed}, "undecided", 0.5),
        ("late with little decay", {}, "holds", DRIFT / 0.03 / 600),
        ("late with little decay", {"late": _never}, "holds", 1e5 / 600),  # at least
        ("late with little decay", {"late": lambda decay, seed: 1200}, "fails", 2),
        ("late with little decay", {"late": lambda decay, seed: 3000 * 2**seed}, "undecided", 20),
        ("late with little decay", {"fitted": _never}, "undecided", None),
        ("soon with much decay", {}, "holds", 0.03),
        ("soon with much decay", {"late": lambda decay, seed: 9000}, "fails", 1),
        (
            "soon with much decay",
            {"late": lambda decay, seed: 9e4 if decay < 1 else 2000 * 2**seed},
            "undecided",
            8 / 90,
        ),
        ("soon with much decay", {"late": _never}, "undecided", None),
        ("no delay from small norm", {}, "holds", 1.5),
        ("no delay from small norm", {"small": lambda decay, seed: 1200 if decay else 8000}, "fails", 10),
        (
            "no delay from small norm",
            {"small": lambda decay, seed: math.inf if decay else 1200},
            "fails",
            125,
        ),
        (
            "no delay from small norm",
            {"small": lambda decay, seed: 1200 if seed > 1 else 8000},
            "undecided",
            10,
        ),
        ("drift", {}, "holds", 1),
        ("drift", {"norm": lambda steps, decay, seed: _shrinking(steps, 2 * decay)}, "fails", 0.5),
        ("drift", {"norm": lambda steps, decay, seed: START}, "fails", math.inf),
        ("drift", {"late": _never}, "undecided", None),
        ("inverse law", {"late": lambda decay, seed: 5000 if decay > 0.2 else math.inf}, "undecided", None),
    ],
)
def test_times(claim, curves, verdict, value):
    check(FIGURE, claim, _results(**curves), verdict, value, rel=ROUNDING)


@pytest.mark.parametrize(
    ("norm", "verdict"),
    [
        (lambda decay, seed: 10.0, "holds"),
        (lambda decay, seed: 10 * decay**0.1, "holds"),
        (lambda decay, seed: 10 * decay**0.3, "fails"),
        (lambda decay, seed: 18.0 if seed == 4 else 10.0, "undecided"),
    ],
)
def test_the_norm_at_which_networks_generalise(norm, verdict):
    # At all other steps it is another one.
    def curve(steps, decay, seed):
        here = np.arange(len(steps)) == np.searchsorted(steps, DRIFT / max(decay, 0.03))
        return np.where(here, norm(max(decay, 0.03), seed), START)

    values = np.array([[norm(decay, seed) for decay in fig2bc.DECAYS] for seed in range(5)])
    results = _results(norm=curve)
    np.testing.assert_allclose(fig2bc.crossing_norms(results), values, rtol=1e-6)
    check(FIGURE, "one critical norm", results, verdict, values.std() / values.mean())


@pytest.mark.parametrize(
    ("claim", "exponent", "verdict"),
    [
        ("inverse law", 1.0, "holds"),
        ("inverse law", 0.4, "fails"),
        ("inverse law", 0.75, "undecided"),
        ("training time", 0.0, "holds"),
        ("training time", 0.5, "fails"),
    ],
)
def test_exponents(claim, exponent, verdict):
    chance = np.exp(0.1 * np.random.default_rng(3).normal(size=(5, 2 + len(fig2bc.DECAYS))))

    def time(decay, seed):
        return 1500 * max(decay, 0.03) ** -exponent * chance[seed, (0.0, *fig2bc.DECAYS).index(decay)]

    found = judged(FIGURE, claim, _results(**{"late" if claim == "inverse law" else "fitted": time}))
    assert found.verdict == verdict and found.value == pytest.approx(exponent, abs=0.05)
    low, high = found.interval or (math.nan, math.nan)
    assert low < exponent < high and (found.seeds, found.runs) == (5, 35)


def test_a_student_that_diverged_has_no_norm_and_leaves_its_seed_open():
    results = _results()
    broken = diverged(diverged(results, "large", 39, 0), "small", 0, 10)
    norms = fig2bc.crossing_norms(broken)
    assert np.isnan(norms[4, -1]) and np.isfinite(norms).sum() == 34
    assert judged(FIGURE, "drift", broken).runs == 34
    # It has not shown that it does not generalise.
    assert judged(FIGURE, "none without decay", broken).verdict == "holds"
    assert judged(FIGURE, "none without decay", diverged(broken, "large", 0, 60)).verdict == "undecided"
    assert judged(FIGURE, "no delay from small norm", broken).note.endswith("4 of 5 seeds")


def test_the_table_has_every_run_with_its_norm():
    rows = fig2bc.table(_results())
    assert len(rows) == 35 and {row["weight_decay"] for row in rows} == set(fig2bc.DECAYS)
    assert all(row["norm"] == pytest.approx(CRITICAL, rel=0.04) for row in rows)
    assert all(row["generalised"] >= DRIFT / row["weight_decay"] for row in rows)


def test_smoke(reproduced, tmp_path):
    rows = reproduced(FIGURE)
    assert [row["verdict"] for row in rows] == ["undecided"] * len(FIGURE.claims)
    assert len((tmp_path / "out" / "fig2bc.csv").read_text().splitlines()) == 1 + 2 * 2
    assert (tmp_path / "out" / "fig2bc.svg").stat().st_size > 10_000
