"""How far one may go from a solution before the training loss rises: the size of its basin.

Axes of this module
    direction   random directions
    parameter   all parameters in one row
"""

import dataclasses
import math
import typing
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Key

from ..models import named_key
from ..training import Moment
from ._sphere import along_circle, tangent


Course = typing.Literal["circle", "line"]
"""Along a great circle of the sphere of the moment's norm, or straight ahead."""

NEAREST = 1e-5
"""The first distance that is tried, as a share of the norm."""

FACTOR = 1.25
"""Between distances that are tried: a rise and fall of the loss in between is not seen."""

HALVINGS = 24
"""Of the bracket that is found: in float32 there is no more to learn."""


@dataclasses.dataclass(frozen=True)
class LocalVolume:
    """The log-volume per parameter of the basin around the moment's parameters.

    Along random directions, the distance r at which the mean training loss first reaches `rise * epsilon`. Of
    a star-shaped region in P dimensions the volume is a constant times the mean of `r^P` over directions; the
    mean of log r stands for it, as the mean of `r^P` is that of its largest r, which no sample of directions
    has. Directions are tangents of the sphere of the moment's norm, and the way is along great circles, as a
    change of norm alone changes the loss; `course="line"` goes straight, in all directions.

    **Fields:**

    - `directions`: how many, at least 2.
    - `epsilon`: the training loss of a solution.
    - `rise`: how many times that ends the basin.
    - `course`: "circle" or "line".
    - `name`: of the measure.

    **Returns:**

    - `log_radius`, `spread`: mean and standard deviation of log r over directions (nats; r in units of the
      parameters, along the way). High is flat. Compare at one norm, and times P as a log-volume.
    - `censored`: share of directions in which the loss was never reached. They count with the largest
      distance, pi times the norm (the other side of the sphere): `log_radius` is then a lower bound.
    - `predicted_log_radius`: the same with the loss expanded to second order along the same ways, from
      gradient and Hessian. Where both agree the basin is as the curvature says.

    Distances are tried from 1e-5 of the norm in steps of a factor 1.25, and the first that is too far is
    refined. A direction costs up to 82 losses and three gradients.

    **Degenerate inputs:** NaN where the loss is above the threshold from the start: that is no solution. A
    loss that is NaN or infinite on the way counts as reached.

    **Raises:** `ValueError` for settings out of range.

    @article{huang2020understanding,
        author={Huang, W. Ronny and Emam, Zeyad and Goldblum, Micah and Fowl, Liam and Terry, Justin K. and
            Huang, Furong and Goldstein, Tom},
        title={Understanding Generalization through Visualizations},
        journal={"I Can't Believe It's Not Better!" NeurIPS workshop},
        year={2020},
    }
    """

    directions: int = 64
    epsilon: float = 1e-3
    rise: float = 10.0
    course: Course = "circle"
    name: str = "local_volume"

    def __post_init__(self):
        if self.directions < 2:
            raise ValueError(f"`directions` must be at least 2, got {self.directions}. Try 64.")
        for field in ("epsilon", "rise"):
            if not getattr(self, field) > 0:
                raise ValueError(f"`{field}` must be above 0, got {getattr(self, field)}.")
        if self.course not in typing.get_args(Course):
            raise ValueError(f"`course` must be circle or line, got {self.course!r}.")

    def __call__(self, moment: Moment) -> dict[str, Float[Array, ""]]:
        flat, unravel = ravel_pytree(moment.parameters)
        threshold = self.rise * self.epsilon
        loss, gradient = moment.loss_and_gradient()
        slope = ravel_pytree(gradient)[0]
        longest = math.pi * jnp.linalg.norm(flat)

        def look(key: Key[Array, ""]) -> tuple[Array, Array, Array]:
            way = _drawn(key, flat, self.course)

            def beyond(distance: Float[Array, ""]) -> Bool[Array, ""]:
                there = unravel(_moved(flat, way, distance, self.course))
                return ~(moment.scores("train", there).loss < threshold)  # so that NaN is beyond

            radius, censored = first_beyond(beyond, longest)
            bend = way @ ravel_pytree(moment.hessian_product(unravel(way)))[0]
            if self.course == "circle":  # its second derivative by the distance is -w / |w|^2
                bend = bend - (slope @ flat) / (flat @ flat)
            predicted = _parabola(slope @ way, bend, threshold - loss)
            return radius, censored, jnp.minimum(predicted, longest)

        keys = jax.random.split(named_key(moment.key, "local_volume"), self.directions)
        radii, censored, predicted = jax.lax.map(look, keys)
        inside = lambda value: jnp.where(loss < threshold, value, jnp.nan)
        return {
            "log_radius": inside(jnp.mean(jnp.log(radii))),
            "spread": inside(jnp.std(jnp.log(radii), ddof=1)),
            "censored": inside(jnp.mean(censored)),
            "predicted_log_radius": inside(jnp.mean(jnp.log(predicted))),
        }


# --- its pieces -------------------------------------------------------------------------------------


def first_beyond(
    beyond: Callable[[Float[Array, ""]], Bool[Array, ""]], longest: Float[Array, ""]
) -> tuple[Float[Array, ""], Bool[Array, ""]]:
    """The least distance that is beyond, and whether none up to `longest` is (then that is returned).

    Distances grow by a factor until one is beyond; the bracket is then halved.
    """
    tries = math.ceil(math.log(math.pi / NEAREST) / math.log(FACTOR))

    def distance(index: Array) -> Array:
        return longest * FACTOR ** (index - float(tries))

    def search(state: tuple[Array, Array]) -> tuple[Array, Array]:
        index, _ = state
        return index + 1, beyond(distance(index + 1))

    start = jnp.zeros((), jnp.int32)
    index, found = jax.lax.while_loop(
        lambda state: ~state[1] & (state[0] < tries), search, (start, beyond(distance(start)))
    )

    def halved(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = 0.5 * (low + high)
        far = beyond(middle)
        return jnp.where(far, low, middle), jnp.where(far, middle, high)

    near = jnp.where(index > 0, distance(index - 1), 0)
    low, high = jax.lax.fori_loop(0, jnp.where(found, HALVINGS, 0), halved, (near, distance(index)))
    return jnp.where(found, 0.5 * (low + high), longest), ~found


def _drawn(key: Key[Array, ""], flat: Float[Array, " parameter"], course: Course) -> Array:
    """A random direction of length 1."""
    drawn = jax.random.normal(key, flat.shape, flat.dtype)
    drawn = tangent(flat, drawn) if course == "circle" else drawn
    return drawn / jnp.linalg.norm(drawn)


def _moved(flat: Float[Array, " parameter"], way: Array, distance: Array, course: Course) -> Array:
    """The parameters after so long a way."""
    if course == "line":
        return flat + distance * way
    norm = jnp.linalg.norm(flat)
    return norm * along_circle(flat / norm, way, distance / norm)[0]


def _parabola(slope: Float[Array, ""], bend: Float[Array, ""], rise: Float[Array, ""]) -> Float[Array, ""]:
    """The least positive s with `slope s + bend s^2 / 2 = rise > 0`; infinite if there is none."""
    discriminant = slope**2 + 2 * bend * rise
    # In this form nothing cancels where the slope is positive and the bend small.
    denominator = slope + jnp.sqrt(jnp.maximum(discriminant, 0))
    return jnp.where((discriminant >= 0) & (denominator > 0), 2 * rise / denominator, jnp.inf)
