"""Polynomials of a few directions of Gaussian inputs: the regression tasks of Kumar et al. 2023.

@inproceedings{kumar2024grokking,
    author={Kumar, Tanishq and Bordelon, Blake and Gershman, Samuel J. and Pehlevan, Cengiz},
    title={Grokking as the Transition from Lazy to Rich Training Dynamics},
    booktitle={International Conference on Learning Representations},
    year={2024},
}
"""

import dataclasses
import math
import typing

import numpy as np
from jaxtyping import Float

from ._data import AbstractObjective, AbstractTask, Data, MeanSquaredError
from ._equations import check_memory, check_whole


@dataclasses.dataclass(frozen=True)
class Polynomial(AbstractTask):
    """Learn `factor * sum_q g(beta_q . x)` from Gaussian inputs, `x ~ N(0, I / inputs)`.

    g is the square (Kumar et al. 2023, Eq. 3, has one direction and the factor 1/2), or the Hermite
    polynomial `He_degree / sqrt(degree!)`.

    **Arguments:**

    - `inputs`: D.
    - `train`, `test`: how many examples.
    - `directions`: how many betas there are.
    - `degree`: of the Hermite polynomial; left out: the square.
    - `factor`: scale of the targets.
    - `beta`: "fixed" (`beta_q = sqrt(D) e_q`: inputs have no preferred direction, so nothing is lost, and the
      variance of the targets is the same for all seeds) or "normal" (drawn from N(0, I), as by the authors).
    - `pool`: room for so many examples; tasks that share it, and `most_train`, share one compiled program.
    - `most_train`: room for so many training examples.
    - `keys`: draws training inputs, test inputs and beta from these three JAX keys as the authors did,
      whatever the seed; needs `beta = "normal"`.
    - `objective`: how answers are scored.

    Raises a `ValueError` that names the field at fault.
    """

    inputs: int = 40
    train: int = 200
    test: int = 1000
    directions: int = 1
    degree: int | None = None
    factor: float = 0.5
    beta: str = "fixed"
    pool: int | None = None
    most_train: int | None = None
    keys: tuple[int, int, int] | None = None
    objective: AbstractObjective = dataclasses.field(
        default=MeanSquaredError(), metadata={"room": "afterfit.tasks"}
    )

    def __post_init__(self):
        for field in ("inputs", "train", "test", "directions"):
            check_whole(field, getattr(self, field), least=1)
        if self.degree is not None:
            check_whole("degree", self.degree, least=1)
        if self.directions > self.inputs:
            raise ValueError(f"`directions` must be at most the {self.inputs} inputs, got {self.directions}.")
        if self.pool is not None:
            check_whole("pool", self.pool, least=self.train + self.test, reason=" (train + test)")
        if self.most_train is not None:
            check_whole("most_train", self.most_train, least=self.train, reason=" (train)")
        if self.beta not in ("fixed", "normal"):
            raise ValueError(f"`beta` must be fixed or normal, got {self.beta!r}.")
        if self.keys is not None and (self.beta != "normal" or self.pool is not None or self.directions != 1):
            raise ValueError("`keys` draw one normal beta and no spare examples: leave `pool` out.")
        check_memory(
            (self.pool or self.train + self.test) * (self.inputs + self.directions)
            + self.inputs * self.directions,
            inputs=self.inputs,
            directions=self.directions,
            train=self.train,
            test=self.test,
            pool=self.pool or 0,
        )

    @property
    def title(self) -> str:
        shape = "squares" if self.degree is None else f"He_{self.degree}"
        return f"{shape} of {self.directions} of {self.inputs} directions"

    def data(self, seed: int) -> Data:
        """Examples and directions that `seed` draws; `truth["beta"]` "directions inputs"."""
        x, beta = self._drawn(seed)
        h = x.astype(float) @ beta.T.astype(float)
        bent = (
            h**2 if self.degree is None else hermite(self.degree, h) / math.sqrt(math.factorial(self.degree))
        )
        return Data(
            inputs=x,
            targets=(self.factor * bent.sum(axis=1)).astype(np.float32),
            rows=np.arange(len(x), dtype=np.int32),
            train_count=np.asarray(self.train, np.int32),
            test_count=np.asarray(self.test, np.int32),
            outputs=1,
            most_train=self.train if self.most_train is None else self.most_train,
            truth={"beta": beta}
            | ({} if self.degree is not None else {"factor": np.asarray(self.factor, np.float32)}),
        )

    def _drawn(
        self, seed: int
    ) -> tuple[Float[np.ndarray, "pool inputs"], Float[np.ndarray, "directions inputs"]]:
        if self.keys is not None:
            # The authors keep examples in columns: drawn in rows, the same keys give other examples.
            shapes = ((self.inputs, self.train), (self.inputs, self.test), (self.inputs,))
            train, test, beta = (_from_key(key, shape) for key, shape in zip(self.keys, shapes, strict=True))
            x = np.concatenate([train.T, test.T]) / np.float32(math.sqrt(self.inputs))
            return x, beta[None]
        pool = self.train + self.test if self.pool is None else self.pool
        examples, directions = np.random.SeedSequence((seed, 0x90176)).spawn(2)
        x = np.random.default_rng(examples).normal(size=(pool, self.inputs)) / math.sqrt(self.inputs)
        beta = math.sqrt(self.inputs) * np.eye(self.directions, self.inputs)
        if self.beta == "normal":
            beta = np.random.default_rng(directions).normal(size=beta.shape)
        return x.astype(np.float32), beta.astype(np.float32)


@dataclasses.dataclass(frozen=True)
class KernelEigenvector(AbstractTask):
    """Learn one eigenvector of the initial kernel of a committee machine (Kumar et al. 2023, Figure 5).

    Inputs are N(0, I / inputs). With `s = x . x'`, the kernel of a wide machine at its start is
    `s + epsilon^2 s^2` (up to a factor); the labels are entries of an eigenvector of this matrix, less its
    mean, over training and test examples together, of length 1, as in the authors' code.

    **Arguments:**

    - `inputs`: D.
    - `train`, `test`: how many examples.
    - `index`: of the eigenvector, from 1, in the order of falling eigenvalues.
    - `nonlinearity`: epsilon of the kernel.
    - `unit_variance`: labels of mean square 1, instead of an eigenvector of length 1.
    - `objective`: how answers are scored.

    Raises a `ValueError` that names the field at fault: there are no more eigenvectors than examples.
    """

    inputs: int = 100
    train: int = 100
    test: int = 100
    index: int = 1
    nonlinearity: float = 0.25
    unit_variance: bool = False
    objective: AbstractObjective = dataclasses.field(
        default=MeanSquaredError(), metadata={"room": "afterfit.tasks"}
    )

    def __post_init__(self):
        for field in ("inputs", "train", "test", "index"):
            check_whole(field, getattr(self, field), least=1)
        points = self.train + self.test
        check_memory(
            points * (4 * points + self.inputs), inputs=self.inputs, train=self.train, test=self.test
        )
        if self.index > points:
            raise ValueError(
                f"`index` must be at most {points}: {points} examples have as many eigenvectors, got "
                f"{self.index}."
            )

    @property
    def title(self) -> str:
        return f"eigenvector {self.index} of the initial kernel"

    def data(self, seed: int) -> Data:
        """Examples that `seed` draws, and the eigenvector over them."""
        generator = np.random.default_rng(np.random.SeedSequence((seed, 0xE16E)))
        count = self.train + self.test
        x = (generator.normal(size=(count, self.inputs)) / math.sqrt(self.inputs)).astype(np.float32)
        s = x.astype(float) @ x.T.astype(float)
        kernel = s + self.nonlinearity**2 * s**2
        vectors = np.linalg.eigh(kernel - kernel.mean())[1][:, ::-1]
        vector = vectors[:, self.index - 1]
        # An eigenvector has no sign of its own.
        vector = vector * (1 if vector.sum() >= 0 else -1) * (math.sqrt(count) if self.unit_variance else 1)
        return Data(
            inputs=x,
            targets=vector.astype(np.float32),
            rows=np.arange(count, dtype=np.int32),
            train_count=np.asarray(self.train, np.int32),
            test_count=np.asarray(self.test, np.int32),
            outputs=1,
            most_train=self.train,
        )


def hermite(degree: int, z: typing.Any) -> typing.Any:
    """The probabilists' Hermite polynomial `He_degree`, elementwise: `He_{k+1} = z He_k - k He_{k-1}`."""
    before, now = 1 + 0 * z, z
    for k in range(1, degree):
        before, now = now, z * now - k * before
    return now


def _from_key(key: int, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
    """Normal numbers from a JAX key, laid out as when the authors drew (`jax_threefry_partitionable` off)."""
    import jax

    with jax.threefry_partitionable(False):
        return np.asarray(jax.random.normal(jax.random.key(key), shape, np.float32))
