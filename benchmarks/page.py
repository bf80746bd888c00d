"""How fast the live page is in a real browser, with 1,000 runs of 300 records and six measures."""

import hashlib
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time
import typing

import numpy as np

from afterfit.report import live_page
from afterfit.store import RunRecords, Store

from ._table import duration, Table


sys.path.append(str(pathlib.Path(__file__).parent.parent / "tests"))
from browser import browser, Tab


DECAYS, FRACTIONS, SEEDS = 10, 10, 10
RECORDS = 300
REPEATS = 7
SHOWN = "document.documentElement.dataset.version"
CHOICES = {  # what a reader does: where, the value that is chosen, and that before and after
    "another axis gives the colours": ("#colour", "fraction", "weight_decay"),
    "six panels": ("#panel", "fraction", ""),
    "no panels": ("#panel", "", "fraction"),
    "runs of one fraction": ("#filters [data-axis=fraction]", "0.5", ""),
    "another measure": (".measure select", "weight_norm", "accuracy"),
    "another axis up the phase diagram": ("#y", "seed", "fraction"),
    "another statistic": ("#statistic", "ratio", "generalised"),
}
FIRST = ("#panel", "fraction")  # dear the first time: charts are made for it
IDLE = 2.0  # seconds that a reader looks at the page first


def runs(random: np.random.Generator) -> typing.Iterator[RunRecords]:
    """Runs that grok by construction; six measures, two of them in two parts."""
    steps = np.unique(np.geomspace(1, 50_000, 460).round().astype(int))
    steps = np.concatenate([[0], steps[np.linspace(0, len(steps) - 1, RECORDS - 1).astype(int)]])
    for decay, fraction, seed in np.ndindex(DECAYS, FRACTIONS, SEEDS):
        recipe = {
            "task": {"kind": "BinaryOperation", "operation": "x+y"},
            "steps": 50_000,
            "weight_decay": round(0.01 * 2**decay, 4),
            "fraction": round(0.3 + 0.05 * fraction, 2),
            "seed": seed,
        }
        late = 20_000 / (1 + decay) * np.exp(0.1 * random.normal() - 0.1 * fraction)

        def rise(at: float) -> np.ndarray:
            return 1 / (1 + np.exp(-4 * (np.log(steps + 1) - np.log(at))))

        noise = 1 + 0.01 * random.normal(size=(8, len(steps)))
        train, test = rise(100), rise(late)
        values = {
            "train_accuracy": np.where(train > 0.99, 1, train),
            "test_accuracy": np.where(test > 0.99, 1, test),
            "train_loss": (4 - 3.99 * train) * noise[0],
            "test_loss": (6 - 5.99 * test) * noise[1],
            **{name: (3 - test) * noise[2 + at] for at, name in enumerate(("weight_norm", "a", "b", "c"))},
        }
        name = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:20]
        numbers = {measure: column.astype(np.float32) for measure, column in values.items()}
        yield RunRecords(name, recipe, steps, numbers, "done", 50_000)


def measure() -> Table:
    """Medians over repetitions, of a fresh server and of a reader's choices."""
    made = list(runs(np.random.default_rng(0)))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:  # Chromium ends late
        folder = pathlib.Path(scratch, "runs")
        with Store(folder).claim([one.run for one in made]) as session:
            session.publish_runs(made)
        with browser(pathlib.Path(scratch, "profile")) as tab:
            tab.size(1280)
            opened = [_opened(tab, folder) for _ in range(REPEATS)]
            found: dict[str, tuple[float, ...]] = {}
            found["first paint"], found["everything drawn"] = zip(*opened, strict=True)
            with live_page(folder) as address:
                _open(tab, address)
                tab.wait(SHOWN)
                for name, choice in CHOICES.items():
                    found[name], found[f"{name}: the whole page"] = zip(*_chosen(tab, *choice), strict=True)
            found["six panels, as the first choice"] = tuple(_first(tab, folder) for _ in range(REPEATS))
    rows: list[tuple[str, ...]] = [
        (name, duration(statistics.median(times)), f"{duration(min(times))} to {duration(max(times))}")
        for name, times in found.items()
    ]
    note = (
        f"{len(made):,} runs of {RECORDS} records and six measures, Chromium without a GPU; the load of the "
        f"machine was {os.getloadavg()[0]:.1f}. Targets: 3 s until everything is drawn, 300 ms from a choice "
        "until all that is in the window shows it."
    )
    return Table("The live page in a browser", ("what", "median", "from, to"), rows, found, (note,))


def _open(tab: Tab, address: str) -> None:
    tab.open("about:blank")
    tab.open(address)


def _opened(tab: Tab, folder: pathlib.Path) -> tuple[float, float]:
    """Seconds until the first paint and until everything is drawn, of a server that has just started."""
    with live_page(folder) as address:
        _open(tab, address)
        tab.wait(SHOWN)
        painted, drawn = tab.run(
            "[performance.getEntriesByName('first-contentful-paint')[0].startTime, "
            "performance.getEntriesByName('drawn')[0].startTime]"
        )
    return painted / 1000, drawn / 1000


_CHOOSE = """
(async () => {
  const one = document.querySelector(PLACE), shown = document.documentElement.dataset;
  const charts = () => [...document.querySelectorAll(".chart")].filter(chart => {
    const { top, bottom } = chart.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  });
  if (one.value === VALUE) return [0, 0]; // it is so already
  one.scrollIntoView();
  delete shown.version;
  const began = performance.now();
  one.value = VALUE;
  one.dispatchEvent(new Event("change"));
  const drawn = () => Math.max(...charts().map(chart => chart.dataset.drawn - began));
  while (!shown.version || drawn() < 0) await new Promise(done => setTimeout(done, 5));
  const all = performance.now() - began;
  return [drawn(), all];
})()
"""


def _chosen(tab: Tab, place: str, value: str, other: str) -> list[tuple[float, float]]:
    """Seconds from a choice until the window shows it, and until the whole page does, over and over."""
    return [(_choose(tab, place, other), _choose(tab, place, value))[1] for _ in range(REPEATS)]


def _choose(tab: Tab, place: str, value: str) -> tuple[float, float]:
    script = _CHOOSE.replace("PLACE", json.dumps(place)).replace("VALUE", json.dumps(value))
    seen, everything = tab.run(script)
    return seen / 1000, everything / 1000


def _first(tab: Tab, folder: pathlib.Path) -> float:
    """Seconds until the window shows the first choice of a reader who has looked at the page for a moment."""
    with live_page(folder) as address:
        _open(tab, address)
        tab.wait(SHOWN)
        time.sleep(IDLE)
        return _choose(tab, *FIRST)[0]
