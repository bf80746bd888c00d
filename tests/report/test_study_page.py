"""The page of a study: what it says of each figure, that it needs nothing else, that nothing in it runs."""

import base64
import html.parser
import json
import pathlib
import re
import shutil
import subprocess
import urllib.parse

import pytest

from afterfit import cli
from afterfit.report import write_study_page
from afterfit.studies import Claim, Figure, Study


HOSTILE = "<script>alert(\"x\")</script><!-- & 'quotes' {{title}} # % \\, comma\nnew line"
DRAWING = (
    '<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/svg11.dtd">\n'
    '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="36pt"><script>alert(1)</script>'
    '<a href="https://example.com/#a"><text>50% − #1</text></a></svg>\n'
)
TABLE = 'seed,"loss, final"\n0,0.5\n1,0.25%\n'
COMMITTED = sorted((pathlib.Path(__file__).parents[2] / "results").glob("*/*/verdicts.json"))


def _row(figure, verdict, **more):
    return {
        "figure": figure,
        "claim": f"{figure} says so.",
        "source": "section 1, Figure 2b",
        "paper": "about 3",
        "value": 2.71828,
        "interval": [1.5, None],
        "verdict": verdict,
        "seeds": 5,
        "runs": 1250,
        "note": "",
        **more,
    }


ROWS = [
    _row("fig1", "holds"),
    _row("fig1", "fails", note="adapted; at least 4"),
    _row("fig2", "undecided", value=None, interval=None, note="2 runs are missing"),
]
ENTRY = {
    "seconds": 61.4,
    "steps": 100_005,
    "versions": {"afterfit": "0.1.0", "jax": "0.10.2"},
    "python": "3.11.7",
    "machine": "x86_64",
    "devices": "2 x cpu",
    "started": "2026-11-26T09:20:58Z",
}
TOLD = {
    "study": "author2022",
    "scale": "laptop",
    "results_version": 1,
    "figures": {"fig1": ENTRY, "fig2": {**ENTRY, "devices": "1 x gpu"}},
}


def _never(*arguments):
    raise AssertionError("a page runs and judges nothing")


def _figure(name, note=""):
    claims = (Claim("a", f"{name} says so.", "section 1", "about 3", _never),)
    return Figure(name, f"what {name} shows", _never, claims, _never, _never, note=note)


STUDY = Study(
    "author2022",
    "A study of delays",
    "An Author 2022",
    (_figure("fig1", "Its axes have units."), _figure("fig2"), _figure("fig3")),
)


@pytest.fixture(name="folder")
def _folder(tmp_path):
    return _outcome(tmp_path / "out")


def _outcome(folder, rows=ROWS, told=TOLD, drawing=DRAWING, table=TABLE):
    folder.mkdir()
    (folder / "verdicts.json").write_text(json.dumps(rows))
    (folder / "provenance.json").write_text(json.dumps(told))
    (folder / "fig1.svg").write_text(drawing)
    (folder / "fig1.csv").write_text(table)
    return folder


class _Elements(html.parser.HTMLParser):
    """Tags with attributes, and the text between them."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open, self.text = [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data if self.open[-1:] != ["style"] else ""

    def attributes(self, tag, name):
        return [attrs[name] for found, attrs in self.found if found == tag and name in attrs]


def _page(folder, **options):
    return _Elements(write_study_page(folder, **options).read_text("utf-8"))


def test_it_says_what_the_folder_holds(folder):
    page = _page(folder, study=STUDY)
    words = " ".join(page.text.split())
    assert "author2022 at scale laptop" in words and "An Author 2022" in words
    assert "A study of delays: of 3 claims in 2 figures, 1 holds, 1 fails, 1 is undecided." in words
    assert "Not run here: fig3." in words
    assert "fig1: what fig1 shows" in words and "Its axes have units." in words
    assert "Took 61 s for 100,005 steps of training." in words
    assert "fig1: afterfit 0.1.0, jax 0.10.2, Python 3.11.7, x86_64, 2 x cpu." in words
    assert "fig2: afterfit 0.1.0, jax 0.10.2, Python 3.11.7, x86_64, 1 x gpu." in words
    assert "Results version 1; 2 min in all." in words and "Run on 2026-11-26." in words


def test_a_figure_says_what_its_module_says(tmp_path):
    told = {**TOLD, "study": "kumar2023", "figures": {"fig1": ENTRY}}
    words = " ".join(_page(_outcome(tmp_path / "out", ROWS[:1], told)).text.split())
    assert "What the paper does, and what is done here" in words
    assert "The text gives no settings; those of the authors' code are D = 100" in words


def test_each_claim_has_a_row(folder):
    text = write_study_page(folder, study=STUDY).read_text("utf-8")
    tables = re.findall(r'<table class="claims">.*?<tbody>(.*?)</tbody>', text)
    rows = [row for table in tables for row in re.findall(r"<tr>(.*?)</tr>", table)]
    cells = [
        [" ".join(_Elements(cell).text.split()) for cell in re.findall("<td.*?</td>", row)] for row in rows
    ]
    claim = "fig1 says so.section 1, Figure 2b"
    assert cells == [
        ["holds", claim, "about 3", "2.718[1.5, open]", "5", "1,250", ""],
        ["fails", claim, "about 3", "2.718[1.5, open]", "5", "1,250", "adapted; at least 4"],
        ["undecided", claim.replace("fig1", "fig2"), "about 3", "–", "5", "1,250", "2 runs are missing"],
    ]


def test_every_link_inside_the_page_has_a_target(folder):
    page = _page(folder, study=STUDY)
    targets = [link.removeprefix("#") for link in page.attributes("a", "href") if link.startswith("#")]
    assert targets == ["fig1", "fig2"] == page.attributes("h2", "id")


def test_pictures_and_tables_are_inside_it(folder):
    page = _page(folder, study=STUDY)
    (source,) = page.attributes("img", "src")
    kind, _, drawing = source.partition(",")
    assert kind == "data:image/svg+xml" and urllib.parse.unquote(drawing) == DRAWING.replace("\n", " ")
    assert page.attributes("img", "width") == ["120"] and page.attributes("img", "height") == ["60"]
    (link,) = [one for one in page.attributes("a", "href") if one.startswith("data:")]
    assert urllib.parse.unquote(link.partition(",")[2]) == TABLE
    assert page.attributes("a", "download") == ["fig1.csv"]
    assert page.text.count("There is no chart.") == 1


def test_the_smaller_picture_is_taken(folder):
    (folder / "fig1.png").write_bytes(b"few")
    (source,) = _page(folder).attributes("img", "src")
    assert base64.b64decode(source.removeprefix("data:image/png;base64,")) == b"few"
    (folder / "fig1.png").write_bytes(b"many" * 1000)
    (source,) = _page(folder).attributes("img", "src")
    assert source.startswith("data:image/svg+xml,")


def test_it_asks_for_nothing_outside(folder):
    page = _page(folder, study=STUDY)
    assert not {tag for tag, _ in page.found} & {"script", "link", "iframe", "object", "svg", "form"}
    assert not [attrs for _, attrs in page.found for name in attrs if name.startswith("on")]
    sources = page.attributes("img", "src") + page.attributes("a", "href")
    assert all(one.startswith(("data:", "#")) for one in sources)
    policy = next(attrs["content"] for _, attrs in page.found if "http-equiv" in attrs)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_what_a_folder_holds_cannot_become_code(tmp_path):
    row = _row(
        HOSTILE, HOSTILE, claim=HOSTILE, source=HOSTILE, paper=HOSTILE, note=HOSTILE, interval=[HOSTILE, 1]
    )
    row |= {"value": HOSTILE, "seeds": HOSTILE, "runs": [HOSTILE]}
    entry = {
        **ENTRY,
        "versions": {HOSTILE: HOSTILE},
        "machine": HOSTILE,
        "started": HOSTILE,
        "seconds": HOSTILE,
    }
    told = {"study": HOSTILE, "scale": HOSTILE, "results_version": HOSTILE, "figures": {"fig1": entry}}
    page = _page(_outcome(tmp_path / "out", [row], told, table=HOSTILE))
    assert not {tag for tag, _ in page.found} & {"script", "svg"}
    assert page.text.count(" ".join(HOSTILE.split("\n")[:1])) >= 10
    assert urllib.parse.unquote(page.attributes("a", "href")[-1]).endswith(HOSTILE)


def test_a_study_that_this_version_does_not_have(folder):
    words = _page(folder).text
    assert "of 3 claims in 2 figures" in words and "Not run here" not in words


def test_the_same_folder_gives_the_same_page(folder, tmp_path):
    first = write_study_page(folder).read_bytes()
    assert first == write_study_page(folder, path=tmp_path / "other.html").read_bytes()
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("verdicts.json", None, "no readable verdicts.json: name the output folder of `afterfit reproduce`"),
        ("provenance.json", None, "no readable provenance.json"),
        ("verdicts.json", "[", "verdicts.json is damaged"),
        ("verdicts.json", '["x"]', "verdicts.json is damaged .it is no list of verdicts."),
        ("provenance.json", '{"figures": {"fig1": 3}}', "provenance.json is damaged .it names no figures."),
    ],
)
def test_a_folder_that_holds_no_outcome(name, text, message, folder):
    (folder / name).unlink()
    if text is not None:
        (folder / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        write_study_page(folder)
    assert not (folder / "index.html").exists()


@pytest.mark.parametrize("verdicts", COMMITTED, ids=lambda file: "/".join(file.parts[-3:-1]))
def test_committed_outcomes_make_a_page(verdicts, tmp_path, capsys):
    assert cli.main(["report", str(verdicts.parent), "--output", str(tmp_path / "page.html")]) == 0
    assert capsys.readouterr().out == f"report: {tmp_path / 'page.html'}\n"
    text = (tmp_path / "page.html").read_text("utf-8")
    page = _Elements(text)
    rows = json.loads(verdicts.read_text())
    assert text.count('<span class="verdict') == len(rows)
    assert len(page.attributes("img", "src")) == len(list(verdicts.parent.glob("*.svg")))
    pictures = sum(
        file.stat().st_size for file in verdicts.parent.iterdir() if file.suffix in (".svg", ".csv")
    )
    assert len(text.encode()) < 1.5 * pictures + 300_000  # what an address spells out, and the rows


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the browser Chromium on the path")
def test_a_browser_shows_the_picture_and_runs_nothing(folder, tmp_path):
    path = write_study_page(folder, study=STUDY)
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000", "--enable-logging=stderr",
        f"--print-to-pdf={tmp_path / 'page.pdf'}", path.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (tmp_path / "page.pdf").stat().st_size > 10_000
    assert "CONSOLE" not in done.stderr
