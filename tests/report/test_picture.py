"""The picture of learning curves: same bytes every time, for any axes."""

import numpy as np
import pytest

from afterfit.report import learning_curves


AXES = {
    "single run": {},
    "seeds": {"seed": [0, 1, 2]},
    "numbers": {"optimiser.weight_decay": [0.1, 2.0], "seed": [0, 1]},
    "names": {"task.operation": ["x+y", "<b> $\\frac{" + "long " * 40], "width": [8, 16]},
    "crowd": {"fraction": np.linspace(0.1, 0.9, 9), "seed": range(25)},
}


@pytest.mark.parametrize("name", AXES)
@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_same_data_gives_the_same_bytes(name, suffix, grokking_runs, tmp_path):
    data = grokking_runs(AXES[name], records=30)
    first = learning_curves(data, tmp_path / f"first{suffix}").read_bytes()
    second = learning_curves(data, tmp_path / f"second{suffix}").read_bytes()
    assert first == second
    assert first.startswith(b"<?xml" if suffix == ".svg" else b"\x89PNG")
    if suffix == ".svg":
        assert b"<dc:date>" not in first


def test_other_data_give_another_picture(grokking_runs, tmp_path):
    one = learning_curves(grokking_runs(seed=0), tmp_path / "one.svg").read_bytes()
    assert one != learning_curves(grokking_runs(seed=1), tmp_path / "two.svg").read_bytes()


def test_runs_that_are_missing_or_diverged(grokking_runs, tmp_path):
    data = grokking_runs({"optimiser.weight_decay": [0.1, 2.0], "seed": [0, 1]})
    for name in ("train_accuracy", "test_accuracy", "train_loss"):
        data[name][0] = np.nan
        data[name][1, 0, 40:] = np.nan
    assert learning_curves(data, tmp_path / "curves.svg").exists()


def test_an_unknown_suffix(grokking_runs, tmp_path):
    with pytest.raises(ValueError, match=r"`path` must end in one of \.svg, \.png, \.pdf, got 'curves\.gif'"):
        learning_curves(grokking_runs(), tmp_path / "curves.gif")
