"""The picture of learning curves: same bytes every time, for any axes."""

import re

import matplotlib
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


START = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}


@pytest.mark.parametrize("name", AXES)
@pytest.mark.parametrize("suffix", START)
def test_the_same_data_gives_the_same_bytes(name, suffix, grokking_runs, tmp_path):
    data = grokking_runs(AXES[name], records=30)
    first = learning_curves(data, tmp_path / f"first{suffix}").read_bytes()
    second = learning_curves(data, tmp_path / f"second{suffix}").read_bytes()
    assert first == second
    assert first.startswith(START[suffix])
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


@pytest.mark.parametrize("suffix", START)
@pytest.mark.parametrize(("style", "width"), [("paper", "single"), ("paper", "double"), ("talk", "double")])
def test_a_style_gives_the_same_bytes_too(style, width, suffix, grokking_runs, tmp_path):
    data = grokking_runs(AXES["numbers"], records=30)
    first, second = (
        learning_curves(data, tmp_path / f"{name}{suffix}", measure="loss", style=style, width=width)
        for name in ("first", "second")
    )
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("style", "width", "inches", "letters"),
    [("paper", "single", 3.4, 7), ("paper", "double", 7.0, 7), ("talk", "double", 12.8, 16)],
)
def test_a_style_has_its_width_and_letters(style, width, inches, letters, grokking_runs, tmp_path):
    path = tmp_path / "curves.svg"
    with matplotlib.rc_context({"svg.fonttype": "none", "font.size": 30}):
        learning_curves(grokking_runs(AXES["numbers"]), path, style=style, width=width)
    text = path.read_text()
    assert float(re.findall(r'width="([\d.]+)pt"', text)[0]) == pytest.approx(72 * inches)
    sizes = {float(size) for size in re.findall(r"font-size: ([\d.]+)px", text)}
    assert sizes == {letters}


@pytest.mark.parametrize("measure", ["accuracy", "test_accuracy", "loss", "train_loss", "weight_norm"])
def test_any_measure_can_be_drawn(measure, grokking_runs, tmp_path):
    path = tmp_path / "curves.svg"
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        learning_curves(grokking_runs(AXES["numbers"]), path, measure=measure)
    words = re.findall(r"<text[^>]*>([^<]+)</text>", path.read_text())
    assert measure.replace("_", " ") in words
    assert ("train" in words) == (measure in ("accuracy", "loss", "train_loss"))
    assert ("0.1" in words) and ("2" in words)


def test_an_unknown_measure(grokking_runs, tmp_path):
    with pytest.raises(ValueError, match="no measure 'test_acuracy' .*: did you mean 'test_accuracy'?"):
        learning_curves(grokking_runs(), tmp_path / "curves.svg", measure="test_acuracy")
    with pytest.raises(ValueError, match="there are: accuracy, train_accuracy, test_accuracy, loss, "):
        learning_curves(grokking_runs(), tmp_path / "curves.svg", measure="?")
