"""Ctrl-C and a polite kill: a resume point, exit code 130, and the same numbers in the end."""

import gc
import os
import signal
import subprocess
import sys
import time

import pytest

from afterfit._commands import how_to_go_on
from afterfit.cli import _polite_kill
from afterfit.ensemble import read_recipe, silent


def start(recipe, store):
    """A training process that has left a resume point, and stands still: on a busy machine it might end."""
    script = "from afterfit.cli import script; script()"
    words = ["run", str(recipe), "--store", str(store), "--resume-every", "0.1"]
    before = set(store.glob("running/*/resume*"))
    child = subprocess.Popen(
        [sys.executable, "-c", script, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while not set(store.glob("running/*/resume*")) - before:
        assert child.poll() is None and time.monotonic() < until, child.communicate()
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGSTOP)
    return child


def stop(child, number):
    """Its outputs; it must end by itself, long before its training would."""
    os.kill(child.pid, number)
    os.kill(child.pid, signal.SIGCONT)
    out, err = child.communicate(timeout=60)
    return child.returncode, out, err


@pytest.mark.slow
def test_an_interrupted_run_goes_on(afterfit, written, tmp_path):
    recipe, store = written({"steps": 150_000, "record": {"kind": "Every", "interval": 1000}}), tmp_path / "s"
    first = start(recipe, store)
    busy = afterfit("run", recipe, "--store", store)
    assert (busy.code, "being trained by another process" in busy.err) == (2, True)
    for child, number in ((first, signal.SIGINT), (None, signal.SIGTERM)):
        code, out, err = stop(child or start(recipe, store), number)
        assert (code, out) == (130, "")
        assert err.endswith(f"stopped; {how_to_go_on(store)}\n")
        assert "Traceback" not in err
        assert afterfit("status", store).out.splitlines() == [
            "0 runs stored",
            "1 interrupted: start the same command again to go on with them",
        ]
    assert afterfit("run", recipe, "--store", store).code == 0
    planned = read_recipe(recipe)
    assert planned.run(store, display=silent).identical(planned.run(display=silent))
    assert afterfit("status", store).out == "1 run stored: 1 done\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_in_a_callback_of_the_garbage_collector_is_not_lost(number):
    """JAX has a callback of this name; Python drops whatever is raised in one."""
    told = []

    def _xla_gc_callback(phase, info):
        if phase == "start" and not told:
            told.append(phase)
            os.kill(os.getpid(), number)
            time.sleep(0.01)  # the signal is handled here

    gc.callbacks.append(_xla_gc_callback)
    try:
        with pytest.raises(KeyboardInterrupt), _polite_kill():
            gc.collect()
            time.sleep(5)
    finally:
        gc.callbacks.remove(_xla_gc_callback)
    assert told
