"""The figures of single fields: see `_problem_figure` for what is asked of each."""

from ._problem_figure import figure_of
from ._problems import BURGERS, DIGIT, FLATLAND, HEAT, IMAGE, POISSON, SINES


_SMOOTH = "A network of small norm has hardly any residual and is no solution: its error is judged."

FIGURES = (
    figure_of("poisson", POISSON),
    figure_of("heat", HEAT, note=_SMOOTH),
    figure_of("burgers", BURGERS, note=_SMOOTH),
    figure_of("image", IMAGE, gap=1000),
    figure_of("sines", SINES),
    figure_of("digit", DIGIT),
    figure_of("flatland", FLATLAND),
)
