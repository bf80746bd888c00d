"""The papers: each figure a command with a verdict."""

from ._find import find_figures as find_figures, studies as studies
from ._reproduce import reproduce as reproduce, run_figure as run_figure
from ._study import (
    Claim as Claim,
    Figure as Figure,
    Results as Results,
    Scale as Scale,
    SCALES as SCALES,
    Study as Study,
)
from ._verdicts import verdict_table as verdict_table, Verdicts as Verdicts
