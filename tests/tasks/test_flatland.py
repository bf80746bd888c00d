"""The scene in the plane: its closed form against sums along rays, its cameras, and mistakes."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from afterfit.models import render
from afterfit.tasks import Flatland
from afterfit.tasks._flatland import asked_angles, density_at, random_scene, rays_of, Scene, seen_along


DISC = Scene(np.array([[0.0, 0.0]]), np.array([0.5]), np.array([3.0]), np.array([0.8]))


def along(start, direction, samples):
    depths = 2 + 2 * (np.arange(samples) + 0.5) / samples
    return start + depths[:, None] * direction


def test_a_uniform_disc_has_its_closed_form():
    """grey (1 - exp(-density chord)); the chord of a ray at distance d is `2 sqrt(r^2 - d^2)`."""
    starts, directions = rays_of(np.array([0.7]), 32)
    aside = np.abs(starts[:, 0] * directions[:, 1] - starts[:, 1] * directions[:, 0])
    chord = 2 * np.sqrt(np.maximum(0.25 - aside**2, 0))
    expected = 0.8 * (1 - np.exp(-3.0 * chord))
    np.testing.assert_allclose(seen_along(DISC, starts, directions), expected, atol=1e-12)
    assert (expected > 0).sum() > 10


def test_the_renderer_is_exact_for_cells_of_one_density_each():
    """Against the integral of T(s) density grey by a fine sum; and many thin cells equal one thick one."""
    density, grey = np.array([0.5, 0.0, 4.0, 1.5]), np.array([0.9, 0.1, 0.3, 0.7])
    fine, width = 200_000, 0.25
    cell = np.repeat(np.arange(4), fine // 4)
    ds = 4 * width / fine
    depth = np.cumsum(density[cell]) * ds - density[cell] * ds / 2
    integral = np.sum(np.exp(-depth) * density[cell] * grey[cell]) * ds
    with jax.enable_x64(True):
        ours = render(jnp.asarray(density), jnp.asarray(grey), jnp.asarray(width))
        thin = render(jnp.repeat(density, 10), jnp.repeat(grey, 10), jnp.asarray(width / 10))
    np.testing.assert_allclose(ours, integral, rtol=1e-9)
    np.testing.assert_allclose(thin, ours, rtol=1e-12)


def test_rendered_discs_come_close_to_the_closed_form():
    """A scene of several discs, one hidden behind another, by 20 000 samples along each ray."""
    scene = random_scene(np.random.default_rng(3), 3)
    starts, directions = rays_of(np.array([0.2, 2.0, 4.1]), 8)
    expected = seen_along(scene, starts, directions)
    with jax.enable_x64(True):
        for start, direction, wanted in zip(starts, directions, expected, strict=True):
            places = along(start, direction, 20_000)
            inside = np.linalg.norm(places[:, None] - scene.centres, axis=2) < scene.radii
            seen = render(
                jnp.asarray(density_at(scene, places)), jnp.asarray(inside @ scene.greys), jnp.asarray(1e-4)
            )
            assert abs(float(seen) - wanted) < 1e-3


def test_discs_of_a_scene_do_not_overlap():
    for seed in range(20):
        scene = random_scene(np.random.default_rng(seed), 5)
        for one in range(5):
            for other in range(one):
                gap = np.linalg.norm(scene.centres[one] - scene.centres[other])
                assert gap > scene.radii[one] + scene.radii[other]


def test_cameras_that_are_asked_stand_between_those_that_are_shown():
    task = Flatland(views=4, asked=4, rays=6, samples=5, room=5)
    data = task.data(1)
    assert data.inputs.shape == (9 * 6, 5, 2) and data.train_capacity == 30
    # The middle of a camera's view lies on the line through the centre.
    middle = data.inputs.reshape(9, 6, 5, 2)[:, 2:4, 0].mean(axis=1)
    angles = np.arctan2(middle[:, 1], middle[:, 0])
    turned = np.mod(angles[4:8] - angles[:4], 2 * math.pi)
    np.testing.assert_allclose(turned, math.pi / 4, atol=1e-5)
    # Two cameras that see one scene agree on how much there is to see at all.
    assert (data.targets >= 0).all() and data.targets.max() <= 1 and data.targets.max() > 0.1


@pytest.mark.parametrize("views", range(1, 19))
@pytest.mark.parametrize("asked", [1, 2, 3, 8, 12])
def test_no_camera_is_shown_and_asked(views, asked):
    shown = 2 * math.pi * np.arange(views) / views
    apart = np.abs(np.exp(1j * asked_angles(views, asked))[:, None] - np.exp(1j * shown))
    assert apart.min() > 0.5 / math.lcm(views, asked)  # of a circle, half a multiple would be 3.1 times this


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"views": 0}, "`views` must be a whole number of at least 1"),
        ({"samples": 1}, "`samples` must be a whole number of at least 2"),
        ({"discs": 20}, "`discs` must be at most 8"),
        ({"room": 2}, "`room` must be a whole number of at least 8 .views."),
    ],
)
def test_bad_fields_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        Flatland(**fields)
