"""Networks of places: features and sines against plain NumPy, both forms alike, and mistakes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import afterfit as af
from afterfit.ensemble import silent
from afterfit.ensemble._pack import packs
from afterfit.models import call_batch, CoordinateNetwork, MLP, RadianceField, render, Siren, split_trainable
from afterfit.tasks import BinaryOperation, CosineImage, Flatland, Sizes


PLACE = Sizes(jax.ShapeDtypeStruct((2,), np.float32), 3)
PLACES = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (9, 2)).astype(np.float32))


def test_features_are_cosines_and_sines_of_random_directions():
    model = CoordinateNetwork(hidden=(6,), features=4, bandwidth=2.0).build(PLACE, key=jax.random.key(1))
    turned = np.pi * np.asarray(PLACES, float) @ np.asarray(model.directions.value, float)
    features = np.concatenate([np.cos(turned), np.sin(turned)], axis=1)
    layer, readout = model.network.layers[0], model.network.readout
    hidden = np.maximum(features @ np.asarray(layer.weight) + np.asarray(layer.bias), 0)
    expected = hidden @ np.asarray(readout.weight) + np.asarray(readout.bias)
    np.testing.assert_allclose(call_batch(model, PLACES), expected, atol=1e-5)
    np.testing.assert_allclose(jax.vmap(model)(PLACES), expected, atol=1e-5)


def test_directions_have_the_bandwidth_and_are_not_trained():
    directions = [
        np.asarray(
            CoordinateNetwork(features=4000, bandwidth=sigma)
            .build(PLACE, key=jax.random.key(0))
            .directions.value
        )
        for sigma in (1.0, 3.0)
    ]
    np.testing.assert_allclose(directions[1], 3 * directions[0], rtol=1e-6)
    assert abs(directions[0].std() - 1) < 0.04  # 8000 normal numbers: four standard errors are 0.03
    model = CoordinateNetwork(features=5).build(PLACE, key=jax.random.key(0))
    trained = jax.tree.leaves(split_trainable(model)[0])
    assert sum(leaf.size for leaf in trained) == 10 * 64 + 64 + 64 * 64 + 64 + 64 * 3 + 3


def test_sines_are_those_of_sitzmann_et_al():
    model = Siren(hidden=(200, 200), frequency=30.0).build(PLACE, key=jax.random.key(2))
    x = np.asarray(PLACES, float)
    for layer in model.layers:
        x = np.sin(30 * (x @ np.asarray(layer.weight, float) + np.asarray(layer.bias, float)))
    expected = x @ np.asarray(model.readout.weight, float) + np.asarray(model.readout.bias, float)
    for found in (call_batch(model, PLACES), jax.vmap(model)(PLACES)):
        np.testing.assert_allclose(found, expected, atol=1e-4)  # sines of 30 radians in float32
    first, second = (np.abs(np.asarray(layer.weight)).max() for layer in model.layers)
    assert 0.45 < first <= 0.5
    bound = (6 / 200) ** 0.5 / 30
    assert 0.98 * bound < second <= bound * (1 + 1e-6)
    # Activations keep the spread of a sine of a wide angle, 1 / sqrt 2, in the second layer as well.
    assert abs(x.std() - 0.5**0.5) < 0.08


def test_bandwidths_and_frequencies_share_a_program():
    for model, field in ((CoordinateNetwork((4,), 3), "bandwidth"), (Siren((4,)), "frequency")):
        plan = af.sweep(
            af.Experiment(CosineImage(train=5, size=4), model, steps=3, record=af.At((3,))),
            {f"model.{field}": [1.0, 5.0]},
        )
        assert len(packs(plan.runs)) == 1
        losses = plan.run(display=silent)["train_loss"].values.ravel()
        assert np.isfinite(losses).all() and losses[0] != losses[1]


def test_a_radiance_field_is_its_network_rendered_along_rays():
    task = Flatland(views=2, asked=2, rays=3, samples=6)
    data = jax.tree.map(jnp.asarray, task.data(0))
    architecture = RadianceField(CoordinateNetwork(hidden=(8,), features=3))
    model = architecture.build(data.sizes, key=jax.random.key(0))
    seen = np.asarray(call_batch(model, data.inputs))
    np.testing.assert_allclose(jax.vmap(model)(data.inputs), seen, atol=1e-6)
    assert seen.shape == (12, 1)
    raw = np.asarray(call_batch(model.field, data.inputs[5]))
    density, grey = np.log1p(np.exp(raw[:, 0])), 1 / (1 + np.exp(-raw[:, 1]))
    np.testing.assert_allclose(
        render(jnp.asarray(density), jnp.asarray(grey), jnp.asarray(2 / 6)), seen[5, 0], rtol=1e-5
    )


def test_the_error_of_a_density_is_that_of_the_grid():
    task = Flatland(views=2, asked=2, rays=3, samples=6)
    experiment = af.Experiment(
        task,
        RadianceField(CoordinateNetwork(hidden=(8,), features=3)),
        steps=1,
        record=af.At((0,)),
        snapshots=af.At((0,)),
        probes=(af.probes.density_error,),
    )
    plan = af.sweep(experiment)
    found = float(plan.run(display=silent)["density_error"].values.ravel()[0])
    truth = task.data(0).truth
    run = plan.runs[0]
    # The initial weights of the run itself, by its own seed.
    from afterfit.ensemble._runner import run_all

    (records,) = run_all([run], None, display=silent, resume_every=1e9, snapshots=True)
    moment = run.moment(records.snapshots[0], 0)
    density = np.asarray(moment.model.at(jnp.asarray(truth["places"]))[0], float)
    wanted = truth["density"].astype(float)
    assert abs(found - ((density - wanted) ** 2).sum() / (wanted**2).sum()) < 1e-5 * found


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CoordinateNetwork(bandwidth=0.0), "`bandwidth` must be a positive number"),
        (lambda: CoordinateNetwork(activation="rely"), "did you mean 'relu'"),
        (lambda: Siren(hidden=()), "`hidden` must name at least one layer"),
        (lambda: Siren(frequency=-1.0), "`frequency` must be a positive number"),
    ],
)
def test_bad_fields_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_models_say_which_tasks_they_are_for():
    tokens = BinaryOperation("x+y", modulus=5).data(0).sizes
    for model, message in ((CoordinateNetwork(), "reads places"), (RadianceField(), "reads rays")):
        with pytest.raises(ValueError, match=message):
            model.build(tokens, key=jax.random.key(0))
    moment = af.sweep(
        af.Experiment(CosineImage(train=5, size=4), MLP((4,)), probes=(af.probes.density_error,), steps=1)
    )
    with pytest.raises(ValueError, match="needs a model that has a density.*got MLPModel"):
        moment.run(display=silent)
