"""One HTML file that says what a set of runs did, and needs nothing else to be read."""

import html
import json
import pathlib
import re
import typing
from collections.abc import Iterator, Sequence

import numpy as np

from ..statistics import median_time
from ._colours import line_colours
from ._curves import choose_style, comma_separated, note, panel_table, Style
from ._diagram import COLUMNS, times_diagram
from ._library import library
from ._runs import Axis, Measure, read_runs, Runs
from ._specs import curves_spec, enclosed, reaches_over_edge, themes
from ._template import packaged, write_filled
from ._words import budget_of, headline, phase_counts, ratio_text, shape, step_text, time_text


if typing.TYPE_CHECKING:
    import xarray

_HEIGHT = 230  # of a chart, in pixels
_THEMES = ("light", "dark")
_MANY_ROWS = 8_000  # from here on a canvas is much faster than SVG


def write_page(
    data: "xarray.Dataset",
    path: str | pathlib.Path,
    *,
    title: str,
    about: dict[str, str] | None = None,
) -> pathlib.Path:
    """Write a self-contained page about a set of runs: what happened, curves, times, recipes.

    The page works offline: its charts are drawn by a script inside it (0.9 MB) and it asks for nothing
    outside; it follows the reader's light or dark setting. Curves are thinned to what a screen can
    show, evenly as drawn; beyond 200 runs, or fewer with many measures, the charts show medians and bands;
    and the page says both. So 700 runs of six measures take under 5 MB.

    **Arguments:**

    - `data`: what a sweep returned: `train_accuracy` and `test_accuracy` over any axes and "step",
      further measures of the same dimensions, NaN where a run has no record.
    - `path`: the file to write; its folder must exist.
    - `title`: a short name of the experiment.
    - `about`: further texts by their headings, such as recipes.

    **Returns:** the path.

    **Raises:** `ValueError` for data without accuracies or without one record.
    """
    runs = read_runs(data)
    style = choose_style(runs)
    charts: dict[str, dict] = {}
    body = "\n".join([*_sections(runs, style, charts), *_recipes(about or {})])
    colours = {theme: line_colours(runs, theme) for theme in _THEMES}
    rows = sum(chart["spec"]["data"]["values"].count("\n") for chart in charts.values())
    island = {
        "charts": charts,
        "themes": themes(colours),
        "labels": runs.colour_labels,
        "renderer": "canvas" if rows > _MANY_ROWS else "svg",
    }
    parts = {
        "title": html.escape(title),
        "headline": html.escape(headline(runs)),
        "shape": html.escape(shape(runs)),
        "phases": _phases(runs),
        "body": body,
        "height": str(_HEIGHT),
        **{theme: _variables(colours[theme]) for theme in _THEMES},
        # Inside a script element only "<" could end it.
        "charts": json.dumps(island, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
        "library": library(),
        "look": packaged("look.css"),
    }
    return write_filled("page.html", parts, pathlib.Path(path))


def _sections(runs: Runs, style: Style, charts: dict[str, dict]) -> Iterator[str]:
    first = [measure for measure in runs.measures if measure.name in ("accuracy", "loss")]
    further = [measure for measure in runs.measures if measure not in first]
    yield _legend(runs)
    edge = ""
    if any(reaches_over_edge(measure) for measure in runs.measures):
        edge = "Values off a logarithmic axis, 0 or far too large, lie on its edge. "
    what = html.escape(note(runs, style, tables=True))
    yield (
        f'<p class="note">{what} {edge}Steps run on a logarithmic scale, '
        "with step 0 at its left end. Drag a chart to move along it, hold Ctrl and scroll to zoom, "
        "double-click to go back.</p>"
    )
    # Without panels the measures stand beside one another, otherwise each takes the full width.
    yield _measures(runs, style, first, charts)
    yield _phase_diagram(runs, charts)
    yield _times_table(runs)
    if further:
        yield _measures(runs, style, further, charts)


def _measures(runs: Runs, style: Style, measures: list[Measure], charts: dict[str, dict]) -> str:
    sections = "".join(_measure(runs, style, measure, charts) for measure in measures)
    return f'<div class="measures">{sections}</div>' if runs.panel is None else sections


def _phase_diagram(runs: Runs, charts: dict[str, dict]) -> str:
    """A map of the times to generalise, where two axes vary."""
    found = times_diagram(runs)
    if found is None:
        return ""
    spec, rows = found
    text = comma_separated([COLUMNS, *([row[name] for name in COLUMNS] for row in rows)])
    spec |= {
        "params": [{"name": "focus", "value": ""}],
        "data": enclosed(text, COLUMNS, ("value", "runs")),
        "description": "steps to generalise over two axes",
    }
    # Whoever saves the points wants the names of the axes over them.
    assert runs.colour is not None and runs.panel is not None
    header = comma_separated([(runs.colour.name, runs.panel.name, "generalised", "text", "runs")])
    charts["diagram"] = {"spec": spec, "header": header}
    return (
        '<section><h2>Phase diagram</h2><figure><div class="chart" id="diagram"></div><figcaption>'
        '<a data-chart="diagram" download="phase-diagram.csv" aria-label="CSV: phase diagram">CSV</a>'
        '</figcaption></figure><p class="note">Median steps to generalise; grey: at least half of the runs '
        "had not got there when they ended.</p></section>"
    )


def _measure(runs: Runs, style: Style, measure: Measure, charts: dict[str, dict]) -> str:
    figures = []
    for panel in runs.panels:
        table = panel_table(runs, measure, style, panel)
        chart = f"chart{len(charts)}"
        spec = curves_spec(runs, measure, style, table, _HEIGHT)
        spec["data"] = enclosed(table.text, table.columns, table.numbers)
        charts[chart] = {"spec": spec, "header": table.header}
        heading = runs.heading(panel)
        file = re.sub(r"\W+", "-", f"{measure.name} {heading}"[:80]).strip("-")
        spoken = f"{measure.title} against steps, {heading}".rstrip(", ")
        charts[chart]["spec"]["description"] = spoken
        figures.append(
            f"<figure>{f'<h3>{html.escape(heading)}</h3>' if heading else ''}"
            f'<div class="chart" id="{chart}"></div>'
            f'<figcaption><a data-chart="{chart}" download="{file}.csv" '
            f'aria-label="CSV: {html.escape(spoken)}">CSV</a></figcaption></figure>'
        )
    title = html.escape(measure.title[:1].upper() + measure.title[1:])
    shape = " even" if len(figures) in (2, 4) else ""
    return f'<section><h2>{title}</h2><div class="panels{shape}">{"".join(figures)}</div></section>'


def _legend(runs: Runs) -> str:
    if runs.colour is None:
        keys = [
            f'<span class="key" style="color: var(--c{place})"><i class="{part}"></i></span>{part}'
            for place, part in enumerate(("train", "test"))
        ]
        return f'<div class="legend">{"".join(keys)}</div>'
    buttons = "".join(
        f'<button type="button" data-place="{place}" aria-pressed="false" title="{html.escape(text)}">'
        f'<i style="color: var(--c{place})"></i><span class="text">{html.escape(text)}</span></button>'
        for place, text in enumerate(runs.colour_labels)
    )
    return (
        f'<div class="legend"><span class="what">{html.escape(runs.colour.title)}</span>{buttons}'
        '<span class="gap"></span><span class="key"><i class="train"></i>train</span>'
        '<span class="key"><i></i>test</span></div>'
    )


def _phases(runs: Runs) -> str:
    return "".join(
        f"<li><b>{count:,} {html.escape(phase)}.</b> <span>{html.escape(phase.advice)}</span></li>"
        for phase, count in phase_counts(runs)
    )


def _times_table(runs: Runs) -> str:
    """Medians over seeds, one row for each combination of the other axes that vary."""
    axes = [axis for axis in runs.axes if not axis.is_seed and len(axis.labels) > 1]
    over = [axis.name for axis in runs.axes if axis not in axes]
    found = {which: median_time(runs.times, which, over) for which in ("memorised", "generalised", "ratio")}
    order = [axis.name for axis in axes]
    grouped = runs.times.transpose(*order, *over)
    columns = [
        "runs",
        "fitted the training set",
        "generalised",
        "times later",
        "generalised within the steps",
    ]
    head = "".join(
        f'<th class="{"" if axis.ordered else "text"}">{html.escape(axis.title)}</th>' for axis in axes
    )
    head += "".join(f"<th>{name}</th>" for name in columns)
    rows = []
    for place in np.ndindex(*(len(axis.labels) for axis in axes)):
        cell = {
            which: tuple(median.transpose(*order)[name].values[place] for name in ("median", "at_most"))
            for which, median in found.items()
        }
        counted = found["generalised"].transpose(*order)
        count, censored = (int(counted[name].values[place]) for name in ("runs", "censored"))
        budget = {
            which: budget_of(*(grouped[name].values[(*place, ...)] for name in (which, f"{which}_censored")))
            for which in found
        }
        texts = [
            str(count),
            *(
                html.escape(time_text(*cell[which], budget[which], text))
                for which, text in (
                    ("memorised", step_text),
                    ("generalised", step_text),
                    ("ratio", ratio_text),
                )
            ),
            f"{count - censored} of {count}" if count else "–",
        ]
        labels = "".join(_label_cell(axis, at) for axis, at in zip(axes, place, strict=True))
        rows.append(f"<tr>{labels}{''.join(f'<td>{text}</td>' for text in texts)}</tr>")
    seeds = " Medians over seeds." if any(axis.is_seed and len(axis.labels) > 1 for axis in runs.axes) else ""
    level = f"{runs.times.attrs['accuracy']:.0%}"
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    open_end = (
        " After “>” stands when they ended, where at least half of the runs had not got there."
        if any(np.isinf(median["median"]).any() for median in found.values())
        else ""
    )
    if any(median["at_most"].any() for median in found.values()):
        open_end += " “≤” says that runs were there at their first record, after step 0."
    return (
        "<section><h2>Steps to fit and to generalise</h2>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="Table of steps">{table}</div>'
        f'<p class="note">The first recorded step with an accuracy of at least {level}.{seeds}{open_end}</p>'
        "</section>"
    )


def _label_cell(axis: Axis, place: int) -> str:
    text = html.escape(axis.labels[place])
    return f'<td class="{"" if axis.ordered else "text"}" title="{text}">{text}</td>'


def _recipes(about: dict[str, str]) -> Iterator[str]:
    if about:
        yield "<h2>How they were made</h2>"
    for name, text in about.items():
        opened = " open" if len(about) == 1 else ""
        summary = f"<summary>{html.escape(name)}</summary>"
        yield f"<details{opened}>{summary}<pre>{html.escape(text)}</pre></details>"


def _variables(colours: Sequence[str]) -> str:
    return " ".join(f"--c{place}: {colour};" for place, colour in enumerate(colours))
