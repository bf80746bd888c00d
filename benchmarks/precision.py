"""Do grokking times keep their distribution when matrix products are coarser?

A two-sample log-rank test on times to memorise and to generalise, censored ones included, for tf32 and
bf16 against float32, over the same seeds. On CPUs the operands are rounded, at no gain in speed.
"""

import numpy as np
import scipy.stats
import xarray

import afterfit as af
from afterfit.statistics import bootstrap

from ._table import Table


SEEDS = 40
EXPERIMENTS = {
    "MLP, x+y mod 23": af.Experiment(
        af.tasks.BinaryOperation("x+y", modulus=23, fraction=0.7),
        af.models.MLP(hidden=(128,), output_bias=False),
        af.AdamW(0.03, 0.3, warmup=0),
        steps=2000,
        stop=af.Sustained("test_accuracy", level=0.995, records=5),
    ),
    "transformer, x+y mod 17": af.Experiment(
        af.tasks.BinaryOperation("x+y", modulus=17, fraction=0.7),
        af.models.Transformer(width=32),
        af.AdamW(3e-3, 1.0),
        batch=512,
        steps=3000,
        stop=af.Sustained("test_accuracy", level=0.995, records=5),
    ),
}


def measure() -> Table:
    """Both networks, 40 seeds a precision."""
    rows: list[tuple[str, ...]] = []
    figures = []
    for name, experiment in EXPERIMENTS.items():
        precisions = ["float32", "tf32", "bf16"]
        data = af.sweep(experiment, {"precision": precisions, "seed": range(SEEDS)}).run()
        times = af.grokking_time(data)
        for event in ("memorised", "generalised"):
            samples = {one: _censored(times.sel(precision=one), event) for one in precisions}
            tests = {
                one: float(scipy.stats.logrank(samples["float32"], samples[one]).pvalue)
                for one in precisions[1:]
            }
            ratios = {one: _ratio(times, event, one) for one in precisions[1:]}
            medians = af.median_time(times, event, over="seed")["median"]
            cells = [f"{float(medians.sel(precision=one)):,.0f}" for one in precisions]
            late = int(times[f"{event}_censored"].sum())
            both = [
                f"{ratios[one][0]:.2f} [{ratios[one][1]:.2f}, {ratios[one][2]:.2f}], p = {tests[one]:.2f}"
                for one in precisions[1:]
            ]
            rows.append((name, event, *cells, *both, str(late)))
            found = {"experiment": name, "event": event, "p": tests, "ratios": ratios, "censored": late}
            figures.append(found)
    head = ("network", "event", "float32", "tf32", "bf16", "tf32 / float32", "bf16 / float32", "censored")
    note = (
        f"Median steps over {SEEDS} seeds; the median over seeds of the ratio to the same seed's time in "
        "float32, with its 95% bootstrap interval; and the p-value of a log-rank test of the censored times. "
        "An interval within 0.9 to 1.1 says that times are kept to 10%; a large p alone does not."
    )
    return Table("Grokking times and the precision of matrix products", head, rows, figures, (note,))


def _ratio(times: xarray.Dataset, event: str, precision: str) -> tuple[float, float, float]:
    """Median ratio of times over seeds that got there in both precisions, with its interval."""
    reached = times[event].where(~times[f"{event}_censored"])
    ratios = (reached.sel(precision=precision) / reached.sel(precision="float32")).values
    ratios = ratios[np.isfinite(ratios)]
    interval = bootstrap(np.median, ratios) or (np.nan, np.nan)
    return float(np.median(ratios)), *interval


def _censored(times: xarray.Dataset, event: str) -> scipy.stats.CensoredData:
    steps = np.asarray(times[event], float)
    late = np.asarray(times[f"{event}_censored"], bool)
    return scipy.stats.CensoredData.right_censored(steps, late)
