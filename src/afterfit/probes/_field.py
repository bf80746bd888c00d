"""How far a field is from the true one, where that is known: beyond what the loss tells."""

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..models import RadianceModel
from ..training import Moment


def solution_error(moment: Moment) -> Float[Array, ""]:
    """The relative squared error of a solution, `mean (u - u*)^2 / mean u*^2` over the test points.

    u is the first output and u* what the objective wants of its targets: for
    `afterfit.tasks.PhysicsInformed` the solution of the equation, while its losses tell of residuals alone;
    for an image its values, so that the measure is 1 for a network that answers 0.
    """

    def error(inputs: PyTree, targets: PyTree) -> Float[Array, " batch"]:
        wanted = moment.objective.wanted(targets)
        return (moment.predict(inputs)[:, 0] - wanted) ** 2

    def size(inputs: PyTree, targets: PyTree) -> Float[Array, " batch"]:
        del inputs
        return moment.objective.wanted(targets) ** 2

    return moment.mean(error, "test") / moment.mean(size, "test")


def density_error(moment: Moment) -> Float[Array, ""]:
    """The relative squared error of the density of a radiance field, over the grid of the task's truth.

    1 is that of an empty scene. **Raises:** `ValueError` for a task without a true density, and for a model
    without one.
    """
    truth = moment.data.truth
    if not isinstance(moment.model, RadianceModel):
        raise ValueError(
            f"the probe `density_error` needs a model that has a density, af.models.RadianceField(), got "
            f"{type(moment.model).__name__}."
        )
    if "density" not in truth:
        raise ValueError(
            "the probe `density_error` needs a task that knows its density, such as af.tasks.Flatland()."
        )
    found, _ = moment.model.at(truth["places"])
    return jnp.sum((found - truth["density"]) ** 2) / jnp.sum(truth["density"] ** 2)
