"""Any mistake in any recipe: exit code 2, no traceback, its path, nothing trained."""

import contextlib
import io
import pathlib
from unittest import mock

import pytest
import tomli_w
from cli import mistakes as made, recipes
from hypothesis import given, HealthCheck, settings

from afterfit.cli import main


pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory) -> pathlib.Path:
    """Where the recipes of all examples are written, beside what they name."""
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "own_things.py").write_text(recipes.OWN)
    (folder / "parent.toml").write_text(recipes.PARENT)
    return folder


class Trained(BaseException):
    """Nothing may catch this: what should have been refused was about to be trained."""


def _told(path: pathlib.Path, *more: str) -> tuple[int, list[str]]:
    """The exit code of a run, and the lines on the standard error."""
    told = io.StringIO()
    with (
        contextlib.redirect_stderr(told),
        mock.patch("afterfit.ensemble._runner.Trainer", side_effect=Trained),
    ):
        code = main(["run", str(path), "--store", str(path.parent / "s"), *more])
    assert not (path.parent / "s").exists()
    return code, told.getvalue().splitlines()


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_the_recipes_are_good(folder, name):
    """A mistake made in a bad recipe would prove nothing."""
    (folder / "good.toml").write_text(tomli_w.dumps(recipes.RECIPES[name]))
    with pytest.raises(Trained):
        _told_of_good(folder / "good.toml", folder / "good")


def _told_of_good(path: pathlib.Path, store: pathlib.Path) -> None:
    with (
        contextlib.redirect_stderr(io.StringIO()),
        mock.patch("afterfit.ensemble._runner.Trainer", side_effect=Trained),
    ):
        main(["run", str(path), "--store", str(store)])


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(made.mistakes())
def test_any_mistake_is_refused_with_its_path(folder, mistake):
    (folder / "recipe.toml").write_text(tomli_w.dumps(mistake.recipe), encoding="utf-8")
    setting = ["--set", mistake.assignment] if mistake.assignment else []
    code, lines = _told(folder / "recipe.toml", *setting)
    assert code == 2
    assert lines and all(line.startswith("afterfit: ") for line in lines), lines
    about = [line for line in lines if _begins(line.removeprefix("afterfit: "), mistake.paths)]
    assert any(mistake.word in line for line in about), (mistake.paths, mistake.word, lines)


def _begins(line: str, paths: tuple[str, ...]) -> bool:
    """Whether a line is about one of the paths, or a place inside it."""
    return any(line.startswith(path) and line[len(path) :][:1] in (":", ".", "[") for path in paths)


@settings(max_examples=50)
@given(made.broken_files())
def test_any_file_that_is_no_toml_is_refused(folder, contents):
    (folder / "broken.toml").write_bytes(contents)
    code, lines = _told(folder / "broken.toml")
    assert code == 2
    assert len(lines) == 1 and f"{str(folder / 'broken.toml')!r} is not TOML: " in lines[0]
