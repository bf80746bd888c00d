"""Liu et al. 2023, "Omnigrok: Grokking Beyond Algorithmic Data".

@inproceedings{liu2023omnigrok,
    author={Liu, Ziming and Michaud, Eric J. and Tegmark, Max},
    title={Omnigrok: Grokking Beyond Algorithmic Data},
    booktitle={International Conference on Learning Representations},
    year={2023},
}
"""

from .._study import Study
from . import (
    fig2a,
    fig2bc,
    fig3abc,
    fig3d,
    fig3e,
    fig4abc,
    fig4d,
    fig5abc,
    fig5d,
    fig6ab,
    fig6cf,
    fig6de,
    fig7,
    fig8,
    fig9,
    fig10ac,
    fig10bd,
    fig11,
    fig12,
    phases,
    stand_ins,
)


STUDY = Study(
    name="omnigrok",
    title="Omnigrok: grokking beyond algorithmic data",
    reference="Liu, Michaud, Tegmark 2023, arXiv:2210.01117",
    figures=(
        fig2a.FIGURE,
        fig2bc.FIGURE,
        fig3abc.FIGURE,
        fig3d.FIGURE,
        fig3e.FIGURE,
        fig4abc.FIGURE,
        fig4d.FIGURE,
        fig5abc.FIGURE,
        fig5d.FIGURE,
        fig6ab.FIGURE,
        fig6cf.FIGURE,
        fig6de.FIGURE,
        fig7.FIGURE,
        fig8.FIGURE,
        fig9.FIGURE,
        fig10ac.FIGURE,
        fig10bd.FIGURE,
        fig11.FIGURE,
        fig12.FIGURE,
        phases.FIGURE,
        stand_ins.DIGITS,
        stand_ins.REVIEWS,
        stand_ins.MOLECULES,
    ),
)
