"""Clauw, Stramaglia, Marinazzo 2024: synergy and redundancy between neurons as measures of progress.

@article{clauw2024information,
    title={Information-theoretic progress measures reveal grokking is an emergent phase transition},
    author={Clauw, Kenzo and Stramaglia, Sebastiano and Marinazzo, Daniele},
    journal={arXiv:2408.08944},
    year={2024},
}
"""

from .._study import Study
from . import early_peak, fig1, fig2, fig3, fig4, fig5, fig6, fig7, fig89


STUDY = Study(
    name="clauw2024",
    title="Information-theoretic progress measures reveal grokking is an emergent phase transition",
    reference="Clauw, Stramaglia, Marinazzo 2024, arXiv:2408.08944",
    figures=(
        fig1.FIGURE,
        fig2.FIGURE,
        fig3.FIGURE,
        fig4.FIGURE,
        fig5.FIGURE,
        fig6.FIGURE,
        fig7.FIGURE,
        fig89.FIGURE,
        early_peak.FIGURE,
    ),
)
