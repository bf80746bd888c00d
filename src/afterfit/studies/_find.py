"""Studies and figures by their names."""

import importlib
from collections.abc import Sequence

from ..training import nearest
from ._study import Figure, Study


_STUDIES = ("power2022", "omnigrok", "kumar2023", "clauw2024", "fields")


def studies() -> dict[str, Study]:
    """All studies by name."""
    return {name: importlib.import_module(f"{__package__}.{name}").STUDY for name in _STUDIES}


def find_figures(name: str) -> tuple[Study, Sequence[Figure]]:
    """The study and figures that `PAPER` or `PAPER/FIGURE` names.

    **Raises:** `ValueError` with the nearest name.
    """
    paper, slash, wanted = name.partition("/")
    if paper not in _STUDIES:
        raise ValueError(f"unknown paper {paper!r}{nearest(paper, _STUDIES)}")
    study = studies()[paper]
    if not slash:
        return study, study.figures
    known = {figure.name: figure for figure in study.figures}
    if wanted not in known:
        raise ValueError(
            f"unknown figure {wanted!r} of {paper}{nearest(wanted, known)} (afterfit list figures names them)"
        )
    return study, (known[wanted],)
