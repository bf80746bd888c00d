"""Distances to a level of the loss against closed forms of linear models."""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from spheres import at_rest, moment_of, Signs, vectors

import afterfit as af
from afterfit.ensemble import silent
from afterfit.models import named_key
from afterfit.probes import angle_from_initial, LocalVolume
from afterfit.probes._local_volume import _drawn, first_beyond
from afterfit.tasks import AbstractTask, Data, MeanSquaredError
from afterfit.training._numbers import graft


@dataclasses.dataclass(frozen=True)
class Plane(AbstractTask):
    """Answers `x . t` of a linear teacher t to inputs along the axes, so that the loss is `|w - t|^2 / d`."""

    teacher: tuple[float, ...]
    scale: float = 1.0

    @property
    def objective(self):
        return MeanSquaredError()

    def data(self, seed: int) -> Data:
        del seed
        dimension = len(self.teacher)
        return Data(
            inputs=self.scale * np.eye(dimension + 1, dimension, dtype=np.float32),
            targets=self.scale * np.asarray([*self.teacher, 0.0], np.float32)[:, None],
            rows=np.arange(dimension + 1, dtype=np.int32),
            train_count=np.asarray(dimension, np.int32),
            test_count=np.asarray(1, np.int32),
            outputs=1,
        )


TEACHER = (2.0, -1.0, 0.5, 0.0, 1.0)
NORM, DIMENSION = float(np.linalg.norm(TEACHER)), len(TEACHER)


def solved(offset=None, **settings):
    """The moment of a linear model with the teacher's weights, or some beside them."""
    moment = moment_of(at_rest(Plane(TEACHER, **settings)))
    flat, unravel = ravel_pytree(moment.parameters)
    at = jnp.asarray(TEACHER, flat.dtype) + (0 if offset is None else jnp.asarray(offset, flat.dtype))
    return eqx.tree_at(lambda moment: moment.parameters, moment, unravel(at))


@eqx.filter_jit
def measured(probe, moment):
    return jax.tree.map(jnp.asarray, probe(moment))


def directions(moment, course, count):
    flat = ravel_pytree(moment.parameters)[0]
    keys = jax.random.split(named_key(moment.key, "local_volume"), count)
    return np.asarray([_drawn(key, flat, course) for key in keys], float), np.asarray(flat, float)


def test_on_a_line_from_the_minimum_all_radii_are_one():
    """|s v|^2 / d = threshold."""
    found = measured(LocalVolume(directions=5, epsilon=1e-4, rise=30.0, course="line"), solved())
    expected = 0.5 * math.log(3e-3 * DIMENSION)
    np.testing.assert_allclose(found["log_radius"], expected, rtol=1e-4)
    np.testing.assert_allclose(found["predicted_log_radius"], expected, rtol=1e-4)
    assert found["spread"] < 1e-4 and found["censored"] == 0


def test_on_a_line_beside_the_minimum_they_are_roots():
    """|o + s v|^2 / d = threshold, with o the offset: quadratic, so that the prediction is exact."""
    offset = np.array([0.03, 0.0, 0.0, -0.04, 0.0])
    moment = solved(offset)
    found = measured(LocalVolume(directions=5, epsilon=1e-3, course="line"), moment)
    ways, _ = directions(moment, "line", 5)
    along = ways @ offset
    radii = -along + np.sqrt(along**2 + 1e-2 * DIMENSION - offset @ offset)
    np.testing.assert_allclose(found["log_radius"], np.log(radii).mean(), rtol=1e-4)
    np.testing.assert_allclose(found["spread"], np.log(radii).std(ddof=1), rtol=1e-3)
    np.testing.assert_allclose(found["predicted_log_radius"], np.log(radii).mean(), rtol=1e-4)


def test_on_a_circle_from_the_minimum_the_chord_says_it():
    """At angle a the distance from t is 2 |t| sin(a / 2), whatever the direction."""
    threshold = 2.0  # far: the second order is off by a twentieth
    found = measured(LocalVolume(directions=5, epsilon=threshold / 10), solved())
    angle = 2 * math.asin(math.sqrt(threshold * DIMENSION) / (2 * NORM))
    np.testing.assert_allclose(found["log_radius"], math.log(angle * NORM), rtol=1e-5)
    predicted = math.log(math.sqrt(threshold * DIMENSION))
    np.testing.assert_allclose(found["predicted_log_radius"], predicted, rtol=1e-4)


def test_on_a_circle_beside_the_minimum_curvature_counts_the_bend_of_the_way():
    """|w cos a + |w| v sin a - t|^2 by Taylor: the slope is -2 v.t / d, and the bend 2 t.w / |w|^2 / d."""
    offset = np.array([0.03, 0.0, 0.0, -0.04, 0.02])
    moment = solved(offset)
    found = measured(LocalVolume(directions=6, epsilon=1e-3), moment)
    ways, at = directions(moment, "circle", 6)
    np.testing.assert_allclose(ways @ at, 0, atol=1e-6)
    slope, bend = -2 * ways @ TEACHER / DIMENSION, 2 * (at @ TEACHER) / (at @ at) / DIMENSION
    rise = 1e-2 - offset @ offset / DIMENSION
    predicted = (-slope + np.sqrt(slope**2 + 2 * bend * rise)) / bend
    np.testing.assert_allclose(found["predicted_log_radius"], np.log(predicted).mean(), rtol=1e-4)
    np.testing.assert_allclose(found["log_radius"], found["predicted_log_radius"], atol=0.01)


def test_what_is_never_reached_is_censored_and_no_solution_is_nan():
    """The farthest point of the sphere has the loss (2 |t|)^2 / d."""
    reachable = 4 * NORM**2 / DIMENSION
    # Numbers as arrays, as in a pack: one program.
    measure = eqx.filter_jit(lambda epsilon, moment: graft(LocalVolume(3), [epsilon, 1.0])(moment))
    far, near = (measure(jnp.asarray(share * reachable), solved()) for share in (1.01, 0.99))
    assert far["censored"] == 1 and near["censored"] == 0
    np.testing.assert_allclose(far["log_radius"], math.log(math.pi * NORM), rtol=1e-6)
    away = measure(jnp.asarray(1e-3), solved([1.0, 0.0, 0.0, 0.0, 0.0]))
    assert all(np.isnan(value) for value in away.values())


def test_first_beyond_finds_the_first_of_several():
    beyond = lambda distance: ((distance > 0.2) & (distance < 0.4)) | (distance > 1.0)
    radius, censored = first_beyond(beyond, jnp.asarray(2.0))
    assert radius == pytest.approx(0.2, rel=1e-5) and not censored
    assert first_beyond(lambda distance: distance > 0, jnp.asarray(2.0))[0] < 2e-5


def test_it_is_a_probe_of_a_pack():
    """A network on its way: flatter for a higher level of the loss."""
    task = Signs(vectors(8, 3, seed=3), train=4)
    probes = (LocalVolume(4, epsilon=0.1), angle_from_initial)
    experiment = dataclasses.replace(
        at_rest(task, *probes, hidden=(4,)),
        optimiser=af.Adam(0.1),
        steps=50,
        record=af.Every(25),
    )
    data = af.sweep(experiment, {"seed": [0, 1]}).run(display=silent).isel(step=-1)
    assert np.isfinite(data["local_volume/log_radius"]).all()
    assert (data["angle_from_initial"] > 0).all()


@pytest.mark.parametrize("angle", [0.0, 1e-5, 1.0, 3.0, math.pi])
def test_angle_from_initial(angle):
    """Small angles too, whatever the norms."""
    moment = solved()
    flat, unravel = ravel_pytree(moment.parameters)
    across = jnp.asarray([1.0, 2.0, 0.0, 5.0, 0.0])  # orthogonal to the teacher
    turned = math.cos(angle) * flat / NORM + math.sin(angle) * across / jnp.linalg.norm(across)
    moment = dataclasses.replace(moment, initial=moment.parameters, parameters=unravel(3 * turned))
    np.testing.assert_allclose(angle_from_initial(moment), angle, rtol=2e-2, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"directions": 1}, "at least 2, got 1"),
        ({"epsilon": 0.0}, "`epsilon` must be above 0"),
        ({"rise": -1.0}, "`rise` must be above 0"),
    ],
)
def test_settings_out_of_range_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        LocalVolume(**changes)
