"""Handwritten digits: MNIST from its files, and scikit-learn's small ones for a machine without them."""

import dataclasses
import functools
import math
import pathlib
import typing

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Num, UInt8

from ._data import AbstractObjective, AbstractTask, Data, MeanSquaredError, Predict, Scores
from ._equations import check_whole, random_order
from ._files import DataError, file_version, files_digest, find_file, look_for_file, Official, read_bytes


Order = typing.Literal["random", "first"]

_SIDE = 28  # of the images in the files
_SIDES = (28, 14, 7)
_DIMENSIONS = {"images": 3, "labels": 1}
_CHECKSUMS = {
    ("train", "images"): "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
    ("train", "labels"): "md5:d53e105ee54ea40749a09fcbcd1e9432",
    ("t10k", "images"): "md5:9fb629c4189551a2d022fa330f9573f3",
    ("t10k", "labels"): "md5:ec29112dd5afa0611ce80d1b7f02629c",
}
_ADDRESS = "https://ossci-datasets.s3.amazonaws.com/mnist/"


@dataclasses.dataclass(frozen=True)
class MNIST(AbstractTask):
    """Name handwritten digits, images of 28 x 28 pixels in [0, 1].

    The files are looked for in `$AFTERFIT_DATA/mnist` and the cache folder, and downloaded if there are
    none. With all four, training examples are among the 60,000 of `train-*` and test examples among the
    10,000 of `t10k-*`. Where only the two of `t10k-*` are found, both are among its 10,000, and the title
    says so. Liu et al. 2023 ("Omnigrok"), section 4, train on 1000.

    **Arguments:**

    - `train`, `test`: how many examples. Runs share one compiled program whatever these are.
    - `side`: 28, or 14 or 7 for means over squares of 4 or 16 pixels.
    - `order`: "random" training examples, drawn by the seed of the split; or the "first" ones of the file,
        as in the code of Liu et al. Test examples are drawn, the same for every `train` with "random".
    - `objective`: how answers are scored, by default the squared error against one-hot vectors.

    Raises a `ValueError` that names the field at fault, and a `DataError` for missing or damaged files.

    @article{lecun1998mnist,
        author={LeCun, Yann and Bottou, Leon and Bengio, Yoshua and Haffner, Patrick},
        title={Gradient-Based Learning Applied to Document Recognition},
        journal={Proceedings of the IEEE},
        year={1998},
    }
    """

    shared: typing.ClassVar[tuple[str, ...]] = ("inputs", "targets")

    train: int = 1000
    test: int = 2000
    side: int = 28
    order: Order = "random"
    objective: AbstractObjective = dataclasses.field(
        default=MeanSquaredError(), metadata={"room": "afterfit.tasks"}
    )

    def __post_init__(self):
        _check_fields(self.train, self.test, self.order)
        if self.side not in _SIDES:
            raise ValueError(f"`side` must be 28, 14 or 7, got {self.side!r}.")

    @property
    def title(self) -> str:
        size = "" if self.side == _SIDE else f" at {self.side} x {self.side}"
        halves = ", train and test from its 10,000 test images" if _only_test_files() else ""
        return f"MNIST{size}{halves}"

    @property
    def digest(self) -> str:
        return files_digest(path for pair in _files() for path, *_ in pair)

    def data(self, seed: int) -> Data:
        """The images under the split that `seed` draws."""
        files = _files()
        inputs, targets, trainable = _read_mnist(files, self.side)
        source = " and ".join(path.name for (path, *_), _ in files) + f" in {files[0][0][0].parent}"
        return _split(inputs, targets, trainable, self, seed, source)


@dataclasses.dataclass(frozen=True)
class Digits(AbstractTask):
    """Name handwritten digits, scikit-learn's 1797 images of 8 x 8 pixels in [0, 1].

    They come with scikit-learn, so this task needs no files: the stand-in for `MNIST`, but not the same
    problem.

    **Arguments:**

    - `train`, `test`: how many examples, at most 1797 together.
    - `order`, `objective`: as in `MNIST`.

    Raises a `ValueError` that names the field at fault.

    @misc{alpaydin1998digits,
        author={Alpaydin, E. and Kaynak, C.},
        title={Optical Recognition of Handwritten Digits},
        howpublished={UCI Machine Learning Repository},
        year={1998},
    }
    """

    shared: typing.ClassVar[tuple[str, ...]] = ("inputs", "targets")

    train: int = 1000
    test: int = 797
    order: Order = "random"
    objective: AbstractObjective = dataclasses.field(
        default=MeanSquaredError(), metadata={"room": "afterfit.tasks"}
    )

    def __post_init__(self):
        _check_fields(self.train, self.test, self.order)

    @property
    def title(self) -> str:
        return "scikit-learn's digits"

    def data(self, seed: int) -> Data:
        """The images under the split that `seed` draws."""
        inputs, targets = _read_digits()
        return _split(inputs, targets, len(inputs), self, seed, "scikit-learn")


@dataclasses.dataclass(frozen=True)
class LinearRepresentation(AbstractObjective):
    """Images blended with the answer: the network sees `m * image + (1 - m) * template`.

    The template of class y is a constant image of value y / (classes - 1) - 0.5, a linear representation
    of the answer (Liu et al. 2023, "Omnigrok", section 5.2, Eq. 7, with the template of their code). The
    blend stands in for the input in training and in measuring, so that for m < 1 the label leaks into
    test inputs as well: that is the experiment. A probe that calls the network itself sees the plain image.

    **Arguments:**

    - `messiness`: m, from 0 (only the template) to 1 (only the image).
    - `objective`: how answers to blended inputs are scored; targets are class indices.
    """

    messiness: float = 1.0
    objective: AbstractObjective = dataclasses.field(
        default=MeanSquaredError(), metadata={"room": "afterfit.tasks"}
    )

    def __post_init__(self):
        if not 0 <= self.messiness <= 1:
            raise ValueError(f"`messiness` must be from 0 to 1, got {self.messiness}.")

    def score(
        self, predict: Predict, inputs: Num[Array, "batch ..."], targets: Int[Array, " batch"]
    ) -> Scores:
        classes = jax.eval_shape(predict, inputs).shape[-1]
        template = (targets / (classes - 1) - 0.5).reshape(-1, *[1] * (inputs.ndim - 1))
        blended = self.messiness * inputs + (1 - self.messiness) * template
        return self.objective.score(predict, blended, targets)


# --- splits -------------------------------------------------------------------------------------


def _check_fields(train: int, test: int, order: str) -> None:
    check_whole("train", train, least=1)
    check_whole("test", test, least=1)
    if order not in typing.get_args(Order):
        raise ValueError(f"`order` must be random or first, got {order!r}.")


def _split(
    inputs: Float[np.ndarray, "pool side side"],
    targets: Int[np.ndarray, " pool"],
    trainable: int,
    task: MNIST | Digits,
    seed: int,
    source: str,
) -> Data:
    """The first `trainable` examples may train; the others test, or where there are none, what is left."""
    pool = len(inputs)
    apart = trainable < pool
    if task.train > trainable or task.test > (pool - trainable if apart else pool - task.train):
        room = f"{trainable} and {pool - trainable}" if apart else f"{pool} together"
        raise DataError(
            f"`train` and `test` must be at most {room}, the number of images in {source}, "
            f"got {task.train} and {task.test}."
        )
    drawn = random_order(seed, "split", pool)
    shown = np.arange(task.train) if task.order == "first" else drawn[drawn < trainable][: task.train]
    left = drawn[~np.isin(drawn, shown)]
    # From the end, so that the same ones are asked after however many are shown.
    asked = (left[left >= trainable] if apart else left)[-task.test :]
    padding = left[~np.isin(left, asked)]
    return Data(
        inputs=inputs,
        targets=targets,
        rows=np.concatenate([shown, asked, padding]).astype(np.int32),
        train_count=np.asarray(task.train, np.int32),
        test_count=np.asarray(task.test, np.int32),
        outputs=10,
        most_train=trainable if apart else None,
    )


# --- files --------------------------------------------------------------------------------------


def mnist_names(part: str, kind: str) -> tuple[str, ...]:
    """Names that a file of MNIST goes by, for the part "train" or "t10k" and "images" or "labels"."""
    plain = f"{part}-{kind}-idx{_DIMENSIONS[kind]}-ubyte"
    return f"{plain}.gz", plain, plain.replace("-idx", ".idx")


def _only_test_files() -> bool:
    found = {
        part: all(look_for_file("mnist", mnist_names(part, kind)) for kind in _DIMENSIONS)
        for part in ("train", "t10k")
    }
    return found["t10k"] and not found["train"]


_Version = tuple[pathlib.Path, int, int]


def _find(part: str, kind: str) -> _Version:
    names = mnist_names(part, kind)
    official = Official(f"{_ADDRESS}{names[0]}", _CHECKSUMS[part, kind])
    return file_version(find_file("mnist", names, official=official))


def _files() -> tuple[tuple[_Version, _Version], ...]:
    """Images and labels of the parts that are used."""
    parts = ("t10k",) if _only_test_files() else ("train", "t10k")
    return tuple((_find(part, "images"), _find(part, "labels")) for part in parts)


@functools.lru_cache(maxsize=4)
def _read_mnist(
    files: tuple[tuple[_Version, _Version], ...], side: int
) -> tuple[Float[np.ndarray, "pool side side"], Int[np.ndarray, " pool"], int]:
    """Images, labels, and how many of them are of the first part."""
    images, labels = [], []
    for (image_file, *_), (label_file, *_) in files:
        images.append(_pixels(read_idx(image_file, 3), image_file, side))
        labels.append(_classes(read_idx(label_file, 1), label_file))
        if len(images[-1]) != len(labels[-1]):
            raise DataError(
                f"{image_file} holds {len(images[-1])} images, but {label_file} {len(labels[-1])} labels."
            )
    return _frozen(np.concatenate(images)), _frozen(np.concatenate(labels)), len(images[0])


def read_idx(path: pathlib.Path, dimensions: int) -> UInt8[np.ndarray, "..."]:
    """The array of bytes in an IDX file, packed or not.

    Raises a `DataError` that names the file unless it holds exactly one array of so many dimensions.
    """
    contents = read_bytes(path)
    header = 4 * (1 + dimensions)
    magic = bytes([0, 0, 8, dimensions])  # 8: unsigned bytes
    if contents[:4] != magic:
        raise DataError(
            f"{path} is no IDX file of {dimensions} dimension{'s' * (dimensions > 1)}: "
            f"it must begin with {magic.hex()}, got {contents[:4].hex()}."
        )
    if len(contents) < header:
        raise DataError(f"{path} is incomplete: it ends within its header.")
    shape = tuple(np.frombuffer(contents, ">u4", dimensions, offset=4).tolist())
    if len(contents) != header + math.prod(shape):
        raise DataError(
            f"{path} must have {header + math.prod(shape)} bytes (unpacked) for its shape "
            f"{' x '.join(map(str, shape))}, got {len(contents)}."
        )
    return np.frombuffer(contents, np.uint8, offset=header).reshape(shape)


def _pixels(
    images: UInt8[np.ndarray, "image _ _"], path: pathlib.Path, side: int
) -> Float[np.ndarray, "image side side"]:
    if images.shape[1:] != (_SIDE, _SIDE) or not len(images):
        raise DataError(f"{path} must hold images of 28 x 28, got shape {images.shape}.")
    block = _SIDE // side
    squares = images.reshape(-1, side, block, side, block)
    return squares.mean(axis=(2, 4), dtype=np.float32) / np.float32(255)


def _classes(labels: UInt8[np.ndarray, " image"], path: pathlib.Path) -> Int[np.ndarray, " image"]:
    if labels.max(initial=0) > 9:
        raise DataError(f"{path} must hold labels from 0 to 9, got {labels.max()}.")
    return labels.astype(np.int32)


@functools.lru_cache(maxsize=1)
def _read_digits() -> tuple[Float[np.ndarray, "pool side side"], Int[np.ndarray, " pool"]]:
    from sklearn.datasets import load_digits  # here, because it takes a second to load

    digits: typing.Any = load_digits()
    return _frozen(digits.images.astype(np.float32) / 16), _frozen(digits.target.astype(np.int32))


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
