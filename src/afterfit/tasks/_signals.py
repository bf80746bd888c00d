"""Signals over the plane, to be learned from some of their pixels.

Axes of this module
    pixel   places of an image, row after row; each is a place in the square from -1 to 1
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Float

from ._data import AbstractObjective, AbstractTask, Data, MeanSquaredError
from ._equations import check_memory, check_whole, random_order
from ._images import MNIST


@dataclasses.dataclass(frozen=True)
class CosineImage(AbstractTask):
    """Learn an image, a sum of random plane waves, from some of its pixels; the others are asked.

    The image is `sum_k a_k cos(pi f_k . x + phase_k)`, standardised, with whole frequencies from
    `-frequency` to `frequency` along each axis, normal amplitudes and uniform phases. The seed of the split
    draws the waves and, from a stream of its own, the pixels.

    **Arguments:**

    - `train`: how many pixels are shown.
    - `size`: pixels along each side.
    - `waves`, `frequency`: how many, and their largest frequency.
    - `objective`: how answers are scored.

    Raises a `ValueError` that names the field at fault.
    """

    train: int = 200
    size: int = 24
    waves: int = 8
    frequency: int = 3
    objective: AbstractObjective = dataclasses.field(
        default=MeanSquaredError(tolerance=0.3), metadata={"room": "afterfit.tasks"}
    )

    def __post_init__(self):
        check_whole("size", self.size, least=2)
        check_whole("waves", self.waves, least=1)
        check_whole("frequency", self.frequency, least=1)
        check_memory(self.size**2 * self.waves, size=self.size, waves=self.waves)
        _check_train(self.train, self.size**2)

    @property
    def title(self) -> str:
        return f"an image of {self.waves} waves from {self.train} of {self.size**2} pixels"

    def data(self, seed: int) -> Data:
        """Places and values of the image that `seed` draws."""
        return _pixels(self._image(seed), self.train, seed)

    def _image(self, seed: int) -> Float[np.ndarray, "row column"]:
        generator = np.random.default_rng(np.random.SeedSequence((seed, 0xC051)))
        frequencies = np.zeros((self.waves, 2))
        while (still := ~frequencies.any(axis=1)).any():  # a constant is no wave
            drawn = generator.integers(-self.frequency, self.frequency + 1, (self.waves, 2))
            frequencies[still] = drawn[still]
        amplitudes = generator.normal(size=self.waves)
        phases = generator.uniform(0, 2 * math.pi, self.waves)
        turned = math.pi * places(self.size) @ frequencies.T
        image = np.cos(turned + phases) @ amplitudes
        return ((image - image.mean()) / image.std()).reshape(self.size, self.size)


@dataclasses.dataclass(frozen=True)
class DigitImage(AbstractTask):
    """Learn one image of MNIST, 28 x 28, from some of its pixels; the others are asked.

    The seed of the split chooses the image and, from a stream of its own, the pixels. Values are standardised
    over the image. For the files see `MNIST`.

    **Arguments:**

    - `train`: how many of the 784 pixels are shown.
    - `objective`: how answers are scored.

    Raises a `ValueError` that names the field at fault, and a `DataError` for missing or damaged files.
    """

    train: int = 235
    objective: AbstractObjective = dataclasses.field(
        default=MeanSquaredError(tolerance=0.3), metadata={"room": "afterfit.tasks"}
    )

    def __post_init__(self):
        _check_train(self.train, 28**2)

    @property
    def title(self) -> str:
        return f"a digit of MNIST from {self.train} of 784 pixels"

    @property
    def digest(self) -> str:
        return MNIST().digest

    def data(self, seed: int) -> Data:
        """Places and values of the digit that `seed` chooses."""
        images = MNIST(train=1, test=1).data(seed)
        image = images.inputs[images.rows[0]].astype(float)
        return _pixels((image - image.mean()) / image.std(), self.train, seed)


def places(size: int) -> Float[np.ndarray, "pixel 2"]:
    """The places of the pixels of a square image, row after row."""
    line = np.linspace(-1, 1, size)
    return np.stack([one.reshape(-1) for one in np.meshgrid(line, line, indexing="ij")], axis=1)


def _pixels(image: Float[np.ndarray, "row column"], train: int, seed: int) -> Data:
    count = image.size
    return Data(
        inputs=places(len(image)).astype(np.float32),
        targets=image.reshape(-1).astype(np.float32),
        rows=random_order(seed, "split", count).astype(np.int32),
        train_count=np.asarray(train, np.int32),
        test_count=np.asarray(count - train, np.int32),
        outputs=1,
    )


def _check_train(train: int, pixels: int) -> None:
    check_whole("train", train, least=1)
    if train >= pixels:
        raise ValueError(f"`train` must leave one of the {pixels} pixels to be asked, got {train}.")
