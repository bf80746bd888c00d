"""The outcomes of studies: verdicts and their provenance, as `reproduce` leaves them in a folder."""

import hashlib
import json
import os
import pathlib
import typing

from ..statistics import Verdict


Row = dict[str, typing.Any]

PROVENANCE, VERDICTS = "provenance.json", "verdicts.json"


def read_outcome(folder: pathlib.Path) -> tuple[dict[str, typing.Any], list[Row]]:
    """Provenance and verdicts.

    **Raises:** `ValueError` where a file of these is missing or damaged.
    """
    found = []
    for name in (PROVENANCE, VERDICTS):
        try:
            found.append(json.loads((folder / name).read_text("utf-8")))
        except OSError as error:
            raise ValueError(
                f"{folder} has no readable {name}: name the output folder of `afterfit reproduce`."
            ) from error
        except ValueError as error:
            raise ValueError(f"{folder / name} is damaged ({error}).") from error
    told, rows = found
    if not isinstance(told, dict) or not _is_table(told.get("figures")):
        raise ValueError(f"{folder / PROVENANCE} is damaged (it names no figures).")
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "figure" in row for row in rows):
        raise ValueError(f"{folder / VERDICTS} is damaged (it is no list of verdicts).")
    return told, rows


def _is_table(value: typing.Any) -> bool:
    return isinstance(value, dict) and all(isinstance(entry, dict) for entry in value.values())


def number_text(value: typing.Any) -> str:
    """A number of an outcome as it is read; "–" for none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
    return "–" if value is None else str(value)


def interval_text(interval: typing.Any) -> str:
    """An interval as it is read, "" for none; an end without a number is open."""
    if not isinstance(interval, list):
        return ""
    return "[{}]".format(", ".join("open" if end is None else number_text(end) for end in interval))


class Outcomes:
    """The outcomes of studies below a folder, as they are now.

    **Arguments:** `folder`: the outcome of one study, or a folder of outcomes, `STUDY/SCALE` as a rule; it
    may not exist yet.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self._folder = pathlib.Path(folder)

    def version(self) -> str:
        """Text that is another one when a verdict may have changed."""
        seen = []
        for folder in self.folders():
            for name in (VERDICTS, PROVENANCE):
                try:
                    status = (folder / name).stat()
                except OSError:  # it is being written
                    continue
                seen.append((str(folder), name, status.st_mtime_ns, status.st_size))
        return hashlib.sha256(repr(seen).encode()).hexdigest()[:8]

    def folders(self) -> list[pathlib.Path]:
        """Those that hold verdicts."""
        found = [path.parent for depth in ("", "*/", "*/*/") for path in self._folder.glob(depth + VERDICTS)]
        return sorted(found)

    def read(self) -> dict[str, typing.Any]:
        """All verdicts, by outcome; a damaged one says so in the place of its verdicts."""
        return {"outcomes": [_plain(folder) for folder in self.folders()]}


def _plain(folder: pathlib.Path) -> Row:
    named = {"folder": str(folder), "study": folder.parent.name, "scale": folder.name}
    try:
        told, rows = read_outcome(folder)
    except ValueError as error:
        return {**named, "problem": str(error), "counts": {}, "rows": []}
    return {
        "folder": str(folder),
        "study": str(told.get("study", "")),
        "scale": str(told.get("scale", "")),
        "problem": "",
        "page": str(folder / "index.html") if (folder / "index.html").exists() else "",
        "counts": {verdict: sum(row.get("verdict") == verdict for row in rows) for verdict in Verdict},
        "rows": [_texts(row) for row in rows],
    }


def _texts(row: Row) -> dict[str, str]:
    here = f"{number_text(row.get('value'))} {interval_text(row.get('interval'))}".strip()
    names = ("figure", "verdict", "claim", "source", "paper", "note")
    return {**{name: str(row.get(name) or "") for name in names}, "here": here}
