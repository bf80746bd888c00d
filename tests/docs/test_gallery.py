"""The gallery shows the charts and counts the verdicts that are committed in results/."""

import json
import pathlib
import re

import pytest


PROJECT = pathlib.Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "gallery.md").read_text()
PICTURES = PROJECT / "docs" / "images" / "gallery"
SHOWN = re.findall(r"^`(\w+)/([\w-]+)`: (\d+) holds, (\d+) fails, (\d+) undecided", PAGE, re.MULTILINE)


def test_every_paper_is_there():
    assert {study for study, *_ in SHOWN} == {"power2022", "omnigrok", "kumar2023", "clauw2024", "fields"}
    files = {f"{study}-{figure}.svg" for study, figure, *_ in SHOWN}
    assert files == {file.name for file in PICTURES.iterdir()}
    assert files == set(re.findall(r"\]\(images/gallery/(.*?)\)", PAGE))


@pytest.mark.parametrize(("study", "figure", "holds", "fails", "undecided"), SHOWN)
def test_a_picture_is_the_committed_one(study, figure, holds, fails, undecided):
    results = PROJECT / "results" / study / "laptop"
    assert (PICTURES / f"{study}-{figure}.svg").read_bytes() == (results / f"{figure}.svg").read_bytes(), (
        f"copy results/{study}/laptop/{figure}.svg to docs/images/gallery/{study}-{figure}.svg"
    )
    rows = [row for row in json.loads((results / "verdicts.json").read_text()) if row["figure"] == figure]
    counts = [sum(row["verdict"] == verdict for row in rows) for verdict in ("holds", "fails", "undecided")]
    assert [int(holds), int(fails), int(undecided)] == counts
    assert f"`results/{study}/laptop/verdicts.json`" in PAGE
