"""Runs the figures of a study and writes their charts, tables and verdicts."""

import concurrent.futures
import contextlib
import csv
import json
import math
import os
import pathlib
import time
import typing
from collections.abc import Callable, Generator, Sequence

from .._style import NAMELESS, restyle, SETTINGS, StyleName
from ..ensemble import about, Display, Progress, Sweep, Terminal
from ..statistics import Judgement, Verdict
from ..store import RESULTS_VERSION
from ..tasks import DataError
from ._study import Claim, Figure, Results, Scale, Study
from ._verdicts import Verdicts


VERDICTS, PROVENANCE = "verdicts.json", "provenance.json"
_LETTERS = 8  # points, of charts on a screen


def reproduce(
    study: Study,
    figures: Sequence[Figure],
    scale: Scale,
    *,
    store: str | os.PathLike,
    output: str | os.PathLike,
    display: Display | None = None,
    tell: Callable[[str], None] = print,
    after: Callable[[pathlib.Path], object] | None = None,
    style: StyleName = "screen",
    executor: concurrent.futures.Executor | None = None,
) -> Verdicts:
    """Runs figures at a scale, draws and judges them; what the store has is not run again.

    **Arguments:** `store`: where the runs live; `output`: the folder for verdicts, charts and tables, which
    keeps those of the study's other figures; `after`: called with that folder each time a figure's files
    are in it, e.g. to write a page about them; `style`: of the charts, "screen", or "paper" or "talk" with
    their letters and the width of two columns or of a slide; `executor`: whose workers train, as in
    `Sweep.run`.

    **Returns:** the verdicts of these figures, as they are written. A figure whose data are not on this
    machine keeps the verdicts that it has, or is undecided, and the others go on.

    **Raises:** `ValueError` if `output` holds verdicts of another results version, scale or study, or
    damaged ones; nothing is trained then.
    """
    folder = pathlib.Path(output)
    _read(folder, study, scale)  # better refused now than after hours of training
    folder.mkdir(parents=True, exist_ok=True)
    fresh = Verdicts()
    for number, figure in enumerate(figures, 1):
        began = time.monotonic()
        tell(f"[{number}/{len(figures)}] {figure.name}: {figure.title}")
        watch = _Watch(display or Terminal())
        try:
            results = run_figure(figure, scale, store=store, display=watch, executor=executor)
        except DataError as error:  # other figures may need other data, or none
            tell(str(error))
            verdicts = [row for row in _read(folder, study, scale) if row["figure"] == figure.name]
            verdicts = verdicts or [_row(figure, claim, _without_data(error)) for claim in figure.claims]
        else:
            verdicts = [_row(figure, claim, judgement) for claim, judgement in figure.judged(results)]
            if not results.missing:  # a chart may count on all of them
                _draw(figure, results, folder, style)
                _tabulate(figure, results, folder)
        # Read again: another process may have written its figures in the meantime.
        kept = [row for row in _read(folder, study, scale) if row["figure"] != figure.name] + verdicts
        order = [one.name for one in study.figures]
        kept.sort(key=lambda row: order.index(row["figure"]) if row["figure"] in order else len(order))
        # In this order, since verdicts without a provenance are refused.
        _write_provenance(folder, study, scale, figure, time.monotonic() - began, watch.steps)
        _write_json(folder / VERDICTS, kept)
        if after is not None:
            after(folder)
        fresh += verdicts
        for row in verdicts:
            tell(f"  {row['verdict']:<9}  {row['claim']}")
    return fresh


def run_figure(
    figure: Figure,
    scale: Scale,
    *,
    store: str | os.PathLike,
    display: Display | None = None,
    executor: concurrent.futures.Executor | None = None,
) -> Results:
    """Trains what a figure needs and the store lacks."""

    def trained(sweeps: dict[str, Sweep], before: Results | None = None) -> Results:
        shown = display or Terminal()
        data = {name: plan.run(store, display=shown, executor=executor) for name, plan in sweeps.items()}
        if before is not None:
            sweeps, data = {**before.sweeps, **sweeps}, {**before.data, **data}
        return Results(scale, sweeps, data, store)

    results = trained(figure.sweeps(scale))
    if figure.then is None or results.missing:
        return results
    further = figure.then(results)
    if twice := sorted(further.keys() & results.sweeps.keys()):
        raise ValueError(f"`then` of {figure.name} must name new sweeps, got {', '.join(twice)} again.")
    return trained(further, results)


class _Watch:
    """Passes progress on to a display, and counts the steps that were trained."""

    def __init__(self, display: Display):
        self._display = display
        self._seen: dict[int, Progress] = {}

    def __call__(self, progress: Progress) -> None:
        self._seen[id(progress)] = progress
        self._display(progress)

    @property
    def steps(self) -> int:
        return sum(progress.steps for progress in self._seen.values())


def _row(figure: Figure, claim: Claim, judgement: Judgement) -> dict[str, typing.Any]:
    return {
        "figure": figure.name,
        "claim": claim.sentence,
        "source": claim.source,
        "paper": claim.paper,
        "value": _finite(judgement.value),
        "interval": None if judgement.interval is None else [_finite(end) for end in judgement.interval],
        "verdict": str(judgement.verdict),
        "seeds": judgement.seeds,
        "runs": judgement.runs,
        "note": "; ".join(filter(None, (judgement.note, _infinite(judgement)))),
    }


def _without_data(error: DataError) -> Judgement:
    return Judgement(Verdict.UNDECIDED, note=f"not run: {str(error).splitlines()[0]}")


def _finite(value: float | None) -> float | None:
    """JSON has no infinity: an open end is null."""
    return None if value is None or not math.isfinite(value) else float(value)


def _infinite(judgement: Judgement) -> str:
    """What null hides: which way an end is open."""
    numbers = [judgement.value, *(judgement.interval or ())]
    if not any(number is not None and math.isinf(number) for number in numbers):
        return ""
    low_high = "" if judgement.interval is None else ", interval [{:.4g}, {:.4g}]".format(*judgement.interval)
    return f"value {judgement.value:.4g}{low_high}"


def _read(folder: pathlib.Path, study: Study, scale: Scale) -> list[dict[str, typing.Any]]:
    """The verdicts that a folder has; raises `ValueError` unless they are of this study and scale."""
    way_out = "choose another folder for the output, or move this one"
    if not (folder / PROVENANCE).exists():
        if (folder / VERDICTS).exists():
            raise ValueError(
                f"{folder} has {VERDICTS} without the {PROVENANCE} that says what they are of: {way_out}."
            )
        return []
    told = _parsed(folder / PROVENANCE, way_out)
    if not isinstance(told, dict) or not isinstance(told.get("figures"), dict):
        raise ValueError(f"{folder / PROVENANCE} is damaged (it names no figures): {way_out}.")
    found = (told.get("study"), told.get("scale"), told.get("results_version"))
    if found != (study.name, scale, RESULTS_VERSION):
        raise ValueError(
            f"{folder} holds {found[0]} at scale {found[1]} of results version {found[2]}, but this is "
            f"{study.name} at scale {scale} of version {RESULTS_VERSION}: {way_out}."
        )
    rows = _parsed(folder / VERDICTS, way_out) if (folder / VERDICTS).exists() else []
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "figure" in row for row in rows):
        raise ValueError(f"{folder / VERDICTS} is damaged (it is no list of verdicts): {way_out}.")
    return rows


def _parsed(file: pathlib.Path, way_out: str) -> typing.Any:
    try:
        return json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"{file} is damaged ({error}): {way_out}.") from error


def _draw(figure: Figure, results: Results, folder: pathlib.Path, style: StyleName) -> None:
    import matplotlib

    with matplotlib.rc_context():
        # Not the user's own settings: the same results make the same file everywhere.
        matplotlib.rcdefaults()
        settings: dict[typing.Any, typing.Any] = {"svg.fonttype": "none", "font.size": _LETTERS}
        matplotlib.rcParams.update(SETTINGS | settings)
        picture = figure.chart(results)
        restyle(picture, style, "double", _LETTERS)
        box = "tight" if style == "screen" else None  # cropped, a chart would not have the column's width
        for kind in NAMELESS:
            with _aside(folder / f"{figure.name}.{kind}") as part:
                picture.savefig(part, format=kind, dpi=150, metadata=NAMELESS[kind], bbox_inches=box)


def _tabulate(figure: Figure, results: Results, folder: pathlib.Path) -> None:
    rows = figure.table(results)
    names = list(dict.fromkeys(name for row in rows for name in row))
    with _aside(folder / f"{figure.name}.csv") as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_provenance(
    folder: pathlib.Path, study: Study, scale: Scale, figure: Figure, seconds: float, steps: int
) -> None:
    path = folder / PROVENANCE
    told: dict[str, typing.Any] = json.loads(path.read_text()) if path.exists() else {"figures": {}}
    told |= {"study": study.name, "scale": scale, "results_version": RESULTS_VERSION}
    # Judging stored runs again takes a second: what the runs took stays.
    if steps or figure.name not in told["figures"]:
        told["figures"][figure.name] = {"seconds": round(seconds, 1), "steps": steps, **about()}
    _write_json(path, told)


def _write_json(path: pathlib.Path, value: typing.Any) -> None:
    with _aside(path) as part:
        part.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


@contextlib.contextmanager
def _aside(path: pathlib.Path) -> Generator[pathlib.Path]:
    """A file to write that takes its place only when it is complete."""
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
