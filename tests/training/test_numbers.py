"""Which fields are data: splitting numbers from structure, and putting others in."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from afterfit.training import Adam, AdamW, Noise, Parametrisation
from afterfit.training._numbers import graft, split


def test_floats_are_data_and_the_rest_is_structure():
    structure, numbers = split(AdamW(learning_rate=0.5, weight_decay=2, warmup=7))
    assert numbers == [0.5, 2.0, 0.9, 0.98, 1e-8, 7.0]
    assert split(AdamW())[0] == structure
    assert split(AdamW(decay_to="initial"))[0] != structure
    assert split(Adam())[0] != structure


def test_a_number_left_out_is_structure():
    assert split(Noise(gradient=0.1))[0] == split(Noise(gradient=0.7))[0]
    assert split(Noise(gradient=0.1))[0] != split(Noise())[0]
    assert split(Parametrisation(output_scale=2.0))[1] == [1.0, 2.0]


def test_true_and_one_are_different_structure():
    @dataclasses.dataclass(frozen=True)
    class Part:
        switch: object

    assert split(Part(True))[0] != split(Part(1))[0]


def test_graft_puts_traced_numbers_past_the_checks():
    parts = (AdamW(learning_rate=1.0), None, Noise(update=0.25))

    @jax.jit
    def rates(numbers):
        optimiser, nothing, noise = graft(parts, numbers)
        assert nothing is None and noise.gradient is None
        return optimiser.learning_rate + noise.update

    assert rates(jnp.asarray([3.0, 0, 0, 0, 0, 0, 0.5])) == 3.5


def test_graft_is_the_inverse_of_split():
    part = (AdamW(learning_rate=0.3), Parametrisation(2.0, 3.0))
    assert graft(part, split(part)[1]) == part


@dataclasses.dataclass(frozen=True)
class Several:
    """A component with tuples of numbers."""

    first: tuple[float, ...] = ()
    name: str = "x"
    second: tuple[float, ...] = (1.0,)
    rate: float = 0.5


def test_tuples_of_floats_are_data_and_their_lengths_structure():
    structure, numbers = split(Several((3, 4), second=(5, 6, 7)))
    assert numbers == [3.0, 4.0, 5.0, 6.0, 7.0, 0.5]
    assert split(Several((8, 9), second=(0, 0, 0)))[0] == structure
    assert split(Several((8, 9, 1), second=(0, 0)))[0] != structure

    @jax.jit
    def sums(numbers):
        part, rate = graft((Several((0, 0), second=(0, 0, 0)), AdamW()), numbers)
        return jnp.sum(part.first), jnp.sum(part.second), part.rate, rate.learning_rate

    assert [float(one) for one in sums(jnp.arange(1.0, 13))] == [3, 12, 6, 7]
    whole = graft(Several(), [2.0, 0.25])
    assert (whole.first, list(whole.second), whole.rate) == ((), [2.0], 0.25)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_rates_must_be_positive(rate):
    with pytest.raises(ValueError, match="`learning_rate` must be positive"):
        AdamW(learning_rate=rate)
