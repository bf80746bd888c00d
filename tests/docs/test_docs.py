"""Every example of the documentation runs, every public name has an entry, every link leads somewhere."""

import ast
import importlib
import pathlib
import re
import shlex
import sys
import types
import typing

import pytest

import afterfit as af
from afterfit import cli


PROJECT = pathlib.Path(__file__).parents[2]
DOCS = PROJECT / "docs"
ROOMS = [name for name in af.__all__ if (PROJECT / "src" / "afterfit" / name).is_dir()] + ["ensemble"]
PAGES = [PROJECT / "README.md", *sorted(DOCS.glob("**/*.md"))]


class Block(typing.NamedTuple):
    """A fenced block of a page; `title` is the name of the file that it shows, if it shows one."""

    language: str
    title: str
    text: str
    line: int


def blocks(page: pathlib.Path) -> list[Block]:
    found = []
    source = page.read_text()
    for match in re.finditer(r"^```(\w*)([^\n]*)\n(.*?)^```$", source, re.MULTILINE | re.DOTALL):
        title = re.search(r'title="([^"]+)"', match[2])
        line = source[: match.start(3)].count("\n")
        found.append(Block(match[1], title[1] if title else "", match[3], line))
    return found


def name_of(page: pathlib.Path) -> str:
    return page.relative_to(PROJECT).as_posix()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in, as a user does; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


# --- examples ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=name_of)
def test_examples_run(page, folder, monkeypatch, capsys):
    """From top to bottom: files are written, recipes read, Python run in one namespace, commands started."""
    module = types.ModuleType(re.sub(r"\W", "_", page.stem))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in blocks(page):
        if block.title:
            (folder / block.title).write_text(block.text)
        if block.language == "toml":
            file = folder / (block.title or "untitled.toml")
            file.write_text(block.text)
            af.read_recipe(file)
        elif block.language == "python" and not block.title:
            padded = "\n" * block.line + block.text  # so that a traceback has the page's line numbers
            exec(compile(padded, f"<{name_of(page)}>", "exec"), module.__dict__)
        elif block.language in ("sh", "console"):
            for line in block.text.splitlines():
                start(shlex.split(line.removeprefix("$ "), comments=True), capsys)


def start(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Starts a command of ours (the demo at its smallest scale)."""
    if words[:1] != ["afterfit"]:
        return
    words = [*words, "--scale", "smoke"] if words[1] == "demo" else words
    capsys.readouterr()
    code = cli.main(words[1:])
    told = capsys.readouterr().err
    if words[1] == "run" and not pathlib.Path(words[2]).exists():
        assert "there is no recipe" in told, told  # a page may name a recipe of another one: it is understood
    else:
        assert code == 0, told


def test_shown_files_are_short():
    shown = {block.title: block.text for block in blocks(DOCS / "extending.md") if block.language == "python"}
    files = {title: text.count("\n") for title, text in shown.items() if title}
    assert files.keys() == {"my_task.py", "my_model.py", "my_optimiser.py", "my_probe.py", "my_study.py"}
    assert all(lines < 30 for lines in files.values()), files


def test_blocks_have_a_known_language():
    """A misspelt language would leave a block untested."""
    for page in PAGES:
        assert {block.language for block in blocks(page)} <= {"python", "toml", "sh", "console", "text"}, page


# --- names ------------------------------------------------------------------------------------------


def public_names() -> set[str]:
    """Full names of what the package and its rooms pass on, by the shortest path."""
    top = set(af.__all__) - set(ROOMS)
    names = set()
    for room in ROOMS:
        for node in ast.parse((PROJECT / "src" / "afterfit" / room / "__init__.py").read_text()).body:
            if isinstance(node, ast.ImportFrom):
                passed_on = {alias.asname for alias in node.names if alias.asname == alias.name}
                names |= {f"afterfit.{room}.{name}" for name in passed_on - top}
    return names | {f"afterfit.{name}" for name in top}


def entries() -> list[str]:
    return re.findall(r"^::: (\S+)$", (DOCS / "api.md").read_text(), re.MULTILINE)


def test_every_public_name_has_one_entry():
    found = entries()
    assert len(found) == len(set(found))
    assert public_names() == set(found)


@pytest.mark.parametrize("entry", entries())
def test_entry_names_something(entry):
    home, _, name = entry.rpartition(".")
    assert hasattr(importlib.import_module(home), name)


# --- links ------------------------------------------------------------------------------------------


def prose(page: pathlib.Path) -> str:
    """A page without its code."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`]*`", "", text)


def anchors(page: pathlib.Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"\w+://", target):
            continue
        place, _, anchor = target.partition("#")
        file = page.parent / place if place else page
        if outcome := re.fullmatch(r"results/(\w+)-(\w+)\.html", place):  # made from it with the site
            assert (PROJECT / "results" / outcome[1] / outcome[2] / "verdicts.json").exists(), target
            continue
        assert file.exists(), target
        # The site holds the folder docs alone, so its pages must not point out of it.
        assert page.parent != DOCS or file.resolve().is_relative_to(DOCS), target
        assert not anchor or anchor in anchors(file), target


def test_every_page_is_in_the_navigation():
    listed = re.findall(r"^  - .+: (\S+\.md)$", (PROJECT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(page.relative_to(DOCS).as_posix() for page in DOCS.glob("**/*.md"))
