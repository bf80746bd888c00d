"""How the runs of a store were made: recipes, versions, machine."""

import tomllib

import numpy as np
import pytest

from afterfit.report import making
from afterfit.store import open_dataset, RunRecords, Store


ABOUT = {"versions": {"afterfit": "0.1.0", "jax": "0.10.2"}, "python": "3.11.7", "machine": "x86_64"}


def _run(name, decay, seed, **about):
    names = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "weight_norm")
    recipe = {
        "kind": "Experiment",
        "noise": None,
        "task": {"kind": "BinaryOperation", "modulus": 97},
        "optimiser": {"kind": "AdamW", "weight_decay": decay},
        "seeds": {"split": seed, "init": seed},
    }
    values = {measure: np.linspace(0, 1, 3, dtype=np.float32) for measure in names}
    return RunRecords(name, recipe, np.arange(3), values, "done", 2, about={**ABOUT, **about})


@pytest.fixture(name="store")
def _store(tmp_path):
    runs = [_run("a", 0.1, 0), _run("b", 1.0, 0), _run("c", 0.1, 1), _run("d", 1.0, 1, machine="arm64")]
    with Store(tmp_path / "s").claim([run.run for run in runs]) as session:
        session.publish_runs(runs)
    return tmp_path / "s"


def test_what_runs_share_and_what_differs(store):
    texts = making(store, open_dataset(store))
    assert list(texts) == [
        "Recipe: what all 4 runs share",
        "Fields that differ between runs",
        "Versions and machine",
    ]
    shared, differing, makers = texts.values()
    assert tomllib.loads(shared) == {
        "kind": "Experiment",
        "task": {"kind": "BinaryOperation", "modulus": 97},
        "optimiser": {"kind": "AdamW"},
    }
    assert differing.splitlines() == [
        "optimiser.weight_decay: 0.1, 1.0",
        "seeds.split: 0, 1",
        "seeds.init: 0, 1",
    ]
    first, second = makers.split("\n\n")
    assert first.startswith("3 runs\nafterfit 0.1.0, jax 0.10.2, Python 3.11.7\nx86_64\nresults version 1")
    assert second.startswith("1 run\n") and "arm64" in second


def test_other_runs_of_the_store_are_left_out(store):
    data = open_dataset(store).isel({"optimiser.weight_decay": 0, "seed": 0})
    texts = making(store, data)
    assert list(texts) == ["Recipe", "Versions and machine"]
    assert list(making(store, data, recipes=False)) == ["Versions and machine"]
    assert tomllib.loads(texts["Recipe"])["optimiser"] == {"kind": "AdamW", "weight_decay": 0.1}
