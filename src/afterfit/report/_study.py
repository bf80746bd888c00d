"""One HTML file that shows a paper's figures as they were reproduced, each claim with its verdict."""

import base64
import html
import os
import pathlib
import re
import sys
import types
import typing
import urllib.parse
from collections import Counter
from collections.abc import Iterator, Sequence

from ..statistics import Verdict
from ._aside import inside
from ._outcomes import interval_text, number_text, read_outcome, Row
from ._template import write_filled


if typing.TYPE_CHECKING:
    from ..studies import Figure, Study

_MEANINGS = {
    Verdict.HOLDS: "The whole interval of the statistic meets the criterion.",
    Verdict.FAILS: "The whole interval misses it.",
    Verdict.UNDECIDED: "The interval lies on both sides, or these runs cannot tell; the note says why.",
}
_PLURAL = {Verdict.HOLDS: "hold", Verdict.FAILS: "fail"}
_COLUMNS = ("verdict", "claim", "paper", "here", "seeds", "runs", "note")
_POINT = 4 / 3  # pixels of a screen
_LARGER = 1.25  # charts are drawn for paper, with letters of 8 points


def write_study_page(
    folder: str | os.PathLike, *, study: "Study | None" = None, path: str | os.PathLike | None = None
) -> pathlib.Path:
    """Write a self-contained page about the outcome of a study: its charts, claims and verdicts.

    The page is made from what the folder holds (verdicts, provenance, charts, tables), so it can be made
    anew at any time. It asks for nothing outside, runs no script, and follows the reader's light or dark
    setting.

    **Arguments:**

    - `folder`: the output of `reproduce`.
    - `study`: whose titles and notes the page shows; by default the one that the provenance names, if
      this version of the library has it.
    - `path`: the file to write; by default `index.html` in the folder.

    **Returns:** the path.

    **Raises:** `ValueError` for a folder without verdicts and provenance, or with damaged ones.
    """
    folder = pathlib.Path(folder)
    told, rows = read_outcome(folder)
    study = study or _named(told)
    names = _names(told, rows, study)
    known = {} if study is None else {figure.name: figure for figure in study.figures}
    lacking = [name for name in known if name not in names]
    name = study.name if study else str(told.get("study", folder.name))
    parts = {
        "title": html.escape(f"{name} at scale {told.get('scale', 'unknown')}"),
        "headline": html.escape(_headline(study, rows, names)),
        "reference": html.escape(study.reference if study else ""),
        "meanings": _meanings(rows),
        "body": "\n".join(
            [
                _overview(told, rows, names, known, lacking),
                *(_section(folder, one, rows, told["figures"].get(one), known.get(one)) for one in names),
                *_provenance(told),
            ]
        ),
    }
    return write_filled(
        "study.html", parts, inside(folder, "index.html") if path is None else pathlib.Path(path)
    )


def _named(told: dict[str, typing.Any]) -> "Study | None":
    from ..studies import studies  # not at the top: the studies bring JAX, and most of this room does without

    return studies().get(str(told.get("study")))


def _names(told: dict[str, typing.Any], rows: Sequence[Row], study: "Study | None") -> list[str]:
    """The figures that the folder has, in the order of the paper."""
    here = dict.fromkeys([*(str(row["figure"]) for row in rows), *told["figures"]])
    order = [figure.name for figure in study.figures] if study else []
    return [*(name for name in order if name in here), *(name for name in here if name not in order)]


def _counts(rows: Sequence[Row]) -> dict[Verdict, int]:
    found = Counter(row.get("verdict") for row in rows)
    return {verdict: found[verdict] for verdict in Verdict}


def _headline(study: "Study | None", rows: Sequence[Row], names: Sequence[str]) -> str:
    title = f"{study.title.rstrip('.')}: " if study else ""
    claims, figures = _count(len(rows), "claim"), _count(len(names), "figure")
    counts = _counts(rows)
    hold, fail = counts[Verdict.HOLDS], counts[Verdict.FAILS]
    return (
        f"{title}of {claims} in {figures}, {hold} {'holds' if hold == 1 else 'hold'}, "
        f"{fail} {'fails' if fail == 1 else 'fail'}, {counts[Verdict.UNDECIDED]} "
        f"{'is' if counts[Verdict.UNDECIDED] == 1 else 'are'} undecided."
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _meanings(rows: Sequence[Row]) -> str:
    return "".join(
        f'<li class="{verdict}"><b>{count} {_PLURAL.get(verdict, verdict)}.</b> '
        f"<span>{_MEANINGS[verdict]}</span></li>"
        for verdict, count in _counts(rows).items()
        if count
    )


def _overview(
    told: dict[str, typing.Any],
    rows: Sequence[Row],
    names: Sequence[str],
    known: "dict[str, Figure]",
    lacking: Sequence[str],
) -> str:
    """A line for each figure: where it is on the page, its verdicts, what it took."""
    lines = []
    for name in names:
        counts = _counts([row for row in rows if row["figure"] == name])
        cells = "".join(
            f'<td class="number {verdict if count else "zero"}">{count}</td>'
            for verdict, count in counts.items()
        )
        title = html.escape(known[name].title) if name in known else ""
        link = f'<a href="#{_anchor(name)}">{html.escape(name)}</a>'
        seconds = html.escape(_duration(told["figures"].get(name, {}).get("seconds")))
        lines.append(
            f'<tr><td>{link} <span>{title}</span></td>{cells}<td class="number time">{seconds}</td></tr>'
        )
    head = "".join(f'<th class="number">{verdict}</th>' for verdict in Verdict)
    missing = (
        f'<p class="note">Not run here: {html.escape(", ".join(lacking))}.</p>' if lacking and names else ""
    )
    return (
        '<section><h2>Figures</h2><div class="sheet"><table class="overview"><thead><tr><th>figure</th>'
        f'{head}<th class="number time">time</th></tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
        f"{missing}</section>"
    )


def _section(
    folder: pathlib.Path, name: str, rows: Sequence[Row], told: Row | None, figure: "Figure | None"
) -> str:
    title = f": {html.escape(figure.title)}" if figure else ""
    note = f'<p class="note">{html.escape(figure.note)}</p>' if figure and figure.note else ""
    own = [row for row in rows if row["figure"] == name]
    took = ""
    if told and told.get("seconds") is not None:
        steps = told.get("steps")
        trained = f" for {steps:,} steps of training" if isinstance(steps, int) and steps else ""
        took = f'<p class="note">Took {html.escape(_duration(told["seconds"]))}{trained}.</p>'
    spoken = f"{name}: {figure.title}" if figure else name
    return (
        f'<section><h2 id="{_anchor(name)}">{html.escape(name)}{title}</h2>{note}'
        f"{_chart(folder, name, spoken)}{_claims(own)}{took}{_background(figure)}</section>"
    )


def _background(figure: "Figure | None") -> str:
    """What the figure's module says of the paper's settings and of ours."""
    for module in list(sys.modules.values()) if figure else ():
        if not isinstance(module, types.ModuleType) or "__path__" in vars(module):  # a package lists figures
            continue
        if module.__doc__ and any(value is figure for value in vars(module).values()):
            paragraphs = module.__doc__.strip().split("\n\n")
            text = "".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in paragraphs)
            return f"<details><summary>What the paper does, and what is done here</summary>{text}</details>"
    return ""


def _chart(folder: pathlib.Path, name: str, spoken: str) -> str:
    if not re.fullmatch(r"[\w-]{1,100}", name):  # no file of this folder
        return '<p class="note">There is no chart.</p>'
    links = [] if (table := _text(inside(folder, f"{name}.csv"))) is None else [_csv_link(name, table)]
    picture = _picture(folder, name)
    if picture is None:
        return f'<p class="note">There is no chart. {"".join(links)}</p>'
    uri, size = picture
    return (
        f'<figure><div class="chart" tabindex="0" role="region" aria-label="{html.escape(spoken)}">'
        f'<img alt="{html.escape(spoken)}" decoding="async"{size} src="{uri}"></div>'
        f"<figcaption>{''.join(links)}</figcaption></figure>"
    )


def _csv_link(name: str, table: str) -> str:
    text = urllib.parse.quote(table)
    label = html.escape(f"CSV: the numbers of {name}")
    return (
        f'<a download="{html.escape(name)}.csv" aria-label="{label}" '
        f'href="data:text/csv;charset=utf-8,{text}">CSV</a>'
    )


def _picture(folder: pathlib.Path, name: str) -> tuple[str, str] | None:
    """The smaller of a figure's two pictures as an address, and its size on the screen.

    An SVG file becomes an image, not elements of the page: nothing in it runs or asks for anything, and its
    identifiers meet no others.
    """
    drawing = _text(inside(folder, f"{name}.svg"))
    found = []
    size = ""
    if drawing is not None:
        found.append("data:image/svg+xml," + urllib.parse.quote(drawing.replace("\n", " "), safe=_PLAIN))
        size = _size(drawing)
    pixels = inside(folder, f"{name}.png")
    if pixels.is_file():
        found.append("data:image/png;base64," + base64.b64encode(pixels.read_bytes()).decode())
    return (html.escape(min(found, key=len)), size) if found else None


_PLAIN = " !$'()*+,-./:;=?@_~"
"""What may stand in the address of an image as it is. Spaces may: an SVG file is full of them."""


def _size(drawing: str) -> str:
    """Width and height of an image, so that the page does not jump as it appears."""
    sides = [re.search(rf'<svg[^>]*\s{side}="([\d.]+)pt"', drawing) for side in ("width", "height")]
    if not all(sides):
        return ""
    width, height = (float(side[1]) * _POINT * _LARGER for side in sides if side)
    return f' width="{width:.0f}" height="{height:.0f}"'


def _text(file: pathlib.Path) -> str | None:
    return file.read_text("utf-8", errors="replace") if file.is_file() else None


def _claims(rows: Sequence[Row]) -> str:
    if not rows:
        return '<p class="note">There are no claims.</p>'
    head = "".join(f'<th class="{_alignment(column)}">{column}</th>' for column in _COLUMNS)
    body = "".join(f"<tr>{''.join(_cells(row))}</tr>" for row in rows)
    return (
        f'<div class="sheet"><table class="claims"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cells(row: Row) -> Iterator[str]:
    verdict = str(row.get("verdict", ""))
    kind = verdict if verdict in set(Verdict) else "undecided"
    interval = html.escape(interval_text(row.get("interval")))
    contents = {
        "verdict": f'<span class="verdict {kind}">{html.escape(verdict)}</span>',
        "claim": html.escape(str(row.get("claim", "")))
        + f"<small>{html.escape(str(row.get('source', '')))}</small>",
        "paper": html.escape(str(row.get("paper", ""))),
        "here": html.escape(number_text(row.get("value")))
        + (f"<small>{interval}</small>" if interval else ""),
        "seeds": html.escape(number_text(row.get("seeds"))),
        "runs": html.escape(number_text(row.get("runs"))),
        "note": html.escape(str(row.get("note") or "")),
    }
    for column, content in contents.items():
        empty = "" if content else " empty"
        yield f'<td class="{_alignment(column)}{empty}" data-is="{column}"><div>{content}</div></td>'


def _alignment(column: str) -> str:
    return "number" if column in ("here", "seeds", "runs") else ""


def _provenance(told: dict[str, typing.Any]) -> Iterator[str]:
    """What the runs were made with; figures made alike share a line."""
    groups: dict[str, list[str]] = {}
    for name, entry in told["figures"].items():
        groups.setdefault(_made_with(entry), []).append(name)
    days = sorted(str(entry["started"])[:10] for entry in told["figures"].values() if entry.get("started"))
    times = [entry.get("seconds") for entry in told["figures"].values()]
    total = sum(seconds for seconds in times if isinstance(seconds, int | float))
    lines = [f"Results version {told.get('results_version')}; {_duration(total)} in all."]
    if days:
        lines.append(f"Run on {days[0]}." if days[0] == days[-1] else f"Run from {days[0]} to {days[-1]}.")
    for made, names in groups.items():
        lines.append(f"{made}." if len(groups) == 1 else f"{', '.join(names)}: {made}.")
    yield (
        "<section><h2>Provenance</h2>"
        + "".join(f'<p class="note">{html.escape(line)}</p>' for line in lines)
        + "</section>"
    )


def _made_with(entry: Row) -> str:
    versions = entry.get("versions")
    named = versions if isinstance(versions, dict) else {}
    pieces = [f"{name} {version}" for name, version in named.items()]
    pieces += [f"Python {entry['python']}"] if entry.get("python") else []
    return ", ".join([*pieces, *(str(entry[name]) for name in ("machine", "devices") if entry.get(name))])


def _duration(seconds: typing.Any) -> str:
    if not isinstance(seconds, int | float):
        return "–"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _anchor(name: str) -> str:
    return re.sub(r"[^\w-]+", "-", name)
