"""The figures of single fields, on planted landscapes and times."""

import math

import numpy as np
import pytest

from afterfit.studies.fields import problems

from ..planted import ALPHA, check, DECAY, diverged, planted


FIGURES = {figure.name: figure for figure in problems.FIGURES}
POISSON, IMAGE = FIGURES["poisson"], FIGURES["image"]


def _landscape(measure, *, best=3.0, left=2.0, right=2.0, inside=0.1, outside=1e-7):
    """A measure that rises by so many decades to both ends, and a training loss that falls at alpha = 1.2."""

    def rule(steps, place):
        away = math.log10(place[ALPHA] / best)
        rise = -left * away / math.log10(best / 0.5) if away < 0 else right * away / math.log10(12.1 / best)
        there = steps >= steps[-1] / 2
        train = outside if place[ALPHA] > 1.2 else inside
        # Before the training minimum the measure is least: a claim that chose records by it would see that.
        return {
            "train_loss": np.where(there, train, 1.0),
            measure: np.where(there, 1e-4 * 10**rise, 1e-6),
        }

    return rule


def _trained(measure, *, fit=100, solve=lambda decay, seed: 200 / decay, end=1.0, norm=4.0):
    """Runs that fit, and solve where they are told to (infinite: never), with a norm that then is `norm`."""

    def rule(steps, place):
        decay, seed = place[DECAY], place["seed"]
        when = solve(decay, seed) if decay > 0 else math.inf
        fitted = fit if decay == 0 or not callable(fit) else fit(decay, seed)
        return {
            "train_loss": np.where(steps >= fitted, 1e-5, 1.0),
            measure: np.where(steps >= when, 1e-3, end),
            "weight_norm": np.where(steps >= when, norm, 8.0),
        }

    return rule


def _poisson(landscape=None, decay=None, standard=None):
    measure = "solution_error"
    soon = {"solve": lambda decay, seed: 150}
    return planted(
        POISSON,
        {
            "landscape": _landscape(measure, **(landscape or {})),
            "decay": _trained(measure, **(decay or {})),
            "standard": _trained(measure, **(soon | (standard or {}))),
        },
    )


@pytest.mark.parametrize(
    ("landscape", "verdict", "value"),
    [
        ({}, "holds", 3.0),
        ({"best": 2.0}, "holds", 2.0),
        ({"left": 0.3}, "fails", 3.0),
        ({"right": 0.3}, "fails", 3.0),
        ({"best": 12.0, "right": 0.0}, "fails", 12.0),
    ],
)
def test_the_u_is_that_of_the_solution_at_the_training_minimum(landscape, verdict, value):
    check(POISSON, "the test measure is a U", _poisson(landscape), verdict, value)


@pytest.mark.parametrize(
    ("landscape", "verdict", "value"),
    [({}, "holds", 1e-7), ({"inside": 5e-7}, "fails", 1e-7), ({"outside": 0.2}, "fails", 0.2)],
)
def test_the_l(landscape, verdict, value):
    check(POISSON, "the training loss is an L", _poisson(landscape), verdict, value, rel=0.01)


@pytest.mark.parametrize(
    ("decay", "verdict", "value"),
    [
        ({}, "holds", 20.0),
        ({"solve": lambda decay, seed: 500}, "fails", 5.0),
        ({"solve": lambda decay, seed: 50}, "fails", 0.5),  # solved before it is fitted
        ({"solve": lambda decay, seed: math.inf}, "undecided", math.inf),  # it may be on its way
        ({"solve": lambda decay, seed: math.inf if seed == 0 else 2000}, "holds", 20.0),
        ({"solve": lambda decay, seed: math.inf if seed < 4 else 2000}, "undecided", 20.0),
        ({"fit": math.inf}, "fails", None),
    ],
)
def test_late_with_little_decay(decay, verdict, value):
    check(POISSON, "late with little decay", _poisson(decay=decay), verdict, value, rel=0.08)


@pytest.mark.parametrize(
    ("decay", "verdict", "value"),
    [({}, "holds", math.inf), ({"end": 0.05}, "fails", 0.0), ({"fit": math.inf}, "undecided", None)],
)
def test_never_without_decay(decay, verdict, value):
    check(POISSON, "never without decay", _poisson(decay=decay), verdict, value)


@pytest.mark.parametrize(
    ("power", "verdict"), [(1.0, "holds"), (0.8, "holds"), (0.4, "fails"), (1.8, "fails")]
)
def test_the_exponent_of_the_law(power, verdict):
    decay = {"solve": lambda decay, seed: 50 * (1 + 0.02 * seed) * decay**-power}
    for claim in ("inverse law", "inverse law of each seed"):
        check(POISSON, claim, _poisson(decay=decay), verdict, power, rel=0.05)


def test_seeds_that_solve_at_very_different_times_have_laws_of_their_own():
    results = _poisson(decay={"solve": lambda decay, seed: (5 + 10 * seed) * decay**-1.0})
    check(POISSON, "inverse law", results, "undecided", 1.0, rel=0.05)
    check(POISSON, "inverse law of each seed", results, "holds", 1.0, rel=0.05)


def test_a_law_needs_times_at_four_decays():
    decay = {"solve": lambda decay, seed: 300 if decay >= 0.17 else math.inf}
    check(POISSON, "inverse law", _poisson(decay=decay), "undecided", None)


@pytest.mark.parametrize(
    ("norm", "decay", "verdict", "value"),
    [
        (lambda seed: 4.0, {}, "holds", 0.0),
        (lambda seed: 1.0 + 0.5 * seed, {}, "fails", 0.4419),
        (lambda seed: 7.9, {}, "undecided", None),  # the norm has hardly moved: any run would do
        (
            lambda seed: 4.0,
            {"solve": lambda decay, seed: 300 if decay > 0.1 else math.inf},
            "undecided",
            None,
        ),
    ],
)
def test_one_critical_norm(norm, decay, verdict, value):
    measure = "solution_error"
    rule = lambda steps, place: _trained(measure, norm=norm(place["seed"]), **decay)(steps, place)
    results = planted(POISSON, {"landscape": _landscape(measure), "decay": rule, "standard": rule})
    check(POISSON, "one critical norm", results, verdict, value, rel=0.01)


@pytest.mark.parametrize(("end", "verdict"), [(1.0, "holds"), (3e-3, "fails")])
def test_what_decay_gains(end, verdict):
    check(POISSON, "what decay gains", _poisson(decay={"end": end}), verdict, end / 1e-3)


@pytest.mark.parametrize(
    ("standard", "verdict", "value"),
    [
        ({}, "holds", 1.5),
        ({"solve": lambda decay, seed: 20}, "holds", 0.2),
        ({"solve": lambda decay, seed: 300}, "fails", 3.0),
        ({"solve": lambda decay, seed: math.inf}, "fails", math.inf),
        ({"fit": math.inf, "solve": lambda decay, seed: math.inf}, "undecided", None),
    ],
)
def test_no_delay_from_the_standard_norm(standard, verdict, value):
    check(POISSON, "no delay from the standard norm", _poisson(standard=standard), verdict, value, rel=0.1)


@pytest.mark.parametrize(("solve", "verdict"), [(600, "fails"), (1300, "holds")])
def test_images_must_wait_for_a_thousand_steps(solve, verdict):
    rule = _trained("test_loss", solve=lambda decay, seed: solve)
    results = planted(IMAGE, {"landscape": _landscape("test_loss"), "decay": rule, "standard": rule})
    check(IMAGE, "late with little decay", results, verdict, solve / 100, rel=0.08)


@pytest.mark.parametrize("records", [3, 100])  # before the fit at step 100, and after it
def test_runs_that_diverge_leave_claims_open(records):
    results = diverged(_poisson(), "decay", slice(None), records)
    assert (results["decay"]["step"].values[records - 1] > 100) == (records == 100)
    check(POISSON, "never without decay", results, "undecided", None)
    check(POISSON, "late with little decay", results, "undecided", None)
    results = diverged(
        _poisson(standard={"solve": lambda decay, seed: 9000}), "standard", slice(None), records
    )
    check(POISSON, "no delay from the standard norm", results, "undecided", None)


def test_a_seed_that_no_decay_solves_says_nothing_of_decay():
    results = _poisson(decay={"solve": lambda decay, seed: math.inf if seed < 5 else 200 / decay})
    check(POISSON, "never without decay", results, "undecided", math.inf)


def test_a_fit_at_the_very_end_leaves_no_time_for_a_delay():
    results = _poisson(standard={"fit": 30_000, "solve": lambda decay, seed: math.inf})
    check(POISSON, "no delay from the standard norm", results, "undecided", math.inf)


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_charts_and_tables_are_made(figure):
    """Whatever the measure; one row for each norm, and one for each run with decay."""
    measure = "solution_error" if figure.name in ("poisson", "heat", "burgers") else "test_loss"
    rule = _trained(measure, solve=lambda decay, seed: 300)
    results = planted(figure, {"landscape": _landscape(measure), "decay": rule, "standard": rule})
    assert figure.chart(results).axes
    rows = figure.table(results)
    runs = sum(len(results.sweeps[name].runs) for name in ("decay", "standard"))
    assert len(rows) == len(results["landscape"][ALPHA]) + runs
    never = [row for row in rows if row.get("weight_decay") == 0.0]
    assert never and all(row["fitted"] and row["solved"] is None for row in never)
