"""The volume of what fits where guessing finds nothing: a ladder of temperatures on the sphere.

Axes of this module
    replica     independent estimates
    level       inverse temperatures, 0 first
    sample      what the chains of a level visit
    parameter   all parameters in one row
"""

import dataclasses

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Key

from ..models import named_key
from ..training import Moment
from ._annealing import climb, ladder, log_weights, Walk
from ._guesses import EXAMPLES, ROUNDING


@dataclasses.dataclass(frozen=True)
class TemperedVolume:
    """The share of the sphere of the moment's norm that fits the training set, however small it is.

    What `RandomNetworks` counts, for shares of which a million guesses find nothing. Chains of Hamiltonian
    Monte Carlo walk on the sphere along great circles, at inverse temperatures beta from 0 upwards with the
    density `exp(-beta L)`, L the mean training loss; all their samples are weighted back to the uniform
    distribution.

    **Fields:**

    - `epsilon`: a point fits if its training loss is at most this; by default if every training example is
      answered correctly.
    - `good`: the least test accuracy of a good network.
    - `beta`: the highest inverse temperature (per nat of the mean loss). At that level a good part of the
      samples should fit. As the posterior of N examples has beta = N, some tens of N are enough to tell
      correct from wrong answers.
    - `temperatures`: how many levels: 0, then geometrically from `beta / 10,000` to `beta`. At least 3.

    **Other fields:**

    - `replicas`: independent estimates. Their spread is the error; nothing else here is.
    - `chains`, `burn_in`, `moves`, `leaps`: of a replica at each level: walkers, moves that adapt the step
      size and are forgotten, moves whose ends are samples, gradients of a move.
    - `name`: of the measure.

    **Returns:**

    - `log_fraction`: of each replica (nats), 0 for the whole sphere.
    - `test_accuracy`, `good`: its mean over what fits, and the share of that which is good, of each replica.
    - `beta`: of each level.
    - `acceptance`: share of moves accepted, "replica level": about 0.8, or 1 where any step is good. Far
      lower means that the chains stand still.

    It costs `replicas chains temperatures (burn_in + moves) leaps` gradients, 1.8 million by default.

    **Degenerate inputs:** where no sample fits, `log_fraction` is -inf and what is said of those that fit
    NaN: raise `beta`. Where chains mix badly (a canyon far narrower than long, a region behind a barrier) the
    share comes out too small, and replicas that differ by nats are the sign of it: raise `moves`.

    **Raises:** `ValueError` for settings out of range.
    """

    epsilon: float | None = None
    good: float = 0.9
    beta: float = 1e3
    temperatures: int = 24
    replicas: int = 4
    chains: int = 16
    burn_in: int = 50
    moves: int = 100
    leaps: int = 8
    name: str = "tempered_volume"

    def __post_init__(self):
        if not self.beta > 0:
            raise ValueError(f"`beta` must be above 0, got {self.beta}. Try 1000.")
        if not 0 <= self.good <= 1:
            raise ValueError(f"`good` must be an accuracy from 0 to 1, got {self.good}. Try 0.9.")
        least = {"temperatures": 3, "replicas": 1, "chains": 1, "burn_in": 0, "moves": 1, "leaps": 1}
        for field, value in least.items():
            if getattr(self, field) < value:
                raise ValueError(f"`{field}` must be at least {value}, got {getattr(self, field)}.")

    def __call__(self, moment: Moment) -> dict[str, Array]:
        betas = ladder(self.beta, self.temperatures)
        keys = jax.random.split(named_key(moment.key, "tempered_volume"), self.replicas)
        # In turn: the chains of one are batch enough, and side by side they take twice as long to compile.
        return jax.lax.map(lambda key: self._replica(moment, betas, key), keys) | {"beta": betas}

    def _replica(
        self, moment: Moment, betas: Float[Array, " level"], key: Key[Array, ""]
    ) -> dict[str, Array]:
        flat, unravel = ravel_pytree(moment.parameters)

        def potential(point: Float[Array, " parameter"]) -> tuple[Array, Array]:
            loss, gradient = moment.loss_and_gradient("train", unravel(point), EXAMPLES)
            return loss, ravel_pytree(gradient)[0]

        def observe(point: Float[Array, " parameter"]) -> tuple[Array, Array]:
            train = moment.scores("train", unravel(point), EXAMPLES)
            fits = train.correct >= 1 - ROUNDING if self.epsilon is None else train.loss <= self.epsilon
            return fits, moment.scores("test", unravel(point)).correct

        walk = Walk(self.chains, self.burn_in, self.moves, self.leaps)
        visited = climb(potential, observe, flat, betas, walk, key)
        fits, accuracy = visited.observed
        weights = jnp.where(fits, log_weights(visited.losses, betas), -jnp.inf)
        log_fraction = jax.nn.logsumexp(weights)
        share = jnp.exp(weights - log_fraction)  # NaN where nothing fits
        good = accuracy >= self.good - ROUNDING
        return {
            "log_fraction": log_fraction,
            "test_accuracy": jnp.sum(share * accuracy),
            "good": jnp.sum(share * good),
            "acceptance": visited.acceptance,
        }
