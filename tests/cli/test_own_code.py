"""Parts of a user's own that are missing, wrong, or raise."""

import subprocess
import sys

import pytest

from afterfit.store import Store


OWN = """
import dataclasses
import afterfit as af
from afterfit.models import AbstractArchitecture
from afterfit.tasks import AbstractTask

def half(x):
    return 1 / x

def raising(moment):
    return half(0)

def branching(moment):
    return 1.0 if moment.step > 3 else 0.0

def talking(moment):
    return "text"

@dataclasses.dataclass(frozen=True)
class Unbuildable(AbstractArchitecture):
    def build(self, sizes, *, key):
        raise ValueError("not today")

@dataclasses.dataclass(frozen=True)
class Nothing(AbstractArchitecture):
    def build(self, sizes, *, key):
        return None

@dataclasses.dataclass(frozen=True)
class Picky(AbstractArchitecture):
    size: int = 0
    def __post_init__(self):
        half(self.size)
    def build(self, sizes, *, key):
        return None

@dataclasses.dataclass(frozen=True)
class Unfinished(AbstractTask):
    def data(self, seed):
        return None

@dataclasses.dataclass(frozen=True)
class Forward(AbstractArchitecture):
    size: "Sizes" = None
    def build(self, sizes, *, key):
        return None

class Bare(AbstractArchitecture):
    def build(self, sizes, *, key):
        return None
"""


@pytest.fixture(autouse=True)
def own(tmp_path):
    """Files beside the recipe; what was loaded from them is forgotten afterwards."""
    known = set(sys.modules)
    files = {
        "own_parts": OWN,
        "own_trouble": "import sys\nraise KeyError('trouble')\n",
        "own_end": "import sys\nsys.exit('bye')\n",
        "own_syntax": "def x(:\n",
        "own_needs": "import a_package_that_nobody_has\n",
        "tomllib": "class Net: pass\n",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text)
    yield
    for name in set(files) & (set(sys.modules) - known):
        del sys.modules[name]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "no_file.py:Net"}, "model.kind: there is no file 'no_file.py' beside the recipe"),
        ({"model": "no_module:Net"}, "model.kind: 'no_module' cannot be loaded: ModuleNotFoundError"),
        ({"model": ":Net"}, "model.kind: '' cannot be loaded: ValueError"),
        ({"model": "own_parts.py:Pickyy"}, "own_parts.py has no 'Pickyy': did you mean 'Picky'?"),
        ({"model": "own_parts.py:half"}, "own_parts.py:half must be a class made from AbstractArchitecture"),
        ({"model": "own_parts.py:Bare"}, "own_parts.py:Bare must be a frozen dataclass"),
        ({"task": "own_parts.py:Unfinished"}, "task.kind: own_parts.py:Unfinished lacks objective"),
        ({"model": "own_parts.py:Picky"}, "model: ZeroDivisionError: division by zero"),
        ({"model": "own_parts.py:Forward"}, "model: the annotations of Forward cannot be read"),
        ({"probes": ["own_parts.py:Nothing"]}, "must be a function, or a class with `__call__`"),
        ({"model": "own_trouble.py:Net"}, "KeyError: 'trouble' (own_trouble.py, line 2)"),
        ({"model": "own_trouble:Net"}, "'own_trouble' cannot be loaded: KeyError: 'trouble'"),
        ({"model": "own_end.py:Net"}, "SystemExit: bye (own_end.py, line 2)"),
        ({"model": "own_syntax.py:Net"}, "SyntaxError: invalid syntax (own_syntax.py, line 1)"),
        ({"model": "own_needs.py:Net"}, "No module named 'a_package_that_nobody_has'"),
        ({"model": "tomllib.py:Net"}, "another module called 'tomllib' is loaded already: rename"),
        ({"model": "math:pi"}, "math:pi must be a class made from AbstractArchitecture"),
    ],
)
def test_parts_that_cannot_be_used(afterfit, written, untrained, tmp_path, changes, message):
    for _ in range(2):  # a failed import leaves nothing half-made behind
        code, out, err = afterfit("run", written(changes), "--store", tmp_path / "s")
        assert (code, out) == (2, "")
        assert message in err
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("changes", "code", "messages"),
    [
        (
            {"probes": ["own_parts.py:raising"]},
            1,
            [
                "a run failed: ZeroDivisionError: division by zero",
                "own_parts.py, line 11, raising: return half(0)",
                "own_parts.py, line 8, half: return 1 / x",
            ],
        ),
        (
            {"probes": ["own_parts.py:branching"]},
            1,
            ["a run failed: TracerBoolConversionError", "line 14, branching", "jnp.where chooses"],
        ),
        ({"probes": ["own_parts.py:talking"]}, 2, ["the probe 'talking' must return an array", "'text'"]),
        ({"model": "own_parts.py:Unbuildable"}, 1, ["a run failed: ValueError: not today", "line 22, build"]),
        ({"model": "own_parts.py:Nothing"}, 1, ["a run failed: ", "parts of this recipe are your own"]),
    ],
)
def test_parts_that_fail_in_training(afterfit, written, stored, contents, changes, code, messages):
    before = contents(stored / "packs") | {"report": (stored / "report.html").read_bytes()}
    answer = afterfit("run", written(changes), "--store", stored)
    assert (answer.code, answer.out) == (code, "")
    assert all(message in answer.err for message in messages), answer.err
    after = contents(stored / "packs") | {"report": (stored / "report.html").read_bytes()}
    assert before.items() <= after.items()
    assert Store(stored).status().counts == {"done": 1, "diverged": 0, "stopped": 0, "failed": 1}
    (told,) = [line for line in afterfit("status", stored).out.splitlines() if line.startswith("failed: ")]
    (failed,) = [entry for entry in Store(stored).runs() if entry.outcome == "failed"]
    assert told.startswith(f"failed: {failed.run[:12]} (") and told.endswith(failed.message.splitlines()[-1])
    assert not list((stored / "running").glob("0*"))


CALLING = """
import jax, jax.numpy as jnp
import numpy as np
def host(length):
    if length > 10:
        raise RuntimeError("too long")
    return np.float32(length)
def calling(moment):
    length = sum(jnp.sum(jnp.abs(leaf)) for leaf in jax.tree.leaves(moment.parameters))
    return jax.pure_callback(host, jax.ShapeDtypeStruct((), jnp.float32), length)
"""


@pytest.mark.slow  # such a program cannot be kept compiled
def test_a_callback_that_fails_in_one_lane(written, tmp_path):
    """In a process of its own: JAX tells of the failure when Python ends, too."""
    (tmp_path / "own_calls.py").write_text(CALLING)
    changes = {"probes": ["own_calls.py:calling"], "axes/parametrisation.init_scale": [0.01, 9.0]}
    script = "import sys; from afterfit.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["run", str(written(changes)), "--store", str(tmp_path / "s")]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
    assert done.returncode == 1
    assert "afterfit: a run failed: RuntimeError: too long\n  in " in done.stderr, done.stderr
    assert "own_calls.py, line 6, host: raise RuntimeError" in done.stderr
    entries = Store(tmp_path / "s").runs()
    scales = {entry.recipe["parametrisation"]["init_scale"]: entry for entry in entries}
    assert {scale: entry.outcome for scale, entry in scales.items()} == {0.01: "done", 9.0: "failed"}
    assert scales[9.0].message.startswith("Traceback") and "too long" in scales[9.0].message
