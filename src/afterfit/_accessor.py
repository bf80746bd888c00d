"""What a dataset of runs can do by itself: `data.afterfit.plot("test_accuracy")`."""

import importlib
import sys
import typing

from ._style import StyleName, WidthName


if typing.TYPE_CHECKING:
    import matplotlib.figure
    import xarray


class RunsAccessor:
    """The attribute `afterfit` of datasets that a sweep or a store returned."""

    def __init__(self, data: "xarray.Dataset"):
        self._data = data

    def plot(
        self, measure: str = "accuracy", *, style: StyleName = "screen", width: WidthName = "double"
    ) -> "matplotlib.figure.Figure":
        """Learning curves, as `afterfit.report.learning_curves` draws them.

        **Raises:** `ValueError` for a measure that the data lack (with the nearest).
        """
        # By name: what makes datasets lies below what draws them, and must not wait for it.
        report = importlib.import_module(".report", __package__)
        if "IPython" in sys.modules:
            importlib.import_module("matplotlib.pyplot")  # without it a notebook shows no picture
        return report.curves_figure(self._data, measure, style=style, width=width)


def register() -> None:
    """Gives xarray's datasets the attribute; called once xarray is there, so that it is never waited for."""
    import xarray

    if not hasattr(xarray.Dataset, "afterfit"):
        xarray.register_dataset_accessor("afterfit")(RunsAccessor)
