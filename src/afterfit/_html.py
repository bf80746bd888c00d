"""Small tables for notebooks."""

import html
from collections.abc import Iterable, Sequence


def table(rows: Iterable[Sequence[str]], head: Sequence[str] = ()) -> str:
    """Rows of plain text as an HTML table; without a head the first column names the rows."""
    left = 'style="text-align: left; vertical-align: top"'
    top = "".join(f"<th {left}>{html.escape(cell)}</th>" for cell in head)
    body = []
    for first, *others in rows:
        tag = "td" if head else "th"
        cells = "".join(f"<td {left}>{html.escape(cell)}</td>" for cell in others)
        body.append(f"<tr><{tag} {left}>{html.escape(first)}</{tag}>{cells}</tr>")
    return f"<table>{f'<thead><tr>{top}</tr></thead>' if top else ''}<tbody>{''.join(body)}</tbody></table>"
