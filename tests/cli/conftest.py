"""The command, run inside the test's process, on recipes of the smallest size."""

import copy
import pathlib
import shutil
import typing
from collections.abc import Callable

import pytest
import tomli_w

from afterfit.cli import main


class Answer(typing.NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str


@pytest.fixture
def afterfit(capsys) -> Callable[..., Answer]:
    """`afterfit("run", path, ...)`; the answer to every command is free of tracebacks."""

    def run(*words: object) -> Answer:
        capsys.readouterr()
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Answer(code, out, err)

    return run


RECIPE = {
    "steps": 20,
    "task": {"kind": "BinaryOperation", "operation": "x+y", "modulus": 5},
    "model": {"kind": "MLP", "hidden": [8]},
}


@pytest.fixture
def recipe() -> dict[str, typing.Any]:
    """A recipe that trains in no time."""
    return copy.deepcopy(RECIPE)


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> pathlib.Path:
    """A store with one run and its report; not to be changed."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "recipe.toml").write_text(tomli_w.dumps(RECIPE))
    assert main(["run", str(folder / "recipe.toml"), "--store", str(folder / "s")]) == 0
    return folder / "s"


@pytest.fixture
def stored(trained, tmp_path) -> pathlib.Path:
    """A store with one run and its report."""
    return pathlib.Path(shutil.copytree(trained, tmp_path / "s"))


@pytest.fixture
def written(tmp_path, recipe) -> Callable[..., pathlib.Path]:
    """Writes the recipe, with changes at dotted paths, to a file."""

    def write(changes: dict[str, typing.Any] | None = None) -> pathlib.Path:
        for path, value in (changes or {}).items():
            *above, name = path.split("/")
            table = recipe
            for part in above:
                table = table.setdefault(part, {})
            table[name] = value
        file = tmp_path / "recipe.toml"
        file.write_text(tomli_w.dumps(recipe))
        return file

    return write


@pytest.fixture
def untrained(monkeypatch):
    """Nothing may be trained in this test."""

    def refuse(*arguments: object, **settings: object) -> None:
        raise AssertionError("this input should have been refused before training")

    monkeypatch.setattr("afterfit.ensemble._runner.Trainer", refuse)


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(name="contents")
def _contents():
    return contents
