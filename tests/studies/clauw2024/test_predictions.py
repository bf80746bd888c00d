"""Figures 5, 8 and 9 of Clauw et al. 2024, and the early peak, on planted courses."""

import numpy as np
import pytest

from afterfit.studies.clauw2024 import early_peak, fig5, fig89
from afterfit.studies.clauw2024._networks import DECAY

from ..planted import check, judged, planted, sweeps_of
from .courses import course


NEVER = (np.inf, np.inf, np.inf)
SOON = (500.0, 1000.0, 2000.0)


def groks(place):
    """As the paper has it."""
    return place[DECAY] in (0.1, 2.0) if DECAY in place else place["alpha"] == "8"


def results(figure, plant):
    def rule(steps, place):
        return course(steps, **plant(place))

    return planted(figure.FIGURE, dict.fromkeys(sweeps_of(figure.FIGURE, "laptop"), rule))


def high(where, groks=groks):
    """Synergy is high in a window for networks that grok, and low in others; those have not fitted."""

    def plant(place):
        level = 6.0 if groks(place) else 1.0
        return dict(
            synergy=((0, 2.0), (where[0], level), (where[1], 2.0)),
            generalised=SOON if groks(place) else NEVER,
            fitted=30.0,
        )

    return plant


@pytest.mark.parametrize("suffix", ["", ", ordinal"])
def test_an_early_peak_that_predicts(suffix):
    here = results(fig5, high((20, 90)))
    for claim in ("early peak", "early peak, fitted"):
        check(fig5.FIGURE, claim + suffix, here, "holds", 1.0)
    assert judged(fig5.FIGURE, "first steps" + suffix, here).verdict == "fails"
    first = results(fig5, high((0, 15)))
    check(fig5.FIGURE, "first steps" + suffix, first, "holds", 1.0)
    check(fig5.FIGURE, "early peak" + suffix, first, "fails", 0.5)


def test_networks_that_have_not_fitted_do_not_count():
    def plant(place):
        if place.get(DECAY) == 0.01:  # memorises, never generalises, and has the peak all the same
            return dict(synergy=((0, 2.0), (20, 6.0)), generalised=NEVER)
        return high((20, 90))(place) | dict(fitted=30.0 if groks(place) else np.inf)

    found = judged(fig5.FIGURE, "early peak, fitted", results(fig5, plant))
    assert found.verdict == "fails" and "15 of 20 networks of 4 settings grok" in found.note


def test_other_networks():
    here = results(fig89, lambda place: dict(generalised=SOON if groks(place) else NEVER))
    for claim in fig89.FIGURE.claims:
        assert claim.judge(here).verdict == "holds", claim.name
    other = results(fig89, lambda place: dict(generalised=NEVER if groks(place) else SOON))
    for claim in fig89.FIGURE.claims:
        assert claim.judge(other).verdict == "fails", claim.name


def _between(place):
    return 0.05 < place[DECAY] < 6


def test_the_early_peak_on_many_networks():
    here = results(early_peak, high((20, 90), _between))
    assert len(sweeps_of(early_peak.FIGURE, "laptop")["decay"].runs) >= 40
    for claim in ("early peak", "early peak, fitted"):
        check_holds = judged(early_peak.FIGURE, claim, here)
        assert (
            check_holds.verdict == "holds" and check_holds.value == 1.0 and check_holds.interval == (1.0, 1.0)
        )
    assert judged(early_peak.FIGURE, "first steps", here).verdict == "fails"
    assert judged(early_peak.FIGURE, "more than accuracy", here).value == pytest.approx(0.5)


def test_an_accuracy_that_tells_as_much():
    def plant(place):
        return high((20, 90), _between)(place) | dict(fitted=30.0 if _between(place) else np.inf)

    check_fails = judged(early_peak.FIGURE, "more than accuracy", results(early_peak, plant))
    assert check_fails.verdict == "fails" and check_fails.value == pytest.approx(0)


@pytest.mark.parametrize("figure", [fig5, fig89, early_peak])
def test_charts_and_tables(figure):
    here = results(figure, high((20, 90), _between if figure is early_peak else groks))
    figure.FIGURE.chart(here).draw_without_rendering()
    rows = figure.FIGURE.table(here)
    assert len(rows) >= 35 and all(rows[0].keys() == row.keys() for row in rows)
