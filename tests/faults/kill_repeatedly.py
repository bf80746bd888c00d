"""Kills a sweep with SIGKILL at random moments, twenty times, and compares its end with an undisturbed one.

    python tests/faults/kill_repeatedly.py [KILLS]

Each kill may lose what was trained since the last resume point, whose age is printed, and nothing else.
"""

import contextlib
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

from afterfit.store import Store


SWEEP = """
import sys
import afterfit as af
experiment = af.Experiment(
    af.tasks.BinaryOperation("x*y", modulus=13, fraction=0.6),
    af.models.MLP(hidden=(64,)),
    af.AdamW(learning_rate=0.003),
    batch=32,
    snapshots=af.At((10, 2000)),
    noise=af.Noise(gradient=1e-4),
)
plan = af.sweep(experiment, {"steps": [80000, 40000], "seed": range(6)})
plan.run(sys.argv[1], display=af.ensemble.silent, resume_every=1.0)
"""


def bits(folder: pathlib.Path | str) -> dict:
    """All that a store holds of each run, as bytes."""
    store = Store(folder, readonly=True, create=False)
    return {
        records.run: (
            records.outcome,
            records.outcome_step,
            records.steps.tobytes(),
            {name: np.asarray(value).tobytes() for name, value in records.values.items()},
            {
                (step, path): np.asarray(leaf).tobytes()
                for step, parameters in records.snapshots.items()
                for path, leaf in parameters.items()
            },
        )
        for records in store.load(store.runs())
    }


def newest(folder: pathlib.Path) -> float:
    """When the newest resume point was published."""
    found = 0.0
    for point in folder.glob("running/*/resume*.safetensors"):
        with contextlib.suppress(FileNotFoundError):  # replaced by a newer one while we look
            found = max(found, point.stat().st_mtime)
    return found


def main() -> int:
    """Returns 0 if the bits are the same."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    moments = random.Random(1)
    with tempfile.TemporaryDirectory() as scratch:
        whole, killed = pathlib.Path(scratch, "whole"), pathlib.Path(scratch, "killed")
        command = [sys.executable, "-c", SWEEP]
        began = time.monotonic()
        subprocess.run([*command, str(whole)], check=True)
        print(f"undisturbed: {time.monotonic() - began:.0f} s, {len(bits(whole))} runs")
        done = 0
        while done < kills:
            old = newest(killed)
            process = subprocess.Popen([*command, str(killed)])
            while process.poll() is None and newest(killed) <= old:
                time.sleep(0.05)
            time.sleep(moments.uniform(0, 3.0))
            process.send_signal(signal.SIGKILL)
            if process.wait() == 0:
                print("it ended before the next kill; the sweep is too short for so many")
                break
            done += 1
            age = time.time() - newest(killed)
            reached = {
                live.run: int(live.steps[-1])
                for live in Store(killed, readonly=True, create=False).status().interrupted.values()
                if len(live.steps)
            }
            stored = len(bits(killed)) if list(killed.glob("packs/*")) else 0
            others = sorted(reached.values())
            print(f"kill {done}: resume point {age:.1f} s old, {stored} runs stored, others at {others}")
        subprocess.run([*command, str(killed)], check=True)
        same = bits(killed) == bits(whole)
        print(f"{done} kills: records, outcomes and snapshots {'equal' if same else 'DIFFER'} bit for bit")
        return 0 if same and done == kills else 1


if __name__ == "__main__":
    sys.exit(main())
