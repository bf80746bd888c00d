"""What runs and places on an axis are called."""

import numpy as np
import xarray as xr

from afterfit.report import summary
from afterfit.report._labels import run_labels
from afterfit.report._runs import read_runs


def on_one_axis(**fields):
    ids = [f"{place}00000000000" for place in range(len(next(iter(fields.values()))))]
    named = {name.replace("__", "."): ("run", values) for name, values in fields.items()}
    return xr.Dataset(coords={"run": ids, **named})


def test_runs_without_a_grid_are_called_by_the_fields_that_vary():
    data = on_one_axis(
        optimiser__weight_decay=np.array([0.0, 1.0, 1.0], np.float32),
        constraint__kind=["None", "KeepUnits", "None"],
        constraint__layer=["None", "layers[0]", "None"],
        fork__step=["40", "40", "None"],
        fork__parent__batch=["None", "16", "None"],
    )
    assert run_labels(data) == (
        "fork at 40, weight decay 0",
        "fork at 40, weight decay 1, KeepUnits",
        "no fork, weight decay 1",
    )


def test_a_parent_and_an_id_are_named_where_nothing_else_tells():
    parents = on_one_axis(fork__step=[8, 8], fork__parent__batch=["16", "32"])
    assert run_labels(parents) == ("fork at 8, parent's batch 16", "fork at 8, parent's batch 32")
    masks = on_one_axis(mask=[str([1.0] * 20 + [last]) for last in (0.0, 1.0)])
    long = "mask [1.0, 1.0, 1.0, 1.0, 1.…"
    assert run_labels(masks) == (f"{long} (000000)", f"{long} (100000)")
    assert run_labels(on_one_axis(run_=["None"])) == ("000000000000",)


def test_an_axis_of_forks_says_where_they_begin(grokking_runs):
    data = grokking_runs({"fork.step": [40, 80]})
    assert (read_runs(data).axes[0].title, read_runs(data).axes[0].labels) == ("fork at", ("40", "80"))
    beside = data.assign_coords({"fork.step": ["40", "None"]})
    assert read_runs(beside).axes[0].labels == ("40", "no step")
    assert summary(data).splitlines()[1].split()[:2] == ["fork", "at"]
