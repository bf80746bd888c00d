"""What all studies share: judging, merging and writing, on a study of two tiny figures."""

import concurrent.futures
import csv
import dataclasses
import importlib
import json
import math
import pkgutil
import re

import matplotlib
import matplotlib.figure
import numpy as np
import pytest

import afterfit as af
import afterfit.studies
from afterfit.ensemble import silent
from afterfit.ensemble._pack import packs
from afterfit.models import MLP
from afterfit.statistics import judge, Verdict
from afterfit.store import RESULTS_VERSION
from afterfit.studies import Claim, Figure, reproduce, run_figure, SCALES, Study, verdict_table
from afterfit.tasks import BinaryOperation, DataError, DigitImage, MNIST, QM9, Reviews


FIELDS = "figure claim source paper value interval verdict seeds runs note".split()  # DESIGN, section 5
TINY = af.Experiment(
    BinaryOperation("x+y", modulus=5),
    MLP(hidden=(8,)),
    batch=512,
    steps=3,
    record=af.Every(1),
    snapshots=af.Every(3),
)


def _sweeps(scale):
    del scale
    return {"main": af.sweep(TINY, {"optimiser.weight_decay": [0.0, 1.0], "seed": [0, 1]})}


def _chart(results):
    figure = matplotlib.figure.Figure()
    ax = figure.subplots()
    for seed in (0, 1):
        shown = results["main"]["train_loss"].isel(seed=seed).T
        ax.plot(shown["step"], shown, label=f"seed {seed}")
    ax.fill_between([0, 3], [0, 0], [1, 2], hatch="//")  # clip paths and hatches have identifiers in SVG
    ax.legend()
    return figure


def _table(results):
    return [{"seed": seed, "loss": float(results["main"]["train_loss"][0, seed, -1])} for seed in (0, 1)]


def _figure(name, *judgements, chart=_chart):
    """A figure whose claims come to these judgements, or are judged by these functions."""
    claims = tuple(
        Claim(
            f"claim {i}",
            f"{name} says {i}.",
            "section 1",
            "about 3",
            one if callable(one) else lambda _, found=one: found,
        )
        for i, one in enumerate(judgements)
    )
    return Figure(name, "A figure", _sweeps, claims, chart, _table)


def _loss(results):
    """The median loss at the end."""
    return judge(float(results["main"]["train_loss"][..., -1].median()), (1, 3), least=0, seeds=2, runs=4)


def test_further_sweeps_may_rest_on_what_the_first_brought(store):
    def then(results):
        best = int(results["main"]["test_loss"][0, :, -1].values.argmin())
        return {"longer": af.sweep(dataclasses.replace(TINY, steps=4), {"seed": [best]})}

    figure = dataclasses.replace(FIRST, then=then)
    results = run_figure(figure, "laptop", store=store, display=silent)
    assert set(results.data) == set(results.sweeps) == {"main", "longer"}
    best = results["longer"]["seed"].values
    losses = results["main"]["test_loss"].isel({"optimiser.weight_decay": 0, "step": -1})
    assert losses.sel(seed=best[0]) == losses.min()
    assert results["longer"]["step"][-1] == 4 and len(results.records("longer")) == 1


def test_workers_train_what_a_study_needs(store, tmp_path):
    def verdicts(folder, output, **more):
        reproduce(
            STUDY, (FIRST,), "laptop", store=folder, output=output, display=silent,
            tell=lambda text: None, **more,
        )  # fmt: skip
        return (output / "verdicts.json").read_text()

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        there = verdicts(tmp_path / "store", tmp_path / "there", executor=pool)
    assert there == verdicts(store, tmp_path / "here")
    told = json.loads((tmp_path / "there" / "provenance.json").read_text())
    assert told["figures"]["fig-1"]["steps"] > 0  # those of the workers count


def test_further_sweeps_have_names_of_their_own(store):
    figure = dataclasses.replace(FIRST, then=lambda results: {"main": af.sweep(TINY)})
    with pytest.raises(ValueError, match="`then` of fig-1 must name new sweeps, got main again"):
        run_figure(figure, "laptop", store=store, display=silent)


FIRST = _figure("fig-1", _loss, judge(5.0, (4.0, math.inf), least=6, seeds=2, runs=4, note="adapted"))
SECOND = _figure("fig-2", judge(math.inf, (math.inf, math.inf), most=6), judge(math.nan))
STUDY = Study("author2022", "A study", "An author", (FIRST, SECOND))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The tiny runs, trained."""
    folder = tmp_path_factory.mktemp("machinery") / "store"
    run_figure(FIRST, "laptop", store=folder, display=silent)
    return folder


@pytest.fixture
def again(store, tmp_path):
    """Reproduces figures of the tiny study from the store, by default at laptop scale."""

    def run(
        *figures,
        study=STUDY,
        scale="laptop",
        output=tmp_path / "out",
        where=store,
        tell=lambda _: None,
        **more,
    ):
        return reproduce(study, figures, scale, store=where, output=output, display=silent, tell=tell, **more)

    return run


def _read(folder):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads((folder / "verdicts.json").read_text(), parse_constant=refuse)


def _contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


# --- what is written ------------------------------------------------------------------------------


def test_verdicts_have_the_fields_that_the_design_names(again, tmp_path):
    fresh = again(FIRST, SECOND)
    rows = _read(tmp_path / "out")
    assert rows == fresh and [list(row) for row in rows] == [FIELDS] * 4
    assert rows[0] == {
        "figure": "fig-1",
        "claim": "fig-1 says 0.",
        "source": "section 1",
        "paper": "about 3",
        "value": pytest.approx(1.5, abs=0.5),
        "interval": [1, 3],
        "verdict": "holds",
        "seeds": 2,
        "runs": 4,
        "note": "",
    }
    # JSON has no infinity: null, and the note says which way it is open.
    assert (rows[1]["value"], rows[1]["interval"], rows[1]["verdict"]) == (5, [4, None], "undecided")
    assert rows[1]["note"] == "adapted; value 5, interval [4, inf]"
    assert (rows[2]["value"], rows[2]["interval"], rows[2]["verdict"]) == (None, [None, None], "fails")
    assert rows[2]["note"] == "value inf, interval [inf, inf]"
    assert (rows[3]["value"], rows[3]["interval"], rows[3]["verdict"]) == (None, None, "undecided")


def test_each_figure_has_a_chart_a_table_and_a_provenance(again, tmp_path):
    again(FIRST)
    names = {"fig-1.svg", "fig-1.png", "fig-1.pdf", "fig-1.csv", "verdicts.json", "provenance.json"}
    assert set(_contents(tmp_path / "out")) == names
    with (tmp_path / "out" / "fig-1.csv").open(newline="") as file:
        text = file.read()
    assert "\r" not in text and [row["seed"] for row in csv.DictReader(text.splitlines())] == ["0", "1"]
    told = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert (told["study"], told["scale"], told["results_version"]) == (
        "author2022",
        "laptop",
        RESULTS_VERSION,
    )
    assert {"seconds", "steps", "versions", "python", "machine", "devices"} <= set(told["figures"]["fig-1"])


def test_a_page_can_be_written_each_time_that_a_figure_is_there(again, tmp_path):
    seen = []

    def after(folder):
        seen.append((folder, len(_read(folder)), (folder / "fig-2.svg").exists()))

    out = tmp_path / "out"
    again(FIRST, SECOND, output=out, after=after)
    assert seen == [(out, 2, False), (out, 4, True)]


def test_files_are_the_same_byte_for_byte_whatever_a_user_has_set(again, tmp_path):
    again(FIRST, output=tmp_path / "a")
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 7, "svg.fonttype": "path"}):
        again(FIRST, output=tmp_path / "b")
        assert matplotlib.rcParams["font.size"] == 20
    one, other = (_contents(tmp_path / name) for name in "ab")
    assert one.keys() == other.keys()
    for name in one.keys() - {"provenance.json"}:  # which has the time
        assert one[name] == other[name], name


@pytest.mark.parametrize(("style", "inches", "letters"), [("paper", 7.0, 7), ("talk", 12.8, 16)])
def test_charts_for_papers_and_talks(style, inches, letters, again, tmp_path):
    again(FIRST, style=style, output=tmp_path / "a")
    again(FIRST, style=style, output=tmp_path / "b")
    one, other = (_contents(tmp_path / name) for name in "ab")
    for kind in ("svg", "pdf", "png"):
        assert one[f"fig-1.{kind}"] == other[f"fig-1.{kind}"], kind
    drawing = one["fig-1.svg"].decode()
    assert f'width="{72 * inches:g}pt"' in drawing
    assert set(re.findall(r"font-size: ([\d.]+)px", drawing)) == {str(letters)}


def test_the_time_that_training_took_stays_when_stored_runs_are_judged_again(again, tmp_path):
    where = tmp_path / "fresh"
    again(FIRST, where=where)
    before = json.loads((tmp_path / "out" / "provenance.json").read_text())["figures"]["fig-1"]
    assert before["steps"] == 4 * 3
    again(FIRST, SECOND, where=where)
    after = json.loads((tmp_path / "out" / "provenance.json").read_text())["figures"]
    assert after["fig-1"] == before and after["fig-2"]["steps"] == 0


def test_the_table_of_verdicts(again):
    lines = verdict_table(again(FIRST, SECOND)).splitlines()
    assert lines[0].split() == ["holds", "fig-1", "fig-1", "says", "0."]
    assert "paper: about 3; here: 5 [4, open] (adapted; value 5, interval [4, inf])" in lines[3]
    assert "here: - [open, open] (value inf, interval [inf, inf])" in lines[5]
    assert lines[-1] == "1 holds, 1 fails, 2 undecided"


def test_verdicts_show_themselves_as_a_table(again):
    hostile = dataclasses.replace(FIRST.claims[0], sentence="<script>alert(1)</script>")
    found = again(dataclasses.replace(FIRST, claims=(hostile, *FIRST.claims[1:])))
    assert repr(found) == verdict_table(found)
    text = found._repr_html_()
    assert "<script" not in text and "&lt;script&gt;" in text
    assert text.count("<tr>") == 3 and "5 [4, open]" in text and text.endswith("1 undecided</p>")


# --- several figures in one folder ----------------------------------------------------------------


def test_figures_of_one_folder_keep_the_order_of_the_paper(again, tmp_path):
    again(SECOND)
    assert [row["figure"] for row in _read(tmp_path / "out")] == ["fig-2"] * 2
    fresh = again(FIRST)
    assert [row["figure"] for row in fresh] == ["fig-1"] * 2
    assert [row["figure"] for row in _read(tmp_path / "out")] == ["fig-1"] * 2 + ["fig-2"] * 2


def test_a_figure_run_again_replaces_its_own_verdicts_alone(again, tmp_path):
    again(FIRST, SECOND)
    before = _read(tmp_path / "out")
    again(_figure("fig-2", judge(1.0, least=0)))
    after = _read(tmp_path / "out")
    assert after[:2] == before[:2] and [row["verdict"] for row in after[2:]] == ["holds"]


def test_what_another_process_wrote_in_the_meantime_is_kept(again, tmp_path):
    def meanwhile(results):
        del results
        again(SECOND)
        return judge(1.0)

    again(_figure("fig-1", meanwhile))
    assert [row["figure"] for row in _read(tmp_path / "out")] == ["fig-1", "fig-2", "fig-2"]


def test_a_chart_that_fails_leaves_the_folder_as_it_was(again, tmp_path):
    again(FIRST, SECOND)
    before = _contents(tmp_path / "out")

    class Broken(matplotlib.figure.Figure):
        def savefig(self, fname, **more):
            fname.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        again(_figure("fig-1", judge(1.0), chart=lambda results: Broken()))
    assert _contents(tmp_path / "out") == before


# --- what is refused ------------------------------------------------------------------------------


def _edit(file, **changes):
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (
            None,
            {"scale": "paper"},
            "holds author2022 at scale laptop of .* but this is author2022 at scale paper",
        ),
        (
            None,
            {"study": dataclasses.replace(STUDY, name="other2023")},
            "but this is other2023 at scale laptop",
        ),
        (
            lambda folder: _edit(folder / "provenance.json", results_version=RESULTS_VERSION + 1),
            {},
            f"of results version {RESULTS_VERSION + 1}, but this is .* of version {RESULTS_VERSION}",
        ),
        (
            lambda folder: (folder / "provenance.json").unlink(),
            {},
            "has verdicts.json without the provenance.json",
        ),
        (lambda folder: (folder / "provenance.json").write_text("{"), {}, "provenance.json is damaged"),
        (lambda folder: (folder / "verdicts.json").write_text("["), {}, "verdicts.json is damaged"),
        (lambda folder: (folder / "verdicts.json").write_text('["x", 3]'), {}, "is no list of verdicts"),
        (lambda folder: (folder / "provenance.json").write_text("[]"), {}, "it names no figures"),
    ],
    ids=[
        "scale",
        "study",
        "results version",
        "no provenance",
        "damaged provenance",
        "damaged verdicts",
        "foreign verdicts",
        "foreign provenance",
    ],
)
def test_a_folder_of_something_else_is_refused_before_anything_is_trained(
    spoil, options, message, again, tmp_path
):
    again(FIRST)
    if spoil is not None:
        spoil(tmp_path / "out")
    before = _contents(tmp_path / "out")
    said = []
    with pytest.raises(ValueError, match=message) as raised:
        again(SECOND, **options, where=tmp_path / "untouched", tell=said.append)
    assert str(raised.value).endswith("choose another folder for the output, or move this one.")
    assert "\n" not in str(raised.value)
    assert not said and not (tmp_path / "untouched").exists() and _contents(tmp_path / "out") == before


def test_an_output_that_is_a_file_is_refused_before_anything_is_trained(again, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        again(FIRST, output=tmp_path / "file", where=tmp_path / "untouched")
    assert not (tmp_path / "untouched").exists()


def test_names_are_plain_and_distinct():
    with pytest.raises(ValueError, match="the name of a figure must be .* got 'Figure 1'"):
        _figure("Figure 1")
    with pytest.raises(ValueError, match="the name of a study must be .* got '../out'"):
        dataclasses.replace(STUDY, name="../out")
    with pytest.raises(ValueError, match="claims of fig-1 must have names of their own, got claim 0"):
        dataclasses.replace(FIRST, claims=FIRST.claims[:1] * 2)
    with pytest.raises(ValueError, match="figures of author2022 must have names .* got fig-2 more than once"):
        dataclasses.replace(STUDY, figures=(SECOND, FIRST, SECOND))


# --- what is judged -------------------------------------------------------------------------------


def _without(results, outcome, *places):
    """Results of which some runs, by their places on the axes, did not end."""
    data = results["main"].copy(deep=True)
    outcomes = data["outcome"].values.astype("<U8")
    for place in places:
        outcomes[place] = outcome
    return dataclasses.replace(results, data={"main": data.assign(outcome=(data["outcome"].dims, outcomes))})


@pytest.fixture(scope="module")
def results(store):
    return run_figure(FIRST, "laptop", store=store, display=silent)


@pytest.mark.parametrize(("outcome", "reason"), [("", "not run"), ("failed", "failed")])
def test_nothing_is_judged_while_runs_are_missing(outcome, reason, results):
    def never(results):
        raise AssertionError("judged all the same")

    lacking = _without(results, outcome, (0, 1), (1, 0))
    for _, found in _figure("fig-1", never, never).judged(lacking):
        assert found.verdict == Verdict.UNDECIDED and found.value is None
        assert found.note == (
            f"2 runs are missing: main {{'optimiser.weight_decay': 0.0, 'seed': 1}}: {reason}; "
            f"main {{'optimiser.weight_decay': 1.0, 'seed': 0}}: {reason}"
        )


def test_one_missing_run_is_not_called_runs_and_many_are_counted(results):
    (_, one), *_ = FIRST.judged(_without(results, "failed", (1, 1)))
    assert one.note.startswith("1 run is missing: main {")
    all_but = dataclasses.replace(
        results,
        sweeps={name: results.sweeps["main"] for name in "ab"},
        data={name: _without(results, "", (0,), (1,))["main"] for name in "ab"},
    )
    (_, many), *_ = FIRST.judged(all_but)
    assert many.note.startswith("8 runs are missing: a {") and many.note.endswith("; and 3 more")


def test_incomplete_figures_get_verdicts_and_keep_the_chart_they_had(again, results, tmp_path, monkeypatch):
    again(FIRST)
    before = _contents(tmp_path / "out")
    lacking = _without(results, "failed", (0, 0))
    monkeypatch.setattr("afterfit.studies._reproduce.run_figure", lambda *_, **__: lacking)
    assert {row["verdict"] for row in again(FIRST)} == {"undecided"}
    after = _contents(tmp_path / "out")
    assert [name for name in before if before[name] != after[name]] == ["verdicts.json"]


def test_runs_that_diverged_are_judged(results):
    assert not _without(results, "diverged", (0, 0)).missing
    assert FIRST.judged(_without(results, "diverged", (0, 0)))[0][1].verdict == Verdict.HOLDS


def test_the_smoke_scale_decides_nothing(again, tmp_path):
    rows = again(FIRST, SECOND, scale="smoke")
    assert {row["verdict"] for row in rows} == {"undecided"}
    assert rows[0]["value"] is not None and "smoke scale" in rows[0]["note"]


def test_records_come_with_their_places_and_can_be_measured_again(results):
    found = results.records("main")
    assert [place for place, _, _ in found] == results.sweeps["main"].coordinates
    for place, run, records in found:
        one = results["main"].sel(place)
        assert one["run"].item() == run.id == records.run
        np.testing.assert_array_equal(one["train_loss"].values, records.values["train_loss"])
        moment = results.moment(run, records, 3)
        assert int(moment.step) == 3
        assert float(moment.scores("test").loss) == pytest.approx(records.values["test_loss"][-1], rel=1e-5)


# --- all studies ----------------------------------------------------------------------------------

STUDIES = [
    importlib.import_module(f"afterfit.studies.{module.name}").STUDY
    for module in pkgutil.iter_modules(afterfit.studies.__path__)
    if module.ispkg
]
FIGURES = [(study, figure) for study in STUDIES for figure in study.figures]


def test_there_are_studies_of_distinct_names():
    names = [study.name for study in STUDIES]
    assert names and len(set(names)) == len(names)
    assert all(study.title and study.reference and study.figures for study in STUDIES)


@pytest.mark.parametrize(
    ("study", "figure"), FIGURES, ids=[f"{study.name}/{figure.name}" for study, figure in FIGURES]
)
def test_every_figure_has_sweeps_at_all_scales(study, figure):
    del study
    assert all(claim.sentence and claim.source and claim.paper for claim in figure.claims)
    sizes = []
    for scale in SCALES:
        plans = figure.sweeps(scale)
        for plan in plans.values():
            runs = {(run.experiment, run.seeds) for run in plan.runs}
            assert len(runs) == len(plan.runs), f"{scale}: runs that differ in nothing"
            try:  # seeds share a program, and every task's data can be made
                assert 1 <= len(packs(plan.runs)) <= len({run.experiment for run in plan.runs})
            except DataError:  # unless they are not ours
                assert {type(run.experiment.task) for run in plan.runs} <= {DigitImage, MNIST, QM9, Reviews}
        sizes.append(sum(run.experiment.steps for plan in plans.values() for run in plan.runs))
    assert sizes == sorted(sizes), f"steps at {', '.join(SCALES)}: {sizes}"
