"""The live page: who gets an answer, what is answered, and what a real browser makes of it."""

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.parse

import numpy as np
import pytest
import vl_convert
from reader import CHART, choose, click_chart, is_clean, open_page, ROWS, SHOWN

from afterfit.report import live_page
from afterfit.report._diagram import _spec
from afterfit.report._runs import Axis
from afterfit.statistics import grokking_time, median_time
from afterfit.store import LiveRun, open_dataset, Store, StoreError


AXES = {"weight_decay": [0.1, 1.0, 3.0], "fraction": [0.4, 0.6], "seed": [0, 1]}
HOSTILE = "<script>alert('x')</script> & \"quotes\" " + "long " * 40


@pytest.fixture(name="store")
def _store(tmp_path, stored_runs):
    stored_runs(tmp_path / "runs", AXES)
    return tmp_path / "runs"


class Asked:
    """The answer to one request."""

    def __init__(self, address, path, **headers):
        place = urllib.parse.urlsplit(address)
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", place.port, timeout=30)
        ) as connection:
            connection.request("GET", path, headers={"Host": f"localhost:{place.port}", **headers})
            answer = connection.getresponse()
            self.code, self.headers, self.body = answer.status, answer.headers, answer.read()

    @property
    def told(self):
        return json.loads(self.body)


def _about(what, **parameters):
    return f"/api/{what}?" + urllib.parse.urlencode(parameters)


# --- who gets an answer ---


def test_only_names_of_this_machine_are_answered(store):
    with live_page(store) as address:
        port = urllib.parse.urlsplit(address).port
        for path in ("/", "/live.js", "/vega.js", "/api/status", "/events"):
            for host in ("evil.example", f"evil.example:{port}", "localhost", "localhost:1", ""):
                assert Asked(address, path, Host=host).code == 403
        for host in ("localhost", "127.0.0.1", "[::1]"):
            assert Asked(address, "/api/status", Host=f"{host}:{port}").code == 200


def test_elsewhere_a_token_is_needed(store):
    with live_page(store, host="0.0.0.0") as address:
        token = urllib.parse.parse_qs(urllib.parse.urlsplit(address).query)["token"][0]
        assert len(token) > 30
        for path in ("/", "/?token=", "/?token=wrong", "/api/status", "/events"):
            assert Asked(address, path).code == 403
        first = Asked(address, f"/?token={token}")
        assert (first.code, first.headers["location"]) == (307, "/")
        cookie = first.headers["set-cookie"]
        assert "httponly" in cookie.lower() and "samesite=strict" in cookie.lower()
        assert Asked(address, "/api/status", Cookie=cookie.split(";")[0]).code == 200
        assert Asked(address, "/api/status", Cookie=cookie.split("=")[0] + "=wrong").code == 403


def test_answers_ask_for_nothing_outside(store):
    with live_page(store) as address:
        page = Asked(address, "/")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        for path in ("/", "/live.js", "/live.css", "/look.css", "/paper.css"):
            assert b"//" not in Asked(address, path).body.replace(b" // ", b"").replace(b"\n//", b"\n")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example"])
def test_a_name_that_somebody_points_here_is_refused(store, host):
    with live_page(store) as address:
        port = urllib.parse.urlsplit(address).port
        for path in ("/", "/api/status?token=", "/events"):
            answer = Asked(address, path, Host=f"{host}:{port}", Origin=f"http://{host}:{port}")
            assert answer.code == 403 and b"runs" not in answer.body


STRANGE = [
    "/../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/..%2f..%2fetc%2fpasswd",
    "//etc/passwd",
    "/live.js/../../_server.py",
    "/live.js%00.html",
    "/api/../events2",
    "/_server.py",
    "/api/store",
]


@pytest.mark.parametrize("path", STRANGE)
def test_only_the_files_of_the_page_are_served(store, path):
    with live_page(store) as address:
        assert Asked(address, path).code == 404


@pytest.mark.parametrize(
    "parameters",
    [
        {"where": "[" * 2_000},
        {"where": '{"a":' * 300},
        {"where": "null"},
        {"where": '{"seed": NaN'},
        {"where": json.dumps({"no axis": "1"})},
        {"index": "9" * 5_000},
        {"index": "-1"},
        {"index": ",".join(["0"] * 5_000)},
        {"index": "1e9"},
        {"measure": "m" * 30_000},
        {"measure": "m" * 500},
        {"measure": "../../etc/passwd"},
        {"measure": "\u0000\ud7ff\r\nX-Injected: 1"},
        {"colour": "<script>"},
        {"panel": "__class__"},
    ],
    ids=lambda parameters: f"{parameters}"[:30],
)
def test_strange_wishes_are_answered_with_what_is_wrong(store, parameters):
    with live_page(store) as address:
        answer = Asked(address, _about("curves", **parameters))
        assert answer.code == 400 and len(answer.told["error"]) < 1_000
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "x-injected" not in answer.headers
        assert Asked(address, "/api/status").code == 200  # and the next one is served


def test_nothing_can_be_sent_to_the_page(store):
    with live_page(store) as address:
        place = urllib.parse.urlsplit(address)
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", place.port)) as connection:
                connection.request(method, "/api/status", headers={"Host": f"localhost:{place.port}"})
                answer = connection.getresponse()
                assert answer.status == 405
        told = Asked(address, "/api/status", Origin="http://evil.example")
        assert "access-control-allow-origin" not in told.headers  # no other page may read it
        assert told.headers["cross-origin-resource-policy"] == "same-origin"


def test_the_token_is_told_to_nobody(store, capfd, caplog):
    with live_page(store, host="0.0.0.0") as address:
        token = urllib.parse.parse_qs(urllib.parse.urlsplit(address).query)["token"][0]
        for wrong in (token[:-1], token + "x", "\u00e4" * 10, "%ff%fe", "x" * 20_000):
            answer = Asked(address, "/?token=" + urllib.parse.quote(wrong))
            assert answer.code == 403 and token.encode() not in answer.body
        for cookie in ("\xff\xfe", "=", ";;;", "afterfit=" + token):
            assert Asked(address, "/api/status", Cookie=cookie).code == 403
        first = Asked(address, f"/?token={token}")
        assert first.headers["location"] == "/"  # it does not stay in the address, nor in a history
        assert first.headers["referrer-policy"] == "no-referrer"
        page = Asked(address, "/", Cookie=first.headers["set-cookie"].split(";")[0])
        assert page.code == 200 and token.encode() not in page.body
    assert token not in caplog.text + "".join(capfd.readouterr())


def test_a_taken_port(store):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(ValueError, match="Try another --port"):
            with live_page(store, port=taken.getsockname()[1]):
                pass
    with live_page(store) as first, live_page(store) as second:
        assert first != second


def test_there_must_be_a_store(tmp_path):
    with pytest.raises(StoreError, match="does not exist"):
        with live_page(tmp_path / "nowhere"):
            pass


def test_the_command_ends_in_peace_when_interrupted(store):
    start = "from afterfit.cli import script; script()"
    command = [sys.executable, "-c", start, "view", str(store), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        assert Asked(address, "/live.css").code == 200
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
        assert process.returncode == 0 and "Traceback" not in told


# --- what is answered ---


@pytest.fixture(name="port")
def _port():
    """A port for two servers in turn: none of those that other tests take meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def test_a_reader_who_has_the_answer_is_told_so(store, stored_runs, port):
    with live_page(store, port=port) as address:
        first = Asked(address, _about("curves"))
        tag = first.headers["etag"]
        assert first.told["panels"] and Asked(address, _about("curves"), **{"If-None-Match": tag}).code == 304
    with live_page(store, port=port) as address:  # the next server says the same
        assert Asked(address, _about("curves"), **{"If-None-Match": tag}).code == 304
        stored_runs(store, {**AXES, "seed": [7]})
        _until(lambda: Asked(address, _about("curves"), **{"If-None-Match": tag}).code == 200)


def _until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def _event(address, last="", seconds=30.0):
    """The id of the first event; None if there is none for so many seconds."""
    place = urllib.parse.urlsplit(address)
    with contextlib.closing(
        http.client.HTTPConnection("127.0.0.1", place.port, timeout=seconds)
    ) as connection:
        connection.request(
            "GET", "/events", headers={"Host": f"localhost:{place.port}", "Last-Event-ID": last}
        )
        answer = connection.getresponse()
        assert answer.headers["content-type"].startswith("text/event-stream")
        with contextlib.suppress(TimeoutError):
            while line := answer.readline():
                if line.startswith(b"id: "):
                    return line[4:].decode().strip()
    return None


def test_an_event_is_sent_once(store, stored_runs):
    with live_page(store) as address:
        version = _event(address)
        assert (
            version
            == Store(store, readonly=True).version()
            == Asked(address, _about("status")).told["version"]
        )
        assert _event(address, version, seconds=2.5) is None  # the server looks every second
        stored_runs(store, {**AXES, "seed": [7]})
        _until(lambda: Asked(address, _about("status")).told["version"] != version)
        assert _event(address, version) not in (version, None)


def test_medians_are_medians(store):
    data = open_dataset(store)["test_accuracy"]
    with live_page(store) as address:
        told = Asked(address, _about("curves", colour="weight_decay")).told
    (panel,) = told["panels"]
    columns = panel["columns"]
    axis = next(field for field, name in told["fields"].items() if name == "weight_decay")
    for decay in AXES["weight_decay"]:
        rows = [
            row
            for row in range(len(columns["step"]))
            if columns["kind"][row] == "median" and columns[axis][row] == f"{decay:g}"
        ]
        expected = data.sel(weight_decay=decay).median(["fraction", "seed"])
        drawn = [columns["test"][row] for row in rows]
        assert len(drawn) > 30
        np.testing.assert_allclose(
            drawn, expected.sel(step=[columns["step"][row] for row in rows]), rtol=1e-3, atol=1e-4
        )
    assert told["labels"] == ["0.1", "1", "3"]


def test_only_the_chosen_runs_are_drawn(store):
    where = json.dumps({"weight_decay": "1", "fraction": "0.6"})
    with live_page(store) as address:
        told = Asked(address, _about("curves", where=where, colour="seed")).told
        assert set(told["panels"][0]["columns"]["axis0"]) == {"0", "1"}
        assert Asked(address, _about("runs", where=where)).told["total"] == 2
        for wrong, hint in (
            ({"measure": "los"}, "there are: accuracy, loss"),
            ({"colour": "decay"}, "there are: weight_decay"),
            ({"index": "1"}, "expected a place in it"),
            ({"where": "[]"}, "table of labels"),
        ):
            answer = Asked(address, _about("curves", **wrong))
            assert answer.code == 400 and hint in answer.told["error"]


def test_a_diagram_has_the_median_of_each_cell(store):
    times = median_time(grokking_time(open_dataset(store)), over="seed")["median"]
    with live_page(store) as address:
        told = Asked(address, _about("diagram", x="weight_decay", y="fraction", statistic="generalised")).told
        columns = told["columns"]
        assert len(columns["x"]) == 6 and set(columns["runs"]) == {2}
        for x, y, value in zip(columns["x"], columns["y"], columns["value"], strict=True):
            expected = times.sel(weight_decay=float(x), fraction=float(y)).item()
            assert value == (expected if np.isfinite(expected) else None)
        phases = Asked(address, _about("diagram", x="weight_decay", y="", statistic="phase")).told
        assert set(phases["columns"]["text"]) == {"grokked", "memorised only"}
        last = Asked(address, _about("diagram", x="seed", y="", statistic="last accuracy")).told
        assert last["columns"]["value"] == [1.0, 1.0]
        assert Asked(address, _about("diagram", x="seed", y="", statistic="speed")).code == 400


def test_runs_on_their_way_are_shown(tmp_path, stored_runs, live_runs):
    stored_runs(tmp_path, {"seed": [0]})
    live = live_runs({"seed": [1, 2]}, 60)
    with Store(tmp_path).claim([one.run for one in live] + ["later"]) as session:
        session.publish_segment(live, {"steps_per_second": 120.0, "seconds_left": 33.0})
        with live_page(tmp_path) as address:
            told = Asked(address, _about("status")).told
            assert told["counts"] == {"done": 1, "running": 2, "waiting": 1}
            (process,) = told["sessions"]
            assert (process["steps_per_second"], process["seconds_left"]) == (120.0, 33.0)
            curves = Asked(address, _about("curves", where=json.dumps({"seed": "1"}))).told
            (panel,) = curves["panels"]
            assert len(panel["columns"]["step"]) == 60
            assert curves["signals"]["x_domain"] == [0, 5000]  # where it will end
            # What becomes of those that still train is open.
            assert sum(phase["count"] for phase in told["phases"]) == 1
            one = Asked(address, _about("run", id=live[0].run)).told
            assert one["state"] == "running" and '"operation": "x/y"' in one["recipe"]


def test_one_place_of_a_measure_of_arrays(tmp_path, live_runs):
    (live,) = live_runs({"seed": [1]}, 30)
    spectrum = np.arange(60.0).reshape(30, 2)
    more = LiveRun(live.run, live.recipe, live.steps, {**live.values, "spectrum": spectrum})
    with Store(tmp_path).claim([live.run]) as session:
        session.publish_segment([more], {})
        with live_page(tmp_path) as address:
            assert {"name": "spectrum", "shape": [2]} in Asked(address, _about("status")).told["measures"]
            (panel,) = Asked(address, _about("curves", measure="spectrum", index="1")).told["panels"]
    assert panel["columns"]["value"] == spectrum[:, 1].tolist()


def test_an_empty_store(tmp_path):
    Store(tmp_path)
    with live_page(tmp_path) as address:
        assert Asked(address, _about("status")).told["counts"] == {}
        assert Asked(address, _about("curves")).told["note"] == "No record of this yet."
        assert Asked(address, _about("runs")).told["rows"] == []


# --- in a browser ---


# The colours of the lines that are drawn, as the style of an element has them.
LINES = f"""
(() => {{
  const found = [], into = item => {{
    if (item.marktype === "line") found.push(...item.items.map(one => one.stroke));
    else for (const inner of item.items ?? []) into(inner);
  }};
  into({CHART}.view.scenegraph().root);
  const style = document.createElement("i").style;
  return found.map(colour => (style.color = colour, style.color));
}})()
"""


def test_a_reader_looks_around(tab, store):
    with live_page(store) as address:
        open_page(tab, address)
        assert tab.run("document.getElementById('counts').textContent") == "12 done"
        labels = "[...document.querySelectorAll('#legend .text')].map(one => one.textContent).join()"
        keys = "[...document.querySelectorAll('#legend i')].map(one => one.style.color)"
        view = tab.run(f"window.view = {CHART}.view; {labels}")
        assert view == "0.1,1,3" and set(tab.run(LINES)) == {*tab.run(keys)} and len(tab.run(keys)) == 3
        choose(tab, "colour", "fraction")
        assert tab.run(labels) == "0.4,0.6"
        assert set(tab.run(LINES)) == {*tab.run(keys)} and len(tab.run(keys)) == 2
        assert tab.run(f"view === {CHART}.view")  # it was changed, not made anew
        choose(tab, "linear", "true")
        assert tab.run(f"{CHART}.view.scale('x').type") == "linear"
        choose(tab, "x", "weight_decay"), choose(tab, "y", "fraction")
        click_chart(tab, "document.getElementById('diagram')", "3", "0.6")
        drawn = tab.run(f"{ROWS}.filter(row => row.kind === 'run').map(row => [row.axis0, row.axis1].join())")
        assert set(drawn) == {"0.6,3"}  # the axis of the colours is the first
        choose(tab, "colour", "")
        open_page(tab, address + "#" + urllib.parse.quote(json.dumps({"colour": "", "where": {"seed": "0"}})))
        assert (
            tab.run("document.querySelectorAll('#runs tr').length") == 6
        )  # an address keeps what was chosen
        is_clean(tab, address)


CHARTS = "[...document.querySelectorAll('#curves .chart')]"
SHOWN_STEPS = f"{CHARTS}.map(one => one.view?.scale('x').domain().join())"


def test_what_was_chosen_for_other_curves_is_forgotten(tab, store):
    """A value that stands out and a zoom, where that value and that panel are gone."""
    with live_page(store) as address:
        open_page(tab, address)
        press = "document.querySelector('#legend button').click()"
        pressed = "document.querySelectorAll('#legend [aria-pressed=true]').length"
        tab.run(press)
        assert tab.run(f"{CHART}.view.signal('focus')") == "0.1" and tab.run(pressed) == 1
        choose(tab, "colour", "fraction")
        assert tab.run(f"{CHART}.view.signal('focus')") == "" and tab.run(pressed) == 0
        choose(tab, "panel", "seed")
        last = f"{CHARTS}.at(-1).view"
        whole = tab.run(SHOWN_STEPS)
        tab.run(f"{last}.signal('zoom_step', [10, 100]).runAsync().then(() => 0)")
        assert tab.run(SHOWN_STEPS)[-1] == "10,100"
        choose(tab, "panel", "weight_decay")
        assert set(tab.run(SHOWN_STEPS)) == set(whole)
        is_clean(tab, address)


def test_a_chart_that_could_not_be_made_is_made_later(tab, store):
    with live_page(store) as address:
        open_page(tab, address)
        tab.run("window.embed = window.vegaEmbed; 0")
        tab.run("window.vegaEmbed = async () => { throw new Error('no memory') }; 0")
        tab.run("document.getElementById('linear').value = 'true'")
        tab.run("document.getElementById('linear').dispatchEvent(new Event('change'))")
        tab.wait("document.getElementById('counts').textContent === 'no memory'")
        assert tab.run("document.querySelectorAll('#runs tr').length") == 12  # the rest is there
        tab.run("window.vegaEmbed = window.embed; 0")
        for linear in ("", "true"):
            choose(tab, "linear", linear)
            assert tab.run(f"{CHART}.view.scale('x').type") == ("linear" if linear else "symlog")
        is_clean(tab, address)


def test_charts_are_changed_and_not_made_anew(tab, store):
    """Whatever is chosen but the kind of an axis; in a browser without idle moments too."""
    with live_page(store) as address:
        without = "window.requestIdleCallback = undefined"
        added = tab.send("Page.addScriptToEvaluateOnNewDocument", source=without)["identifier"]
        open_page(tab, address)
        tab.send("Page.removeScriptToEvaluateOnNewDocument", identifier=added)
        tab.run(f"window.charts = {CHARTS}.map(one => one.view); 0")
        same = f"charts.every((one, at) => one === {CHARTS}[at].view)"
        choose(tab, "colour", "seed")
        tab.run(f"delete {SHOWN}, document.querySelector('#filters select').value = '1'")
        tab.run("document.querySelector('#filters select').dispatchEvent(new Event('change'))")
        tab.wait(SHOWN)
        assert set(tab.run(f"{ROWS}.map(row => row.axis1)")) == {"1"} and tab.run(same)
        choose(tab, "linear", "true")
        assert not tab.run(same)
        is_clean(tab, address)


def test_a_click_on_a_curve_opens_its_run(tab, tmp_path, stored_runs):
    (only,) = stored_runs(tmp_path, {"seed": [3]})
    place = int(np.argmax(only.values["test_accuracy"] > 0.5))
    with live_page(tmp_path) as address:
        open_page(tab, address)
        assert tab.run("document.getElementById('one').hidden")
        click_chart(tab, CHART, int(only.steps[place]), float(only.values["test_accuracy"][place]))
        assert not tab.run("document.getElementById('one').hidden")
        assert '"seed": 3' in tab.run("document.getElementById('one-recipe').textContent")
        assert tab.run("document.querySelectorAll('#one-curves canvas').length") == 2
        assert tab.run("document.activeElement.id") == "one"  # where a keyboard goes on from
        is_clean(tab, address)


def test_curves_grow_and_a_new_server_repeats_nothing(tab, tmp_path, live_runs, port):
    (whole,) = live_runs({"seed": [1]}, 100)
    steps = f"{ROWS}.map(row => row.step)"
    with Store(tmp_path).claim([whole.run]) as session:

        def reach(records):
            part = {name: values[:records] for name, values in whole.values.items()}
            session.publish_segment([LiveRun(whole.run, whole.recipe, whole.steps[:records], part)], {})

        reach(20)
        with live_page(tmp_path, port=port) as address:
            open_page(tab, address)
            assert tab.run(steps) == whole.steps[:20].tolist()
            tab.run(f"window.canvas = {CHART}.querySelector('canvas')")
            reach(40)
            tab.wait(f"{ROWS}.length === 40")
            assert tab.run(
                f"window.canvas === {CHART}.querySelector('canvas')"
            )  # it grew, and was not made anew
        tab.wait("document.getElementById('counts').textContent.includes('server has ended')")
        lost = len(tab.complaints)
        reach(60)
        with live_page(tmp_path, port=port) as address:
            tab.wait(f"{ROWS}.length === 60")
            assert tab.run(steps) == whole.steps[:60].tolist()
            reach(80)
            tab.wait(f"{ROWS}.length === 80")
            assert tab.run(steps) == whole.steps[:80].tolist()
            tab.wait("document.getElementById('counts').textContent === '1 running'")
            # The browser itself tells of the server that was not there; the page has nothing to add.
            assert all("ERR_" in one for one in tab.complaints), tab.complaints[lost:]


def test_a_page_that_is_opened_before_the_first_run(tab, tmp_path, stored_runs):
    Store(tmp_path)
    with live_page(tmp_path) as address:
        open_page(tab, address)
        assert tab.run("document.getElementById('counts').textContent") == "no run yet"
        stored_runs(tmp_path, AXES)
        tab.wait("document.getElementById('counts').textContent === '12 done'")
        tab.wait("document.querySelectorAll('#diagram canvas').length === 1")
        assert tab.run("document.querySelectorAll('#curves canvas').length") == 2
        is_clean(tab, address)


def test_hostile_names_are_text(tab, tmp_path, stored_runs):
    stored_runs(tmp_path, {HOSTILE: [HOSTILE, "plain"], "seed": [0, 1]})
    with live_page(tmp_path) as address:
        open_page(tab, address)
        assert HOSTILE.strip() in tab.run("document.body.textContent")
        assert tab.run("document.scripts.length") == 2
        choose(tab, "panel", HOSTILE)
        choose(tab, "x", HOSTILE)
        for width in (1280, 390):
            tab.size(width)
            tab.wait("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        tab.size(1280)
        is_clean(tab, address)


def test_a_diagram_without_any_number_says_nothing_of_a_scale():
    """Of a store in which nobody generalises: Vega made a legend of "NaN", and drew no cell."""
    rows = [{"x": "0.4", "y": "", "value": None, "text": "> 3,000", "runs": 2}]
    spec = _spec(rows, Axis("fraction", "fraction", ("0.4",), True, np.zeros(2, int)), None, "generalised")
    svg = vl_convert.vegalite_to_svg({**spec, "width": 200, "data": {"values": rows}})
    assert "NaN" not in svg and svg.count("#8a919c55") + svg.count("138,145,156") >= 1
