"""Figure 3d of Liu et al. 2023: images that are grokked, on planted curves."""

import math

import pytest

from afterfit.studies.omnigrok import fig3d

from ..planted import ALPHA, check, diverged, judged, planted, step_up, sweeps_of


FIGURE = fig3d.FIGURE
LARGE = fig3d.LARGE["laptop"]
BUDGET = sweeps_of(FIGURE, "laptop")["norms"].experiment.steps


def _results(
    *, fitted=lambda seed: 2000, late=lambda seed: 30_000, before=0.18, best=0.89, standard=(200, 300)
):
    """From the large norm a fit, a poor test accuracy before, and a late rise to the best one."""

    def rule(steps, place):
        if place[ALPHA] == 1:
            train, test = standard
            return {"train_accuracy": step_up(steps, train), "test_accuracy": step_up(steps, test, high=0.93)}
        seed = place["seed"]
        test = step_up(steps, late(seed), low=before, high=best)
        return {"train_accuracy": step_up(steps, fitted(seed)), "test_accuracy": test}

    return planted(FIGURE, {"norms": rule})


@pytest.mark.parametrize(
    ("claim", "curves", "verdict", "value"),
    [
        ("early fit", {}, "holds", 2000),
        ("early fit", {"fitted": lambda seed: 10_000}, "fails", 10_000),
        ("early fit", {"fitted": lambda seed: 2000 * 2**seed}, "undecided", 4000),
        ("early fit", {"fitted": lambda seed: math.inf}, "fails", math.inf),
        ("poor when fitted", {}, "holds", 0.18),
        ("poor when fitted", {"before": 0.5}, "fails", 0.5),
        ("poor when fitted", {"late": lambda seed: 1800}, "fails", 0.89),
        ("poor when fitted", {"fitted": lambda seed: math.inf}, "undecided", None),
        ("delay", {}, "holds", 15),
        ("delay", {"late": lambda seed: 6000}, "fails", 3),
        ("delay", {"late": lambda seed: 8000 * 2**seed}, "undecided", 8),
        ("delay", {"late": lambda seed: math.inf}, "undecided", None),
        ("delay", {"best": 0.75}, "undecided", None),
        ("delay", {"fitted": lambda seed: math.inf}, "undecided", None),
        ("generalises", {}, "holds", 0.89),
        ("generalises", {"best": 0.7}, "fails", 0.7),
        ("generalises", {"late": lambda seed: math.inf if seed else 3e4}, "undecided", 0.18),
        ("no delay from the standard norm", {}, "holds", 1.5),
        ("no delay from the standard norm", {"standard": (200, 2000)}, "fails", 10),
        ("no delay from the standard norm", {"standard": (200, math.inf)}, "undecided", BUDGET / 200),
    ],
)
def test_the_claims(claim, curves, verdict, value):
    check(FIGURE, claim, _results(**curves), verdict, value, rel=0.08)


def test_a_run_that_diverged_before_it_fitted_did_not_fit_early():
    broken = _results()
    for seed in range(3):
        broken = diverged(broken, "norms", seed, 5)
    assert judged(FIGURE, "early fit", broken).verdict == "fails"
    assert judged(FIGURE, "poor when fitted", broken).verdict == "undecided"


def test_runs_end_once_they_have_generalised():
    results = _results()
    last = results["norms"]["outcome_step"].sel({ALPHA: LARGE}).values
    assert (last < 1.3 * 30_000).all() and 1.3 * 30_000 < BUDGET
    rows = fig3d.table(results)
    assert [row["alpha"] for row in rows] == [LARGE] * 3 + [1.0] * 3
    assert rows[0]["best_test_accuracy"] == pytest.approx(0.89) and not rows[0]["censored"]
