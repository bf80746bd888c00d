"""Charts and tables of planted results, as `reproduce` makes them."""

import csv
import io
import json
import typing

import matplotlib

from afterfit.studies import Figure, Results


def drawn(figure: Figure, results: Results) -> list[dict[str, typing.Any]]:
    """The rows of the table, after the chart has been drawn and both are found to be what can be written."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        file = io.BytesIO()
        figure.chart(results).savefig(file, format="png", dpi=30, bbox_inches="tight")
    assert file.tell() > 1000
    rows = figure.table(results)
    assert len({tuple(row) for row in rows}) == 1, "rows with the same columns"
    csv.DictWriter(io.StringIO(), list(rows[0])).writerows(rows)
    for row in rows:
        json.dumps(row)  # plain numbers and words
    return rows


def never_holds(figure: Figure, results: Results) -> None:
    """No claim holds of runs that all diverged."""
    for claim in figure.claims:
        assert claim.judge(results).verdict != "holds", claim.name
