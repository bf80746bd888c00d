"""Harms pack files a thousand times at random, and reads them through all that reads stores.

    python tests/faults/damage_packs.py [HARMS]

A harm flips a bit, changes a byte, cuts the file short or makes it longer. Each must be found by
`open_dataset`, `Store.load` and the commands `report` and `export`, in a message that names the file; runs of
other packs must come back as they were, or not at all; `status`, which reads no records, must count as before
or name the file.
Takes about two minutes.
"""

import collections
import contextlib
import io
import pathlib
import shutil
import sys
import tempfile
import warnings

import numpy as np

import afterfit as af
from afterfit.cli import main as command
from afterfit.store import Store, StoreError


HARMS = ("bit", "byte", "cut", "longer")
COMMANDS_EVERY = 10  # harms


def harm(path: pathlib.Path, random: np.random.Generator, how: str) -> None:
    """Changes a file in one of the ways of `HARMS`, at a random place."""
    content = bytearray(path.read_bytes())
    place = int(random.integers(len(content)))
    if how == "bit":
        content[place] ^= 1 << int(random.integers(8))
    elif how == "byte":
        content[place] = (content[place] + int(random.integers(1, 256))) % 256
    elif how == "cut":
        del content[place:]
    elif how == "longer":
        content += bytes(1 + place)
    path.write_bytes(content)


def made(folder: pathlib.Path) -> None:
    """A store of two packs of two runs, with snapshots."""
    experiment = af.Experiment(
        af.tasks.BinaryOperation("x+y", modulus=5),
        af.models.MLP(hidden=(8,)),
        steps=40,
        record=af.Every(10),
        snapshots=af.At((0, 40)),
    )
    af.sweep(experiment, {"batch": [4, 5], "seed": [0, 1]}).run(folder, display=af.ensemble.silent)


def everything(store: Store, run: str) -> tuple:
    """All numbers of a run, as bytes."""
    (records,) = store.load([run])
    arrays = {
        "steps": records.steps,
        **records.values,
        **{f"{step}{path}": leaf for step, tree in records.snapshots.items() for path, leaf in tree.items()},
    }
    numbers = {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in arrays.items()}
    return records.outcome, records.outcome_step, records.recipe, numbers


def answer(*words: object) -> tuple[int, str]:
    """Exit code and all that a command said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = command([str(word) for word in words])
    return code, said.getvalue()


class Wrong(Exception):
    """A harm was not found, or a wrong number came back."""


def ensure(true: bool, words: str) -> None:
    """Raises `Wrong` unless it is true."""
    if not true:
        raise Wrong(words)


class Reader:
    """All that reads stores, and what an intact one says."""

    def __init__(self, good: pathlib.Path):
        self.good, store = good, Store(good, readonly=True)
        self.packs = {entry.run: entry.pack.name for entry in store.runs()}
        self.numbers = {run: everything(store, run) for run in self.packs}
        self.status = answer("status", good)
        self.came_back = 0

    def read(self, folder: pathlib.Path, harmed: str, commands: bool) -> None:
        """Raises `Wrong` unless every reader finds that the pack of this name is harmed."""
        try:
            af.open_dataset(folder)
        except StoreError as error:
            ensure(harmed in str(error), f"open_dataset says: {error}")
        else:
            raise Wrong("open_dataset found nothing")
        for run, pack in self.packs.items():
            try:
                found = everything(Store(folder, readonly=True), run)
            except StoreError as error:
                ensure(harmed in str(error), f"load says: {error}")
            else:
                ensure(pack != harmed, "load found nothing")
                ensure(found == self.numbers[run], f"a wrong number of {run}")
                self.came_back += 1
        code, said = answer("status", folder)
        ensure((code, said) == self.status or (code == 2 and harmed in said), f"status says: {said}")
        if commands:
            for words in (
                ("report", folder),
                ("export", folder, "--to", "csv", "--output", folder / "x.csv"),
            ):
                code, said = answer(*words)
                told = code == 2 and harmed in said and "Traceback" not in said
                ensure(told, f"{words[0]} says: {code}, {said}")
            ensure(not (folder / "report.html").exists() and not (folder / "x.csv").exists(), "written")


def main() -> int:
    """Returns 0 if each harm was found."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    warnings.simplefilter("error")
    random, done = np.random.default_rng(0), collections.Counter()
    with tempfile.TemporaryDirectory() as scratch:
        good, bad = pathlib.Path(scratch, "good"), pathlib.Path(scratch, "bad")
        made(good)
        reader = Reader(good)
        names = sorted(set(reader.packs.values()))
        for number in range(count):
            folder = bad / str(number)
            shutil.copytree(good, folder)
            name, how = names[int(random.integers(len(names)))], HARMS[number % len(HARMS)]
            harm(folder / "packs" / name, random, how)
            try:
                reader.read(folder, name, number % COMMANDS_EVERY == 0)
            except Wrong as error:
                print(f"harm {number} ({how}) of {name}: {error}")
                return 1
            done[how] += 1
            shutil.rmtree(folder)
    print(
        f"{count} harms, each found and named: {dict(done)}; {reader.came_back} runs of other packs came "
        "back, each as it was"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
