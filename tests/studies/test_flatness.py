"""Figure 7 of Power et al. 2022 and our figure on flatness: on planted networks, and tiny runs of both."""

import math
import pathlib

import numpy as np
import pytest
import scipy.stats
import xarray

from afterfit.ensemble import silent
from afterfit.studies import reproduce, Results
from afterfit.studies.power2022 import _flatness, fig7, flatness, STUDY


FIG7 = {claim.name: claim for claim in fig7.CLAIMS}
FLATNESS = {claim.name: claim for claim in flatness.CLAIMS}


def _curves(plan, times):
    """Networks whose validation accuracy rises from 0 to 1 around `times` (inf: never)."""
    steps = np.array(plan.runs[0].record_steps)
    with np.errstate(over="ignore", divide="ignore"):
        rise = 1 / (1 + (np.asarray(times, float)[:, None] / np.maximum(steps, 1)) ** 40)
    shape = (len(times), len(steps))
    measures = {
        "train_accuracy": np.ones(shape),
        "test_accuracy": rise,
        "train_loss": np.ones(shape),
    }
    coords = {"network": [str(i) for i in range(len(times))], "step": steps}
    return xarray.Dataset({name: (("network", "step"), values) for name, values in measures.items()}, coords)


# --- rank correlations ------------------------------------------------------------------------------


def test_rank_correlation_in_one_group_is_spearmans():
    random = np.random.default_rng(0)
    first = random.integers(0, 6, 30).astype(float)  # with ties
    second = first + random.normal(size=30) * 3
    one_group = np.zeros(30, int)
    expected = scipy.stats.spearmanr(first, second)
    assert _flatness.rank_correlation(first, second, one_group) == pytest.approx(expected.statistic)
    p = _flatness.permutation_p(first, second, one_group)
    assert p == pytest.approx(expected.pvalue / 2, abs=0.01)


def test_rank_correlation_ignores_what_differs_between_groups():
    random = np.random.default_rng(1)
    group = np.repeat([0, 1, 2], 20)
    first, second = (random.normal(size=60) + 10 * group for _ in range(2))
    assert scipy.stats.spearmanr(first, second).statistic > 0.8
    assert abs(_flatness.rank_correlation(first, second, group)) < 0.3
    assert _flatness.permutation_p(first, second, group) > 0.05
    assert _flatness.rank_correlation(first, first**3, group) == pytest.approx(1)


def test_infinite_times_have_ranks_and_degenerate_samples_have_no_correlation():
    group = np.zeros(4, int)
    rising = np.array([1.0, 2, 3, 4])
    assert _flatness.rank_correlation(rising, np.array([5.0, 6, np.inf, np.inf]), group) > 0.9
    for other in (np.full(4, np.inf), np.ones(4), np.array([1.0, 2, 3, np.nan])):
        assert math.isnan(_flatness.rank_correlation(rising, other, group))
        assert math.isnan(_flatness.permutation_p(rising, other, group))


def test_partial_correlation_is_that_of_the_residuals_of_ranks():
    random = np.random.default_rng(2)
    given = random.normal(size=400)
    first, second = (given + 0.5 * random.normal(size=400) for _ in range(2))
    ranks = [scipy.stats.rankdata(sample) for sample in (first, second, given)]
    residuals = [rank - np.polyval(np.polyfit(ranks[2], rank, 1), ranks[2]) for rank in ranks[:2]]
    found = _flatness.partial_correlation(first, second, given)
    assert found == pytest.approx(np.corrcoef(*residuals)[0, 1])
    assert abs(found) < 0.15 < _flatness.rank_correlation(first, second, np.zeros(400, int))
    assert math.isnan(_flatness.partial_correlation(first, second, first))


# --- Figure 7 ---------------------------------------------------------------------------------------


def _fig7(monkeypatch, scale, phi, times=None, loss=None):
    """Networks of which half generalise in time, with phi a function of the order in which they do."""
    plans = fig7.sweeps(scale)
    count, budget = fig7.COUNT[scale], plans["networks"].experiment.steps
    order = np.arange(count)
    times = 0.25 * budget * 1.08**order if times is None else times
    planted = {"training loss": order if loss is None else loss}

    def measured(results, name, step, measure):
        return np.asarray(planted.get(measure, phi(order)), float)

    monkeypatch.setattr(fig7, "measured", measured)
    return Results(scale, plans, {"networks": _curves(plans["networks"], times)}, pathlib.Path("none"))


SHUFFLED = np.random.default_rng(4).permutation(20)


@pytest.mark.parametrize("scale", ["laptop", "paper"])
@pytest.mark.parametrize(
    ("phi", "verdict"),
    [
        (lambda order: order + 0.1, "holds"),  # the later, the sharper
        (lambda order: 30 - order, "fails"),
        (lambda order: SHUFFLED[order], "undecided"),
    ],
)
def test_the_correlation_of_accuracy_and_sharpness(monkeypatch, scale, phi, verdict):
    results = _fig7(monkeypatch, scale, phi)
    here = fig7.compared(results)
    assert here.balanced and not here.trouble and 0.25 < here.share < 0.75
    for name in ("sharpness", "sharpness in the full space"):
        found = FIG7[name].judge(results)
        assert found.verdict == verdict, found
        assert found.runs == fig7.COUNT[scale] and f"step {here.step:,}" in found.note


@pytest.mark.parametrize(
    ("phi", "verdict"),
    [(lambda order: order + 7.0 * (order % 2), "holds"), (lambda order: 30 - order, "fails")],
)
def test_the_papers_number(monkeypatch, phi, verdict):
    found = FIG7["as strong"].judge(_fig7(monkeypatch, "paper", phi))
    assert found.verdict == verdict, found


@pytest.mark.parametrize(
    ("phi", "verdict"),
    [(lambda order: order, "holds"), (lambda order: 30 - order, "fails")],
)
def test_only_flat_regions(monkeypatch, phi, verdict):
    assert FIG7["only in flat regions"].judge(_fig7(monkeypatch, "paper", phi)).verdict == verdict
    assert fig7.flatter(np.array([True, True, False]), np.array([1.0, 3.0, 2.0])) == 0.5
    assert math.isnan(fig7.flatter(np.array([True, True]), np.array([1.0, 3.0])))


def test_the_training_loss_may_explain_it_all(monkeypatch):
    random = np.random.default_rng(5)
    order = np.arange(20)
    from_loss = _fig7(monkeypatch, "paper", lambda order: order * 1.0, loss=order * 2.0)
    assert FIG7["beyond the loss"].judge(from_loss).verdict == "undecided"
    other = _fig7(monkeypatch, "paper", lambda order: order * 1.0, loss=random.permutation(20))
    assert FIG7["beyond the loss"].judge(other).verdict == "holds"


def test_without_a_step_at_which_half_have_generalised_nothing_is_judged(monkeypatch):
    for times in (np.full(14, np.inf), np.full(14, 100.0)):
        results = _fig7(monkeypatch, "laptop", lambda order: order, times)
        for claim in fig7.CLAIMS:
            found = claim.judge(results)
            assert found.verdict == "undecided" and "half" in found.note


def test_a_network_that_diverged_is_not_passed_over(monkeypatch):
    results = _fig7(monkeypatch, "laptop", lambda order: order)
    results["networks"]["test_accuracy"][2, 5:] = np.nan
    assert "1 networks diverged" in FIG7["sharpness"].judge(results).note


def test_the_step_is_the_first_around_a_half():
    steps = np.array([1, 2, 3, 4])
    assert _flatness.step_of_half(steps, np.array([0.0, 0.4, 0.5, 0.9]), (0.4, 0.6)) == (2, True)
    assert _flatness.step_of_half(steps, np.array([0.0, 0.1, 0.7, 0.9]), (0.4, 0.6)) == (3, False)


# --- measures of flatness ---------------------------------------------------------------------------


def _predicted(monkeypatch, measure, *, first=0.45):
    """Three fractions; networks generalise from `first` of the budget on, the last of each never."""
    plans = flatness.sweeps("laptop")
    data = {}
    for place, (name, plan) in enumerate(plans.items()):
        count = len(plan.runs)
        times = plan.experiment.steps * (first + 0.02 * place + 0.3 * np.arange(count) / count)
        data[name] = _curves(plan, [*times[:-1], np.inf])
    groups = list(plans)

    def measured(results, name, step, one):
        return measure(np.arange(len(plans[name].runs)), groups.index(name)).astype(float)

    monkeypatch.setattr(flatness, "measured", measured)
    return Results("laptop", plans, data, pathlib.Path("none"))


@pytest.mark.parametrize(
    ("measure", "verdict"),
    [
        (lambda order, group: order + 0.0, "holds"),
        (
            lambda order, group: order - 100.0 * group,
            "holds",
        ),  # fractions differ, and that counts for nothing
        (lambda order, group: -order, "fails"),
        (lambda order, group: (7 * order + 3) % 13 + 100.0 * group, "undecided"),
    ],
)
def test_what_predicts_the_time_to_generalise(monkeypatch, measure, verdict):
    results = _predicted(monkeypatch, measure)
    found = FLATNESS["top eigenvalue"].judge(results)
    assert found.verdict == verdict, found
    assert found.runs == 26 and "3 of 26 networks never generalise" in found.note


def test_networks_are_measured_before_they_generalise(monkeypatch):
    results = _predicted(monkeypatch, lambda order, group: order)
    known = flatness.predicted(results)
    steps = _flatness.kept_steps(results.sweeps["70%"])
    assert known.early and known.step in steps and known.step < known.time.min()
    for name, data in results.data.items():
        assert (_flatness.accuracies(data, known.step) < 0.5).mean() >= 0.9, name
    at_once = _predicted(monkeypatch, lambda order, group: order, first=0.01)
    assert not flatness.predicted(at_once).early
    assert "first kept step" in FLATNESS["weight norm"].judge(at_once).note


def test_networks_of_figure_7_are_not_trained_twice():
    ours = {run.id for plan in flatness.sweeps("laptop").values() for run in plan.runs}
    theirs = {run.id for run in fig7.sweeps("laptop")["networks"].runs}
    assert theirs < ours and len(ours) == 26


def test_only_weights_and_batches_differ():
    runs = fig7.sweeps("laptop")["networks"].runs
    assert {(run.seeds.split, run.seeds.noise) for run in runs} == {(0, 0)}
    assert len({(run.seeds.init, run.seeds.batches) for run in runs}) == 14


@pytest.mark.slow
def test_the_smoke_scale_runs_end_to_end(tmp_path):
    figures = [fig7.FIGURE, flatness.FIGURE]
    verdicts = reproduce(STUDY, figures, "smoke", store=tmp_path / "store", output=tmp_path, display=silent)
    assert {row["verdict"] for row in verdicts} == {"undecided"}
    assert len(verdicts) == len(fig7.CLAIMS) + len(flatness.CLAIMS)
    assert (tmp_path / "fig7.svg").exists()
    rows = (tmp_path / "flatness.csv").read_text().splitlines()
    assert len(rows) == 1 + 5 and "nan" not in rows[1]
