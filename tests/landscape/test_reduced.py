"""Spheres against the secular equation of least squares on a sphere, and planted records."""

import dataclasses

import hypothesis
import hypothesis.extra.numpy
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.optimize
import xarray

import afterfit as af
from afterfit.ensemble import silent
from afterfit.landscape import reduced, spheres
from afterfit.tasks import TeacherStudent
from afterfit.training import RecipeError


ALPHA = (0.1, 0.5, 0.9, 2.0, 10.0)
# The teacher has a bias and the student has none, so that no radius fits the answers.
REGRESSION = af.Experiment(
    TeacherStudent(inputs=3, hidden=(), outputs=1, train=20, test=20, pool=40),
    af.models.MLP(hidden=(), output_bias=False),
    af.GradientDescent(learning_rate=0.1),
    steps=3000,
    record=af.LogSpaced(per_decade=8),
    precision="float64",
)


def least_on_sphere(inputs, targets, radius):
    """argmin of |Xw - y|^2 on |w| = r: (A + l) w = b with l above -(least eigenvalue of A)."""
    values, vectors = np.linalg.eigh(inputs.T @ inputs)
    b = vectors.T @ (inputs.T @ targets)

    def excess(multiplier):
        return np.linalg.norm(b / (values + multiplier)) - radius

    low = -values[0] + 0.5 * abs(b[0]) / radius
    return vectors @ (
        b / (values + scipy.optimize.brentq(excess, low, np.linalg.norm(b) / radius, xtol=1e-14))
    )


def test_least_squares_on_spheres_is_solved_exactly():
    records = spheres(REGRESSION, ALPHA, {"seeds.init": range(4)}).run(display=silent)
    found = reduced(records)
    assert found.sizes == {"parametrisation.init_scale": len(ALPHA), "seeds.init": 4}
    assert bool(found["converged"].all())
    data = REGRESSION.task.data(0)
    inputs, targets = np.asarray(data.inputs, float), np.asarray(data.targets[:, 0], float)
    free = np.linalg.norm(np.linalg.lstsq(inputs[:20], targets[:20], rcond=None)[0])
    inside = records["weight_norm"].isel(step=0).values < free
    assert inside.any() and not inside.all()
    solved = np.zeros((len(ALPHA), 4), bool)
    for place in np.ndindex(*solved.shape):
        at = dict(zip(found.sizes, place, strict=True))
        radius = float(records["weight_norm"].isel(at)[0])
        best = least_on_sphere(inputs[:20], targets[:20], radius)
        assert np.linalg.norm(best) == pytest.approx(radius)
        losses = (inputs @ best - targets) ** 2
        train, test = (float(found[name].isel(at)) for name in ("train_loss", "test_loss"))
        assert train > (1 - 1e-6) * losses[:20].mean()
        solved[place] = train < (1 + 1e-4) * losses[:20].mean()
        if solved[place]:
            assert test == pytest.approx(losses[20:].mean(), rel=1e-3)
    # Beyond the free optimum a sphere may have a second minimum, on its far side.
    assert solved[inside].all() and solved.any(axis=1).all()


def test_spheres_fix_the_norm_and_leave_decay_out():
    experiment = dataclasses.replace(
        REGRESSION, optimiser=af.AdamW(weight_decay=1.0), steps=20, precision="float32"
    )
    made = spheres(experiment, np.array([0.5, 1.0, 2.0]), {"task.train": [10, 20]}, seed=3)
    assert list(made.axes) == ["parametrisation.init_scale", "task.train"]
    assert {run.experiment.optimiser for run in made.runs} == {af.AdamW(weight_decay=0.0)}
    shown = []
    norm = made.run(display=shown.append)["weight_norm"]
    assert shown[-1].programs == 1
    np.testing.assert_allclose(norm.values, norm.values[..., :1].repeat(norm.sizes["step"], -1), rtol=1e-6)
    np.testing.assert_allclose(norm.values[:, 0, 0] / norm.values[1, 0, 0], [0.5, 1, 2], rtol=1e-6)


def test_spheres_refuse_what_moves_them():
    with pytest.raises(ValueError, match="`alpha` must be positive numbers, got 0.0"):
        spheres(REGRESSION, [0.0, 1.0])
    with pytest.raises(RecipeError, match="has no values"):
        spheres(REGRESSION, [])
    layered = dataclasses.replace(REGRESSION, constraint=af.ConstantNorm(per_layer=True))
    with pytest.raises(ValueError, match="`constraint` must be left"):
        spheres(layered, [1.0])
    for axes in (
        {"parametrisation.init_scale": [2.0]},
        {"optimiser.weight_decay": [0.0, 0.1]},
        {"optimiser": [af.AdamW(weight_decay=1.0), af.Adam()]},
        {"constraint": [af.ConstantNorm(norm=2.0)]},
        {"kind": {"decayed": {"optimiser.weight_decay": 1.0}}},
    ):
        with pytest.raises(ValueError, match="`axes` must leave"):
            spheres(REGRESSION, [1.0], axes)
    outputs = [af.Parametrisation(output_scale=scale) for scale in (1.0, 5.0)]
    made = spheres(REGRESSION, [3.0], {"parametrisation": outputs})
    assert [run.experiment.parametrisation for run in made.runs] == [
        af.Parametrisation(3.0, scale) for scale in (1.0, 5.0)
    ]


# --- planted records ----------------------------------------------------------------------------------

STEPS = np.array([0, 1, 10, 100, 150])


def planted(loss, **others):
    """A dataset of runs "run step" with these losses; the other measures are zero."""
    names = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
    tables = {name: np.zeros(loss.shape) for name in names} | {"train_loss": loss} | others
    variables = {
        name: (("run", "step") if table.ndim == 2 else ("run",), table) for name, table in tables.items()
    }
    return xarray.Dataset(variables, {"step": STEPS, "run": np.arange(len(loss))}, {"title": "planted"})


numbers = st.floats(0, 4) | st.sampled_from([np.nan, np.inf])


@hypothesis.given(*(hypothesis.extra.numpy.arrays(float, (3, 5), elements=numbers) for _ in range(2)))
def test_values_are_those_of_a_plain_loop(train, test):
    accuracy = np.linspace(0, 1, 15).reshape(3, 5)
    got = reduced(planted(train, test_loss=test, train_accuracy=accuracy))
    for run in range(3):
        usable = [step for step in range(5) if np.isfinite(train[run, step])]
        one = got.isel(run=run)
        if not usable:
            assert np.isnan(one["test_loss"]) and np.isnan(one["best_step"]) and not one["converged"]
            assert np.isnan(one["train_error_last"]) and np.isnan(one["test_loss_best"])
            continue
        best = min(usable, key=lambda step: (train[run, step], step))
        np.testing.assert_equal(float(one["train_loss"]), train[run, best])
        np.testing.assert_equal(float(one["test_loss"]), test[run, best])
        assert float(one["best_step"]) == STEPS[best]
        assert float(one["train_error"]) == pytest.approx(1 - accuracy[run, best])
        np.testing.assert_equal(float(one["test_loss_last"]), test[run, usable[-1]])
        known = [test[run, step] for step in usable if not np.isnan(test[run, step])]
        np.testing.assert_equal(float(one["test_loss_best"]), min(known, default=np.nan))
        assert float(one["train_error_best"]) == pytest.approx(1 - max(accuracy[run, usable]))


@pytest.mark.parametrize(
    ("losses", "converged"),
    [
        ([9, 8, 7, 6, 5.5], True),  # 8% less over the last third
        ([9, 8, 7, 6, 5.3], False),
        ([9, 8, 7, 1, 6], True),  # the least loss counts, wherever a noisy run ends
        ([9, 8, 7, 1e-5, 1e-6], True),
        ([9, 8, 7, 6, 1e-6], True),
        ([9, 8, 7, np.nan, np.nan], False),  # ended at step 10: from step 6.7 on it fell from 8 to 7
        ([np.nan, np.nan, np.nan, np.nan, 1], False),
    ],
)
def test_convergence(losses, converged):
    assert bool(reduced(planted(np.array([losses], float)))["converged"][0]) is converged


def test_a_diverged_run_has_not_converged():
    loss = np.array([[3.0, 2.0, 1.0, 1.0, 1.0], [3.0, 2.0, 1.0, 0.0, 1.0]] * 2)
    outcome = np.array(["done", "done", "diverged", "diverged"])
    found = reduced(planted(loss, outcome=outcome))
    assert found["converged"].values.tolist() == [True, True, False, True]
    assert found.attrs == {"title": "planted"}
    assert "outcome" not in found


def test_further_measures_are_taken_at_the_best_record():
    losses = np.array([[3.0, 1.0, 2.0], [3.0, 2.0, 1.0]])
    data = xarray.Dataset(
        {name: (("seed", "step"), losses) for name in ("train_loss", "test_loss")}
        | {name: (("seed", "step"), 1 / (1 + losses)) for name in ("train_accuracy", "test_accuracy")}
        | {"distance": (("seed", "step"), np.array([[7.0, 8.0, 9.0], [4.0, 5.0, 6.0]]))},
        coords={"step": [0, 5, 9], "seed": [0, 1]},
    )
    np.testing.assert_array_equal(reduced(data, measures=["distance"])["distance"], [8.0, 6.0])
    with pytest.raises(ValueError, match="got none of angle"):
        reduced(data, measures=["angle"])


def test_records_are_asked_for():
    with pytest.raises(ValueError, match="`data` must be the records of a sweep, got none of test_loss"):
        reduced(planted(np.ones((1, 5))).drop_vars("test_loss"))
