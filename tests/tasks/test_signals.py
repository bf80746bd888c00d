"""Images from some of their pixels: the waves, the pixels that are shown, and mistakes."""

import numpy as np
import pytest

from afterfit.tasks import CosineImage, DigitImage


def test_an_image_is_a_few_waves_and_the_seed_draws_it():
    data = CosineImage(train=50, size=16, waves=3, frequency=2).data(0)
    image = data.targets.reshape(16, 16).astype(float)
    assert abs(image.mean()) < 1e-6 and abs(image.std() - 1) < 1e-6
    # Whole frequencies on the square: cosines and sines of at most 2 turns along each axis, and a constant.
    waves = [
        np.concatenate([np.cos(phase), np.sin(phase)])
        for phase in (
            np.pi * (data.inputs.astype(float) @ np.array([i, j]))[None]
            for i in range(-2, 3)
            for j in range(-2, 3)
        )
    ]
    basis = np.concatenate(waves).T
    fitted = basis @ np.linalg.lstsq(basis, data.targets.astype(float), rcond=None)[0]
    np.testing.assert_allclose(fitted, data.targets, atol=1e-5)
    assert (CosineImage(size=16).data(1).targets != CosineImage(size=16).data(0).targets).all()


def test_more_pixels_only_add_to_those_that_are_shown():
    few, many = (CosineImage(train=count, size=8).data(5) for count in (10, 30))
    np.testing.assert_array_equal(few.targets, many.targets)
    np.testing.assert_array_equal(few.rows[:10], many.rows[:10])
    assert (int(many.train_count), int(many.test_count)) == (30, 34)
    assert sorted(many.rows) == list(range(64))


def test_a_digit_is_an_image_of_mnist(data_folder):
    data = DigitImage(train=100).data(2)
    assert data.inputs.shape == (784, 2) and data.targets.shape == (784,)
    assert abs(data.targets.astype(float).std() - 1) < 1e-5
    # The darkest value is that of the empty margin: the corner of the image.
    assert data.targets[0] == data.targets.min()
    assert DigitImage().digest


@pytest.mark.parametrize("task", [CosineImage, DigitImage])
def test_some_pixels_must_be_left_to_be_asked(task):
    with pytest.raises(ValueError, match="`train` must leave one of the"):
        task(train=1000)
