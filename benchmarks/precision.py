"""Do grokking times keep their distribution when matrix products are coarser?

A two-sample log-rank test on times to memorise and to generalise, censored ones included, for tf32 and
bf16 against float32, over the same seeds. On CPUs the operands are rounded, which gives the numbers of
the hardware's products and no speed.
"""

import numpy as np
import scipy.stats
import xarray

import afterfit as af

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
            medians = af.median_time(times, event, over="seed")["median"]
            cells = [f"{float(medians.sel(precision=one)):,.0f}" for one in precisions]
            late = int(times[f"{event}_censored"].sum())
            rows.append((name, event, *cells, f"{tests['tf32']:.2f}", f"{tests['bf16']:.2f}", str(late)))
            figures.append({"experiment": name, "event": event, "p": tests, "censored": late})
    head = ("network", "event", "float32", "tf32", "bf16", "p (tf32)", "p (bf16)", "censored")
    note = (
        f"Median steps over {SEEDS} seeds, and the p-values of a log-rank test against float32. A small p "
        "would say that the times differ."
    )
    return Table("Grokking times and the precision of matrix products", head, rows, figures, (note,))


def _censored(times: xarray.Dataset, event: str) -> scipy.stats.CensoredData:
    steps = np.asarray(times[event], float)
    late = np.asarray(times[f"{event}_censored"], bool)
    return scipy.stats.CensoredData.right_censored(steps, late)
