"""afterfit: a laboratory for grokking.

Names are loaded when first used, so that the command line starts without JAX.
"""

import importlib
import typing


if typing.TYPE_CHECKING:
    from . import (
        landscape as landscape,
        models as models,
        probes as probes,
        report as report,
        statistics as statistics,
        store as store,
        tasks as tasks,
        training as training,
    )
    from .ensemble import (
        read_recipe as read_recipe,
        Sweep as Sweep,
        sweep as sweep,
        write_recipe as write_recipe,
    )
    from .statistics import grokking_time as grokking_time, median_time as median_time
    from .store import open_dataset as open_dataset
    from .training import (
        Adam as Adam,
        AdamW as AdamW,
        At as At,
        ConstantNorm as ConstantNorm,
        Every as Every,
        Experiment as Experiment,
        fork as fork,
        GradientDescent as GradientDescent,
        InTurn as InTurn,
        KeepUnits as KeepUnits,
        LogSpaced as LogSpaced,
        Noise as Noise,
        Parametrisation as Parametrisation,
        SGD as SGD,
        Sustained as Sustained,
    )

__version__ = "0.1.0"

_ROOMS = ("landscape", "models", "probes", "report", "statistics", "store", "tasks", "training", "ensemble")
_HOMES = {
    **dict.fromkeys(("read_recipe", "Sweep", "sweep", "write_recipe"), "ensemble"),
    **dict.fromkeys(("grokking_time", "median_time"), "statistics"),
    **dict.fromkeys(("open_dataset",), "store"),
    **dict.fromkeys(("Adam", "AdamW", "GradientDescent", "SGD"), "training"),
    **dict.fromkeys(("At", "Every", "LogSpaced", "Sustained"), "training"),
    **dict.fromkeys(("ConstantNorm", "InTurn", "KeepUnits", "Noise", "Parametrisation"), "training"),
    **dict.fromkeys(("Experiment", "fork"), "training"),
}
__all__ = [*_ROOMS[:-1], *_HOMES]


def __getattr__(name: str) -> typing.Any:
    if name in _ROOMS:
        return importlib.import_module(f".{name}", __name__)
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
