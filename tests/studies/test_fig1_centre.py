"""Figure 1 (centre) of Power et al. 2022: time against data, on planted times and a tiny run."""

import math
import pathlib

import numpy as np
import pytest
import xarray

from afterfit.studies import Results
from afterfit.studies.power2022 import fig1_centre


CLAIMS = {claim.name: claim for claim in fig1_centre.CLAIMS}


def _results(scale, line, *, memorised=lambda percent: 2000, spread=0.1, best=1.0, seeds=None):
    """Results of runs that generalise at `line(percent)` steps, with a factor of chance."""
    plans = fig1_centre.sweeps(scale)
    percent = np.array(fig1_centre.PERCENT[scale], float)
    seeds = seeds or fig1_centre.SEEDS[scale]
    budget = plans["fractions"].experiment.steps
    steps = np.unique(np.round(np.geomspace(1, budget, 800)).astype(int))
    random = np.random.default_rng(1)
    shape = (len(percent), seeds)
    late, early = (
        np.array([[float(rule(one))] * seeds for one in percent]) * np.exp(spread * random.normal(size=shape))
        for rule in (line, memorised)
    )
    dims = ("task.fraction", "seed", "step")
    data = xarray.Dataset(
        {
            "train_accuracy": (dims, np.where(steps >= early[..., None], 1.0, 0.3)),
            "test_accuracy": (dims, np.where(steps >= late[..., None], best, 0.1)),
            "train_loss": (dims, np.ones((*shape, len(steps)))),
            "outcome": (dims[:2], np.full(shape, "done")),
        },
        {"task.fraction": percent / 100, "seed": range(seeds), "step": steps},
    )
    return Results(scale, plans, {"fractions": data}, pathlib.Path("none"))


def _exponential(factor, at_30=20_000.0):
    """Steps that grow by a factor with each point of data removed."""
    return lambda percent: at_30 * factor ** (30 - percent)


def _covers(found, number):
    low, high = found.interval or (math.nan, math.nan)
    return low < number < high


@pytest.mark.parametrize(
    ("factor", "verdict"),
    [(1.45, "holds"), (1.35, "holds"), (1.05, "fails"), (1.8, "fails"), (1.3, "undecided")],
)
def test_the_factor_of_the_paper(factor, verdict):
    found = CLAIMS["factor"].judge(_results("paper", _exponential(factor)))
    assert found.verdict == verdict
    assert found.value == pytest.approx(factor, rel=0.03)
    assert _covers(found, factor)
    assert (found.seeds, found.runs) == (7, 6 * 7)  # 25% to 30%


def test_runs_that_ran_out_of_steps_count_as_such():
    # At 25% the median is 1.5 times the budget of 5e5, at 26% about the budget.
    found = CLAIMS["factor"].judge(_results("paper", _exponential(1.45, at_30=1.2e5), spread=0.5))
    assert found.verdict == "undecided" and found.note.startswith("fewer than 4 seeds generalised at 25%")
    assert found.value == pytest.approx(1.45, rel=0.1)
    assert (
        CLAIMS["slower with less data"]
        .judge(_results("paper", _exponential(1.45, at_30=1.2e5), spread=0.5))
        .verdict
        == "holds"
    )


@pytest.mark.parametrize(
    ("scale", "factor", "verdict"),
    [
        ("paper", 1.4, "holds"),
        ("paper", 1.05, "fails"),  # slower, but by less than 1.1 a point
        ("paper", 1.0, "fails"),
        ("laptop", 1.05, "holds"),
        ("laptop", 1.0, "fails"),
        ("laptop", 0.97, "fails"),
    ],
)
def test_slower_with_less_data(scale, factor, verdict):
    at_30 = 20_000 if scale == "paper" else 2000 * factor**20
    found = CLAIMS["slower with less data"].judge(_results(scale, _exponential(factor, at_30)))
    assert found.verdict == verdict and found.value == pytest.approx(factor, rel=0.03)
    assert ("1.1 at the paper's scale" in found.note) == (scale == "laptop")


def test_much_chance_leaves_a_small_slowdown_undecided():
    found = CLAIMS["slower with less data"].judge(_results("laptop", _exponential(1.0, 2500), spread=0.9))
    assert found.verdict == "undecided" and _covers(found, 1)


def test_the_miniature_cannot_judge_the_factor_but_tells_its_own():
    found = CLAIMS["factor"].judge(_results("laptop", _exponential(1.05, 6000), spread=0.0))
    assert found.verdict == "undecided" and found.value is None
    assert "needs the paper's group and size" in found.note and "1.05 [1.0" in found.note


@pytest.mark.parametrize(
    ("memorised", "verdict"),
    [
        (lambda percent: 2000, "holds"),
        (lambda percent: 100, "fails"),
        (lambda percent: 60_000, "fails"),
        (lambda percent: 30_000 if percent == 80 else 2000, "undecided"),  # about the limit
        (lambda percent: 200 if percent == 80 else 2000, "fails"),  # at every fraction
        (lambda percent: 1e9, "fails"),  # never
    ],
)
def test_the_range_of_times_to_memorise(memorised, verdict):
    found = CLAIMS["train range"].judge(_results("paper", _exponential(1.4), memorised=memorised))
    assert found.verdict == verdict and (found.seeds, found.runs) == (7, 17 * 7)
    laptop = _results("laptop", _exponential(1.05, 6000), memorised=lambda percent: 200)
    assert CLAIMS["train range"].judge(laptop).verdict == "holds"
    assert "a tenth of the paper's" in CLAIMS["train range"].judge(laptop).note


@pytest.mark.parametrize(("slope", "verdict"), [(0.01, "holds"), (-0.01, "fails"), (0.0, "undecided")])
def test_the_trend_of_times_to_memorise(slope, verdict):
    results = _results(
        "paper",
        _exponential(1.4),
        memorised=lambda percent: 2000 * math.exp(slope * (percent - 30)),
        spread=0.2,
    )
    found = CLAIMS["train trend"].judge(results)
    assert found.verdict == verdict and found.value == pytest.approx(slope, abs=0.003)


def test_converged_accuracy():
    def judged(**options):
        return CLAIMS["converged"].judge(_results("laptop", _exponential(1.1, 6000), **options))

    assert judged().verdict == "holds" and judged().value == 1
    assert judged(best=0.992).verdict == "fails"
    # Only runs that generalised count: those at 40% and 45% take more than the 6,000 steps.
    assert judged().note.startswith("of the 15 runs")
    slow = CLAIMS["converged"].judge(_results("laptop", _exponential(1.1, 40_000), spread=0.0))
    assert slow.verdict == "holds" and slow.note.startswith("of the 9 runs")
    never = CLAIMS["converged"].judge(_results("laptop", lambda percent: 1e9))
    assert never.verdict == "undecided" and never.value is None


def test_where_nothing_generalises_nothing_is_decided_and_the_chart_is_drawn_all_the_same():
    results = _results("laptop", lambda percent: 1e9, memorised=lambda percent: 1e9)
    verdicts = {name: claim.judge(results).verdict for name, claim in CLAIMS.items()}
    assert verdicts.pop("train range") == "fails"
    assert set(verdicts.values()) == {"undecided"}
    labels = [text.get_text() for text in fig1_centre.chart(results).axes[0].get_legend().get_texts()]
    assert labels == ["train: not reached", "validation: not reached"]
    assert all(row["generalised_censored"] == 3 for row in fig1_centre.table(results))


def test_the_chart_shows_medians_the_line_and_what_was_not_reached():
    results = _results("laptop", _exponential(1.08, 16_000), spread=0.3)
    ax = fig1_centre.chart(results).axes[0]
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert {"train", "validation", "validation: not reached"} < set(labels)
    assert f"fit: {fig1_centre.times(results, 'generalised').factor()[0]:.3g} times per point less" in labels
    assert ax.get_yscale() == "log" and "steps" in ax.get_ylabel() and "%" in ax.get_xlabel()
    rows = fig1_centre.table(results)
    assert [row["fraction"] for row in rows] == pytest.approx([0.4, 0.45, 0.5, 0.6, 0.7])
    assert rows[-1]["generalised_median"] < rows[1]["generalised_median"]


def test_one_seed_has_no_interval_but_for_slopes():
    results = _results("laptop", _exponential(1.05, 6000), seeds=1, memorised=lambda percent: 200)
    found = {name: claim.judge(results) for name, claim in CLAIMS.items()}
    assert found["converged"].interval is None and "one seed" in found["converged"].note
    assert _covers(found["slower with less data"], 1.05)
    assert found["slower with less data"].verdict == "holds"


def test_smoke(reproduced, tmp_path):
    rows = reproduced(fig1_centre.FIGURE)
    assert [row["verdict"] for row in rows] == ["undecided"] * len(CLAIMS)
    assert len((tmp_path / "out" / "fig1-centre.csv").read_text().splitlines()) == 1 + 2
