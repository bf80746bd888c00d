"""The rules of the house, read from the syntax trees of the package (nothing is imported)."""

import ast
import pathlib
import re
import subprocess
from collections.abc import Callable, Iterator

import pytest


PROJECT = pathlib.Path(__file__).parent.parent
PACKAGE = PROJECT / "src" / "afterfit"

# What each room may import. `store` and `statistics` see no science, and the science below ensemble may
# use them too. The ensemble records the probes that an experiment carries, as values: it imports none.
NEUTRAL = {"store", "statistics"}
TRAINING = NEUTRAL | {"tasks", "models"}
ENSEMBLE = TRAINING | {"training"}
LANDSCAPE = ENSEMBLE | {"probes", "ensemble"}
ROOMS = {
    "store": set(),
    "statistics": set(),
    "tasks": NEUTRAL,
    "models": NEUTRAL | {"tasks"},
    "training": TRAINING,
    "probes": ENSEMBLE,
    "ensemble": ENSEMBLE,
    "landscape": LANDSCAPE,
    "studies": LANDSCAPE | {"landscape"},
    "report": LANDSCAPE | {"landscape", "studies"},
    "cli": LANDSCAPE | {"landscape", "studies", "report"},
}
LONGEST = 500  # lines

Trees = dict[tuple[str, ...], ast.Module]  # keys: ("afterfit", "tasks", "__init__")


def read(package: pathlib.Path) -> Trees:
    """The syntax trees of all modules of a package."""
    files = sorted(package.rglob("*.py"))
    return {
        file.relative_to(package.parent).with_suffix("").parts: ast.parse(file.read_text()) for file in files
    }


def imports(module: tuple[str, ...], tree: ast.Module) -> Iterator[tuple[str, ...]]:
    """Everything of the package that a module imports, at any depth, for types or not, as full names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module[: -node.level] if node.level else ()
            inside = tuple(node.module.split(".")) if node.module else ()
            yield from ((*above, *inside, alias.name) for alias in node.names)


def wrong_directions(trees: Trees) -> Iterator[str]:
    """A module at the top of the package is a part of the command if it imports a room, else for everyone."""
    for module, tree in trees.items():
        room = room_of(module, trees)
        for target in imports(module, tree):
            if target[0] != module[0] or room == "__init__":
                continue
            there = room_of((*target, "__init__"), trees)
            if there == "__init__" and room != "cli":
                yield f"{'.'.join(module)} imports {'.'.join(target)} from the top; name its room"
            elif there in ROOMS and there != room and there not in ROOMS.get(room, set()):
                yield f"{'.'.join(module)} imports {there}, which does not lie below {room}"


def room_of(module: tuple[str, ...], trees: Trees) -> str:
    """The room of a name; `__init__` for names of the package itself, an unlisted name for common modules."""
    first = module[1]
    if first in ROOMS or module[:2] not in trees or first == "__init__":
        return first if first in ROOMS else "__init__"
    targets = imports(module[:2], trees[module[:2]])
    sees_rooms = any(target[0] == module[0] and target[1:2] and target[1] in ROOMS for target in targets)
    return "cli" if sees_rooms else first


def postponed_annotations(trees: Trees) -> Iterator[str]:
    """They make `x: eqx.AbstractVar[...]` silently concrete."""
    for module, tree in trees.items():
        if any(target == ("__future__", "annotations") for target in imports(module, tree)):
            yield f"{'.'.join(module)} postpones its annotations"


def concrete_bases(trees: Trees) -> Iterator[str]:
    """Abstract or final: only `Abstract*` classes and our own errors have subclasses."""
    bases: dict[str, list[str]] = {}
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                roots = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
                bases[node.name] = [ast.unparse(root).rpartition(".")[2] for root in roots]

    def is_error(name: str) -> bool:
        return (
            any(is_error(base) for base in bases[name])
            if name in bases
            else name.endswith(("Error", "Exception"))
        )

    for name, parents in bases.items():
        for parent in parents:
            if parent in bases and not parent.startswith("Abstract") and not is_error(parent):
                yield f"{name} subclasses {parent}, which is not called Abstract*"


def long_modules(trees: Trees) -> Iterator[str]:
    for module, tree in trees.items():
        last = max((node.end_lineno or 0 for node in tree.body), default=0)
        if last >= LONGEST:
            yield f"{'.'.join(module)} has {last} lines; {LONGEST} are too many"


def undocumented(trees: Trees) -> Iterator[str]:
    """Names that an `__init__` passes on and that carry no docstring where they are defined."""
    for module, tree in trees.items():
        if module[-1] == "__init__":
            for target in imports(module, tree):
                if (
                    target[0] == module[0]
                    and not target[-1].startswith("_")
                    and not has_docstring(trees, target)
                ):
                    yield f"{'.'.join(target)} is public and has no docstring"


def has_docstring(trees: Trees, target: tuple[str, ...]) -> bool:
    whole = trees.get(target) or trees.get((*target, "__init__"))
    if whole is not None:
        return ast.get_docstring(whole) is not None
    module = next((where for where in (target[:-1], (*target[:-1], "__init__")) if where in trees), None)
    if module is None:
        return False
    body, name = trees[module].body, target[-1]
    for node, after in zip(body, [*body[1:], None]):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return ast.get_docstring(node) is not None
        if isinstance(node, ast.Assign | ast.AnnAssign):
            assigned = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(one, ast.Name) and one.id == name for one in assigned):
                return isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    passed_on = [
        further for further in imports(module, trees[module]) if further[-1] == name and further != target
    ]
    return any(has_docstring(trees, further) for further in passed_on)


def wall_clocks(trees: Trees) -> Iterator[str]:
    """Times of day go back when a clock is set; `time.monotonic` does not."""
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node).endswith(WALL_CLOCKS):
                yield f"{'.'.join(module)} goes by {ast.unparse(node)}"


WALL_CLOCKS = ("time.time", "time.time_ns", ".getmtime", ".st_mtime")
RULES = [wrong_directions, postponed_annotations, concrete_bases, long_modules, undocumented, wall_clocks]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps_the_rule(rule: Callable[[Trees], Iterator[str]]):
    trees = read(PACKAGE)
    complaints = list(rule(trees))
    assert trees and not complaints, "\n".join(complaints)


GOOD = {
    "_units.py": "STEPS = 'steps'",
    "tasks/__init__.py": "from ._sum import AbstractSum as AbstractSum, LIMIT as LIMIT, Sum as Sum",
    "tasks/_sum.py": '''
import equinox as eqx
from .._units import STEPS
class AbstractSum(eqx.Module):
    """Sums."""
class Sum(AbstractSum):
    """A sum."""
LIMIT: int = 3
"""The largest term."""
class SumError(ValueError): ...
class TermError(SumError): ...
''',
    "training/_step.py": "from ..tasks import Sum\nfrom .. import store, models",
    "_demo.py": "from . import training",
    "cli.py": "def main():\n    from . import __version__\n    from ._demo import demo",
}
BAD = [
    (wrong_directions, "models/_mlp.py", "from ..training import step"),
    (wrong_directions, "models/_mlp.py", "from .. import training"),
    (wrong_directions, "models/_mlp.py", "import afterfit.training._step"),
    (wrong_directions, "models/_mlp.py", "def build():\n    from afterfit.probes import norm"),
    (wrong_directions, "models/_mlp.py", "if TYPE_CHECKING:\n    from ..ensemble._pack import Pack"),
    (wrong_directions, "ensemble/_loop.py", "from ..probes import norm"),
    (wrong_directions, "store/_pack.py", "from ..training import Experiment"),
    (wrong_directions, "landscape/_plane.py", "import afterfit as af"),
    (wrong_directions, "landscape/_plane.py", "from .. import sweep"),
    (wrong_directions, "_units.py", "from .tasks import Sum"),  # then tasks/_sum.py imports the command
    (postponed_annotations, "tasks/_sum.py", "from __future__ import annotations"),
    (concrete_bases, "tasks/_sum.py", "class Sum(eqx.Module): ...\nclass Wide(Sum): ..."),
    (concrete_bases, "models/_mlp.py", "from ..tasks import _sum\nclass Wide(_sum.Sum[int]): ..."),
    (long_modules, "tasks/_sum.py", "x = 1\n" * LONGEST),
    (undocumented, "tasks/_sum.py", "class AbstractSum: ...\nclass Sum: ...\nLIMIT = 3"),
    (wall_clocks, "tasks/_sum.py", "import time\nbegan = time.time()"),
    (wall_clocks, "tasks/_sum.py", "newest = max(path.stat().st_mtime for path in paths)"),
    (undocumented, "tasks/__init__.py", "from ._sum import missing as missing"),
]


def write(folder: pathlib.Path, files: dict[str, str]) -> Trees:
    for path, text in files.items():
        file = folder / "afterfit" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return read(folder / "afterfit")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_lets_good_code_pass(rule: Callable[[Trees], Iterator[str]], tmp_path: pathlib.Path):
    assert not list(rule(write(tmp_path, GOOD)))


@pytest.mark.parametrize(("rule", "path", "text"), BAD)
def test_a_rule_finds_bad_code(
    rule: Callable[[Trees], Iterator[str]], path: str, text: str, tmp_path: pathlib.Path
):
    assert list(rule(write(tmp_path, GOOD | {path: text})))


# Absolute paths into somebody's folders, and addresses of package indexes. Written so as not to match itself.
LOCAL = re.compile(
    r"(?<![\w.\-}])/(home|root|Users|work|farm|opt|tmp)/\w|pypi[.]org|pythonhosted[.]org|index[-]url|find[-]links"
)


@pytest.mark.parametrize("text", ["see " + "/home" + "/ana", "--index" + "-url x", "https://pypi" + ".org/x"])
def test_local_text_is_recognised(text: str):
    assert LOCAL.search(text)
    assert not LOCAL.search("https://example.com/home/ana and tasks/opt/x and ./tmp")


def test_no_file_names_a_machine_or_a_package_index():
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    found = []
    for name in listing.stdout.splitlines():
        file = PROJECT / name
        if file.is_file() and file.suffix not in {".svg", ".png", ".parquet"}:
            for number, line in enumerate(file.read_text(errors="ignore").splitlines(), 1):
                if LOCAL.search(line):
                    found.append(f"{name}:{number}: {line.strip()[:80]}")
    assert not found, "\n".join(found)
