"""Where several measures of a run change together, and what these changes mean.

Axes of this module
    record   recorded steps
"""

import typing
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int


FEWEST = 3  # records between two change points


def change_points(measures: Sequence[Float[np.ndarray, " record"]], *, share: float = 0.02) -> list[int]:
    """Indices of the records at which the level of some measures changes, all of them looked at together.

    Measures are standardised and taken for constant in between (least squares, with the number of pieces
    chosen by a penalty; Killick, Fearnhead, Eckley 2012, with the library `ruptures`). Log-spaced records
    make this a matter of log steps.

    **Arguments:** `share`: a change must explain so much of all variance.

    **Degenerate inputs:** records with a value that is not finite are passed over; measures that are constant
    have no part in it. No changes in fewer than 6 records.
    """
    table = np.stack([np.asarray(one, float) for one in measures], axis=1)
    known = np.flatnonzero(np.isfinite(table).all(axis=1))
    deviation = table[known].std(axis=0) if known.size else np.zeros(table.shape[1])
    varied = deviation > 0
    if known.size < 2 * FEWEST or not varied.any():
        return []
    import ruptures

    scaled = (table[known][:, varied] - table[known][:, varied].mean(axis=0)) / deviation[varied]
    found = ruptures.KernelCPD(kernel="linear", min_size=FEWEST).fit(scaled)
    return [int(known[one]) for one in found.predict(pen=share * scaled.size)[:-1]]


PhaseName = typing.Literal[
    "feature learning", "emergence", "divergence", "delayed emergence", "decoupling", "steady"
]


class Span(typing.NamedTuple):
    """A phase of learning, from its first record to that of the next phase (or the last one), in steps."""

    phase: PhaseName
    start: int
    end: int


_MOVED = 0.1  # of a measure's range: a smaller change of level is none


def information_phases(
    steps: Int[np.ndarray, " record"],
    synergy: Float[np.ndarray, " record"],
    redundancy: Float[np.ndarray, " record"],
    test_loss: Float[np.ndarray, " record"],
) -> list[Span]:
    """The phases of learning that change points in synergy, redundancy and test loss tell apart.

    From one level to the next:

    - synergy rises, or stays while redundancy falls: "emergence"; "delayed emergence" after a divergence.
    - synergy falls or stays, redundancy rises: "decoupling".
    - synergy falls and redundancy does not rise: "divergence".
    - neither moves by a tenth of its range: the phase goes on.

    The first level is "feature learning" where redundancy is at a third of its highest level or above and
    falls below that later, else "steady". Clauw et al. 2024, sections 5.1 and 5.2, describe these phases; the
    rule is ours.
    """
    cuts = change_points([synergy, redundancy, np.log(np.maximum(np.asarray(test_loss, float), 1e-12))])
    edges = [0, *cuts, len(steps)]
    levels = []
    for measure in (synergy, redundancy):
        values = np.asarray(measure, float)
        with np.errstate(invalid="ignore"):
            levels.append(np.array([np.nanmean(values[a:b]) for a, b in zip(edges, edges[1:])]))
    high, low = (np.nanmax(levels, axis=1), np.nanmin(levels, axis=1))
    scale = np.where(high > low, high - low, 1)
    learns = levels[1][0] >= high[1] / 3 > low[1]
    phases: list[PhaseName] = ["feature learning" if learns else "steady"]
    for index in range(1, len(edges) - 1):
        moves = [(level[index] - level[index - 1]) / one for level, one in zip(levels, scale, strict=True)]
        phases.append(_phase(*moves, phases))
    spans: list[Span] = []
    for phase, start, end in zip(phases, edges, edges[1:]):
        first, last = int(steps[start]), int(steps[min(end, len(steps) - 1)])
        if spans and spans[-1].phase == phase:
            spans[-1] = spans[-1]._replace(end=last)
        else:
            spans.append(Span(phase, first, last))
    return spans


def _phase(synergy: float, redundancy: float, before: list[PhaseName]) -> PhaseName:
    """The phase that a move of both levels (in parts of their ranges) leads to."""
    if synergy > _MOVED or (abs(synergy) <= _MOVED and redundancy < -_MOVED):
        return "delayed emergence" if "divergence" in before else "emergence"
    if redundancy > _MOVED:
        return "decoupling"
    return "divergence" if synergy < -_MOVED else before[-1]
