"""A real disk of a few megabytes that fills up, is emptied again, and becomes read-only."""

import json
import shutil
import subprocess
import sys

import pytest


@pytest.fixture
def on_a_small_disk(written, tmp_path):
    """Runs code on a disk of its own, with a recipe; returns what it printed, and its errors."""
    (tmp_path / "disk").mkdir()

    def run(code: str, changes: dict | None = None, size: str = "4m"):
        words = ["unshare", "-rm", "sh", "-c"]
        mount = f"mount -t tmpfs -o size={size} tmpfs {tmp_path / 'disk'}"
        if shutil.which("unshare") is None or subprocess.run([*words, mount], capture_output=True).returncode:
            pytest.skip("mounting a small disk is not allowed here")
        command = f'{mount} && exec "$0" -c "$1" "$2" "$3"'
        done = subprocess.run(
            [*words, command, sys.executable, code, str(written(changes)), str(tmp_path / "disk")],
            capture_output=True,
            text=True,
        )
        assert "Traceback" not in done.stderr
        return done.stdout, done.stderr

    return run


FULL_FROM_THE_START = """
import pathlib, sys
from afterfit.cli import main
recipe, folder = sys.argv[1:]
store = folder + "/s"
try:
    pathlib.Path(folder, "ballast").write_bytes(bytes(1 << 24))
except OSError:
    pass
print(main(["run", recipe, "--store", store]), sorted(p.name for p in pathlib.Path(store).iterdir()))
"""


def test_a_disk_that_is_full_from_the_start(on_a_small_disk):
    out, err = on_a_small_disk(FULL_FROM_THE_START, size="64k")
    assert out == "2 []\n"
    assert "No space left on the disk" in err


FULL_LATER = """
import contextlib, io, json, os, pathlib, subprocess, sys
from afterfit.cli import main
from afterfit.store import Session
recipe, folder = sys.argv[1:]
store, ballast = pathlib.Path(folder, "s"), pathlib.Path(folder, "ballast")
answers = []

def answer(*words):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    packs = {path.name: path.read_bytes().hex() for path in store.glob("packs/*")}
    answers.append((code, out.getvalue(), err.getvalue(), packs))

def fill(session, runs):
    really(session, runs)
    if not ballast.exists():
        with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass

train = "run", recipe, "--store", store, "--resume-every", "0.01"
answer(*train)
longer = *train, "--set", "steps=3000", "--set", "seed=1"
really, Session.publish_resume = Session.publish_resume, fill
answer(*longer)
answer("status", store)
ballast.unlink()
Session.publish_resume = really
answer(*longer)
subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
answer(*train, "--set", "seed=2")
answer("status", store)
answer("report", store, "--output", recipe + ".html")
print(json.dumps(answers), file=sys.__stdout__)
"""


def test_a_disk_that_fills_up_while_it_is_written_to_and_is_read_only_later(on_a_small_disk):
    out, _ = on_a_small_disk(FULL_LATER)
    first, full, status, more, refused, look, report = json.loads(out)
    assert first[0] == 0 and len(first[3]) == 1
    assert full[0] == 2 and full[3] == first[3]  # what was finished is as it was
    assert "No space left on the disk" in full[2] and "Make room and start again" in full[2]
    assert status[:2] == [
        0,
        "1 run stored: 1 done\n1 interrupted: start the same command again to go on with them\n",
    ]
    assert more[0] == 0 and len(more[3]) == 2 and first[3].items() <= more[3].items()
    assert refused[0] == 2 and "Expected a folder that can be written to" in refused[2]
    assert (look[0], report[0]) == (0, 0) and look[1] == "2 runs stored: 2 done\n"
