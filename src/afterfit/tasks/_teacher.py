"""Teacher and student: a network learns the function of another one from few examples."""

import dataclasses
import operator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._data import AbstractObjective, AbstractTask, Data, MeanSquaredError, Predict, Scores
from ._equations import check_memory, check_whole


_ACTIVATIONS = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0)}


@dataclasses.dataclass(frozen=True)
class Signs(AbstractObjective):
    """Only the sign of a real target counts: logistic loss in nats, `ln(1 + exp(-y sign))` over outputs y.

    Correct where all outputs have the signs of their targets; an output of 0 has none.
    """

    def score(
        self, predict: Predict, inputs: Float[Array, "batch ..."], targets: Float[Array, "batch outputs"]
    ) -> Scores:
        margin = jnp.sign(targets) * predict(inputs)
        return Scores(jnp.mean(jax.nn.softplus(-margin), axis=-1), jnp.all(margin > 0, axis=-1))


@dataclasses.dataclass(frozen=True)
class TeacherStudent(AbstractTask):
    """Learn the function of a random MLP from its answers to Gaussian inputs, without noise.

    Inputs are N(0, 1); the teacher's weights and biases are uniform in +-1/sqrt(fan_in). The seed of the
    split draws both. Defaults: Liu et al. 2023 ("Omnigrok"), section 3; an answer is correct where the
    squared error, averaged over outputs, is below 0.001, as in their code.

    **Arguments:**

    - `inputs`, `hidden`, `outputs`: the teacher's widths.
    - `activation`: of the teacher, "tanh" or "relu".
    - `train`, `test`: how many examples.
    - `pool`: room for so many examples, by default 200 or as many as there are if these are more; tasks
        that share it share one compiled program.
    - `objective`: how answers are scored.

    Raises a `ValueError` that names the field at fault.

    @inproceedings{liu2023omnigrok,
        author={Liu, Ziming and Michaud, Eric J. and Tegmark, Max},
        title={Omnigrok: Grokking Beyond Algorithmic Data},
        booktitle={ICLR},
        year={2023},
    }
    """

    inputs: int = 5
    hidden: tuple[int, ...] = (100, 100)
    outputs: int = 5
    activation: str = "tanh"
    train: int = 100
    test: int = 100
    pool: int | None = None
    objective: AbstractObjective = dataclasses.field(
        default=MeanSquaredError(tolerance=0.001**0.5), metadata={"room": "afterfit.tasks"}
    )

    def __post_init__(self):
        for field in ("inputs", "outputs", "train", "test"):
            check_whole(field, getattr(self, field), least=1)
        if self.pool is not None:
            check_whole("pool", self.pool, least=self.train + self.test, reason=" (train + test)")
        for width in self.hidden:
            check_whole("hidden", width, least=1)
        if self.activation not in _ACTIVATIONS:
            raise ValueError(f"`activation` must be tanh or relu, got {self.activation!r}.")
        widths, pool = (self.inputs, *self.hidden, self.outputs), self.pool or self.train + self.test
        check_memory(
            pool * max(widths) + sum(map(operator.mul, widths, widths[1:])),
            inputs=self.inputs,
            hidden=max(self.hidden, default=0),
            outputs=self.outputs,
            train=self.train,
            test=self.test,
            pool=self.pool or 0,
        )

    @property
    def title(self) -> str:
        widths = (self.inputs, *self.hidden, self.outputs)
        return f"a teacher {'-'.join(map(str, widths))}"

    def data(self, seed: int) -> Data:
        """Examples of the teacher that `seed` draws."""
        teacher, examples = np.random.SeedSequence((seed, 0x7EAC4E6)).spawn(2)
        pool = max(200, self.train + self.test) if self.pool is None else self.pool
        inputs = np.random.default_rng(examples).normal(size=(pool, self.inputs))
        return Data(
            inputs=inputs.astype(np.float32),
            targets=self._answers(inputs, np.random.default_rng(teacher)).astype(np.float32),
            rows=np.arange(pool, dtype=np.int32),
            train_count=np.asarray(self.train, np.int32),
            test_count=np.asarray(self.test, np.int32),
            outputs=self.outputs,
        )

    def _answers(
        self, x: Float[np.ndarray, "pool inputs"], random: np.random.Generator
    ) -> Float[np.ndarray, "pool outputs"]:
        widths = (self.inputs, *self.hidden, self.outputs)
        for layer, (fan_in, fan_out) in enumerate(zip(widths, widths[1:])):
            bound = 1 / np.sqrt(fan_in)
            weight = random.uniform(-bound, bound, (fan_in, fan_out))
            x = x @ weight + random.uniform(-bound, bound, fan_out)
            if layer < len(self.hidden):
                x = _ACTIVATIONS[self.activation](x)
        return x
