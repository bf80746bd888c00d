"""What shares a program, and what does not."""

import typing

import jax
import numpy as np
import pytest

import afterfit as af
from afterfit.ensemble import silent
from afterfit.ensemble._pack import packs
from afterfit.models import MLP, Transformer
from afterfit.tasks import BinaryOperation


OPERATIONS = [
    "add", "sub", "mul", "div", "mix", "quad1", "quad2", "quad3", "cube1", "cube2", "square_add", "add_mul",
]  # fmt: skip
BASE = af.Experiment(
    BinaryOperation("x+y", modulus=5), MLP(hidden=(8,)), af.AdamW(), batch=512, steps=3, record=af.Every(1)
)


def test_operations_fractions_decays_and_seeds_are_one_pack():
    plan = af.sweep(
        BASE,
        {
            "task.operation": OPERATIONS,
            "task.fraction": [0.3, 0.5, 0.7],
            "optimiser.weight_decay": [0.0, 1.0],
            "seed": [0, 1],
        },
    )
    assert len(plan.runs) == 144 and len(packs(plan.runs)) == 1


def test_a_pack_compiles_once():
    compiled = []

    def listen(event: str, duration_secs: float, **_: typing.Any) -> None:
        if "backend_compile" in event:
            compiled.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listen)
    plan = af.sweep(BASE, {"task.operation": OPERATIONS, "task.fraction": [0.31, 0.52, 0.73], "seed": [0, 1]})
    data = plan.run(display=silent)
    assert data.sizes == {"task.operation": 12, "task.fraction": 3, "seed": 2, "step": 4}
    assert np.isfinite(data["train_loss"]).all()
    assert len(compiled) == 1


@pytest.mark.parametrize(
    ("axis", "values", "count"),
    [
        ("task.modulus", [5, 7], 2),
        ("task.outliers", [0, 1, 2], 1),
        ("model.hidden", [(8,), (9,)], 2),
        ("optimiser", [af.AdamW(), af.SGD(), af.AdamW(learning_rate=0.5)], 2),
        ("noise", [None, af.Noise(update=0.1), af.Noise(update=0.2)], 2),
        ("noise.gradient", [0.1, 0.2], 1),
        ("parametrisation.init_scale", [0.5, 2.0], 1),
        ("parametrisation.output_scale", [None, 2.0, 3.0], 2),
        ("steps", [1, 2, 3], 1),
        ("batch", [None, 512], 2),
        ("seeds.split", [0, 1], 1),
    ],
)
def test_what_shares_a_program(axis, values, count):
    assert len(packs(af.sweep(BASE, {axis: values}).runs)) == count


def test_a_common_vocabulary_lets_moduli_and_groups_share_a_program():
    plan = af.sweep(
        BASE,
        {
            "task": [
                BinaryOperation("x+y", modulus=5, symbols=7),
                BinaryOperation("x/y", modulus=7),
                af.tasks.PermutationOperation("x.y", degree=3, symbols=7),
            ]
        },
    )
    assert len(packs(plan.runs)) == 1


def test_transformers_share_a_program_too():
    plan = af.sweep(
        af.Experiment(BinaryOperation("x+y", modulus=5), Transformer(width=8, heads=2), steps=2, batch=16),
        {"task.operation": ["x+y", "x/y"], "task.fraction": [0.4, 0.6], "seed": [0, 1]},
    )
    assert len(packs(plan.runs)) == 1
    data = plan.run(display=silent)
    assert np.isfinite(data["test_loss"]).all()
