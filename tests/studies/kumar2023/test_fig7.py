"""Figure 7 of Kumar et al. 2023: output scale and scale of the initial weights, on planted curves."""

import dataclasses

import numpy as np
import pytest

from afterfit.ensemble import silent
from afterfit.ensemble._pack import packs
from afterfit.studies import Results
from afterfit.studies.kumar2023 import fig3ab, fig7
from afterfit.studies.kumar2023._scales import square

from ..planted import check, diverged, judged, planted, step_up, sweeps_of
from .drawn import drawn, never_holds


FIGURE = fig7.FIGURE
ALPHA, SIGMA = fig7.ALPHA, fig7.SIGMA


def _results(
    end=lambda product: 0.05 * product,
    of_sigma=None,
    both=lambda sigma: 0.05,
    moved=lambda product: 2 * product**-0.5,
    of_sigma_moved=None,
    apart=lambda seed: 0.0,
):
    """Ends and movements that depend on alpha sigma^2, or on sigma as they are told."""

    def run(steps, last, change):
        total = step_up(steps, 500, 1.0, last)
        return {
            "train_loss": step_up(steps, 50, 1.0, 1e-3),
            "test_loss": total,
            "committee_loss/total": total,
            "relative_change": step_up(steps, 1, 0.0, change),
        }

    def sigmas(steps, place):
        product = place[SIGMA] ** 2
        return run(steps, (of_sigma or end)(product), (of_sigma_moved or moved)(product))

    return planted(
        FIGURE,
        {
            "alphas": lambda steps, place: run(steps, end(place[ALPHA]), moved(place[ALPHA])),
            "sigmas": sigmas,
            "both": lambda steps, place: run(steps, both(float(place[fig7.BOTH])), moved(1.0)),
            "scaled": lambda steps, place: run(steps, 0.1, 1.0),
            "mapped": lambda steps, place: run(steps, 0.1 * (1 + apart(place["seed"])), 1.0),
        },
    )


@pytest.mark.parametrize(
    ("claim", "told", "verdict", "value"),
    [
        ("exact symmetry", {}, "holds", 0),
        ("exact symmetry", {"apart": lambda seed: 0.01}, "fails", 0.01),
        ("exact symmetry", {"apart": lambda seed: 0.01 * seed}, "undecided", 0.02),
        ("same trend", {}, "holds", 1),
        ("same trend", {"of_sigma": lambda product: 0.05 / product}, "fails", -1),
        ("final loss collapses", {}, "holds", 0),
        ("final loss collapses", {"of_sigma": lambda product: 0.05 * product**2}, "fails", np.log(4)),
        ("movement collapses", {}, "holds", 1),
        ("movement collapses", {"of_sigma_moved": lambda product: 2 * product**0.5}, "fails", None),
        ("movement collapses", {"moved": lambda product: 0.0}, "undecided", None),
        ("kept along alpha = sigma^-2", {}, "holds", 0),
        ("kept along alpha = sigma^-2", {"both": lambda sigma: 0.05 * sigma}, "fails", np.log(4)),
    ],
)
def test_the_claims(claim, told, verdict, value):
    results = _results(**told)
    if value is None and verdict == "fails":
        found = judged(FIGURE, claim, results)
        assert found.verdict == verdict and found.value is not None and found.value < 0.5
    else:
        check(FIGURE, claim, results, verdict, value)


def test_the_symmetry_is_exact_in_real_runs(tmp_path):
    """100 steps of the figure's own recipes, one seed: both recipes differ, and what they record does not."""
    plans = {}
    for name in ("scaled", "mapped"):
        plan = sweeps_of(FIGURE, "laptop")[name]
        short = dataclasses.replace(plan.experiment, steps=100)
        plans[name] = dataclasses.replace(plan, experiment=short, axes=plan.axes | {"seed": [0]})
    assert not {run.id for run in plans["scaled"].runs} & {run.id for run in plans["mapped"].runs}
    data = {name: plan.run(display=silent) for name, plan in plans.items()}
    assert float(data["scaled"]["train_loss"].isel(step=-1).max()) < 0.9 * float(
        data["scaled"]["train_loss"].max()
    )
    results = Results("laptop", plans, data, tmp_path)
    worst = fig7.differences(results)
    assert float(worst.max()) < 1e-9 and worst.notnull().all()
    assert judged(FIGURE, "exact symmetry", results).verdict == "holds"
    # A rate that does not follow sigma breaks it.
    wrong = square("laptop", steps=100, rate=3.5)
    wrong = dataclasses.replace(plans["mapped"], experiment=wrong)
    broken = dataclasses.replace(results, data=data | {"mapped": wrong.run(display=silent)})
    assert judged(FIGURE, "exact symmetry", broken).verdict == "fails"


def test_runs_that_diverge():
    results = _results()
    one = diverged(results, "scaled", slice(0, 3), 5)  # the three seeds of one sigma
    assert judged(FIGURE, "exact symmetry", one).verdict == "undecided"
    for name in results.data:
        results = diverged(results, name, slice(None), 0)
    never_holds(FIGURE, results)
    drawn(FIGURE, results)


def test_chart_and_table():
    rows = drawn(FIGURE, _results())
    assert len(rows) == (7 + 4 + 4) * 3
    assert {row["alpha_sigma_squared"] for row in rows if row["sweep"] == "both"} == {1.0}


def test_alphas_are_those_of_figure_3_and_sweeps_are_one_program_each():
    plans = sweeps_of(FIGURE, "laptop")
    mine, theirs = (
        {run.id for run in sweeps_of(one, "laptop")["alphas"].runs} for one in (FIGURE, fig3ab.FIGURE)
    )
    assert mine == theirs
    assert all(len(packs(plan.runs)) == 1 for plan in plans.values())
