"""Times to memorise and to generalise against curves whose crossings are known by construction."""

import numpy as np
import pytest
import xarray
from hypothesis import given, strategies as st

from afterfit.statistics import grokking_time, Phase


STEPS = [0, 1, 10, 100, 1000]
LOW, HIGH, NAN = 0.1, 1.0, np.nan


def _one(train, test, **more):
    variables = {"train_accuracy": ("step", train), "test_accuracy": ("step", test), **more}
    return xarray.Dataset(variables, coords={"step": STEPS})


def _row(times):
    return {name: times[name].item() for name in times}


def test_a_run_that_groks():
    times = grokking_time(_one([LOW, LOW, HIGH, HIGH, HIGH], [LOW, LOW, LOW, LOW, HIGH]))
    assert _row(times) == {
        "memorised": 10,
        "memorised_from": 1,
        "memorised_censored": False,
        "memorised_before": False,
        "generalised": 1000,
        "generalised_from": 100,
        "generalised_censored": False,
        "generalised_before": False,
        "delay": 990,
        "delay_censored": False,
        "ratio": 100,
        "ratio_censored": False,
        "phase": "grokked",
    }
    assert times.attrs == {"accuracy": 0.99, "units": "steps"}
    assert times["delay"].attrs == {"units": "step"}


def test_a_run_that_never_generalises_is_censored_at_its_budget():
    row = _row(grokking_time(_one([LOW, LOW, HIGH, HIGH, HIGH], [LOW] * 5)))
    assert (row["generalised"], row["generalised_censored"], row["generalised_from"]) == (1000, True, 1000)
    assert (row["delay"], row["delay_censored"], row["ratio"]) == (990, True, 100)
    assert row["phase"] == Phase.MEMORISED_ONLY


def test_a_run_that_ended_early_is_censored_there():
    row = _row(grokking_time(_one([LOW, HIGH, HIGH, NAN, NAN], [LOW, LOW, LOW, NAN, NAN])))
    assert (row["generalised"], row["generalised_censored"]) == (10, True)


def test_a_run_that_never_fitted_has_no_delay():
    row = _row(grokking_time(_one([LOW] * 5, [LOW] * 5)))
    assert (row["memorised"], row["memorised_censored"]) == (1000, True)
    assert np.isnan(row["delay"]) and np.isnan(row["ratio"]) and row["delay_censored"]
    assert row["phase"] == Phase.NEVER_FITTED


def test_a_crossing_at_step_zero():
    row = _row(grokking_time(_one([HIGH] * 5, [LOW, HIGH, HIGH, HIGH, HIGH])))
    assert (row["memorised"], row["memorised_from"], row["ratio"]) == (0, 0, 1)
    assert row["phase"] == Phase.GENERALISED


def test_a_fork_may_have_memorised_before_its_first_record():
    row = _row(grokking_time(_one([NAN, NAN, HIGH, HIGH, HIGH], [NAN, NAN, LOW, LOW, HIGH])))
    assert (row["memorised"], row["memorised_from"], row["memorised_before"]) == (10, 0, True)
    assert not row["memorised_censored"] and not row["generalised_before"]
    # Both are at least so much.
    assert (row["delay"], row["delay_censored"], row["ratio"], row["ratio_censored"]) == (
        990,
        True,
        100,
        True,
    )
    assert row["phase"] == Phase.GROKKED


@pytest.mark.parametrize("train", [[NAN, NAN, HIGH, HIGH, HIGH], [NAN, NAN, LOW, HIGH, HIGH]])
def test_nothing_bounds_the_delay_of_a_fork_that_generalised_before(train):
    row = _row(grokking_time(_one(train, [NAN, NAN, HIGH, HIGH, HIGH])))
    assert (row["generalised"], row["generalised_before"]) == (10, True)
    assert np.isnan(row["delay"]) and np.isnan(row["ratio"]) and row["ratio_censored"]
    assert row["phase"] == Phase.GENERALISED


def test_the_previous_record_skips_steps_without_one():
    row = _row(grokking_time(_one([LOW, NAN, NAN, HIGH, HIGH], [LOW, NAN, NAN, LOW, HIGH])))
    assert (row["memorised_from"], row["memorised"]) == (0, 100)


def test_a_run_whose_loss_stops_being_finite_is_censored_at_its_last_finite_record():
    loss = ("step", [1.0, 1.0, 0.5, np.nan, np.inf])
    row = _row(
        grokking_time(_one([LOW, LOW, HIGH, HIGH, HIGH], [LOW, LOW, LOW, HIGH, HIGH], train_loss=loss))
    )
    assert (row["memorised"], row["memorised_censored"]) == (10, False)
    assert (row["generalised"], row["generalised_censored"]) == (10, True)
    assert row["phase"] == Phase.DIVERGED


def test_a_run_that_generalised_before_it_diverged_keeps_its_times():
    data = _one([LOW, HIGH, HIGH, NAN, NAN], [LOW, LOW, HIGH, NAN, NAN], outcome=((), "diverged"))
    row = _row(grokking_time(data))
    assert (row["generalised"], row["generalised_censored"], row["phase"]) == (10, False, "grokked")


def test_a_run_without_a_record():
    row = _row(grokking_time(_one([NAN] * 5, [NAN] * 5)))
    assert np.isnan(row["generalised"]) and row["generalised_censored"] and row["phase"] == Phase.NO_RECORD


def test_axes_and_their_coordinates_stay():
    accuracy = np.full((2, 3, 5), LOW)
    accuracy[1, :, 2:] = HIGH
    data = xarray.Dataset(
        {
            # The order of dimensions is not a promise of the input.
            "train_accuracy": (("decay", "seed", "step"), accuracy),
            "test_accuracy": (("step", "seed", "decay"), accuracy.T),
        },
        coords={"decay": [0.1, 1.0], "seed": [0, 1, 2], "step": STEPS, "note": ("decay", ["a", "b"])},
    )
    times = grokking_time(data)
    assert times["memorised"].dims == ("decay", "seed")
    assert times["memorised"].values.tolist() == [[1000] * 3, [10] * 3]
    assert times["generalised"].values.tolist() == [[1000] * 3, [10] * 3]
    assert times["decay"].values.tolist() == [0.1, 1.0] and times["note"].values.tolist() == ["a", "b"]
    assert "step" not in times.coords


def test_accuracy_in_float32_may_round_down():
    nearly = np.float32(0.99) - np.float32(6e-8)
    data = _one(np.array([0, 0, nearly, 1, 1], np.float32), np.array([0, 0, 0, nearly, 1], np.float32))
    assert grokking_time(data)["memorised"].item() == 10


@pytest.mark.parametrize("accuracy", [0.0, -1.0, 1.5, np.nan])
def test_a_level_outside_its_range(accuracy):
    with pytest.raises(ValueError, match=r"`accuracy` must lie above 0 and at most at 1, got .* Try 0.99"):
        grokking_time(_one([LOW] * 5, [LOW] * 5), accuracy=accuracy)


def test_a_dataset_without_accuracies():
    with pytest.raises(ValueError, match="without `test_accuracy`"):
        grokking_time(_one([LOW] * 5, [LOW] * 5).drop_vars("test_accuracy"))


@given(
    st.lists(st.floats(0, 1) | st.just(np.nan), min_size=5, max_size=5),
    st.lists(st.floats(0, 1) | st.just(np.nan), min_size=5, max_size=5),
    st.floats(0.01, 1),
    st.floats(0.01, 1),
)
def test_a_higher_level_is_never_reached_earlier(train, test, one, other):
    low, high = (_row(grokking_time(_one(train, test), accuracy=level)) for level in sorted([one, other]))
    for which in ("memorised", "generalised"):
        assert high[f"{which}_censored"] >= low[f"{which}_censored"]
        assert np.isnan(low[which]) or high[which] >= low[which]
        assert np.isnan(low[which]) or low[f"{which}_from"] <= low[which]


def test_every_phase_has_one_line_of_advice():
    assert all(phase.advice and "\n" not in phase.advice for phase in Phase)
    assert len({phase.advice for phase in Phase}) == len(Phase)
