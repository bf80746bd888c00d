"""Power et al. 2022, "Grokking: Generalization Beyond Overfitting on Small Algorithmic Datasets".

@article{power2022grokking,
    author={Power, Alethea and Burda, Yuri and Edwards, Harri and Babuschkin, Igor and Misra, Vedant},
    title={Grokking: Generalization Beyond Overfitting on Small Algorithmic Datasets},
    journal={arXiv:2201.02177},
    year={2022},
}
"""

from .._study import Study
from . import fig1_centre, fig1_left, fig2_left, fig2_right, fig3, fig4, fig5, fig6, fig7, flatness


STUDY = Study(
    name="power2022",
    title="Grokking: generalisation beyond overfitting on small algorithmic data sets",
    reference="Power, Burda, Edwards, Babuschkin, Misra 2022, arXiv:2201.02177",
    figures=(
        fig1_left.FIGURE,
        fig1_centre.FIGURE,
        fig5.FIGURE_1_RIGHT,
        fig2_left.FIGURE,
        fig2_right.FIGURE,
        fig3.FIGURE,
        fig4.FIGURE,
        fig5.FIGURE,
        fig6.FIGURE,
        fig7.FIGURE,
        flatness.FIGURE,
    ),
)
