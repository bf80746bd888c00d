"""Teacher-student data against an MLP of another library, and its degenerate inputs."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import afterfit as af
from afterfit.tasks import Signs, TeacherStudent


def test_a_teacher_without_hidden_layers_is_an_affine_map():
    data = TeacherStudent(hidden=(), train=20, test=20, pool=40).data(3)
    with_ones = np.hstack([data.inputs, np.ones((40, 1))])
    weights, *_ = np.linalg.lstsq(with_ones, data.targets, rcond=None)
    np.testing.assert_allclose(with_ones @ weights, data.targets, atol=1e-5)
    # Uniform in +-1/sqrt(5), as PyTorch draws a layer of five inputs.
    assert 0.8 / np.sqrt(5) < np.abs(weights).max() <= 1 / np.sqrt(5) + 1e-5


def test_inputs_are_standard_normal_and_seeds_differ():
    task = TeacherStudent(train=4000, test=1000, pool=5000)
    one, other = task.data(0), task.data(1)
    assert scipy.stats.kstest(np.ravel(one.inputs), "norm").pvalue > 1e-3
    assert not np.array_equal(one.inputs, other.inputs)
    np.testing.assert_array_equal(one.targets, task.data(0).targets)
    # tanh teachers of the default shape answer with numbers of order one.
    assert 0.05 < one.targets.std() < 1


def test_sizes_of_one_pool_share_examples_and_a_program():
    few, many = TeacherStudent(train=20).data(0), TeacherStudent(train=100).data(0)
    np.testing.assert_array_equal(few.inputs, many.inputs)
    assert len(TeacherStudent(train=400).data(0).rows) == 500
    assert (int(few.train_count), int(many.train_count)) == (20, 100)
    sizes = af.sweep(
        af.Experiment(TeacherStudent(), af.models.MLP(hidden=(8,)), steps=5), {"task.train": [20, 50, 100]}
    )
    seen = []
    data = sizes.run(display=seen.append)
    assert seen[-1].programs == 1
    assert jnp.isfinite(data["test_loss"].values).all()


def test_an_answer_is_correct_where_its_mean_square_error_is_small():
    scores = TeacherStudent().objective.score(
        lambda inputs: inputs, jnp.array([[0.02] * 5, [0.04] * 5]), jnp.zeros((2, 5))
    )
    np.testing.assert_allclose(scores.loss, [4e-4, 1.6e-3], rtol=1e-6)
    assert scores.correct.tolist() == [True, False]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": 0}, "`train` must be a whole number of at least 1"),
        ({"pool": 150}, r"`pool` must be a whole number of at least 200 \(train \+ test\), got 150"),
        ({"hidden": (10, 0)}, "`hidden` must be a whole number of at least 1"),
        ({"activation": "sine"}, "`activation` must be tanh or relu, got 'sine'"),
    ],
)
def test_bad_fields(changes, message):
    with pytest.raises(ValueError, match=message):
        TeacherStudent(**changes)


def test_signs_are_scored_by_logistic_loss():
    """Against logaddexp in NumPy; an output of 0 has no sign, and all outputs count."""
    outputs = np.array([[2.0, -1.0], [0.5, 3.0], [0.0, 1.0]], np.float32)
    targets = np.array([[0.1, -7.0], [-2.0, 5.0], [1.0, 1.0]], np.float32)
    scores = Signs().score(lambda _: jnp.asarray(outputs), jnp.zeros((3, 1)), jnp.asarray(targets))
    expected = np.logaddexp(0, -np.sign(targets) * outputs).mean(axis=1)
    np.testing.assert_allclose(scores.loss, expected, rtol=1e-6)
    assert scores.correct.tolist() == [True, False, False]
