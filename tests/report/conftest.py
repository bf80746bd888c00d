"""Runs that grok by construction: logistic curves on the logarithm of steps."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import xarray

from afterfit.store import LiveRun, RunRecords, Store


def grokking_runs(axes=None, steps=5000, records=120, seed=0):
    """A Dataset as a sweep returns it; a larger weight decay or fraction generalises sooner."""
    axes = {} if axes is None else axes
    random = np.random.default_rng(seed)
    at = np.unique(np.r_[0, np.geomspace(1, steps, records).round(), steps]).astype(int)
    shape = [len(values) for values in axes.values()]
    memorised, generalised = np.full(shape, 60.0), np.full(shape, 900.0)
    for place, (name, values) in enumerate(axes.items()):
        spread = [len(values) if other == place else 1 for other in range(len(shape))]
        if name.endswith("weight_decay"):
            generalised = generalised / np.maximum(np.array(values, float), 1e-3).reshape(spread) ** 0.45
        if name.endswith("fraction"):
            generalised = generalised * np.exp(4 * (0.5 - np.array(values, float).reshape(spread)))
    memorised, generalised = (
        middle * np.exp(0.15 * random.normal(size=shape)) for middle in (memorised, generalised)
    )
    position = np.log(at + 1)

    def rise(middle, sharpness):
        return 1 / (1 + np.exp(-sharpness * (position - np.log(middle)[..., None])))

    train, test = (0.01 + 0.99 * rise(memorised, 5), 0.01 + 0.99 * rise(generalised, 6))
    noise = 1 + 0.02 * random.normal(size=train.shape)
    variables = {
        "train_loss": 4.6 * (1 - rise(memorised, 3)) * noise + 1e-6,
        "train_accuracy": np.where(train > 0.995, 1.0, train),
        "test_loss": (4.6 + 5 * rise(memorised, 2)) * (1 - rise(generalised, 3)) * noise + 1e-4,
        "test_accuracy": np.where(test > 0.995, 1.0, test),
        "weight_norm": (20 + 15 * rise(memorised, 2) - 18 * rise(generalised, 2)) * noise,
        "spectral_entropy": (3 - 2 * rise(generalised, 3)) * noise,
    }
    return xarray.Dataset(
        {
            **{name: ((*axes, "step"), values.astype(np.float32)) for name, values in variables.items()},
            "outcome": (tuple(axes), np.full(shape, "done", "<U8")),
        },
        coords={**axes, "step": at},
    )


@pytest.fixture(name="grokking_runs")
def _grokking_runs():
    return grokking_runs


def stored_runs(folder, axes, *, steps=5000, records=120):
    """A store of runs that grok by construction, one for each place on the axes, and their records."""
    runs = [
        RunRecords(run, recipe, at, values, "done", int(at[-1]))
        for run, recipe, at, values in _planted(axes, steps, records)
    ]
    with Store(folder).claim([one.run for one in runs]) as session:
        session.publish_runs(runs)
    return runs


def live_runs(axes, until, *, steps=5000, records=120):
    """The first records of such runs, while they still train."""
    return [
        LiveRun(run, recipe, at[:until], {name: column[:until] for name, column in values.items()})
        for run, recipe, at, values in _planted(axes, steps, records)
    ]


def _planted(axes, steps, records):
    data = grokking_runs(axes, steps, records)
    for place in np.ndindex(*(len(values) for values in axes.values())):
        changes = {name: values[at] for (name, values), at in zip(axes.items(), place, strict=True)}
        values = {str(name): data[name].values[place] for name in data.data_vars if name != "outcome"}
        recipe = {"task": {"kind": "BinaryOperation", "operation": "x/y"}, "steps": steps, **changes}
        run = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:32]
        yield run, recipe, data["step"].values, values


@pytest.fixture(name="stored_runs")
def _stored_runs():
    return stored_runs


@pytest.fixture(name="live_runs")
def _live_runs():
    return live_runs


@pytest.fixture(name="tab", scope="module")
def _tab(tmp_path_factory):
    if shutil.which("chromium") is None:
        pytest.skip("needs the browser Chromium on the path")
    from browser import browser

    with browser(tmp_path_factory.mktemp("profile")) as tab:
        tab.size(1280)
        yield tab
