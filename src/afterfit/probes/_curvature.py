"""Curvature of the training loss: Hessian and Fisher matrix as products with a vector, never in full.

Axes of this module
    parameter   all parameters in one row
    draw        random directions
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key, PyTree

from ..models import named_key
from ..training import Moment


Product = Callable[[Float[Array, " parameter"]], Float[Array, " parameter"]]
"""A symmetric matrix, as its product with a vector."""


@dataclasses.dataclass(frozen=True)
class TopEigenvalue:
    """The largest eigenvalue of the Hessian of the mean training loss (nats per squared parameter).

    High is sharp; plain gradient descent is stable below 2 / learning rate. Found by Lanczos' method, so
    it is approached from below. Costs about three gradients an iteration, and memory for as many copies
    of the parameters.

    **Arguments:** `iterations`: at least 1; more than there are parameters are not taken.
    """

    iterations: int = 30

    def __post_init__(self):
        if self.iterations < 1:
            raise ValueError(f"`iterations` must be at least 1, got {self.iterations}. Try 30.")

    def __call__(self, moment: Moment) -> Float[Array, ""]:
        flat, unravel = ravel_pytree(moment.parameters)
        start = jax.random.normal(named_key(moment.key, "top_eigenvalue"), flat.shape, flat.dtype)

        def product(direction: Float[Array, " parameter"]) -> Float[Array, " parameter"]:
            return ravel_pytree(moment.hessian_product(unravel(direction)))[0]

        return largest_eigenvalue(product, start, min(self.iterations, flat.size))


@dataclasses.dataclass(frozen=True)
class HessianTrace:
    """The trace of the Hessian of the mean training loss, by Hutchinson's estimator, as `mean` and `error`.

    `mean(v^T H v)` over random signs v; `error` is its standard error. High is sharp. Negative values are
    possible away from a minimum. Costs about three gradients a draw.

    **Arguments:** `draws`: at least 2.

    Hutchinson 1990, "A stochastic estimator of the trace of the influence matrix".
    """

    draws: int = 16

    def __post_init__(self):
        _check_draws(self.draws)

    def __call__(self, moment: Moment) -> dict[str, Float[Array, ""]]:
        def form(signs: PyTree) -> Float[Array, ""]:
            return _inner(signs, moment.hessian_product(signs))

        return _hutchinson(form, moment.parameters, named_key(moment.key, "hessian_trace"), self.draws)


@dataclasses.dataclass(frozen=True)
class FisherTrace:
    """The trace of the Fisher matrix over the training inputs, as `mean` and `error` (standard error).

    `E_x E_{y ~ p(y|x)} |grad log p(y|x)|^2`, with answers from the model's own distribution and not from
    the labels (that would be the empirical Fisher, which vanishes with the training loss). High is sharp:
    it is the trace of the Hessian without the part that the residuals contribute.

    Computed as the trace of the Gauss-Newton matrix `E_x J^T (d^2 loss / d output^2) J`, which is the
    same for losses that are a log-likelihood in its natural parameters: softmax cross-entropy, and squared
    error for a Gaussian around the output. Losses made of derivatives of the network are not covered.
    Hutchinson's estimator: about three gradients a draw.

    **Arguments:** `draws`: at least 2.

    Martens 2020, "New insights and perspectives on the natural gradient method", section 9.
    """

    draws: int = 16

    def __post_init__(self):
        _check_draws(self.draws)

    def __call__(self, moment: Moment) -> dict[str, Float[Array, ""]]:
        def form(signs: PyTree) -> Float[Array, ""]:
            def measure(inputs: PyTree, targets: PyTree) -> Float[Array, " batch"]:
                outputs, moved = jax.jvp(
                    lambda at: moment.predict(inputs, at), (moment.parameters,), (signs,)
                )

                def slope(at: Float[Array, "batch outputs"]) -> Float[Array, "batch outputs"]:
                    return jax.grad(
                        lambda values: jnp.sum(moment.objective.score(lambda _: values, inputs, targets).loss)
                    )(at)

                return jnp.sum(moved * jax.jvp(slope, (outputs,), (moved,))[1], axis=-1)

            return moment.mean(measure, "train")

        return _hutchinson(form, moment.parameters, named_key(moment.key, "fisher_trace"), self.draws)


def largest_eigenvalue(
    product: Product, start: Float[Array, " parameter"], iterations: int
) -> Float[Array, ""]:
    """The largest eigenvalue of a symmetric matrix, by Lanczos' method with full reorthogonalisation.

    **Arguments:** `start`: any vector with a part along the eigenvector that is sought; `iterations`: at
    most the size of the matrix, and then the result is exact.
    """
    tiny = jnp.finfo(start.dtype).tiny

    def advance(index: Array, carry: tuple) -> tuple:
        basis, diagonal, off_diagonal = carry
        image = product(basis[index])
        diagonal = diagonal.at[index].set(basis[index] @ image)
        # Against all earlier vectors, twice: once leaves a remainder of the size of rounding, and with it
        # copies of eigenvalues that were found already.
        rest = image
        for _ in range(2):
            rest = rest - basis.T @ (basis @ rest)
        length = jnp.linalg.norm(rest)
        direction = rest / jnp.maximum(length, tiny)
        # Where the space is exhausted, `rest` is rounding: what is left of it must be orthogonal too.
        direction = direction - basis.T @ (basis @ direction)
        direction = direction / jnp.maximum(jnp.linalg.norm(direction), tiny)
        return basis.at[index + 1].set(direction), diagonal, off_diagonal.at[index].set(length)

    basis = jnp.zeros((iterations + 1, start.size), start.dtype).at[0].set(start / jnp.linalg.norm(start))
    zeros = jnp.zeros(iterations, start.dtype)
    _, diagonal, off_diagonal = jax.lax.fori_loop(0, iterations, advance, (basis, zeros, zeros))
    beside = off_diagonal[:-1]
    matrix = jnp.diag(diagonal) + jnp.diag(beside, 1) + jnp.diag(beside, -1)
    return jnp.linalg.eigvalsh(matrix)[-1]


def _hutchinson(
    form: Callable[[PyTree], Float[Array, ""]], like: PyTree, key: Key[Array, ""], draws: int
) -> dict[str, Float[Array, ""]]:
    """Mean of a quadratic form over random signs shaped as `like`, with its standard error."""
    flat, unravel = ravel_pytree(like)

    def draw(its_key: Key[Array, ""]) -> Float[Array, ""]:
        return form(unravel(jax.random.rademacher(its_key, flat.shape, flat.dtype)))

    values = jax.lax.map(draw, jax.random.split(key, draws))
    return {"mean": jnp.mean(values), "error": jnp.std(values, ddof=1) / jnp.sqrt(draws)}


def _inner(left: PyTree, right: PyTree) -> Float[Array, ""]:
    return ravel_pytree(left)[0] @ ravel_pytree(right)[0]


def _check_draws(draws: int) -> None:
    if draws < 2:
        raise ValueError(f"`draws` must be at least 2, so that there is an error, got {draws}. Try 16.")
