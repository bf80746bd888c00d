"""All figures of Liu et al. 2023: their sweeps without any data, charts, tables, and runs that diverged."""

import csv
import io
import json
import math

import matplotlib
import numpy as np
import pytest

from afterfit.ensemble._pack import packs
from afterfit.landscape import Path
from afterfit.statistics import Judgement, Verdict
from afterfit.studies import SCALES
from afterfit.studies.omnigrok import _toy, fig5d, fig6ab, fig6cf, fig6de, STUDY
from afterfit.training import Program

from ..planted import ALPHA, diverged, on_spheres, planted, step_up, sweeps_of


FIGURES = pytest.mark.parametrize("figure", STUDY.figures, ids=[figure.name for figure in STUDY.figures])

# Figure: its sweeps at laptop scale, with their numbers of runs.
RUNS = {
    "fig2a": {"landscape": 11 * 5},
    "fig2bc": {"large": 8 * 5, "small": 3 * 5},
    "fig3abc": {"landscape": 9 * 7 * 3},
    "fig3d": {"norms": 2 * 3},
    "fig3e": {"sizes": 6 * 3},
    "fig4abc": {"landscape": 6 * 4 * 3},
    "fig4d": {"runs": 2 * 2 * 3},
    "fig5abc": {"landscape": 7 * 6 * 3},
    "fig5d": {"runs": 2 * 2 * 3},
    "fig6ab": {"landscape": 12 * 8 * 3},
    "fig6cf": {"landscape": 12 * 8 * 3},
    "fig6de": {"landscape": 12 * 8 * 4 * 3, "free": 4 * 5},
    "fig7": {"landscape": 7 * 5 * 3},
    "fig8": {"landscape": 7 * 5 * 2},
    "fig9": {"free": 3, "spheres": 6 * 2},
    "fig10ac": {"decays": 5 * 2},
    "fig10bd": {"decays": 8 * 3},
    "fig11": {"landscape": 13 * 3 * 3, "squared error": 9 * 3 * 3},
    "fig12": {"cross-entropy": 2 * 3, "squared error": 3},
    "phases": {"phases": 7 * 6 * 3},
    "digits": {"landscape": 6 * 2 * 3},
    "generated-reviews": {"landscape": 4 * 2 * 3},
    "generated-molecules": {"landscape": 5 * 2 * 3},
}


def test_all_figures_are_there():
    assert [figure.name for figure in STUDY.figures] == list(RUNS)
    assert STUDY.title and STUDY.reference


@FIGURES
def test_words(figure):
    assert figure.title and figure.claims
    for claim in figure.claims:
        assert all((claim.name, claim.sentence, claim.source, claim.paper))
        assert claim.sentence.endswith(".")


@pytest.fixture
def no_data(tmp_path, monkeypatch):
    """A machine without data, and without a way to them."""

    def refuse(folder, name, official):
        raise AssertionError(f"looked for {name}")

    monkeypatch.delenv("AFTERFIT_DATA", raising=False)
    monkeypatch.setenv("AFTERFIT_CACHE", str(tmp_path))
    monkeypatch.setattr("afterfit.tasks._files._download", refuse)


@FIGURES
def test_sweeps_are_made_without_data(figure, no_data, monkeypatch):
    monkeypatch.setitem(_toy.SEEDS, "paper", 1)  # of 10, each with 1,764 runs
    steps = []
    for scale in SCALES:
        plans = sweeps_of(figure, scale) if scale == "laptop" else figure.sweeps(scale)
        assert list(plans) == list(RUNS[figure.name])
        for plan in plans.values():
            assert len({(run.experiment, run.seeds) for run in plan.runs}) == len(plan.runs)
            # One structure: norms, sizes, decays, messiness and seeds are numbers and tables.
            assert len({Program.structure(run.experiment) for run in plan.runs}) == 1
        steps.append(sum(run.experiment.steps for plan in plans.values() for run in plan.runs))
    assert steps == sorted(steps)
    found = {name: len(plan.runs) for name, plan in sweeps_of(figure, "laptop").items()}
    assert found == RUNS[figure.name]


@pytest.mark.parametrize(
    "name", ["fig2a", "fig2bc", "fig6de", "fig8", "phases", "digits", "generated-reviews"]
)
def test_a_sweep_is_one_program(name, no_data):
    (figure,) = (one for one in STUDY.figures if one.name == name)
    for plan in sweeps_of(figure, "laptop").values():
        assert len(packs(plan.runs)) == 1


def test_landscapes_of_the_toy_are_trained_once():
    one, two, three = (
        {run.id for run in sweeps_of(figure, "laptop")["landscape"].runs}
        for figure in (fig6ab.FIGURE, fig6cf.FIGURE, fig6de.FIGURE)
    )
    assert one == two < three


# --- charts, tables, runs that diverged -----------------------------------------------------------


def _spheres(place):
    """A landscape much like those of the paper: an L and a U, with an edge that moves with messiness."""
    m = next((value for name, value in place.items() if name.endswith("messiness")), 0.0)
    edge = math.exp(0.1 + m + 0.02 * place["seed"])
    above = math.log10(place[ALPHA])
    return {
        "train_loss": 0.02 * (edge / place[ALPHA]) ** 4,
        "test_loss": 0.01 * 10 ** abs(2 * above) + 0.1 * m,
        "train_error": 0.5 if place[ALPHA] < 0.4 else 0.0,
        "test_error": min(0.15 + 0.3 * abs(above) + 0.1 * m, 1.0),
    }


def _free(steps, place):
    """A fit, and a late rise that comes sooner with decay."""
    decay = next((value for name, value in place.items() if name.endswith("weight_decay")), 0.1)
    late = min(3000 / max(decay, 0.02), 1e5) * (1 + 0.05 * place["seed"])
    return {
        "train_accuracy": step_up(steps, 200),
        "test_accuracy": step_up(steps, late, 0.2, 0.97),
        "train_loss": step_up(steps, 200, 5.0, 1e-3),
        "test_loss": step_up(steps, late, 5.0, 0.1),
        "weight_norm": 40 * np.exp(-1e-4 * np.minimum(decay * steps, 1e4)),
    }


def _straight(loss, start, *, decay, decoder_rate, representation_rate, duration):
    """A way to a third of the norm and the best representation, whatever the landscape."""
    del loss, decay, decoder_rate, representation_rate
    time = np.linspace(0, duration, 50)
    norm, m = start[0] * np.exp(-time / duration), start[1] * (1 - time / duration)
    return Path(time, norm, m, np.full(50, 0.01), -norm / duration, np.full(50, -start[1] / duration))


@pytest.fixture
def plausible(monkeypatch):
    """Results of a figure at laptop scale; molecules are not at hand, and ways are not followed."""
    monkeypatch.setattr(fig5d, "_variance", lambda results, size, seed: 1.0)
    monkeypatch.setattr(fig6cf, "flow", _straight)

    def plant(figure):
        plans = sweeps_of(figure, "laptop")
        rules = {
            name: _free if plan.experiment.constraint is None else on_spheres(_spheres)
            for name, plan in plans.items()
        }
        return planted(figure, rules)

    return plant


def _drawn_and_tabulated(figure, results):
    """A chart drawn as `reproduce` draws it, and the rows of the table."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        file = io.BytesIO()
        figure.chart(results).savefig(file, format="png", dpi=30, bbox_inches="tight")
    assert file.tell() > 1000
    rows = figure.table(results)
    assert len({tuple(row) for row in rows}) == 1, "rows with the same columns"
    writer = csv.DictWriter(io.StringIO(), list(rows[0]))
    writer.writerows(rows)
    for row in rows:
        json.dumps(row)  # plain numbers and words
    return rows


@FIGURES
def test_runs_that_learn_nothing_are_drawn(figure, plausible):
    plans = sweeps_of(figure, "smoke")
    nothing = lambda place: {"train_loss": 1.0, "test_loss": 1.0, "train_error": 0.9, "test_error": 0.9}
    rules = {
        name: (lambda steps, place: {}) if plan.experiment.constraint is None else on_spheres(nothing)
        for name, plan in plans.items()
    }
    results = planted(figure, rules, "smoke")
    assert {found.verdict for _, found in figure.judged(results)} == {Verdict.UNDECIDED}
    _drawn_and_tabulated(figure, results)


@FIGURES
def test_charts_tables_and_runs_that_diverged(figure, plausible):
    results = plausible(figure)
    rows = figure.table(results)
    if list(results.data) == ["landscape"] and figure.name != "fig6cf":
        assert len(rows) == results["landscape"]["outcome"].size // results["landscape"].sizes["seed"]
    for name, plan in results.sweeps.items():
        # The last run at once, the first one later, and one in the middle with not even a first loss.
        for run, records in ((-1, 1), (0, 20), (len(plan.runs) // 2, 0)):
            results = diverged(results, name, run, records)
    assert not results.missing
    for claim in figure.claims:
        found = claim.judge(results)
        assert isinstance(found, Judgement) and found.verdict in Verdict
    assert len(_drawn_and_tabulated(figure, results)) == len(rows) or figure.name == "fig6cf"


@FIGURES
def test_runs_that_all_diverged_decide_nothing_in_favour(figure, plausible):
    results = plausible(figure)
    for name in results.data:
        results = diverged(results, name, slice(None), 0)
    for claim in figure.claims:
        assert claim.judge(results).verdict != Verdict.HOLDS, claim.name
