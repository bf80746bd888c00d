"""A scene in the plane, seen by cameras around it: what a radiance field learns.

Axes of this module
    disc     of the scene
    camera   those that are shown first
    ray      of all cameras, one after the other
    sample   places along a ray, from the camera on
    cut      where rays cross edges of discs
"""

import dataclasses
import math
import typing

import numpy as np
from jaxtyping import Float

from ._data import AbstractObjective, AbstractTask, Data, MeanSquaredError
from ._equations import check_memory, check_whole


DISTANCE, REACH = 3.0, 1.0
"""Cameras stand at this distance from the centre, and see what is not farther from it than `REACH`."""

GRID = 32
"""Places along each side of the grid on which densities are compared."""


class Scene(typing.NamedTuple):
    """Discs that do not overlap, each of one density (for a unit of length) and grey value."""

    centres: Float[np.ndarray, "disc 2"]
    radii: Float[np.ndarray, " disc"]
    densities: Float[np.ndarray, " disc"]
    greys: Float[np.ndarray, " disc"]


@dataclasses.dataclass(frozen=True)
class Flatland(AbstractTask):
    """Learn what cameras see of some discs in the plane: from a few views, what others would see.

    An example is a ray: places along it, and its grey value before a black background, which the volume
    rendering integral gives in closed form. Cameras stand on a circle; those that train are at equal angles,
    and those that are asked stand between, at equal angles too. The seed of the split draws the scene and
    turns the circle.

    **Arguments:**

    - `views`: cameras that train.
    - `asked`: cameras that are asked.
    - `rays`, `samples`: of a camera, and of a ray.
    - `discs`: in the scene.
    - `room`: for so many views; tasks that share it share one compiled program.
    - `objective`: how answers are scored.

    Raises a `ValueError` that names the field at fault.

    After Mildenhall et al. 2020, "NeRF: Representing scenes as neural radiance fields for view synthesis".
    """

    views: int = 8
    asked: int = 8
    rays: int = 32
    samples: int = 32
    discs: int = 3
    room: int | None = None
    objective: AbstractObjective = dataclasses.field(
        default=MeanSquaredError(tolerance=0.05), metadata={"room": "afterfit.tasks"}
    )

    def __post_init__(self):
        for field, least in (("views", 1), ("asked", 1), ("rays", 1), ("samples", 2), ("discs", 1)):
            check_whole(field, getattr(self, field), least=least)
        if self.discs > 8:
            raise ValueError(f"`discs` must be at most 8, so that they find room, got {self.discs}.")
        if self.room is not None:
            check_whole("room", self.room, least=self.views, reason=" (views)")
        check_memory(
            4 * (self.asked + (self.room or self.views)) * self.rays * self.samples,
            views=self.views,
            asked=self.asked,
            rays=self.rays,
            samples=self.samples,
            room=self.room or 0,
        )

    @property
    def title(self) -> str:
        return f"{self.discs} discs from {self.views} views"

    def data(self, seed: int) -> Data:
        """The rays of the scene that `seed` draws; `truth` holds densities and greys on a grid of places."""
        generator = np.random.default_rng(np.random.SeedSequence((seed, 0xF1A7)))
        scene = random_scene(generator, self.discs)
        turn = generator.uniform(0, 2 * math.pi)
        shown = turn + 2 * math.pi * np.arange(self.views) / self.views
        between = turn + asked_angles(self.views, self.asked)
        padding = np.repeat(shown[:1], (self.room or self.views) - self.views)
        starts, directions = rays_of(np.concatenate([shown, between, padding]), self.rays)
        depths = DISTANCE - REACH + 2 * REACH * (np.arange(self.samples) + 0.5) / self.samples
        grid = REACH * (2 * (np.arange(GRID) + 0.5) / GRID - 1)
        where = np.stack([one.reshape(-1) for one in np.meshgrid(grid, grid, indexing="ij")], axis=1)
        return Data(
            inputs=(starts[:, None] + depths[:, None] * directions[:, None]).astype(np.float32),
            targets=seen_along(scene, starts, directions).astype(np.float32),
            rows=np.arange(len(starts), dtype=np.int32),
            train_count=np.asarray(self.views * self.rays, np.int32),
            test_count=np.asarray(self.asked * self.rays, np.int32),
            outputs=1,
            most_train=(self.room or self.views) * self.rays,
            truth={
                "places": where.astype(np.float32),
                "density": density_at(scene, where).astype(np.float32),
            },
        )


def asked_angles(views: int, asked: int) -> Float[np.ndarray, " camera"]:
    """Equal angles, turned so that none is that of one of `views` equal angles from 0 on.

    Both are multiples of one over the least common multiple of the two numbers, or of half of that: where
    half a step of their own would bring them onto each other, half a multiple more keeps them apart.
    """
    common = math.lcm(views, asked)
    shift = 0.5 / common if (common // asked) % 2 == 0 else 0.0
    return 2 * math.pi * ((np.arange(asked) + 0.5) / asked + shift)


def random_scene(generator: np.random.Generator, discs: int) -> Scene:
    """Discs inside the circle of radius 0.9 that do not overlap."""
    centres, radii = np.zeros((0, 2)), np.zeros(0)
    while len(radii) < discs:
        radius = generator.uniform(0.12, 0.3) if discs <= 4 else generator.uniform(0.08, 0.16)
        centre = generator.uniform(-0.8, 0.8, 2)
        apart = np.linalg.norm(centres - centre, axis=1) > radii + radius
        if np.linalg.norm(centre) + radius < 0.9 and apart.all():
            centres, radii = np.vstack([centres, centre]), np.append(radii, radius)
    return Scene(centres, radii, generator.uniform(2, 8, discs), generator.uniform(0.3, 1, discs))


def rays_of(
    angles: Float[np.ndarray, " camera"], rays: int
) -> tuple[Float[np.ndarray, "ray 2"], Float[np.ndarray, "ray 2"]]:
    """Starts and unit directions of the rays of cameras at these angles, spread over the scene."""
    towards = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    across = np.stack([-towards[:, 1], towards[:, 0]], axis=1)
    offsets = REACH * (2 * (np.arange(rays) + 0.5) / rays - 1)
    starts = np.repeat(DISTANCE * towards, rays, axis=0)
    aims = (offsets[None, :, None] * across[:, None]).reshape(-1, 2) - starts
    return starts, aims / np.linalg.norm(aims, axis=1, keepdims=True)


def seen_along(
    scene: Scene, starts: Float[np.ndarray, "ray 2"], directions: Float[np.ndarray, "ray 2"]
) -> Float[np.ndarray, " ray"]:
    """Grey values of rays by the volume rendering integral, in closed form.

    Between two crossings of edges density and grey are constant, so that a piece of length l adds
    `(1 - exp(-density l)) grey`, dimmed by what lies before it.
    """
    offset = scene.centres[None] - starts[:, None]
    nearest = np.einsum("rda,ra->rd", offset, directions)
    aside = np.sum(offset**2, axis=2) - nearest**2
    half = np.sqrt(np.maximum(scene.radii**2 - aside, 0))  # half of the chord
    order = np.argsort(nearest, axis=1)  # discs do not overlap: one is left before the next is met
    depth = np.take_along_axis(2 * half * scene.densities, order, axis=1)
    before = np.cumsum(depth, axis=1) - depth
    return np.sum(np.exp(-before) * -np.expm1(-depth) * scene.greys[order], axis=1)


def density_at(scene: Scene, places: Float[np.ndarray, "place 2"]) -> Float[np.ndarray, " place"]:
    """The density at some places."""
    inside = np.linalg.norm(places[:, None] - scene.centres, axis=2) < scene.radii
    return inside @ scene.densities
