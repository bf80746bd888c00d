"""How few frequencies a network uses that adds modulo n, and how much hangs on them.

A function of the residues 0 .. n-1 is a constant and a sum of waves of frequencies k = 1 .. n // 2,

    f(s) = c + sum_k [ x_k cos(2 pi k s / n) + y_k sin(2 pi k s / n) ].

Axes of this module
    symbol       residues: token s is the residue s
    frequency    k = 1 .. n // 2, so that frequency k is at place k - 1
    left, right  the two terms a and b of a sum
    answer       residues as answers

@inproceedings{nanda2023progress,
    author={Nanda, Neel and Chan, Lawrence and Lieberum, Tom and Smith, Jess and Steinhardt, Jacob},
    title={Progress measures for grokking via mechanistic interpretability},
    booktitle={International Conference on Learning Representations},
    year={2023},
}
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..models import by_path
from ..training import Moment


TOP = 5
"""Frequencies that Nanda et al.'s network used; the share of as many is reported."""


def fourier_power(moment: Moment) -> dict[str, Float[Array, "..."]]:
    """The share of each frequency in the embedding and output tables of a task on residues.

    With F_k the discrete Fourier transform of a table's rows over the residues, summed over its columns,

        power_k = (|F_k|^2 + |F_-k|^2) / sum_{j != 0} |F_j|^2.

    **Returns:**

    - `embedding`, `output`: the shares, `Float["frequency"]`, which sum to 1. Random rows give about
      `2 / n` each; a network that adds on few circles gives most to few.
    - `embedding_top5`, `output_top5`: what the five largest add up to.

    **Degenerate inputs:** NaN for a table whose rows are all equal, such as a readout that starts at zero.

    **Raises:** `ValueError` for tasks without symbols, and for models that have no such tables: they are
    `.embedding` and `.unembedding` of a transformer, the first and last weights of an MLP.
    """
    shares = {name: _shares(table) for name, table in _tables(moment).items()}
    tops = {f"{name}_top{TOP}": _largest_sum(share) for name, share in shares.items()}
    return shares | tops


@dataclasses.dataclass(frozen=True)
class RestrictedLoss:
    """The loss of the key frequencies alone (Nanda et al. 2023, section 5.1).

    The logits of all pairs (a, b) are written as waves in a and b, and all but their constant and the
    waves cos(w(a+b)), sin(w(a+b)) of the key frequencies w = 2 pi k / n are set to zero. The mean loss of
    what is left, over all pairs, falls while a network forms the circuit that adds.

    **Arguments:**

    - `frequencies`: the key frequencies k, from 1 to n // 2: in the paper those of the trained network.
      By default the strongest of the network as it is at each recorded step.
    - `count`: how many they are then (fewer if there are fewer); 5 in the paper's main network.

    **Returns:** a loss in the unit of the task's objective, nats by default; answers other than the
    residues are left out.

    **Raises:** `ValueError` for tasks that are no full table on residues.
    """

    frequencies: tuple[int, ...] | None = None
    count: int = TOP

    def __post_init__(self):
        _check(self.frequencies, self.count)

    def __call__(self, moment: Moment) -> Float[Array, ""]:
        logits = _logits(moment)
        waves, constant = _key_waves(logits, self.frequencies, self.count)
        loss = _losses(moment, jnp.broadcast_to(constant, logits.shape) + waves)
        counted = moment.data.targets >= 0
        return jnp.sum(jnp.where(counted, loss, 0)) / jnp.sum(counted)


@dataclasses.dataclass(frozen=True)
class ExcludedLoss:
    """The training loss without the key frequencies (Nanda et al. 2023, section 5.1).

    As `RestrictedLoss`, but the waves of the key frequencies are taken away and all else is kept. The
    mean loss of what is left, over the training pairs, stays low as long as a network memorises, and
    rises as it comes to rely on the circuit that adds.

    **Arguments, returns, raises:** as `RestrictedLoss`.
    """

    frequencies: tuple[int, ...] | None = None
    count: int = TOP

    def __post_init__(self):
        _check(self.frequencies, self.count)

    def __call__(self, moment: Moment) -> Float[Array, ""]:
        logits = _logits(moment)
        waves, _ = _key_waves(logits, self.frequencies, self.count)
        data = moment.data
        trained = jnp.arange(data.rows.shape[0]) < data.train_count
        return jnp.sum(jnp.where(trained, _losses(moment, logits - waves)[data.rows], 0)) / data.train_count


# --- tables of weights ----------------------------------------------------------------------------


def _tables(moment: Moment) -> dict[str, Float[Array, "symbol width"]]:
    symbols = moment.data.symbols
    if symbols is None:
        raise ValueError("fourier_power needs a task whose inputs are symbols, got one without.")
    leaves = by_path(moment.parameters)
    entry = leaves.get(".embedding", leaves.get(".layers[0].weight"))
    leave = leaves.get(".unembedding", leaves.get(".readout.weight"))
    if entry is None or leave is None or leave.shape[1] < symbols:
        raise ValueError(
            f"fourier_power needs tables with a row or column for each of {symbols} symbols, `.embedding` "
            f"and `.unembedding`, or an MLP's first and last weights, got {', '.join(leaves)}: "
            "try a Transformer or an MLP."
        )
    if ".embedding" in leaves:
        entry = entry[:symbols]
    else:  # an MLP has a row for each symbol at each place
        entry = jnp.concatenate(jnp.split(entry, entry.shape[0] // symbols), axis=1)
    return {"embedding": entry, "output": leave[:, :symbols].T}


def _shares(table: Float[Array, "symbol width"]) -> Float[Array, " frequency"]:
    power = _power(jnp.fft.rfft(table, axis=0), table.shape[0])
    return power / jnp.sum(power)


def _power(spectrum: Array, symbols: int) -> Float[Array, " frequency"]:
    """Power of frequencies 1 .. n // 2, each with its negative, from a real transform."""
    power = jnp.sum(jnp.abs(spectrum[1:]) ** 2, axis=1)
    # The highest frequency of an even n is its own negative.
    alone = 2 * jnp.arange(1, symbols // 2 + 1) == symbols
    return jnp.where(alone, power, 2 * power)


def _largest_sum(shares: Float[Array, " frequency"]) -> Float[Array, ""]:
    return jnp.sum(jax.lax.top_k(shares, min(TOP, shares.shape[0]))[0])


# --- tables of logits -----------------------------------------------------------------------------


def _check(frequencies: tuple[int, ...] | None, count: int) -> None:
    if count < 1:
        raise ValueError(f"`count` must be at least 1, got {count}.")
    if frequencies is not None and (not frequencies or min(frequencies) < 1):
        raise ValueError(f"`frequencies` must be whole numbers of at least 1, got {frequencies}.")


def _logits(moment: Moment) -> Float[Array, "left right answer"]:
    """What the network answers to all pairs."""
    data = moment.data
    symbols = data.symbols
    if symbols is None or getattr(data.inputs, "shape", None) != (symbols**2, 2) or data.outputs < symbols:
        raise ValueError(
            "restricted and excluded losses need a full table of pairs of symbols, left symbol first, "
            'got another task: try BinaryOperation("x+y") whose `symbols` are its `modulus`.'
        )
    by_left = data.inputs.reshape(symbols, symbols, 2)
    # Row by row: the activations of all pairs at once would take gigabytes in a wide pack.
    return jax.lax.map(moment.predict, by_left)[..., :symbols]


def _key_waves(
    logits: Float[Array, "left right answer"], frequencies: tuple[int, ...] | None, count: int
) -> tuple[Float[Array, "left right answer"], Float[Array, " answer"]]:
    """The waves in a + b of the key frequencies, and the constant."""
    symbols = logits.shape[0]
    if frequencies is not None and max(frequencies) > symbols // 2:
        raise ValueError(
            f"`frequencies` of {symbols} residues must be at most {symbols // 2}, got {frequencies}."
        )
    residues = jnp.arange(symbols)
    left = jnp.broadcast_to(residues, (symbols, symbols))  # "sum left"
    # Every wave in a and b that is no function of a + b has mean 0 over the pairs of one sum.
    by_sum = jnp.mean(logits[left, (left.T - left) % symbols], axis=1)  # "sum answer"
    spectrum = jnp.fft.rfft(by_sum, axis=0)
    if frequencies is None:
        keys = 1 + jax.lax.top_k(_power(spectrum, symbols), min(count, symbols // 2))[1]
    else:
        keys = jnp.asarray(frequencies)
    kept = jnp.isin(jnp.arange(spectrum.shape[0]), keys)
    waves = jnp.fft.irfft(jnp.where(kept[:, None], spectrum, 0), symbols, axis=0)
    return waves[(left + left.T) % symbols], jnp.mean(by_sum, axis=0)


def _losses(moment: Moment, logits: Float[Array, "left right answer"]) -> Float[Array, " pool"]:
    rows = logits.reshape(-1, logits.shape[-1])
    return moment.objective.score(lambda _: rows, moment.data.inputs, moment.data.targets).loss
