"""Change points on planted levels, and the phases that they tell apart."""

import numpy as np
import pytest

from afterfit.statistics import change_points, information_phases, separation


def levels(*pairs, noise=0.0, seed=0):
    """A curve of planted levels: (value, records) each."""
    values = np.concatenate([np.full(count, float(value)) for value, count in pairs])
    return values + noise * np.random.default_rng(seed).normal(size=values.size)


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_changes_are_found_where_they_are(noise):
    one = levels((0, 10), (5, 10), (5, 10), noise=noise)
    other = levels((1, 10), (1, 10), (-3, 10), noise=noise, seed=1)
    assert change_points([one, other]) == [10, 20]
    assert change_points([one]) == [10]


def test_scale_and_offset_of_a_measure_do_not_matter():
    one, other = levels((0, 8), (1, 12), noise=0.1), levels((2, 14), (0, 6), noise=0.1, seed=2)
    assert change_points([one, other]) == change_points([1e6 * one + 7, 1e-6 * other])


def test_nothing_changes_in_constants_noise_or_too_few_records():
    assert change_points([np.ones(30)]) == []
    assert change_points([levels((0, 2), (9, 2))]) == []
    assert change_points([levels((0, 200), noise=1.0)], share=0.1) == []


def test_records_that_are_not_known_are_passed_over():
    one = levels((0, 10), (5, 10))
    one[[3, 12]] = np.nan
    assert change_points([one]) == [10]


def test_phases_of_the_paper_in_order():
    synergy = levels((1, 8), (5, 8), (2, 8), (8, 8), (3, 8))
    redundancy = levels((9, 8), (2, 8), (1, 8), (1, 8), (6, 8))
    loss = np.exp(levels((1, 8), (3, 8), (2, 8), (0, 8), (-2, 8)))
    steps = np.round(np.geomspace(1, 4000, 40)).astype(int)
    found = information_phases(steps, synergy, redundancy, loss)
    assert [span.phase for span in found] == [
        "feature learning",
        "emergence",
        "divergence",
        "delayed emergence",
        "decoupling",
    ]
    assert [span.start for span in found] == [int(steps[k]) for k in (0, 8, 16, 24, 32)]
    assert all(one.end == other.start for one, other in zip(found, found[1:]))
    assert found[-1].end == 4000


def test_a_direct_emergence_has_no_divergence():
    synergy = levels((1, 10), (7, 10), (2, 10))
    redundancy = levels((8, 10), (0, 10), (5, 10))
    found = information_phases(np.arange(1, 31), synergy, redundancy, np.ones(30))
    assert [span.phase for span in found] == ["feature learning", "emergence", "decoupling"]


def test_without_redundancy_at_the_start_there_is_no_feature_learning():
    found = information_phases(np.arange(1, 21), levels((5, 20)), levels((0, 10), (9, 10)), np.ones(20))
    assert [span.phase for span in found] == ["steady", "decoupling"]
    for level in (0.0, 3.0):
        (whole,) = information_phases(np.arange(1, 21), levels((5, 20)), levels((level, 20)), np.ones(20))
        assert whole.phase == "steady"


def test_separation_is_the_share_of_pairs_in_order():
    values = np.array([1.0, 2.0, 3.0, 3.0, 5.0])
    positive = np.array([False, True, False, True, True])
    area, (low, high) = separation(values, positive)
    assert area == pytest.approx((1 + 0 + 1 + 0.5 + 1 + 1) / 6)
    assert low <= area <= high


def test_separation_against_scikit_learn():
    import sklearn.metrics

    rng = np.random.default_rng(0)
    positive = rng.random(60) < 0.4
    values = rng.normal(size=60) + positive
    area, (low, high) = separation(values, positive)
    assert area == pytest.approx(sklearn.metrics.roc_auc_score(positive, values))
    assert 0.5 < low < area < high < 1


def test_one_kind_of_runs_cannot_be_separated():
    assert np.isnan(separation(np.arange(3.0), np.ones(3, bool))[0])
    assert np.isnan(separation(np.array([np.nan, 1.0]), np.array([True, False]))[0])


def test_runs_of_one_setting_are_drawn_together():
    """Five copies of each of four settings know no more than the four."""
    values, positive = np.array([1.0, 3.0, 2.0, 4.0]), np.array([False, False, True, True])
    copies = [np.repeat(one, 5) for one in (values, positive, np.arange(4))]
    area, (low, high) = separation(*copies)
    assert area == separation(values, positive)[0] == 0.75
    assert (low, high) == separation(values, positive, np.arange(4))[1]
    alone = separation(copies[0], copies[1])[1]
    assert alone[0] > low and alone[1] <= high
