"""Trends of delays along an axis, and the lazy limit."""

import dataclasses

import numpy as np
import pytest
import xarray

from afterfit.ensemble import silent, sweep
from afterfit.probes import twin
from afterfit.studies.kumar2023 import _scales
from afterfit.studies.kumar2023._recipe import machine


STEPS = np.arange(6) * 10


def _data(train, test, outcome):
    dims = ("seed", "place")
    return xarray.Dataset(
        {
            "train_loss": ((*dims, "step"), np.array(train, float)),
            "committee_loss/total": ((*dims, "step"), np.array(test, float)),
            "outcome": (dims, np.array(outcome)),
        },
        coords={"place": [1.0, 2.0, 3.0, 4.0], "step": STEPS},
    )


def test_delays_of_runs_that_end_first_or_diverge():
    soon, late, never = [1, 0.1, 0.1, 0.1, 0.1, 0.1], [1, 1, 1, 1, 0.1, 0.1], [1.0] * 6
    data = _data([[soon, soon, never, soon]], [[late, never, never, late]], [["done"] * 3 + ["diverged"]])
    assert _scales.delays(data).values[0].tolist() == pytest.approx([30, np.inf, np.nan, np.nan], nan_ok=True)
    assert _scales.delays(data, censored=7).values[0].tolist()[1] == 7
    assert _scales.delays(data, "ratio").values[0].tolist()[:2] == [4, np.inf]


@pytest.mark.parametrize(
    ("row", "need", "value"),
    [
        ([1, 2, 3, 4], None, 1),
        ([4, 3, 2, 1], None, -1),
        ([1, 2, 3, np.inf], None, 1),
        ([1, 2, np.nan, 4], None, np.nan),
        ([1, 2, np.nan, 4], 3, 1),
        ([1, np.nan, np.nan, 4], 3, np.nan),
        ([1, np.nan, np.nan, np.nan], 1, np.nan),
        ([2, 2, 2, 2], None, np.nan),
    ],
)
def test_trends(row, need, value):
    values = xarray.DataArray([row], dims=("seed", "place"), coords={"place": [1.0, 2.0, 3.0, 4.0]})
    assert _scales.trends(values, "place", need) == pytest.approx([value], nan_ok=True)


def test_the_lazy_limit_is_where_a_linear_twin_ends():
    """A wide machine's twin, trained for long, against the kernel of an infinitely wide one.

    The kernel of a width of 20,000 differs from its limit by about 1/sqrt(20,000) < 1%.
    """
    base = machine("laptop", inputs=4, train=8, width=20_000, nonlinearity=1.0, rate=0.5, steps=20_000)
    beside = dataclasses.replace(base, twin=True, probes=(twin,))
    data = sweep(beside, {"seed": [0, 1]}).run(display=silent)
    for seed in (0, 1):
        one = data.sel(seed=seed)
        assert float(one["twin/train_loss"][-1]) < 1e-4 * float(one["twin/train_loss"][0])
        ends = float(one["twin/test_loss"][-1] / one["test_loss"][0])
        assert _scales.lazy_limit(base, seed, 1.0) == pytest.approx(ends, rel=0.05)
