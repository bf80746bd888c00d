"""Figure 4 of Kumar et al. 2023: the test loss in three terms, on planted curves."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from afterfit.models import CommitteeModel
from afterfit.studies.kumar2023 import fig4
from afterfit.tasks import Sizes

from ..planted import check, diverged, judged, planted
from .drawn import drawn, never_holds
from .machines import course


FIGURE = fig4.FIGURE


def _results(*, draws=None, authors=None, **plant):
    """Wide machines, and two units beside them, each told for a seed."""

    def rule(told):
        return lambda steps, place: course(steps, **(told(place["seed"]) if callable(told) else told))

    rules = {"wide": plant, "authors": authors or {}, "draws": draws or {}}
    return planted(FIGURE, {name: rule(told) for name, told in rules.items()})


@pytest.mark.parametrize(
    ("claim", "plant", "verdict", "value"),
    [
        ("terms add up", {"apart": 0.02}, "holds", 0.02),
        ("terms add up", {"apart": 0.2}, "fails", 0.2),
        ("the peak is linear", {}, "holds", 1.0),
        ("the peak is linear", {"share": 0.4}, "fails", 0.4),
        ("the peak is linear", {"high": 1.02}, "fails", 1.0),
        ("the peak is linear in the authors' draw", {"authors": {"share": 0.9}}, "holds", 0.9),
        ("the peak is linear in the authors' draw", {"authors": {"share": 0.5}}, "fails", 0.5),
        ("alignment comes after the peak", {}, "holds", 30),
        ("alignment comes after the peak", {"turned": 20}, "fails", 0.4),
        ("alignment comes after the peak", {"turned": math.inf}, "undecided", None),
        ("alignment begins at 1-2k steps", {}, "holds", 1500),
        ("alignment begins at 1-2k steps", {"authors": {"turned": 5000}}, "fails", 5000),
        ("alignment begins at 1-2k steps", {"authors": {"turned": math.inf}}, "undecided", None),
        ("all terms vanish", {}, "holds", 0.0112),
        ("all terms vanish", {"fall": math.inf}, "fails", 0.665),
        ("all terms vanish in the authors' draw", {}, "holds", 0.0112),
        ("all terms vanish in the authors' draw", {"authors": {"end": 0.2}}, "fails", 0.112),
        ("other draws of two units", {}, "holds", 1),
        ("other draws of two units", {"draws": {"high": 1.0}}, "fails", 0),
        ("other draws of two units", {"draws": {"fall": math.inf}}, "fails", 0),
        (
            "other draws of two units",
            {"draws": lambda seed: {"end": 0.02 if seed % 2 else 1.5}},
            "undecided",
            0.5,
        ),
    ],
)
def test_the_claims(claim, plant, verdict, value):
    check(FIGURE, claim, _results(**plant), verdict, value, rel=0.08)


def test_diverged_runs_decide_nothing():
    results = _results()
    for name in results.data:
        results = diverged(results, name, slice(None), 0)
    never_holds(FIGURE, results)
    some = diverged(diverged(_results(), "wide", 0, 0), "wide", 1, 10)
    assert judged(FIGURE, "all terms vanish", some).verdict == "undecided"
    assert len(drawn(FIGURE, some)) == 1 + 8 + 5


def test_the_authors_draw_begins_as_theirs_does():
    """Training loss and terms of Eq. 6 at step 0, as an independent implementation has them of their keys."""
    experiment = fig4.sweeps("laptop")["authors"].experiment
    data = experiment.task.data(0)
    model = experiment.model.build(Sizes(jax.ShapeDtypeStruct((40,), np.float32), 1), key=jax.random.key(7))
    assert isinstance(model, CommitteeModel)
    x, y = data.inputs[:120], data.targets[:120]
    assert float(np.mean((np.asarray(model.batched(jnp.asarray(x)))[:, 0] - y) ** 2)) == pytest.approx(
        1.545, abs=1e-3
    )
    beta, hidden = data.truth["beta"][0].astype(float), np.asarray(model.hidden, float)
    excess = 0.25 * hidden.T @ hidden / 2 - np.outer(beta, beta)
    assert beta @ beta / 40 == pytest.approx(1.314, abs=1e-3)
    assert (np.trace(excess) / 40) ** 2 / 4 == pytest.approx(0.288, abs=1e-3)
    assert np.sum(excess**2) / 3200 == pytest.approx(0.875, abs=1e-3)
    assert np.sum(hidden.mean(axis=0) ** 2) / 40 == pytest.approx(0.434, abs=1e-3)
