"""Figure 6 of Power et al. 2022: outliers, on planted curves and a tiny run."""

import pathlib

import numpy as np
import pytest
import xarray

from afterfit.ensemble import silent
from afterfit.studies import reproduce, Results
from afterfit.studies.power2022 import fig6, STUDY


CLAIMS = {claim.name: claim for claim in fig6.CLAIMS}


def _results(scale, *, fits=lambda k: 300.0, solves, fooled=1.0, spread=0.01, trained=1.0):
    """Runs that fit at `fits(k)` steps and solve the task at `solves(k, fraction)` steps (inf: never)."""
    plans = fig6.sweeps(scale)
    random = np.random.default_rng(0)
    data = {}
    for name, plan in plans.items():
        coords = {axis: list(values) for axis, values in plan.axes.items()}
        budget = plan.experiment.steps
        steps = np.unique(np.round(np.geomspace(1, budget, 120)).astype(int))
        shape = tuple(len(values) for values in coords.values())
        ks, fractions, _ = (values[..., None] for values in np.meshgrid(*coords.values(), indexing="ij"))
        chance = np.exp(spread * random.normal(size=(*shape, 1)))
        early = np.vectorize(fits, otypes=[float])(ks) * chance
        late = np.vectorize(solves, otypes=[float])(ks, fractions) * chance
        measures = {
            "train_accuracy": np.where(steps >= early, trained, 0.2),
            "test_accuracy": np.where(steps >= late, 1.0, 0.1),
            "train_loss": np.ones((*shape, len(steps))),
            "group_scores/outlier_accuracy": np.where(ks > 0, np.where(steps >= early, fooled, 0.0), np.nan),
        }
        data[name] = xarray.Dataset(
            {one: ((*coords, "step"), values) for one, values in measures.items()}, {**coords, "step": steps}
        )
    return Results(scale, plans, data, pathlib.Path("none"))


def _miniature(times, **more):
    return _results("laptop", solves=lambda k, fraction: times[int(k)], **more)


def _paper(needs, **more):
    """S5 where k outliers need `needs[k]` of the table."""
    return _results(
        "paper", solves=lambda k, fraction: 5e4 if fraction >= needs[int(k)] - 1e-9 else np.inf, **more
    )


SLOWED = {0: 3000, 10: 3300, 30: 6000, 100: np.inf}
AS_CLAIMED = {0: 0.3, 10: 0.3, 100: 0.3, 1000: 0.35, 2000: 0.45, 3000: 0.6}


@pytest.mark.parametrize("results", [_miniature(SLOWED), _paper(AS_CLAIMED)], ids=["miniature", "paper"])
@pytest.mark.parametrize("claim", fig6.CLAIMS, ids=lambda claim: claim.name)
def test_runs_as_the_paper_has_them_support_every_claim(results, claim):
    found = claim.judge(results)
    assert found.verdict == "holds", found
    assert found.seeds == results.data[next(iter(results.data))].sizes["seed"] and found.runs > 0


@pytest.mark.parametrize(
    ("claim", "results"),
    [
        ("memorised", _miniature(SLOWED, fooled=0.5)),
        ("memorised", _miniature(SLOWED, trained=0.9)),
        ("as soon", _miniature(SLOWED, fits=lambda k: 100.0 * (1 + k / 10))),
        ("few are mild", _miniature({0: 3000, 10: 9000, 30: 9000, 100: 9000})),
        ("many hinder", _miniature({0: 3000, 10: 3000, 30: 3000, 100: 3100})),
        ("more is worse", _miniature({0: 3000, 10: 6000, 30: 4000, 100: 8000})),
        ("few are mild", _paper({**AS_CLAIMED, 1000: 0.5})),
        ("many hinder", _paper({**AS_CLAIMED, 3000: 0.4})),
        ("more is worse", _paper({**AS_CLAIMED, 2000: 0.9})),
    ],
)
def test_runs_that_are_otherwise_refute_it(claim, results):
    assert CLAIMS[claim].judge(results).verdict == "fails"


def test_networks_that_never_generalise_leave_times_open():
    results = _miniature(dict.fromkeys(SLOWED, np.inf))
    for claim in ("few are mild", "many hinder", "more is worse"):
        assert CLAIMS[claim].judge(results).verdict == "undecided"
    never_fitted = _miniature(SLOWED, fits=lambda k: np.inf)
    assert CLAIMS["as soon"].judge(never_fitted).verdict == "undecided"
    assert CLAIMS["memorised"].judge(never_fitted).verdict == "fails"


def test_data_that_no_fraction_suffices_for_are_more_than_any():
    never = _paper({**AS_CLAIMED, 3000: 2.0})
    found = CLAIMS["many hinder"].judge(never)
    assert found.verdict == "holds" and found.value == np.inf


def test_cells_with_more_outliers_than_training_equations_are_left_out():
    fractions = fig6.sweeps("paper")["3000 outliers"].axes["task.fraction"]
    assert min(fractions) == 0.25 and max(fractions) == 0.95


def test_the_paper_size_draws(tmp_path):
    results = _paper(AS_CLAIMED)
    fig6.chart(results).savefig(tmp_path / "fig6.png")
    table = fig6.table(results)
    assert len(table) == sum(len(plan.axes["task.fraction"]) for plan in results.sweeps.values())
    assert table[-1]["outlier_accuracy_least"] == 1.0 and table[0]["outlier_accuracy_least"] is None


def test_the_smoke_scale_runs_end_to_end(tmp_path):
    verdicts = reproduce(
        STUDY, [fig6.FIGURE], "smoke", store=tmp_path / "store", output=tmp_path, display=silent
    )
    assert [row["verdict"] for row in verdicts] == ["undecided"] * len(fig6.CLAIMS)
    assert (tmp_path / "fig6.svg").exists() and (tmp_path / "fig6.csv").exists()
