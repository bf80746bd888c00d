"""What figures of landscapes share: verdicts of seeds, medians, grid points, maps, tables."""

import math

import numpy as np
import pytest
import xarray

from afterfit.studies import _maps
from afterfit.studies._draw import panels
from afterfit.studies._judging import agreed, by_median, middle
from afterfit.studies._maps import ALPHA, at, by_seed, cells, draw_map, draw_row, falls_to_an_l
from afterfit.studies.omnigrok import fig2a, fig3abc

from .planted import on_spheres, planted, sweeps_of


def _landscape(values, measures=("train_loss", "test_loss")):
    """Values over alpha, size and seed, for each measure."""
    shape = np.shape(values)
    dims = (ALPHA, "task.train", "seed")
    coords = {
        ALPHA: 10.0 ** np.arange(shape[0]),
        "task.train": 10 * 2 ** np.arange(shape[1]),
        "seed": range(shape[2]),
    }
    data = {name: (dims, np.array(values, float)) for name in measures}
    return xarray.Dataset(data | {"converged": (dims, np.ones(shape, bool))}, coords)


@pytest.mark.parametrize(
    ("held", "verdict", "counted"),
    [
        ([True] * 4 + [False], "holds", "4 of 5"),
        ([True] * 3 + [False] * 2, "undecided", "3 of 5"),
        ([True] * 3 + [False], "undecided", "3 of 4"),
        ([False] * 4 + [True], "fails", "1 of 5"),
        ([False] * 4 + [None], "fails", "0 of 5"),
        ([True] * 4 + [None], "holds", "4 of 5"),
        ([True] * 2 + [None], "undecided", "2 of 3"),
        ([None] * 3, "undecided", "0 of 3"),
        ([True], "holds", "1 of 1"),
        ([], "undecided", "0 of 0"),
    ],
)
def test_a_claim_holds_in_four_seeds_of_five(held, verdict, counted):
    found = agreed(held, 1.5, runs=7, note="at most 2")
    assert found.verdict == verdict and found.note == f"at most 2; {counted} seeds"
    assert (found.value, found.interval, found.seeds, found.runs) == (1.5, None, len(held), 7)


def test_each_seed_is_asked_by_itself():
    found = _landscape([[[1, 2, 3, 4, 5]], [[5, 4, 3, 2, 0]]])
    asked = []

    def rises(one):
        asked.append(one)
        return one["test_loss"][1, 0] >= one["test_loss"][0, 0]  # an array of no axes counts as a truth value

    judgement = by_seed(found, rises, 3.0, "criterion")
    assert [one.sizes for one in asked] == [{ALPHA: 2, "task.train": 1}] * 5
    assert judgement.verdict == "undecided" and judgement.note == "criterion; 3 of 5 seeds"
    assert (judgement.value, judgement.seeds, judgement.runs) == (3.0, 5, 10)
    assert by_seed(found, lambda one: np.bool(True)).verdict == "holds"


@pytest.mark.parametrize("hole", [0, 4])
def test_a_hole_leaves_its_seed_open(hole):
    found = _landscape([[[1.0] * 5], [[2.0] * 5]])
    found["train_loss"][1, 0, hole] = np.nan

    def holds(one):
        assert np.isfinite(one["train_loss"]).all(), "a landscape with a hole was asked"
        return True

    judgement = by_seed(found, holds)
    assert judgement.verdict == "holds" and judgement.note == "4 of 5 seeds"
    assert by_seed(found, lambda one: None).note == "0 of 5 seeds"


def test_medians_are_judged_with_their_interval():
    found = by_median(np.array([0.1, 0.3, 0.4]), least=0.2, most=0.5, runs=9, note="criterion")
    assert found.verdict == "undecided" and (found.value, found.interval) == (0.3, (0.1, 0.4))
    assert (found.seeds, found.runs, found.note) == (3, 9, "criterion")
    assert by_median(np.array([0.3, 0.4]), least=0.2, runs=2).verdict == "holds"
    assert by_median(np.array([0.3, 0.4]), most=0.2, runs=2).verdict == "fails"
    assert by_median(np.array([0.3, np.nan]), most=0.2, runs=2).verdict == "undecided"


@pytest.mark.parametrize(
    ("values", "converged", "answer"),
    [
        ([0.9, 0.0, 0.0, 0.0], [True] * 4, True),
        ([0.9, 0.0, 0.0, 0.0], [False] * 4, True),
        ([0.9, 0.0, 0.0, 0.2], [True] * 4, False),
        ([0.9, 0.0, 0.0, 0.2], [True, True, True, False], None),  # more steps might do
        ([0.9, 0.0, 0.0, 0.2], [False, True, False, True], False),
        ([0.2, 0.0, 0.0, 0.0], [True] * 4, False),  # it never was high
    ],
)
def test_an_l_is_open_where_what_misses_it_has_not_converged(values, converged, answer):
    found = _landscape([[[one]] for one in values], ("train_error",)).isel(seed=0, **{"task.train": 0})
    found["converged"] = (ALPHA, converged)
    assert falls_to_an_l(found, "error", "error") is answer


def test_the_median_of_what_is_known():
    assert middle([1.0, math.nan, 5.0, 2.0]) == 2
    assert middle(one for one in (1.0, math.inf, math.inf)) == math.inf
    assert middle(np.array([[1.0, math.nan], [3.0, math.nan]])) == 2
    assert math.isnan(middle([])) and math.isnan(middle([math.nan]))


def test_the_nearest_grid_point_is_read():
    found = _landscape(np.arange(12.0).reshape(3, 2, 2))
    np.testing.assert_array_equal(at(found["test_loss"], alpha=95, **{"task.train": 11}), [8, 9])
    np.testing.assert_array_equal(at(found["test_loss"], alpha=1.2).shape, (2, 2))


def test_values_are_those_of_the_training_minimum():
    results = planted(fig2a.FIGURE, on_spheres(lambda place: {"train_loss": 0.5, "test_loss": place[ALPHA]}))
    found = _maps.minima(results)
    assert found["test_loss"].dims == (ALPHA, "seed")
    np.testing.assert_allclose(found["test_loss"].values[:, 0], found[ALPHA], rtol=1e-6)
    np.testing.assert_allclose(found["train_loss"], 0.5)
    assert (found["test_loss_best"] < 1e-5).all()  # which the best of each by itself would say


def test_the_norm_comes_first_and_the_seed_last():
    results = planted(fig3abc.FIGURE, on_spheres(lambda place: {}), "smoke")
    assert _maps.minima(results)["train_loss"].dims == (ALPHA, "task.train", "seed")
    assert sweeps_of(fig3abc.FIGURE, "smoke")["landscape"].axes.keys() == {ALPHA, "task.train", "seed"}


def test_a_table_has_a_row_for_each_cell():
    found = _landscape([[[1, 2, 9]], [[4, math.nan, 8]]])
    found["converged"][1, 0, 1] = False
    rows = cells(found, ("test_loss",))
    assert rows == [
        {ALPHA: 1.0, "task.train": 10, "test_loss": 2.0, "seeds": 3, "converged": 3},
        {ALPHA: 10.0, "task.train": 10, "test_loss": 6.0, "seeds": 3, "converged": 2},
    ]


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        (np.linspace(0, 1, 8).reshape(2, 2, 2), 1),
        (np.zeros((2, 2, 2)), 0),  # no level lies inside
        (np.full((2, 2, 2), np.nan), 0),
        (np.linspace(0, 1, 4).reshape(4, 1, 1), 0),  # one row has no contours
    ],
)
def test_maps_are_drawn_of_whatever_there_is(values, lines):
    figure, axes = panels(1, 1)
    shown = draw_map(axes[0, 0], _landscape(values)["test_loss"], place="task.train", levels=(0.5, 7.0))
    contours = [one for one in axes[0, 0].collections if one is not shown]
    assert len(contours) == lines
    expected = np.nanmean(values, axis=2).T if np.isfinite(values).any() else np.full((2, 2), np.nan)
    np.testing.assert_allclose(np.ma.filled(shown.get_array(), np.nan), expected)
    figure.draw_without_rendering()


@pytest.mark.parametrize(
    "centres, expected",
    [
        ([0.1, 1.0, 10.0], [10**-1.5, 10**-0.5, 10**0.5, 10**1.5]),  # by ratio: no edge at 0
        ([1.0, 2.0, 4.0], [0.5, 1.5, 3.0, 5.0]),
        ([0.0, 0.5, 1.0], [-0.25, 0.25, 0.75, 1.25]),
        ([3.0], [2.5, 3.5]),
    ],
)
def test_cells_meet_half_way(centres, expected):
    np.testing.assert_allclose(_maps.edges(np.array(centres)), expected)


def test_a_row_shows_median_and_range_of_the_seeds_that_are_known():
    figure, axes = panels(1, 1)
    values = np.array([[[1, 2, 6]], [[3, math.nan, 5]], [[math.nan] * 3]])
    draw_row(axes[0, 0], _landscape(values).isel({"task.train": 0}), "loss", floor=1.0)
    train, test = axes[0, 0].get_lines()
    assert [train.get_label(), test.get_label()] == ["training", "test"]
    np.testing.assert_allclose(test.get_ydata(), [3, 5, math.nan])
    corners = axes[0, 0].collections[0].get_paths()[0].vertices[:, 1]
    assert (corners.min(), corners.max()) == (2, 7)
    figure.draw_without_rendering()
