"""Addition of digits against sums taken one by one, and nearest templates against plain distances."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

import afterfit as af
from afterfit.tasks import Addition, NearestTemplate


@given(seed=st.integers(0, 2**32 - 1), train=st.integers(1, 54), modulus=st.sampled_from([None, 10, 7]))
def test_every_pair_is_shown_or_asked_once(seed, train, modulus):
    data = Addition(train=train, modulus=modulus).data(seed)
    assert sorted(data.rows.tolist()) == list(range(55))
    assert int(data.train_count) + int(data.test_count) == 55 and int(data.train_count) == train
    assert len({tuple(sorted(pair)) for pair in data.inputs.tolist()}) == 55
    sums = [x + y if modulus is None else (x + y) % modulus for x, y in data.inputs.tolist()]
    assert data.targets["answer"].tolist() == sums


def test_pairs_with_one_sum_share_a_template_and_templates_are_standard_normal():
    data = Addition(outputs=400, modulus=None).data(0)
    templates = data.targets["templates"]
    assert templates.shape == (55, 19, 400) and (templates == templates[0]).all()
    assert abs(templates[0].std() - 1) < 0.05 and abs(np.corrcoef(templates[0]) - np.eye(19)).max() < 0.25
    assert not np.array_equal(templates, Addition(outputs=400, modulus=None).data(1).targets["templates"])


def test_the_nearest_template_is_the_answer():
    random = np.random.default_rng(0)
    outputs, templates = random.normal(size=(6, 4)), random.normal(size=(3, 4))
    answer = np.array([0, 1, 2, 0, 1, 2])
    targets = {
        "answer": jnp.asarray(answer, jnp.int32),
        "templates": jnp.asarray(np.broadcast_to(templates, (6, 3, 4)), jnp.float32),
    }
    scores = NearestTemplate().score(lambda inputs: inputs, jnp.asarray(outputs, jnp.float32), targets)
    distances = ((outputs[:, None] - templates) ** 2).mean(axis=-1)
    np.testing.assert_allclose(scores.loss, distances[np.arange(6), answer], rtol=1e-5)
    assert scores.correct.tolist() == (distances.argmin(axis=1) == answer).tolist()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": 55}, "`train` must leave one of the 55 pairs to be asked, got 55. Try 54."),
        ({"digits": 1}, "`digits` must be a whole number of at least 2"),
        ({"modulus": 1}, "`modulus` must be a whole number of at least 2"),
        ({"outputs": 0}, "`outputs` must be a whole number of at least 1"),
    ],
)
def test_what_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Addition(**changes)


def test_numbers_of_pairs_and_messiness_share_a_program():
    model = af.models.AdditionDecoder(hidden=(8,), learned=False)
    plan = af.sweep(
        af.Experiment(Addition(), model, steps=3), {"task.train": [25, 45], "model.messiness": [0.0, 0.2]}
    )
    seen = []
    data = plan.run(display=seen.append)
    assert seen[-1].programs == 1 and np.isfinite(data["test_loss"].values).all()
