"""Landscapes of stand-ins for data that are not at hand, on planted values."""

import pytest

from afterfit.studies.omnigrok import stand_ins

from ..planted import ALPHA, check, on_spheres, planted


def _results(figure, small, large):
    """Test errors, and losses as powers of ten, from alpha; `small` and `large` are of both sizes."""
    sizes = figure.sweeps("laptop")["landscape"].axes
    (size,) = (name for name in sizes if name.startswith("task."))

    def told(place):
        value = (small if place[size] == min(sizes[size]) else large)(place[ALPHA], place["seed"])
        return {"test_error": value, "test_loss": 10**value}

    return planted(figure, on_spheres(told))


def _rising(by):
    """A least value of 0.1 at alpha = 1, and so much more at the largest norm."""
    return lambda alpha, seed: 0.1 if alpha == 1 else 0.1 + by if alpha in (10, 6, 2) else 0.2


def _by_seed(*rises):
    return lambda alpha, seed: _rising(rises[seed])(alpha, seed)


@pytest.mark.parametrize(
    ("figure", "small", "large", "harm", "help"),
    [
        (stand_ins.DIGITS, _rising(0.5), _rising(0.2), ("holds", 0.5), ("holds", 0.4)),
        (stand_ins.REVIEWS, _rising(0.4), _rising(0.36), ("holds", 0.4), ("fails", 0.9)),
        (stand_ins.DIGITS, _rising(0.05), _rising(0.01), ("fails", 0.05), ("holds", 0.2)),
        (stand_ins.MOLECULES, _rising(1.0), _rising(0.5), ("holds", 1.0), ("holds", 0.5)),  # decades
        (stand_ins.MOLECULES, _rising(0.4), _rising(0.4), ("fails", 0.4), ("fails", 1.0)),
        (stand_ins.DIGITS, _by_seed(0.05, 0.2, 0.3), _rising(0.1), ("undecided", 0.2), ("undecided", 0.5)),
        (
            stand_ins.REVIEWS,
            _rising(0.0),
            _rising(0.1),
            ("fails", 0),
            ("undecided", None),
        ),  # nothing to close
    ],
)
def test_the_claims(figure, small, large, harm, help):
    results = _results(figure, small, large)
    check(figure, "norm harms", results, *harm)
    check(figure, "data help", results, *help)
