"""Stores and recipes of somebody else: nothing of theirs is executed, nothing is written outside."""

import ast
import json
import os
import pathlib
import shutil
import sys
import urllib.request
from collections.abc import Iterator

import numpy as np
import pytest
import tomli_w

import afterfit
from afterfit.cli import main
from afterfit.report import live_page
from afterfit.store import open_dataset, RunRecords, Store


CODE = """
import dataclasses
import pathlib
import afterfit as af

pathlib.Path(__file__).with_name("was imported").touch()

@dataclasses.dataclass(frozen=True)
class Task(af.tasks.BinaryOperation):
    pass

def probe(moment):
    return {"../../up": 1.0, "/absolute": 2.0}
"""

RECIPE = {
    "steps": 4,
    "task": {"kind": "somebodys_code.py:Task", "modulus": 5},
    "model": {"kind": "MLP", "hidden": [4]},
    "probes": ["somebodys_code.py:probe"],
    "snapshots": {"kind": "At", "chosen": [4]},
    "axes": {"../../axis": {"../../a": {"steps": 4}, "/b": {"steps": 5}}},
}


@pytest.fixture(name="trained_elsewhere", scope="module")
def _trained_elsewhere(tmp_path_factory):
    """A folder with somebody's recipe, code and store."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "somebodys_code.py").write_text(CODE)
    (folder / "recipe.toml").write_text(tomli_w.dumps(RECIPE))
    assert main(["run", str(folder / "recipe.toml"), "--store", str(folder / "s")]) == 0
    assert (folder / "was imported").exists()
    (folder / "was imported").unlink()
    del sys.modules["somebodys_code"]
    return folder


@pytest.fixture(name="somebodys")
def _somebodys(trained_elsewhere, tmp_path, monkeypatch):
    """A copy of it, in which we are: its code lies here, and on the path."""
    here = tmp_path / "a" / "b" / "here"
    shutil.copytree(trained_elsewhere, here)
    monkeypatch.chdir(here)
    monkeypatch.syspath_prepend(str(here))
    yield here
    sys.modules.pop("somebodys_code", None)


LOOKS = [
    ("status", "s"),
    ("report", "s"),
    ("figure", "s", "--measure", "probe/../../up"),
    *(("export", "s", "--to", kind) for kind in ("csv", "parquet", "netcdf")),
    *(("export", "s", "RUN", "--to", kind) for kind in ("safetensors", "torch", "transformer-lens")),
]


def _run_of(store: pathlib.Path) -> str:
    return Store(store, readonly=True).runs()[0].run


@pytest.mark.parametrize("words", LOOKS, ids=lambda words: "-".join(words[-1:]).replace("/", ""))
def test_what_a_store_names_is_not_imported(afterfit, somebodys, words):
    words = [_run_of(somebodys / "s") if word == "RUN" else word for word in words]
    code, _, err = afterfit(*words)
    refused = words[-1] in ("torch", "transformer-lens")
    assert code == (2 if refused else 0), err
    assert not refused or "somebody's own code" in err or "not Transformer" in err
    assert not (somebodys / "was imported").exists() and "somebodys_code" not in sys.modules


def test_it_is_imported_where_that_is_asked_for(afterfit, somebodys):
    run = _run_of(somebodys / "s")
    assert afterfit("export", "s", run, "--to", "torch", "--own-code").code == 0
    assert (somebodys / "was imported").exists()


def test_neither_data_nor_page_import_it(somebodys):
    assert open_dataset(somebodys / "s")["probe/../../up"].notnull().any()
    with live_page(somebodys / "s") as address:
        for what in ("status", "curves", "runs", f"run?id={_run_of(somebodys / 's')}"):
            with urllib.request.urlopen(f"{address}api/{what}") as answer:
                assert json.loads(answer.read())["store"] == "s"
    assert not (somebodys / "was imported").exists() and "somebodys_code" not in sys.modules


def test_names_lead_nowhere(afterfit, somebodys, tmp_path):
    """Axes, labels and measures are called like paths; all that is written lies where it was asked for."""
    for words in LOOKS[1:7]:
        run = _run_of(somebodys / "s")
        assert afterfit(*(run if word == "RUN" else word for word in words)).code == 0
    written = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert written and all(path.parts[:3] == ("a", "b", "here") for path in written)
    beside = {path.parts[3] for path in written}
    assert beside == {
        "recipe.toml",
        "s",
        "somebodys_code.py",
        "probe-..-..-up.svg",
        "s.csv",
        "s.parquet",
        "s.nc",
        f"run_{run[:8]}_{4 if 'run_' + run[:8] + '_4.safetensors' in beside else 5}.safetensors",
    } | ({"__pycache__"} & beside)


# --- stores with traps --------------------------------------------------------------------------


def test_a_report_is_not_written_through_a_link(afterfit, stored, tmp_path):
    (tmp_path / "precious").write_text("mine")
    (stored / "report.html").unlink()
    (stored / "report.html").symlink_to(tmp_path / "precious")
    (stored / ".report.html.part").symlink_to(tmp_path / "precious")
    code, _, err = afterfit("report", stored)
    assert code == 2 and "is a link to" in err and "--output" in err
    assert afterfit("report", stored, "--output", tmp_path / "page.html").code == 0
    assert (tmp_path / "precious").read_text() == "mine"
    (stored / "report.html").unlink()
    assert afterfit("report", stored).code == 0  # the other link is met by nobody
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_report_is_not_written_into_a_pipe(afterfit, stored):
    (stored / "report.html").unlink()
    os.mkfifo(stored / "report.html")
    code, _, err = afterfit("report", stored)
    assert code == 2 and "report.html is no file" in err


@pytest.mark.parametrize("name", ["fig.csv", "fig.svg", "fig.png", "index.html"])
def test_a_page_of_a_study_holds_and_replaces_nothing_outside(afterfit, tmp_path, name):
    (tmp_path / "precious").write_text("mine alone")
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "provenance.json").write_text(json.dumps({"study": "theirs", "figures": {"fig": {}}}))
    (folder / "verdicts.json").write_text("[]")
    assert afterfit("report", folder).code == 0
    (folder / "index.html").unlink()
    (folder / name).symlink_to(tmp_path / "precious")
    code, _, err = afterfit("report", folder)
    assert code == 2 and f"{name} is a link to" in err
    assert (tmp_path / "precious").read_text() == "mine alone"
    assert name == "index.html" or not (folder / "index.html").exists()


def test_a_run_that_is_called_like_a_path(afterfit, tmp_path, monkeypatch):
    here = tmp_path / "here"
    (here / "run_").mkdir(parents=True)  # what would make the path below one that leads out
    monkeypatch.chdir(here)
    run = "/../../x"
    recipe = {"task": {"kind": "BinaryOperation"}, "model": {"kind": "MLP"}, "seeds": {"split": 0}}
    records = RunRecords(
        run,
        recipe,
        np.array([0]),
        {name: np.zeros(1, np.float32) for name in ("train_loss", "train_accuracy", "test_accuracy")},
        "done",
        0,
        snapshots={0: {".readout.weight": np.zeros((2, 2), np.float32)}},
    )
    with Store(tmp_path / "s").claim([run]) as session:
        session.publish_runs([records])
    code, out, _ = afterfit("export", tmp_path / "s", run, "--to", "safetensors")
    assert (code, out) == (0, "run_x_0.safetensors\n")
    assert (here / "run_x_0.safetensors").is_file() and not (tmp_path / "x_0.safetensors").exists()


def test_no_file_of_a_recipe_is_endless(afterfit, written, untrained, tmp_path):
    code, _, err = afterfit("run", written({"fork": {"parent": "/dev/zero", "step": 1}}))
    assert code == 2 and "fork.parent: '/dev/zero' is no file" in err
    os.mkfifo(tmp_path / "pipe.toml")
    code, _, err = afterfit("run", written({"fork": {"parent": str(tmp_path / "pipe.toml"), "step": 1}}))
    assert code == 2 and "pipe.toml' is no file" in err
    code, _, err = afterfit("run", "/dev/zero")
    assert code == 2 and "'/dev/zero' has more than 67,108,864 bytes: it is no recipe" in err
    code, _, err = afterfit("run", written({"fork": {}, "task": {"kind": "TableTask", "table": "/dev/zero"}}))
    assert code == 2 and "task.table: `table` '/dev/zero' cannot be read: it is no file" in err


# --- what there must not be ---------------------------------------------------------------------

EXECUTING = {"pickle", "marshal", "shelve", "joblib", "dill", "cloudpickle", "yaml", "runpy", "ctypes"}
"""Modules that execute what they read."""

OUR_WORDS = "_library.py"
"""Starts a program, with words of ours alone."""

IMPORTERS = {"_kinds.py", "__init__.py", "_find.py", "_trackers.py"}
"""Import by names: the first by those of recipes, the others by ours."""


def test_nothing_here_executes_what_it_reads():
    files = sorted(pathlib.Path(afterfit.__file__).parent.rglob("*.py"))
    assert len(files) > 100
    assert [wrong for path in files for wrong in _executing(path)] == []


def _executing(path: pathlib.Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        for module in _imported(node):
            if module in EXECUTING or (module == "subprocess" and path.name != OUR_WORDS):
                yield f"{path.name} imports {module}"
        if isinstance(node, ast.Call) and _executes(node, path.name):
            yield f"{path.name}, line {node.lineno}: {ast.unparse(node)}"


def _executes(call: ast.Call, file: str) -> bool:
    called, given = ast.unparse(call.func), {word.arg: ast.unparse(word.value) for word in call.keywords}
    if called in ("np.load", "numpy.load"):
        return given.get("allow_pickle") != "False"
    if called.endswith("import_module"):
        return file not in IMPORTERS and not isinstance(call.args[0], ast.Constant)
    forbidden = ("eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load")
    return called in forbidden or called.endswith((".extractall", ".extract")) or "shell" in given


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module.split(".")[0]]
    return []
