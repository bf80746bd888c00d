"""Parts of the live page in a real browser: a network, a landscape, verdicts."""

import json
import urllib.parse

import pytest
from reader import choose, is_clean, open_page

import afterfit as af
from afterfit.landscape import spheres
from afterfit.report import live_page
from afterfit.store import Store


HOSTILE = "<script>alert('x')</script> & \"quotes\" " + "long " * 40


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory):
    """A store of a run with snapshots and of spheres, and the outcome of a study beside it."""
    folder = tmp_path_factory.mktemp("parts")
    operation = af.Experiment(
        af.tasks.BinaryOperation("x+y", modulus=5, fraction=0.6),
        af.models.MLP(hidden=(8,)),
        steps=20,
        snapshots=af.Every(10),
    )
    af.sweep(operation).run(folder / "network", display=af.ensemble.silent)
    spheres(operation, [0.5, 1.0, 2.0], {"task.fraction": [0.4, 0.6]}).run(
        folder / "spheres", display=af.ensemble.silent
    )
    outcome = folder / "results" / "power2022" / "smoke"
    outcome.mkdir(parents=True)
    claim = {"figure": "fig1", "claim": HOSTILE, "paper": HOSTILE, "value": 2.0, "interval": [1.0, 3.0]}
    rows = [{**claim, "verdict": "holds"}, {**claim, "verdict": "fails"}, {**claim, "verdict": "fails"}]
    (outcome / "verdicts.json").write_text(json.dumps(rows))
    (outcome / "provenance.json").write_text(
        json.dumps({"study": "power2022", "scale": "smoke", "figures": {"fig1": {}}})
    )
    return folder


def _chosen(address, **choices):
    return address + "#" + urllib.parse.quote(json.dumps(choices))


def _drawn(place):
    return f"document.querySelectorAll('{place} canvas').length"


def _text(place):
    return f"document.getElementById('{place}').textContent"


def test_a_network_from_step_to_step(tab, folder):
    (entry,) = Store(folder / "network").runs()
    with live_page(folder / "network") as address:
        open_page(tab, _chosen(address, run=entry.run))
        assert tab.run(_drawn("#picture")) == 0  # nothing is computed before somebody asks for it
        tab.run("document.getElementById('inside').open = true")
        tab.wait(f"{_drawn('#picture')} === 1 && {_drawn('#equations')} === 1")
        assert tab.run(_text("step-text")) == "20"
        choose(tab, "shown", "network")
        tab.wait(f"{_text('equations-note')}.startsWith('At step 20: right on ')")
        tab.run(
            "(slider => { slider.value = 0; slider.dispatchEvent(new Event('input')) })"
            "(document.getElementById('step'))"
        )
        tab.wait(f"{_text('step-text')} === '0' && {_text('equations-note')}.startsWith('At step 0:')")
        for method, rows in (("t-SNE", 5), ("components", 5), ("circle", 5 + 6)):
            choose(tab, "method", method)
            tab.wait(f"document.getElementById('picture').view?.data('rows').length === {rows}")
        is_clean(tab, address)


def test_a_landscape_and_its_map(tab, folder):
    with live_page(folder / "spheres") as address:
        open_page(tab, address)
        assert tab.run(_drawn("#landscape-panels")) == 0
        tab.run("document.getElementById('landscape').open = true")
        tab.wait(f"{_drawn('#landscape-panels')} === 1")
        choose(tab, "up", "task.fraction")
        assert tab.run(_drawn("#landscape-panels")) == 2
        chart = "document.querySelector('#landscape-panels .chart').view.data('rows')"
        assert tab.run(f"{chart}.filter(row => row.kind === 'cell').length") == 6
        choose(tab, "height", "accuracy")
        assert "6 runs at constant norm" in tab.run(_text("landscape-note"))
        tab.size(390, dark=True)
        tab.wait("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        tab.size(1280)
        is_clean(tab, address)


def test_verdicts_as_they_come(tab, folder, tmp_path):
    with live_page(folder / "network", outcomes=folder / "results") as address:
        open_page(tab, address)
        rows = "document.querySelectorAll('#claims tr').length"
        assert tab.run(rows) == 3
        assert HOSTILE.strip() in tab.run(_text("claims")) and tab.run("document.scripts.length") == 2
        choose(tab, "verdict", "fails")
        assert tab.run(rows) == 2
        outcome = folder / "results" / "power2022" / "smoke" / "verdicts.json"
        outcome.write_text(json.dumps(json.loads(outcome.read_text())[:2]))
        tab.wait(f"{rows} === 1")  # a study goes on beside the page
        is_clean(tab, address)
    with live_page(folder / "network", outcomes=tmp_path) as address:
        open_page(tab, address)
        assert tab.run("document.getElementById('verdicts').hidden")


def test_choices_of_another_store_are_forgotten(tab, folder):
    elsewhere = {
        "run": "nobody", "where": {"depth": "3"}, "colour": "depth", "panel": "depth", "x": "depth",
        "landscape": True, "up": "depth", "height": "sharpness", "outcome": "/else", "verdict": "zz",
        "inside": True, "table": "nothing by rows", "step": 3, "method": "ring", "measures": None,
    }  # fmt: skip
    with live_page(folder / "spheres", outcomes=folder / "results") as address:
        open_page(tab, _chosen(address, **elsewhere))
        assert tab.run("document.getElementById('one').hidden")
        tab.wait(f"{_drawn('#curves')} === 2 && {_drawn('#landscape-panels')} === 1")
        assert tab.run("[at => at('height').value + at('up').value]"
                       ".map(one => one(id => document.getElementById(id)))[0]") == "loss"  # fmt: skip
        assert tab.run("document.querySelectorAll('#claims tr').length") > 0
        # The browser itself tells of the run that is not there.
        assert [one for one in tab.complaints if "api/run" not in one] == []


def test_a_chart_that_was_hidden_while_the_window_changed(tab, folder):
    (entry,) = Store(folder / "network").runs()
    with live_page(folder / "network") as address:
        open_page(tab, _chosen(address, run=entry.run, inside=True))
        tab.wait(f"{_drawn('#equations')} === 1")
        tab.run("document.getElementById('close').click()")
        tab.wait("document.getElementById('one').hidden")
        tab.size(900)
        tab.run("document.querySelector('#runs button').click()")
        tab.wait("!document.getElementById('one').hidden")
        tab.wait("[...document.querySelectorAll('#one canvas')].every(one => one.clientWidth > 100)")
        tab.size(1280)
        is_clean(tab, address)
