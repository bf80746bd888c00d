"""When losses fall, against curves whose times are known by construction."""

import numpy as np
import pytest
import xarray
from hypothesis import given, strategies as st

from afterfit.studies.kumar2023._losses import grokked, loss_times, remainder, rise


STEPS = [0, 10, 30, 100, 300, 1000, 2000, 3000, 4000, 5000]
NAN, INF = np.nan, np.inf
FITTED = [2.0, 1.0, 0.1, 0, 0, 0, 0, 0, 0, 0]  # half at 10, a tenth at 30
#         0    10   30  100  300 1000 2000 3000 4000 5000
GROKKED = [4.0, 5.0, 6.0, 5.0, 4.0, 0.3, 0.2, 0.1, 0.1, 0.1]


def dataset(train, test, **more):
    return xarray.Dataset(
        {"train_loss": ("step", train), "test_loss": ("step", test), **more}, {"step": STEPS}
    )


def row(data, share=0.1, **names):
    times = loss_times(data, share, **names)
    return {str(name): times[name].item() for name in times}


def test_a_run_that_groks():
    data = dataset(FITTED, GROKKED)
    assert row(data) == {
        "memorised": 30,
        "memorised_censored": False,
        "generalised": 1000,
        "generalised_censored": False,
        "delay": 970,
        "delay_censored": False,
        "ratio": pytest.approx(1000 / 30),
        "ratio_censored": False,
    }
    assert (row(data, 0.5)["memorised"], row(data, 0.05)["generalised"]) == (10, 2000)
    assert rise(data).item() == 1.5
    assert remainder(data).item() == pytest.approx((0.3 + 0.2 + 0.1 + 0.1 + 0.1) / 5 / 4)
    assert grokked(data).item()


def test_other_measures_by_name():
    data = dataset(FITTED, [1.0] * 10, exact=("step", GROKKED))
    assert not grokked(data).item() and grokked(data, test="exact").item()
    assert row(data, test="exact")["generalised"] == 1000
    assert (rise(data, "exact").item(), rise(data).item()) == (1.5, 1.0)


def test_a_loss_that_dips_and_returns_has_not_generalised():
    dipped = [4.0, 0.1, 6.0, 5.0, 4.0, 0.3, 0.2, 0.1, 0.1, 0.1]
    assert row(dataset(FITTED, dipped))["generalised"] == 1000
    back = [*GROKKED[:-1], 4.0]
    found = row(dataset(FITTED, back))
    assert (found["generalised"], found["generalised_censored"]) == (5000, True)
    assert (found["delay"], found["delay_censored"], found["memorised_censored"]) == (4970, True, False)
    assert not grokked(dataset(FITTED, back)).item()


def test_a_run_that_never_fits_has_no_delay():
    found = row(dataset([2.0] * 10, GROKKED))
    assert (found["memorised"], found["memorised_censored"], found["generalised"]) == (5000, True, 1000)
    assert np.isnan(found["delay"]) and np.isnan(found["ratio"])
    assert found["delay_censored"] and found["ratio_censored"]
    assert not grokked(dataset([2.0] * 10, GROKKED)).item()


@pytest.mark.parametrize(
    ("test", "why"),
    [
        ([4.0, 4.1, 4.1, 4.0, 4.0, 0.3, 0.2, 0.1, 0.1, 0.1], "it rises by 2.5% alone"),
        ([4.0, 5.0, 6.0, 5.0, 4.0, 1.0, 1.0, 1.0, 1.0, 1.0], "a quarter is left"),
        ([4.0, 5.0, 0.3, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2][:1] + [3.0, 0.3] + [0.1] * 7, "at once, no rise"),
    ],
)
def test_what_is_no_grokking(test, why):
    assert not grokked(dataset(FITTED, test)).item(), why


def test_late_by_the_ratio_or_by_the_half():
    """At the half (step 10) the test loss is high or low; a tenth comes at 30 and at 30 or 100."""
    risen_first = [*FITTED]
    soon = [4.0, 3.7, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]  # nine tenths and more at the half
    sooner = [4.0, 3.5, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]  # less
    # A rise there must be: at a record between, which the training loss does not have.
    steps = [0, 5, *STEPS[1:]]
    for test, expected in ((soon, True), (sooner, False)):
        data = xarray.Dataset(
            {
                "train_loss": ("step", [2.0, 1.9, *risen_first[1:]]),
                "test_loss": ("step", [4.0, 4.4, *test[1:]]),
            },
            {"step": steps},
        )
        assert grokked(data).item() is expected
    # Three times later, and two.
    for at, expected in ((100, True), (30, False)):
        late = np.where(np.array(steps) >= at, 0.3, 3.0)
        late[:2] = 4.0, 4.4
        data = xarray.Dataset(
            {"train_loss": ("step", [2.0, 1.9, *risen_first[1:]]), "test_loss": ("step", late)},
            {"step": steps},
        )
        assert grokked(data).item() is expected
        assert grokked(data, ratio=1.0).item()


def test_a_run_that_diverged_is_censored_where_it_ended():
    train, test = [*FITTED[:4], *[NAN] * 6], [*GROKKED[:4], *[NAN] * 6]
    found = row(dataset(train, test))
    assert (found["memorised"], found["memorised_censored"]) == (30, False)
    assert (found["generalised"], found["generalised_censored"], found["delay"]) == (100, True, 70)
    assert remainder(dataset(train, test)).item() == pytest.approx((4 + 5 + 6 + 5) / 4 / 4)
    assert not grokked(dataset(train, test)).item()


def test_a_loss_that_overflows_is_no_small_remainder():
    test = [*GROKKED[:9], INF]
    data = dataset(FITTED, test)
    assert remainder(data).item() == INF and rise(data).item() == INF
    assert row(data)["generalised_censored"] and not grokked(data).item()


def test_a_run_without_records():
    data = dataset([NAN] * 10, [NAN] * 10)
    found = row(data)
    assert np.isnan(found["memorised"]) and found["memorised_censored"] and np.isnan(found["delay"])
    assert np.isnan(rise(data).item()) and np.isnan(remainder(data).item()) and not grokked(data).item()


def test_runs_of_a_sweep_each_for_itself():
    """Whatever the order of the dimensions, and whatever the scale of a run's losses."""
    factors = np.array([[1.0, 100.0, 1e-6], [5.0, 1.0, 2.0]])
    train = factors[..., None] * FITTED
    test = factors[..., None] * np.array([GROKKED, [4.0] * 10])[:, None, :]
    data = xarray.Dataset(
        {
            "train_loss": (("place", "seed", "step"), train),
            "test_loss": (("step", "seed", "place"), test.T),
        },
        {"step": STEPS, "place": ["a", "b"], "seed": [0, 1, 2]},
    )
    times = loss_times(data)
    assert times["memorised"].transpose("place", "seed").values.tolist() == [[30] * 3, [30] * 3]
    assert times["generalised"].transpose("place", "seed").values.tolist() == [[1000] * 3, [5000] * 3]
    assert grokked(data).transpose("place", "seed").values.tolist() == [[True] * 3, [False] * 3]
    np.testing.assert_allclose(rise(data).transpose("place", "seed"), [[1.5] * 3, [1.0] * 3], rtol=1e-12)
    np.testing.assert_allclose(
        remainder(data).transpose("place", "seed"), [[0.04] * 3, [1.0] * 3], rtol=1e-12
    )


positive = st.lists(st.floats(1e-3, 10) | st.just(NAN), min_size=9, max_size=9)


@given(
    st.floats(1e-3, 10), positive, st.floats(1e-3, 10), positive, st.floats(0.01, 0.9), st.floats(0.01, 0.9)
)
def test_smaller_shares_come_later(first, train, other, test, one, two):
    data = dataset([first, *train], [other, *test])
    small, large = (row(data, share) for share in sorted([one, two]))
    for which in ("memorised", "generalised"):
        assert small[which] >= large[which]
        assert small[f"{which}_censored"] >= large[f"{which}_censored"]
    assert rise(data).item() >= 1
