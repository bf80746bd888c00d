"""Sizes, controls, bandwidths and laziness, on planted times."""

import math

import numpy as np
import pytest

from afterfit.studies.fields import bandwidth, controls, laziness, sizes

from ..planted import ALPHA, check, DECAY, planted


MEASURES = {"points": "solution_error", "pixels": "test_loss", "views": "test_loss"}


def _run(measure, *, fit=100, solve=1000.0, **more):
    """A rule for one run: it fits, and solves (infinite: never)."""
    return lambda steps: {
        "train_loss": np.where(steps >= fit, 1e-5, 1.0),
        measure: np.where(steps >= solve, 1e-4, 1.0),
        **{name: value(steps) if callable(value) else value for name, value in more.items()},
    }


# --- sizes ----------------------------------------------------------------------------------------


def _sizes(solve):
    def rule(name):
        axis = sizes.AXES[name][1]
        return lambda steps, place: _run(MEASURES[name], solve=solve(place[axis], place["seed"]))(steps)

    return planted(sizes.FIGURE, {name: rule(name) for name in sizes.AXES})


@pytest.mark.parametrize(
    ("solve", "verdict"),
    [
        (lambda size, seed: 40_000 / size, "holds"),
        (lambda size, seed: math.inf if size < 3 else 40_000 / size, "holds"),
        (lambda size, seed: 500, "fails"),
        (lambda size, seed: 10 * size, "fails"),
        (lambda size, seed: math.inf if size in (2, 4, 8, 12, 16, 24) else 40_000 / size, "undecided"),
    ],
)
@pytest.mark.parametrize("name", ["points", "views"])
def test_the_delay_shrinks(name, solve, verdict):
    results = _sizes(solve)
    value = {"holds": -1.0, "fails": 1.0, "undecided": None}[verdict]
    if verdict == "fails" and solve(8, 0) == solve(16, 0):
        value = None  # no trend at all has no correlation
    check(sizes.FIGURE, f"{name}: the delay shrinks", results, verdict, value)
    assert sizes.chart(results).axes and len(sizes.table(results)) == 3 * (6 + 5 + 4)


@pytest.mark.parametrize(("last", "verdict"), [(150, "holds"), (50, "holds"), (400, "fails")])
def test_no_delay_with_many(last, verdict):
    results = _sizes(lambda size, seed: last if size == 64 else 5000)
    check(sizes.FIGURE, "points: none with many", results, verdict, last / 100, rel=0.1)


# --- controls -------------------------------------------------------------------------------------


def test_heavy_edges_are_compared_with_the_fit_of_the_plain_network():
    """Their own loss is fitted late, as it weighs the edges: that alone must not shorten the delay."""
    results = planted(
        controls.FIGURE,
        lambda steps, place: _run("solution_error", fit=900 if "100" in place["kind"] else 100, solve=2000)(
            steps
        ),
    )
    check(controls.FIGURE, "late: edges x 100", results, "holds", 20.0, rel=0.08)


def test_controls_are_told_apart():
    late = {"16 random points": 3000, "fresh points": 120, "edges x 10": 400, "edges x 100": math.inf}
    results = planted(
        controls.FIGURE,
        lambda steps, place: _run("solution_error", solve=late.get(place["kind"], 2000))(steps),
    )
    for claim, verdict, value in (
        ("fresh points", "holds", 1.2),
        ("late: 16 random points", "holds", 30.0),
        ("late: edges x 10", "fails", 4.0),  # to fit takes the plain network 100 steps
        ("late: edges x 100", "undecided", math.inf),
    ):
        check(controls.FIGURE, claim, results, verdict, value, rel=0.08)
    assert controls.chart(results).axes and len(controls.table(results)) == 25


# --- bandwidth ------------------------------------------------------------------------------------


def _bandwidth(*, width=lambda sigma: 1.0, middle=lambda sigma: 2.0, solve=lambda place: 5000):
    """Parabolas in log-log with some width and middle, and runs that solve when they are told to."""

    def landscape(steps, place):
        away = math.log10(place[ALPHA] / middle(place[bandwidth.SIGMA])) / width(place[bandwidth.SIGMA])
        return {
            "train_loss": np.where(steps >= steps[-1] / 2, 1e-7, 1.0),
            "test_loss": 0.05 * 10 ** (4 * away**2),
        }

    def trained(steps, place):
        return _run("test_loss", solve=solve(place))(steps)

    return planted(bandwidth.FIGURE, {"landscape": landscape, "map": trained})


@pytest.mark.parametrize(("power", "verdict"), [(-0.5, "holds"), (0.5, "fails")])
def test_the_zone_narrows_and_moves(power, verdict):
    results = _bandwidth(width=lambda sigma: sigma**power, middle=lambda sigma: 2 * sigma**power)
    for claim in ("the zone narrows", "the zone moves in"):
        check(bandwidth.FIGURE, claim, results, verdict, 1.0 if power > 0 else -1.0)
    assert bandwidth.chart(results).axes
    assert len(bandwidth.table(results)) == 7 * 4 + 4 * 4 * 4 * 3


@pytest.mark.parametrize(("power", "verdict"), [(-0.5, "holds"), (0.5, "fails")])
def test_the_zone_of_solutions_narrows(power, verdict):
    """At one level; a bandwidth with which no norm solves the problem has no zone."""
    results = _bandwidth(width=lambda sigma: sigma**power)
    check(bandwidth.FIGURE, "the zone of solutions narrows", results, verdict, 1.0 if power > 0 else -1.0)


def test_a_zone_is_measured_in_decades():
    """The decades of the loss above 0.05 are 4 (log10(alpha / 2))^2, at most those to 0.2."""
    results = _bandwidth(width=lambda sigma: 1.0)
    exact = 2 * math.sqrt(math.log10(4) / 4)
    assert bandwidth.zones(results, 0.2) == pytest.approx(exact, rel=0.08)  # seven norms, log-linear between


@pytest.mark.parametrize(("power", "verdict"), [(0.5, "holds"), (-0.5, "fails")])
def test_the_delay_grows_with_the_bandwidth(power, verdict):
    results = _bandwidth(solve=lambda place: 3000 * place[bandwidth.SIGMA] ** power)
    check(bandwidth.FIGURE, "the delay grows", results, verdict, 1.0 if power > 0 else -1.0)


@pytest.mark.parametrize(
    ("solve", "large", "standard"),
    [
        (lambda place: 150 if place[ALPHA] < 2 else 5000, "holds", "holds"),
        (lambda place: 150, "fails", "holds"),
        (lambda place: 5000, "holds", "fails"),
        (lambda place: 5000 if place[DECAY] > 0.05 else math.inf, "undecided", "fails"),
    ],
)
def test_norms_decide(solve, large, standard):
    results = _bandwidth(solve=solve)
    for claim, verdict in (("late from large norms", large), ("prompt from the standard norm", standard)):
        (judge,) = (one.judge for one in bandwidth.CLAIMS if one.name == claim)
        assert judge(results).verdict == verdict


# --- laziness -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("difference", "twin", "aligned", "verdicts"),
    [
        (0.1, 1.0, 2.0, ("holds", "holds", "holds")),
        (0.9, 1.0, 2.0, ("fails", "holds", "holds")),
        (0.1, 3e-4, 2.0, ("holds", "fails", "holds")),
        (0.1, 1.0, 1.1, ("holds", "holds", "fails")),
    ],
)
def test_lazy_to_rich(difference, twin, aligned, verdicts):
    more = {
        laziness.DIFFERENCE: lambda steps: np.where(steps >= 500, 5.0, difference),
        laziness.ALIGNED: lambda steps: np.where(steps >= 1000, 0.3 * aligned, 0.3),
        "twin/train_loss": 1e-5,
        laziness.TWIN: twin,
        "test_loss": 1e-4,
    }
    rules = {
        name: lambda steps, place, name=name: _run(MEASURES[name], **more)(steps)
        for name in laziness.PROBLEMS
    }
    results = planted(laziness.FIGURE, rules)
    claims = ("lazy while it fits", "the twin does not solve it", "the kernel aligns")
    for claim, verdict in zip(claims, verdicts, strict=True):
        check(
            laziness.FIGURE,
            f"points: {claim}",
            results,
            verdict,
            {claims[0]: difference, claims[1]: twin / 1e-4, claims[2]: aligned}[claim],
        )
    assert laziness.chart(results).axes and len(laziness.table(results)) == 2 * 3
