"""All figures of Kumar et al. 2023: their words, their sweeps without any data, and some of them run."""

import csv
import io
import json

import numpy as np
import pytest

from afterfit.ensemble import silent
from afterfit.studies import reproduce, SCALES
from afterfit.studies.kumar2023 import STUDY

from ..planted import sweeps_of


FIGURES = pytest.mark.parametrize("figure", STUDY.figures, ids=[figure.name for figure in STUDY.figures])

NAMES = (
    "fig1 fig2 fig3ab fig3e fig4 fig5 fig6a fig6b fig7 fig8 fig9 fig10 fig11 fig12 fig13 fig14 fig15 fig16 "
    "fig17 fig18 fig19"
).split()


def test_all_figures_are_there():
    assert [figure.name for figure in STUDY.figures] == NAMES
    assert STUDY.title and STUDY.reference


@FIGURES
def test_words(figure):
    assert figure.title and figure.claims
    for claim in figure.claims:
        assert all((claim.name, claim.sentence, claim.source, claim.paper))
        assert claim.sentence.endswith(".")


@FIGURES
def test_sweeps_are_made_without_data(figure, tmp_path, monkeypatch):
    monkeypatch.delenv("AFTERFIT_DATA", raising=False)
    monkeypatch.setenv("AFTERFIT_CACHE", str(tmp_path))
    steps = []
    for scale in SCALES:
        plans = sweeps_of(figure, scale)
        for plan in plans.values():
            assert len({(run.experiment, run.seeds) for run in plan.runs}) == len(plan.runs)
        assert list(plans) == list(sweeps_of(figure, "smoke"))
        steps.append(sum(run.experiment.steps for plan in plans.values() for run in plan.runs))
    assert steps[0] < steps[1] <= steps[2]


@pytest.mark.parametrize("name", ["fig4", "fig5", "fig16"])
def test_figures_run(name, tmp_path):
    """Seconds each: nothing is judged, but charts, tables and verdicts are written."""
    (figure,) = (one for one in STUDY.figures if one.name == name)
    rows = reproduce(
        STUDY,
        [figure],
        "smoke",
        store=tmp_path / "runs",
        output=tmp_path / "out",
        display=silent,
        tell=lambda line: None,
    )
    assert [row["verdict"] for row in rows] == ["undecided"] * len(figure.claims)
    assert json.loads((tmp_path / "out" / "verdicts.json").read_text()) == rows
    table = list(csv.DictReader(io.StringIO((tmp_path / "out" / f"{name}.csv").read_text())))
    assert table and all(np.isfinite(float(row["seed"])) for row in table if "seed" in row)
    for kind in ("svg", "png"):
        assert (tmp_path / "out" / f"{name}.{kind}").stat().st_size > 1000
