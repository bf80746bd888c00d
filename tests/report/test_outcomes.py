"""Verdicts of studies beside a store."""

import json
import shutil

from afterfit.report._outcomes import Outcomes
from afterfit.report._watch import Watch
from afterfit.store import Store


ROW = {
    "figure": "fig1",
    "claim": "It groks.",
    "source": "Figure 1",
    "paper": "1000",
    "value": 3.25,
    "interval": [3.0, None],
    "verdict": "holds",
    "seeds": 3,
    "runs": 9,
    "note": "",
}


def outcome(folder, rows):
    """Writes the outcome of a study as `reproduce` does."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "provenance.json").write_text(
        json.dumps({"study": folder.parent.name, "scale": folder.name, "figures": {"fig1": {}}})
    )
    (folder / "verdicts.json").write_text(json.dumps(rows))


def test_verdicts_of_a_folder_of_outcomes(tmp_path):
    outcomes = Outcomes(tmp_path / "results")
    assert outcomes.read() == {"outcomes": []}
    empty = outcomes.version()
    outcome(tmp_path / "results" / "power2022" / "smoke", [ROW, {**ROW, "verdict": "fails", "value": None}])
    (told,) = outcomes.read()["outcomes"]
    assert (told["study"], told["scale"]) == ("power2022", "smoke")
    assert told["counts"] == {"holds": 1, "fails": 1, "undecided": 0}
    assert [row["here"] for row in told["rows"]] == ["3.25 [3, open]", "– [3, open]"]
    first = outcomes.version()
    assert first != empty and first == Outcomes(tmp_path / "results").version()
    (tmp_path / "results" / "power2022" / "smoke" / "verdicts.json").write_text("[")
    (told,) = outcomes.read()["outcomes"]
    assert "is damaged" in told["problem"] and outcomes.version() != first
    shutil.rmtree(tmp_path / "results")
    assert outcomes.version() == empty


def test_a_single_outcome_is_a_folder_too(tmp_path):
    outcome(tmp_path / "power2022" / "smoke", [ROW])
    (told,) = Outcomes(tmp_path / "power2022" / "smoke").read()["outcomes"]
    assert told["rows"][0]["claim"] == "It groks."


def test_a_new_verdict_is_news(tmp_path):
    Store(tmp_path / "runs")
    watch = Watch(tmp_path / "runs", tmp_path / "results")
    before = watch.version()
    outcome(tmp_path / "results" / "power2022" / "smoke", [ROW])
    assert watch.version() != before
