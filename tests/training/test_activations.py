"""Activations of a layer by path, as a probe asks for them."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import afterfit as af
from afterfit.ensemble import silent
from afterfit.ensemble._runner import run_all
from afterfit.training import At


EXPERIMENT = af.Experiment(
    af.tasks.BinaryOperation("x+y", modulus=5, fraction=0.6),
    af.models.nanda_transformer(width=8, heads=2, mlp_width=12),
    steps=2,
    record=At((0, 2)),
    snapshots=At((2,)),
)


class Squares(eqx.Module):
    """A model of one's own with one named line."""

    weight: jax.Array

    def __call__(self, tokens):
        """Logits."""
        hidden = af.models.named(self.weight[tokens].sum(axis=0) ** 2, "squares")
        return hidden @ self.weight.T


@dataclasses.dataclass(frozen=True)
class Own(af.models.AbstractArchitecture):
    """Makes it."""

    def build(self, sizes, *, key):
        return Squares(jax.random.normal(key, (sizes.symbols, 3)))


def last_hidden(moment):
    """Mean hidden activations at the last position, over the training examples."""
    examples = moment.examples("train")
    values = moment.activations("blocks[0].mlp.hidden[-1]", examples.inputs)
    return jnp.sum(jnp.where(examples.valid[:, None], values, 0), axis=0) / jnp.sum(examples.valid)


@pytest.fixture(scope="module")
def trained():
    plan = af.sweep(dataclasses.replace(EXPERIMENT, probes=(last_hidden,)), {"seed": [0, 1]})
    records = run_all(plan.runs, None, display=silent, resume_every=60)
    return [(run, one, run.moment(one.snapshots[2], 2)) for run, one in zip(plan.runs, records, strict=True)]


def test_in_a_pack_they_are_those_of_stored_weights(trained):
    for _, records, moment in trained:
        again = eqx.filter_jit(last_hidden)(moment)
        np.testing.assert_allclose(records.values["last_hidden"][-1], again, rtol=1e-5, atol=1e-6)
        inputs = moment.examples("test").inputs
        whole = moment.activations("blocks[0].mlp.hidden", inputs)
        assert whole.shape == (len(inputs), 3, 12)
        np.testing.assert_array_equal(moment.activations("blocks[0].mlp.hidden[2]", inputs), whole[:, 2])
        np.testing.assert_array_equal(
            moment.activations("blocks[0].mlp.hidden[-1][4]", inputs), whole[:, 2, 4]
        )
        stream = moment.activations("blocks[0][-1]", inputs)
        np.testing.assert_allclose(
            stream @ moment.parameters.unembedding, moment.predict(inputs), rtol=1e-4, atol=1e-5
        )


def test_names_with_their_shapes(trained):
    moment = trained[0][2]
    found = moment.activation_shapes(moment.examples("train").inputs)
    assert found["embedding"] == (3, 8) and found["blocks[0].mlp.hidden"] == (3, 12)


def test_many_examples_go_in_parts(trained, monkeypatch):
    moment = trained[0][2]
    inputs = moment.examples("train").inputs
    whole = moment.activations("blocks[0]", inputs)
    monkeypatch.setattr("afterfit.training._moment.ACTIVATION_BATCH", 4)
    np.testing.assert_allclose(moment.activations("blocks[0]", inputs), whole, rtol=1e-5, atol=1e-6)


def test_a_model_of_ones_own():
    def squares(moment):
        return moment.activations("squares", moment.examples("train").inputs)

    own = dataclasses.replace(EXPERIMENT, model=Own(), snapshots=None, probes=(squares,))
    data = af.sweep(own).run(display=silent)
    assert (data["squares"] >= 0).all() and data["squares"].shape[-1] == 3


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("blocks[1]", r"no activations 'blocks\[1\]'.*blocks\[0\].attention \[3, 8\].*embedding \[3, 8\]"),
        ("blocks[0].mlp.hiden", r"'blocks\[0\].mlp.hiden': did you mean 'blocks\[0\].mlp.hidden'\?"),
        ("hidden", r"'hidden'\. There are, with their axes"),
        ("blocks[0].mlp.hidden[3]", r"outside of 'blocks\[0\].mlp.hidden', which has the axes \[3, 12\]"),
        ("embedding[0][0][0]", "outside of"),
        ("embedding[x]", "no activations"),
        ("", "no activations"),
    ],
)
def test_paths_that_are_not_there(trained, path, message):
    moment = trained[0][2]
    with pytest.raises(ValueError, match=message):
        moment.activations(path, moment.examples("train").inputs)


def test_a_model_that_names_nothing():
    reduced = af.models.CommitteeMachine(width=40, nonlinearity=0.5, reduced=True)

    def hidden(moment):
        return moment.activations("hidden", moment.examples("train").inputs)

    experiment = af.Experiment(
        af.tasks.Polynomial(inputs=4, train=8, test=8), reduced, probes=(hidden,), steps=1
    )
    with pytest.raises(ValueError, match=r"names no activations.*afterfit.models.named\(x, 'hidden'\)"):
        af.sweep(experiment).run(display=silent)
