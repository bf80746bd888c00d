"""Kumar et al. 2023, "Grokking as the Transition from Lazy to Rich Training Dynamics".

@inproceedings{kumar2024grokking,
    author={Kumar, Tanishq and Bordelon, Blake and Gershman, Samuel J. and Pehlevan, Cengiz},
    title={Grokking as the Transition from Lazy to Rich Training Dynamics},
    booktitle={International Conference on Learning Representations},
    year={2024},
}
"""

from .._study import Study
from . import (
    fig1,
    fig2,
    fig3ab,
    fig3e,
    fig4,
    fig5,
    fig6a,
    fig6b,
    fig7,
    fig8,
    fig9,
    fig10,
    fig11,
    fig12,
    fig13,
    fig14,
    fig15,
    fig16,
    fig17,
    fig18,
    fig19,
)


STUDY = Study(
    name="kumar2023",
    title="Grokking as the transition from lazy to rich training dynamics",
    reference="Kumar, Bordelon, Gershman, Pehlevan 2023, arXiv:2310.06110",
    figures=(
        fig1.FIGURE,
        fig2.FIGURE,
        fig3ab.FIGURE,
        fig3e.FIGURE,
        fig4.FIGURE,
        fig5.FIGURE,
        fig6a.FIGURE,
        fig6b.FIGURE,
        fig7.FIGURE,
        fig8.FIGURE,
        fig9.FIGURE,
        fig10.FIGURE,
        fig11.FIGURE,
        fig12.FIGURE,
        fig13.FIGURE,
        fig14.FIGURE,
        fig15.FIGURE,
        fig16.FIGURE,
        fig17.FIGURE,
        fig18.FIGURE,
        fig19.FIGURE,
    ),
)
