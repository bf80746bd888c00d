"""Two questions of a reader of Liu et al. 2023: do fields grok, and have wide networks more good minima?

At the top of a copy of "Omnigrok" somebody asks whether the phenomenon appears with NeRF or physics-informed
networks, and whether over-parametrised networks are good because the number of suitable minima for each unit
of volume grows. No paper answers; these experiments do. Criteria were fixed before the runs, but for
claims that say so.
"""

from .._study import Study
from . import bandwidth, controls, guesses, laziness, problems, restarts, sizes, tempered


STUDY = Study(
    name="fields",
    title="Do fields grok, and do wide networks have more good minima?",
    reference="questions of a reader of Liu, Michaud, Tegmark 2023, arXiv:2210.01117",
    figures=(
        *problems.FIGURES,
        sizes.FIGURE,
        controls.FIGURE,
        bandwidth.FIGURE,
        laziness.FIGURE,
        guesses.FIGURE,
        restarts.FIGURE,
        tempered.FIGURE,
    ),
)
