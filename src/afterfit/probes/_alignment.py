"""What the neural tangent kernel says: its alignment with the targets, its drift, and regression with it.

Axes of this module
    point    examples that the kernel is taken on
    target   columns of the targets
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from ..training import Moment, Split
from ._kernel import neural_tangent_kernel


@dataclasses.dataclass(frozen=True)
class KernelAlignment:
    """How well the kernel of some examples fits their targets, and how far it has moved from its start.

    With K the kernel (summed over outputs) and Y the targets (one-hot where they are classes), recorded are

    - `uncentred`: `<K, Y Y^T> / (|K| |Y Y^T|)` in Frobenius products (Kumar et al. 2023, Eq. 19, "CKA").
    - `column_centred`: the same with the mean of each column of K, and of Y, taken off (their code).
    - `centred`: the same of `H K H` and `H Y` with `H = I - 1 1^T / n` (Cortes et al. 2012).
    - `drift`: `1 - <K, K0> / (|K| |K0|)`, 0 at step 0.
    - `effective_rank`: the exponential of the entropy of the eigenvalues' shares, from 1 to the points.
    - `largest`: the largest eigenvalue; gradient descent on the mean squared error over n points of one
      output is stable below the rate `n / largest`.
    - `spectrum`, where asked for: so many of the largest eigenvalues, in falling order.

    An alignment of 1 says that the kernel knows nothing but the targets. Targets or kernels of zero (or
    constant ones, where centred) give NaN.

    **Arguments:**

    - `points`: the first so many examples of the split, all where there are fewer.
    - `split`: which examples.
    - `spectrum`: how many eigenvalues are recorded.

    **Raises:** `ValueError` for fewer than 1 point, and for a spectrum of more eigenvalues than points.

    Costs one gradient an output for each point, for the kernel now and at the start.
    """

    points: int = 200
    split: Split = "test"
    spectrum: int = 0

    def __post_init__(self):
        _check_points(self.points)
        if not 0 <= self.spectrum <= self.points:
            raise ValueError(
                f"`spectrum` must be from 0 to the {self.points} points, which have as many eigenvalues, got "
                f"{self.spectrum}."
            )

    def __call__(self, moment: Moment) -> dict[str, Float[Array, "..."]]:
        inputs, targets, valid = _first(moment, self.split, self.points)
        now = _masked(neural_tangent_kernel(moment, inputs), valid)
        start = _masked(neural_tangent_kernel(moment, inputs, parameters=moment.initial), valid)
        count = jnp.sum(valid)
        values = jnp.linalg.eigvalsh(now)
        spectrum = {"spectrum": values[::-1][: self.spectrum]} if self.spectrum else {}
        return kernel_alignment(now, targets, count) | {
            "drift": 1 - _cosine(now, start),
            "effective_rank": effective_rank(values),
            "largest": values[-1],
            **spectrum,
        }


@dataclasses.dataclass(frozen=True)
class KernelRegression:
    """The network that gradient flow would lead to if the kernel stayed as it is now.

    `f(x) = f0(x) + k(x) (K + r I)^-1 (Y - f0)` with K the kernel of the training points (summed over
    outputs) and f0 the network at step 0. Recorded are `test_loss` and `test_accuracy` of it, and
    `difficulty`, the sum over targets of `(y - f0)^T K^-1 (y - f0)`: for one output the squared distance that
    a lazy network travels (Kumar et al. 2023, Eqs. 8 and 9). High is hard.

    **Arguments:**

    - `points`: the first so many training examples, and as many test examples.
    - `ridge`: r over the mean eigenvalue of K; never less than what rounding leaves of a singular kernel.

    **Raises:** `ValueError` for fewer than 1 point and a negative ridge.
    """

    points: int = 200
    ridge: float = 0.0

    def __post_init__(self):
        _check_points(self.points)
        if self.ridge < 0:
            raise ValueError(f"`ridge` must not be negative, got {self.ridge}. Try 0.")

    def __call__(self, moment: Moment) -> dict[str, Float[Array, ""]]:
        inputs, targets, valid = _first(moment, "train", self.points)
        test = moment.examples("test")
        test_inputs, test_targets = jax.tree.map(
            lambda leaf: leaf[: self.points], (test.inputs, test.targets)
        )
        kernel = _masked(neural_tangent_kernel(moment, inputs), valid)
        across = neural_tangent_kernel(moment, test_inputs, inputs) * valid[None, :]
        count = jnp.sum(valid)
        rounding = len(valid) * jnp.finfo(kernel.dtype).eps * jnp.max(jnp.sum(jnp.abs(kernel), axis=1))
        ridge = jnp.maximum(self.ridge * jnp.trace(kernel) / count, rounding)
        # Points that do not count have rows of zero: any ridge keeps them apart from the others.
        residual = (targets - moment.predict(inputs, moment.initial)) * valid[:, None]
        weights = jnp.linalg.solve(kernel + ridge * jnp.eye(len(valid), dtype=kernel.dtype), residual)
        outputs = moment.predict(test_inputs, moment.initial) + across @ weights
        scores = moment.objective.score(lambda _: outputs, test_inputs, test_targets)
        tested = test.valid[: self.points]
        mean = lambda values: jnp.sum(jnp.where(tested, values, 0)) / jnp.sum(tested)
        return {
            "test_loss": mean(scores.loss),
            "test_accuracy": mean(scores.correct),
            "difficulty": jnp.sum(residual * weights),
        }


def kernel_alignment(
    kernel: Float[Array, "point point"],
    targets: Float[Array, "point target"],
    count: Int[Array, ""] | int | None = None,
) -> dict[str, Float[Array, ""]]:
    """The three alignments of a kernel with targets, as in `KernelAlignment`.

    **Arguments:** `count`: how many of the points count; the others come last, with zeros everywhere.
    """
    size = kernel.shape[0]
    total = size if count is None else count
    valid = (jnp.arange(size) < total).astype(kernel.dtype)
    centre = lambda rows: (rows - jnp.sum(rows, axis=0, keepdims=True) / total) * valid[:, None]
    columns = centre(kernel)
    forms = {
        "uncentred": (kernel, targets),
        "column_centred": (columns, centre(targets)),
        "centred": (centre(columns.T).T, centre(targets)),
    }
    return {name: _cosine(one, its @ its.T) for name, (one, its) in forms.items()}


def effective_rank(eigenvalues: Float[Array, " point"]) -> Float[Array, ""]:
    """`exp(-sum_i p_i ln p_i)`, `p_i` the shares of the eigenvalues, negative ones counted as zero."""
    positive = jnp.maximum(eigenvalues, 0)
    share = positive / jnp.sum(positive)
    return jnp.exp(-jnp.sum(jnp.where(share > 0, share * jnp.log(jnp.where(share > 0, share, 1)), 0)))


# --- their pieces -----------------------------------------------------------------------------------


def _first(
    moment: Moment, split: Split, points: int
) -> tuple[PyTree, Float[Array, "point target"], Bool[Array, " point"]]:
    """Inputs, targets in columns, and which count, of the first examples of a split."""
    examples = moment.examples(split)
    inputs, targets, valid = jax.tree.map(lambda leaf: leaf[:points], tuple(examples))
    wanted = moment.objective.wanted(targets)
    columns = _columns(wanted, moment.data.outputs, jax.tree.leaves(moment.parameters)[0].dtype)
    return inputs, columns * valid[:, None], valid


def _columns(targets: Array, outputs: int, dtype: jnp.dtype) -> Float[Array, "point target"]:
    if targets.ndim == 1 and jnp.issubdtype(targets.dtype, jnp.integer) and outputs > 1:
        return jax.nn.one_hot(targets, outputs, dtype=dtype)
    return targets.reshape(targets.shape[0], -1).astype(dtype)


def _masked(kernel: Float[Array, "point point"], valid: Bool[Array, " point"]) -> Float[Array, "point point"]:
    return jnp.where(valid[:, None] & valid[None, :], kernel, 0)


def _cosine(one: Float[Array, "point point"], other: Float[Array, "point point"]) -> Float[Array, ""]:
    return jnp.sum(one * other) / (jnp.linalg.norm(one) * jnp.linalg.norm(other))


def _check_points(points: int) -> None:
    if points < 1:
        raise ValueError(f"`points` must be at least 1, got {points}. Try 200.")
