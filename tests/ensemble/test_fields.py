"""Fields go through recipes, packs, stores and forks as all other tasks do."""

import dataclasses

import numpy as np
import pytest

import afterfit as af
from afterfit.ensemble import silent
from afterfit.models import CoordinateNetwork, MLP, Padded, RadianceField, Siren
from afterfit.tasks import Burgers, CosineImage, Flatland, Heat, PhysicsInformed


IMAGE = CosineImage(train=9, size=5)
FIELDS = {
    "equation": (PhysicsInformed(Heat(), points=6, resolution=3), MLP((5,), activation="tanh")),
    "shock": (PhysicsInformed(Burgers(), points=6, resolution=3, placement="random"), Siren((5,))),
    "image": (IMAGE, CoordinateNetwork((5,), features=3)),
    "padding": (IMAGE, Padded(Siren((5,), frequency=5.0), ratio=2)),
    "scene": (
        Flatland(views=2, asked=2, rays=3, samples=4),
        RadianceField(CoordinateNetwork((5,), features=3)),
    ),
}


@pytest.fixture(params=FIELDS)
def experiment(request):
    task, model = FIELDS[request.param]
    return af.Experiment(task, model, af.AdamW(0.01, 0.1), batch=4, steps=6, record=af.Every(2))


def test_recipes_come_back_from_files(experiment, tmp_path):
    plan = af.sweep(experiment, {"seed": [0, 1]})
    af.write_recipe(plan, tmp_path / "field.toml")
    again = af.read_recipe(tmp_path / "field.toml")
    assert again.experiment == experiment and [run.id for run in again.runs] == [run.id for run in plan.runs]


def test_a_fork_without_a_change_goes_on_bit_for_bit(experiment, tmp_path):
    kept = dataclasses.replace(experiment, snapshots=af.At((4,)))
    whole = af.sweep(kept, {"seed": [0, 1]}).run(tmp_path, display=silent)
    part = af.sweep(af.fork(kept, 4), {"seed": [0, 1]}).run(tmp_path, display=silent)
    for measure in ("train_loss", "test_loss", "weight_norm"):
        values = part[measure].values
        assert np.isfinite(values).all()
        np.testing.assert_array_equal(whole[measure].sel(step=[4, 6]).values, values)


def test_a_run_alone_is_the_run_in_a_pack(experiment):
    pack = af.sweep(experiment, {"optimiser.weight_decay": [0.1, 1.0], "seed": [0, 1, 2]}).run(display=silent)
    alone = af.sweep(experiment, {"optimiser.weight_decay": [1.0]}, seed=2).run(display=silent)
    for measure in ("train_loss", "test_loss"):
        np.testing.assert_array_equal(pack[measure].values[1, 2], alone[measure].values[0])
