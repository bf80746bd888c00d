"""A constraint that leaves only some units of a layer."""

import dataclasses

import numpy as np
import pytest

import afterfit as af
from afterfit.ensemble import silent
from afterfit.ensemble._pack import packs
from afterfit.ensemble._runner import run_all
from afterfit.training import At


WIDTH = 6
BASE = af.Experiment(
    af.tasks.BinaryOperation("x+y", modulus=5, fraction=0.6),
    af.models.MLP((WIDTH,), output_bias=False),
    af.GradientDescent(0.5),
    steps=5,
    record=At((0, 5)),
    snapshots=At((0, 5)),
)


def trained(constraint, **changes):
    """Parameters at the start and the end."""
    plan = af.sweep(dataclasses.replace(BASE, constraint=constraint, **changes))
    (records,) = run_all(plan.runs, None, display=silent, resume_every=60)
    return plan.runs[0], records.snapshots[0], records.snapshots[5]


def by_hand(start, units, steps, rate):
    """Gradient descent of the network that has these units alone, in NumPy."""
    run = af.sweep(BASE).runs[0]
    data = run.experiment.task.data(0)
    rows = data.rows[: int(data.train_count)]
    tokens, targets = data.inputs[rows], data.targets[rows]
    x = np.eye(5)[tokens].reshape(len(rows), -1)
    first, bias, last = (
        np.asarray(start[path], float) for path in (".layers[0].weight", ".layers[0].bias", ".readout.weight")
    )
    first, bias, last = first[:, units], bias[units], last[units]
    for _ in range(steps):
        h = np.maximum(x @ first + bias, 0)
        logits = h @ last
        share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        error = (share - np.eye(5)[targets]) / len(rows)
        back = (error @ last.T) * (h > 0)
        last = last - rate * h.T @ error
        first, bias = first - rate * x.T @ back, bias - rate * back.sum(axis=0)
    return first, bias, last


def test_it_is_the_network_without_the_others():
    units = [0, 2, 3]
    _, start, end = trained(af.KeepUnits.of("layers[0]", units, WIDTH))
    others = [1, 4, 5]
    assert not start[".layers[0].weight"][:, others].any() and not end[".layers[0].weight"][:, others].any()
    assert not end[".layers[0].bias"][others].any()
    first, bias, last = by_hand(start, units, 5, 0.5)
    np.testing.assert_allclose(end[".layers[0].weight"][:, units], first, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(end[".layers[0].bias"][units], bias, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(end[".readout.weight"][units], last, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(end[".readout.weight"][others], start[".readout.weight"][others])


def test_the_inverse_and_biases_that_stay():
    kept = af.KeepUnits.of("layers[0]", [0, 2], WIDTH)
    inverse = af.KeepUnits.of("layers[0]", [0, 2], WIDTH, inverse=True)
    assert tuple(a + b for a, b in zip(kept.mask, inverse.mask, strict=True)) == (1.0,) * WIDTH
    free = af.KeepUnits.of("layers[0]", [0, 2], WIDTH, biases=False)
    assert free == dataclasses.replace(kept, biases=False)
    _, start, end = trained(free)
    assert start[".layers[0].bias"].all() and not end[".layers[0].weight"][:, 1].any()


def test_several_constraints_in_turn():
    both = af.InTurn((af.ConstantNorm(3.0), af.KeepUnits.of("layers[0]", [1, 2], WIDTH)))
    _, _, end = trained(both)
    assert not end[".layers[0].weight"][:, 0].any()
    _, _, end = trained(af.InTurn((af.KeepUnits.of("layers[0]", [1, 2], WIDTH), af.ConstantNorm(3.0))))
    assert not end[".layers[0].weight"][:, 0].any()
    norm = np.sqrt(sum(float((leaf**2).sum()) for path, leaf in end.items() if not path.startswith("state")))
    assert norm == pytest.approx(3.0, rel=1e-6)


def test_masks_are_one_pack():
    masks = {str(unit): {"constraint": af.KeepUnits.of("layers[0]", [unit], WIDTH)} for unit in range(WIDTH)}
    plan = af.sweep(dataclasses.replace(BASE, snapshots=None), {"unit": masks})
    assert len(packs(plan.runs)) == 1
    data = plan.run(display=silent)
    assert len(np.unique(data["train_loss"].isel(step=-1))) == WIDTH


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        (lambda: af.KeepUnits.of("layers[0]", [], WIDTH), "with a one in it"),
        (lambda: af.KeepUnits.of("layers[0]", [6], WIDTH), "a layer of 6 units has no unit 6"),
        (lambda: af.KeepUnits.of("layers[0]", np.arange(WIDTH) < 2, WIDTH), "whole numbers.*flatnonzero"),
        (lambda: af.KeepUnits.of("layers[0]", [1.5], WIDTH), "whole numbers, got .*1.5"),
        (lambda: af.KeepUnits("layers[0]", (0.5, 1.0)), "ones and zeros"),
        (lambda: af.InTurn(()), "one constraint at least"),
        (
            lambda: af.KeepUnits("layers[1]", (1.0,) * 6),
            r"must name a layer.*layers\[0\], readout; got 'layers",
        ),
        (lambda: af.KeepUnits("layers[0]", (1.0,) * 4), "`mask` must have 6 entries, one a unit, got 4"),
    ],
)
def test_bad_input(constraint, message):
    with pytest.raises(ValueError, match=message):
        trained(constraint())


def test_recipes_hold_masks(tmp_path):
    plan = af.sweep(
        dataclasses.replace(BASE, constraint=af.InTurn((af.KeepUnits("layers[0]", (1.0, 0.0) * 3),)))
    )
    af.write_recipe(plan, tmp_path / "mask.toml")
    assert af.read_recipe(tmp_path / "mask.toml").runs[0].id == plan.runs[0].id


def test_scale_and_norm_of_matrices_alone():
    """Biases are neither scaled nor held."""
    plain = trained(None)[1]
    scaled = af.Parametrisation(init_scale=3.0, matrices_only=True)
    _, start, end = trained(af.ConstantNorm(5.0, matrices_only=True), parametrisation=scaled)
    np.testing.assert_array_equal(start[".layers[0].bias"], plain[".layers[0].bias"])
    ratio = start[".readout.weight"] / plain[".readout.weight"]
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-5)
    for kept in (start, end):
        norm = np.sqrt(
            sum(float((kept[path] ** 2).sum()) for path in (".layers[0].weight", ".readout.weight"))
        )
        assert norm == pytest.approx(5.0, rel=1e-6)
    assert (end[".layers[0].bias"] != start[".layers[0].bias"]).any()
