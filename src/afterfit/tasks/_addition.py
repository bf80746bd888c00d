"""Addition of digits whose sums are answered with random vectors: a toy for how representations matter."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from ._data import AbstractObjective, AbstractTask, Data, Predict, Scores
from ._equations import check_memory, check_whole


@dataclasses.dataclass(frozen=True)
class NearestTemplate(AbstractObjective):
    """Mean squared error to the template of the right answer; correct where no other template is nearer.

    Targets are dictionaries: `answer`, an index "batch", and `templates`, "batch answers outputs".
    """

    def score(self, predict: Predict, inputs: PyTree, targets: dict[str, Array]) -> Scores:
        outputs = predict(inputs)
        errors = jnp.mean((targets["templates"] - outputs[:, None, :]) ** 2, axis=-1)
        chosen = jax.nn.one_hot(targets["answer"], errors.shape[-1], dtype=bool)
        loss = jnp.sum(jnp.where(chosen, errors, 0), axis=-1)
        return Scores(loss, jnp.argmin(errors, axis=-1) == targets["answer"])


@dataclasses.dataclass(frozen=True)
class Addition(AbstractTask):
    """Learn `x + y` of two digits, in any order, from some of the pairs; a sum is a random vector.

    Each sum has a template of standard normal numbers, which the model must produce. The seed of the split
    draws the templates and the training pairs. Defaults: Liu et al. 2023 ("Omnigrok"), section 5 and
    appendix E, with sums modulo the number of digits as in their code.

    **Arguments:**

    - `digits`: how many, from 0.
    - `modulus`: of the sums; `None` for plain sums.
    - `train`: how many of the `digits (digits + 1) / 2` pairs are shown; the others are asked.
    - `outputs`: the length of a template.
    - `objective`: how answers are scored.

    Raises a `ValueError` that names the field at fault.
    """

    digits: int = 10
    modulus: int | None = 10
    train: int = 45
    outputs: int = 30
    objective: AbstractObjective = dataclasses.field(
        default=NearestTemplate(), metadata={"room": "afterfit.tasks"}
    )

    def __post_init__(self):
        check_whole("digits", self.digits, least=2)
        check_whole("outputs", self.outputs, least=1)
        check_whole("train", self.train, least=1)
        if self.modulus is not None:
            check_whole("modulus", self.modulus, least=2)
        answers = 2 * self.digits if self.modulus is None else min(self.modulus, 2 * self.digits)
        check_memory(self.pairs * (answers * self.outputs + 10), digits=self.digits, outputs=self.outputs)
        if self.train >= self.pairs:
            raise ValueError(
                f"`train` must leave one of the {self.pairs} pairs to be asked, got {self.train}. "
                f"Try {self.pairs - 1}."
            )

    @property
    def pairs(self) -> int:
        """How many pairs there are, their order left aside."""
        return self.digits * (self.digits + 1) // 2

    @property
    def title(self) -> str:
        return f"x+y of {self.digits} digits"

    def data(self, seed: int) -> Data:
        """The pairs that `seed` shows, and its templates."""
        chosen, drawn = np.random.SeedSequence((seed, 0xADD)).spawn(2)
        pairs = np.array([(x, y) for x in range(self.digits) for y in range(x, self.digits)], np.int32)
        sums = pairs.sum(axis=1)
        answers = sums if self.modulus is None else sums % self.modulus
        templates = np.random.default_rng(drawn).normal(size=(int(answers.max()) + 1, self.outputs))
        rows = np.random.default_rng(chosen).permutation(self.pairs)
        return Data(
            inputs=pairs,
            targets={
                "answer": answers.astype(np.int32),
                "templates": np.broadcast_to(
                    templates.astype(np.float32), (self.pairs, *templates.shape)
                ).copy(),
            },
            rows=rows.astype(np.int32),
            train_count=np.asarray(self.train, np.int32),
            test_count=np.asarray(self.pairs - self.train, np.int32),
            outputs=self.outputs,
            symbols=self.digits,
        )
