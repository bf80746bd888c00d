"""Verdicts as people read them, in a terminal and in a notebook."""

import typing
from collections.abc import Sequence

from .._html import table
from ..statistics import Verdict


Row = dict[str, typing.Any]


class Verdicts(list[Row]):
    """What `reproduce` returns: a list of verdicts that shows itself as a table."""

    def __repr__(self) -> str:
        return verdict_table(self)

    def _repr_html_(self) -> str:
        head = ("verdict", "figure", "claim", "paper", "here", "note")
        rows = [
            (row["verdict"], row["figure"], row["claim"], row["paper"], _here(row), row["note"])
            for row in self
        ]
        return table([tuple(map(str, row)) for row in rows], head) + f"<p>{_counts(self)}</p>"


def verdict_table(verdicts: Sequence[Row]) -> str:
    """Verdicts as lines of text: figure, claim, the paper's number beside ours."""
    lines = []
    for row in verdicts:
        lines.append(f"{row['verdict']:<9}  {row['figure']:<12}  {row['claim']}")
        lines.append(
            f"{'':<9}  {'':<12}  paper: {row['paper']}; here: {_here(row)}"
            + (f" ({row['note']})" if row["note"] else "")
        )
    return "\n".join([*lines, _counts(verdicts)])


def _here(row: Row) -> str:
    value = "-" if row["value"] is None else f"{row['value']:.4g}"
    if row["interval"] is None:
        return value
    ends = (f"{end:.4g}" if end is not None else "open" for end in row["interval"])
    return value + " [{}, {}]".format(*ends)


def _counts(verdicts: Sequence[Row]) -> str:
    counts = {verdict: sum(row["verdict"] == verdict for row in verdicts) for verdict in Verdict}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
