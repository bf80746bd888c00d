"""The page: what it says, that it is self-contained, that its charts are valid and drawn by a browser."""

import csv
import html.parser
import io
import json
import re
import shutil
import subprocess
from collections import Counter

import numpy as np
import pytest
import vl_convert
import xarray

from afterfit.report import write_page
from afterfit.statistics import grokking_time, median_time


HOSTILE = (
    "<script>alert(\"x\")</script><!-- & 'quotes' {{title}} $x$ \\, comma\nnew line " + "long name " * 16
)
MEASURES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "weight_norm", "spectral_entropy")


SHAPES = (
    "single run",
    "seeds",
    "one axis",
    "several axes",
    "text",
    "mixed values",
    "one value",
    "missing and diverged",
    "diverged at once",
    "zero and huge losses",
    "different records",
    "one record",
    "few of many values",
    "bands, and none of some",
)


def _shapes(make):
    """One Dataset for each shape that a sweep can have."""
    missing = make({"optimiser.weight_decay": [0.1, 1.0, 3.0], "task.fraction": [0.4, 0.6], "seed": [0, 1]})
    for name in MEASURES:
        missing[name][0, 0] = np.nan
        missing[name][1, 1, 0, 50:] = np.nan
    missing["outcome"][1, 1, 0] = "diverged"
    at_once = make()
    at_once["train_loss"][:] = np.nan
    zero = make({"seed": [0, 1]})
    zero["train_loss"][:, 60:] = 0
    zero["test_loss"][1, 100:] = 1e30
    other_grids = make({"seed": [0, 1]})
    for name in MEASURES:
        other_grids[name][0, 1::2] = np.nan
        other_grids[name][1, 2::2] = np.nan
    few = make({"optimiser.weight_decay": np.linspace(0.1, 2.0, 20), "seed": [0, 1]})
    for name in MEASURES:
        few[name][2:] = np.nan
        few[name][0] = (
            np.nan
        )  # what is left lies at none of the eight values that all of them would be spread over
    bands = make({"optimiser.weight_decay": [0.1, 2.0], "seed": np.arange(120)}, records=20)
    bands["train_loss"][0] = bands["test_loss"][0] = np.nan
    return {
        "single run": make(),
        "seeds": make({"seed": [0, 1, 2]}),
        "one axis": make({"optimiser.weight_decay": [0.1, 2.0]}),
        "several axes": make({"a.x": [1, 2], "b.x": [1.5, 2.5], "width": [8, 16], "seed": [0, 1]}),
        "text": make({"task.operation": ["x+y", HOSTILE], "seed": [0, 1]}),
        "mixed values": make({"decay": np.array([None, 0.1, True], object)}),
        "one value": make({"optimiser.weight_decay": [0.1]}),
        "missing and diverged": missing,
        "diverged at once": at_once,
        "zero and huge losses": zero,
        "different records": other_grids,
        "one record": make({"seed": [0, 1]}).isel(step=[0]),
        "few of many values": few,
        "bands, and none of some": bands,
    }


@pytest.fixture(name="page")
def _page(tmp_path):
    def write(data, title="Division modulo 97", **options):
        return write_page(data, tmp_path / "page.html", title=title, **options).read_text("utf-8")

    return write


class _Elements(html.parser.HTMLParser):
    """Tags with attributes, and the text outside of scripts and styles."""

    _VOID = {"meta", "br", "link"}

    def __init__(self):
        super().__init__()
        self.open, self.found, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self._VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)


def _parsed(text):
    parser = _Elements()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser


def _between(start, end, text):
    return text.partition(start)[2].partition(end)[0]


def _island(text):
    return json.loads(_between('<script type="application/json" id="charts">', "</script>", text))


def _headline(text):
    return _between('<p class="headline">', "</p>", text)


@pytest.mark.parametrize("name", SHAPES)
def test_any_shape_of_data(name, grokking_runs, page):
    text = page(_shapes(grokking_runs)[name], about={"recipe.toml": "[task]\nmodulus = 97"})
    parsed = _parsed(text)
    assert "nan" not in " ".join(parsed.text).lower().split()
    island = _island(text)
    assert island["charts"]
    for place, chart in island["charts"].items():
        assert ("div", {"class": "chart", "id": place}) in parsed.found
        assert chart["spec"]["data"]["values"].count("\n") > 1
        rows = chart["spec"]["data"]["values"].splitlines()
        assert len(chart["header"].split(",")) == len(rows[0].split(","))
    # `vl_convert` knows no containers.
    first = dict(next(iter(island["charts"].values()))["spec"], width=400)
    svg = vl_convert.vegalite_to_svg(first, config=island["themes"]["light"])
    assert "mark-line" in svg and "NaN" not in svg


def test_it_asks_for_nothing_outside(grokking_runs, page):
    text = page(grokking_runs({"seed": [0, 1]}))
    own = re.sub(r'<script id="library">.*?</script>', "", text, flags=re.S)
    links = set(re.findall(r"""(?:https?:)?//[\w.-]+\.[a-z]{2,}[^"'\s\\]*""", own))
    assert links == {"https://vega.github.io/schema/vega-lite/v6.json"}
    parsed = _parsed(text)
    assert not [tag for tag, attrs in parsed.found if "src" in attrs or tag in ("link", "iframe", "img")]
    policy = next(attrs["content"] for _, attrs in parsed.found if "http-equiv" in attrs)
    assert "default-src 'none'" in policy


def test_names_cannot_become_code(grokking_runs, page):
    data = grokking_runs({HOSTILE: [HOSTILE, "b"], "seed": [0, 1]}).rename(spectral_entropy="a " + HOSTILE)
    text = page(data, title=HOSTILE, about={HOSTILE: HOSTILE})
    parsed = _parsed(text)
    assert [attrs.get("id") for tag, attrs in parsed.found if tag == "script"] == [
        "charts",
        "library",
        "page",
    ]
    assert HOSTILE in "".join(parsed.text)
    charts = _island(text)["charts"].values()
    assert any(" ".join(HOSTILE.split()) in chart["spec"]["description"] for chart in charts)
    for chart in charts:
        vl_convert.vegalite_to_svg(dict(chart["spec"], width=400))


def test_the_headline_contrasts_the_ends_of_the_strongest_axis(grokking_runs, page):
    data = grokking_runs({"optimiser.weight_decay": [0.3, 3.0], "task.width": [8, 16], "seed": [0, 1, 2]})
    sentence = _headline(page(data))
    assert re.fullmatch(
        r"12 runs: all fitted their training set by step \d+; "
        r"with weight decay 0\.3 they generalised only at step [\d,]+ \([\d.]+ times later\), "
        r"with 3 at [\d,]+ \([\d.]+ times later\), medians over width and seeds\.",
        sentence,
    )
    assert "medians" not in _headline(page(data.isel({"task.width": [0]})))


def test_the_headline_of_one_run(grokking_runs, page):
    assert re.fullmatch(
        r"This run fitted its training set at step \d+ and generalised only at step [\d,]+ "
        r"\(\d+ times later\): it grokked\.",
        _headline(page(grokking_runs())),
    )
    short = grokking_runs().sel(step=slice(0, 500))
    assert re.fullmatch(
        r"This run fitted its training set at step \d+ and had not generalised by its last step, \d+\.",
        _headline(page(short)),
    )
    shorter = grokking_runs().sel(step=slice(0, 10))
    assert _headline(page(shorter)) == "This run had not fitted its training set by its last step, 10."


def test_the_headline_counts_diverged_and_missing_runs(grokking_runs, page):
    sentence = _headline(page(_shapes(grokking_runs)["missing and diverged"]))
    assert sentence.startswith("10 runs: ") and sentence.endswith(" 1 diverged. 2 more have no record.")


def test_the_table_marks_what_never_happened(grokking_runs, page):
    data = grokking_runs({"optimiser.weight_decay": [0.001, 2.0], "seed": [0, 1, 2]})
    text = page(data)
    rows = re.findall(r"<tr>(.*?)</tr>", _between("<tbody>", "</tbody>", text))
    cells = [[re.sub("<.*?>", "", cell) for cell in row.split("</td>")[:-1]] for row in rows]
    assert [row[:2] for row in cells] == [["0.001", "3"], ["2", "3"]]
    assert cells[0][3] == "&gt; 5,000" and cells[0][4].startswith("&gt; ") and cells[0][5] == "0 of 3"
    assert "&gt;" not in cells[1][3] and cells[1][5] == "3 of 3"
    assert "at least half of the runs had not got there" in text


def test_many_runs_become_medians_and_bands(grokking_runs, page):
    axes = {
        "fraction": np.linspace(0.1, 0.9, 10),
        "weight_decay": np.geomspace(0.01, 3, 10),
        "seed": range(7),
    }
    text = page(grokking_runs(axes))
    assert "are too many to draw one by one" in text
    assert "The charts show 8 of the 10 values of" in text and "The charts show 6 of the 10 values of" in text
    assert len(text.encode()) < 5e6
    charts = _island(text)["charts"]
    assert all("\nrun," not in chart["spec"]["data"]["values"] for chart in charts.values())
    table = text[text.index("<tbody>") : text.index("</tbody>")]
    assert table.count("<tr>") == 100
    svg = vl_convert.vegalite_to_svg(dict(charts["chart0"]["spec"], width=400))
    assert "mark-area" in svg


def test_the_page_stays_small_and_says_what_it_leaves_out(grokking_runs, page):
    """700 runs of some 300 records and six measures."""
    axes = {"fraction": np.linspace(0.1, 0.9, 10), "decay": np.geomspace(0.01, 3, 10), "seed": range(7)}
    data = grokking_runs(axes, records=480)
    data = data.assign({name: data["test_loss"] * (2 + place) for place, name in enumerate(("one", "two"))})
    text = page(data)
    assert 290 <= data.sizes["step"] <= 310
    assert len(text.encode()) < 5e6
    most = int(re.findall(r"each line shows at most (\d+), evenly spread as drawn", text)[0])
    charts = _island(text)["charts"]
    assert len(charts.pop("diagram")["spec"]["data"]["values"].splitlines()) == 1 + 10 * 10
    assert len(charts) == 6 * 6
    for chart in charts.values():
        rows = chart["spec"]["data"]["values"].splitlines()
        assert max(Counter(tuple(row.split(",")[:4]) for row in rows).values()) <= most
    assert "each line shows at most" not in page(grokking_runs({"seed": [0, 1]}))


def test_many_measures_leave_fewer_lines(grokking_runs, page):
    data = grokking_runs({"seed": range(150)}, records=60)
    assert "too many to draw one by one" not in page(data)
    crowd = data.assign({f"probe{place}": data["weight_norm"] * place for place in range(40)})
    text = page(crowd)
    assert "150 runs are too many to draw one by one" in text and len(text.encode()) < 5e6


def test_the_data_of_a_chart_are_on_the_page_once(grokking_runs, page):
    """Its link to a CSV file is made from them when the page is opened."""
    text = page(grokking_runs({"seed": [0, 1]}))
    for chart in _island(text)["charts"].values():
        row = chart["spec"]["data"]["values"].splitlines()[5]
        assert text.count(row.replace("<", "\\u003c")) == 1
    assert "data:text/csv" not in re.sub(r"<script.*?</script>", "", text, flags=re.S)


def test_medians_are_medians(grokking_runs, page):
    data = grokking_runs({"seed": [0, 1, 2]})
    rows = _island(page(data))["charts"]["chart0"]["spec"]["data"]["values"].splitlines()
    drawn = {int(row[2]): float(row[4]) for row in (line.split(",") for line in rows) if row[0] == "median"}
    expected = data["test_accuracy"].median("seed")
    assert set(drawn) == set(data["step"].values.tolist())
    np.testing.assert_allclose(list(drawn.values()), expected.sel(step=list(drawn)), rtol=1e-3)


def test_a_phase_diagram_where_two_axes_vary(grokking_runs, page):
    data = grokking_runs({"weight_decay": [0.01, 0.3, 3.0], "fraction": [0.4, 0.6], "seed": [0, 1, 2]})
    chart = _island(page(data))["charts"]["diagram"]
    rows = list(csv.DictReader(io.StringIO(chart["spec"]["data"]["values"])))
    assert len(rows) == 6 and chart["header"].split(",")[0] == "weight_decay"
    times = median_time(grokking_time(data), over="seed")["median"]
    for row in rows:
        expected = times.sel(weight_decay=float(row["x"]), fraction=float(row["y"])).item()
        assert row["value"] == ("" if np.isinf(expected) else str(expected))
    assert {row["text"] for row in rows} > {"not yet"}  # some are, and some are not
    # A cell without a number is there too: Vega leaves such out where a colour stands for the number.
    svg = vl_convert.vegalite_to_svg({**chart["spec"], "width": 300})
    numbers = sum(row["value"] != "" for row in rows)
    assert len(re.findall(r'aria-roledescription="rect mark"', svg)) == 6 + numbers
    assert "diagram" not in _island(page(data.isel(fraction=[0])))["charts"]


def test_the_same_data_gives_the_same_page(grokking_runs, page):
    assert page(grokking_runs({"seed": [0, 1]})) == page(grokking_runs({"seed": [0, 1]}))


def test_data_without_a_record(grokking_runs, tmp_path):
    data = grokking_runs({"seed": [0, 1]})
    data = data.assign({name: data[name] * np.nan for name in MEASURES})
    with pytest.raises(ValueError, match="at least one run with a record, got none"):
        write_page(data, tmp_path / "page.html", title="empty")
    with pytest.raises(ValueError, match="without `train_accuracy`"):
        write_page(xarray.Dataset(), tmp_path / "page.html", title="empty")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the browser Chromium on the path")
@pytest.mark.parametrize("name", ["text", "missing and diverged"])
def test_a_browser_draws_every_chart(name, grokking_runs, tmp_path):
    path = write_page(_shapes(grokking_runs)[name], tmp_path / "page.html", title=HOSTILE)
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=20000", "--enable-logging=stderr",
        "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert re.search(r'<html[^>]* data-charts="drawn"', done.stdout)
    charts = len(_island(path.read_text("utf-8"))["charts"])
    # Sizes are not asserted: a window without a screen has no fonts to measure on some machines.
    assert len(re.findall(r'<(?:svg|canvas)[^>]*class="marks"', done.stdout)) == charts
    assert len(re.findall(r'href="data:text/csv', done.stdout)) == charts
    assert "CONSOLE" not in done.stderr
