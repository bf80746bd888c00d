"""Pages from their templates, which lie beside this file."""

import importlib.resources
import pathlib
import re
from collections.abc import Mapping

from ._aside import written_aside


def packaged(name: str) -> str:
    """The text of a file that lies beside this one."""
    return importlib.resources.files("afterfit.report").joinpath(name).read_text("utf-8")


def write_filled(template: str, parts: Mapping[str, str], path: pathlib.Path) -> pathlib.Path:
    """Writes a template with its `{{name}}` filled, on the paper that all pages have in common."""
    known = {"paper": packaged("paper.css"), **parts}
    # One pass, so that braces inside the data are left as they are.
    page = re.sub(r"\{\{(\w+)\}\}", lambda match: known[match.group(1)], packaged(template))
    with written_aside(path) as aside:
        aside.write_text(page, "utf-8")
    return path
