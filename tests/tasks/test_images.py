"""Image tasks: files made here byte by byte, the real sample where it is, and closed forms."""

import dataclasses
import gzip
import pathlib
import struct

import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
import scipy.special
import sklearn.datasets
from hypothesis import given, strategies as st

import afterfit as af
from afterfit.tasks import CrossEntropy, DataError, Digits, LinearRepresentation, MeanSquaredError, MNIST
from afterfit.tasks._images import read_idx


TRAIN, TEST = 50, 30  # images in the files that are made here


def idx(array: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


IMAGES = np.random.default_rng(0).integers(0, 256, (TRAIN + TEST, 28, 28))
LABELS = np.arange(TRAIN + TEST) % 10


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A folder of small files under the names of the test images, unpacked: these have no checksum."""
    monkeypatch.setenv("AFTERFIT_DATA", str(tmp_path))
    monkeypatch.setenv("AFTERFIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("afterfit.tasks._files._download", refuse)
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "t10k-images-idx3-ubyte").write_bytes(idx(IMAGES[TRAIN:]))
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte").write_bytes(idx(LABELS[TRAIN:]))
    return tmp_path / "mnist"


@pytest.fixture
def complete(folder: pathlib.Path) -> pathlib.Path:
    """The same folder, with training images as well; one of the files is packed."""
    (folder / "train-images.idx3-ubyte").write_bytes(gzip.compress(idx(IMAGES[:TRAIN])))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(LABELS[:TRAIN]))
    return folder


def refuse(folder: str, name: str, official: object) -> pathlib.Path:
    del folder, official
    raise DataError(f"would download {name}")


def parts(data: af.tasks.Data) -> tuple[list[int], list[int]]:
    train, test = int(data.train_count), int(data.test_count)
    return data.rows[:train].tolist(), data.rows[train : train + test].tolist()


# --- files --------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.booleans())
def test_idx_files_are_read_back(tmp_path_factory, shape: list[int], packed: bool):
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    path = tmp_path_factory.mktemp("idx") / "array"
    path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    np.testing.assert_array_equal(read_idx(path, len(shape)), array)


GOOD = idx(IMAGES[:3])


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "is empty"),
        (GOOD[:3], "no IDX file of 3 dimensions: it must begin with 00000803, got 000008"),
        (GOOD[:9], "ends within its header"),
        (GOOD[:-1], r"must have 2368 bytes \(unpacked\) for its shape 3 x 28 x 28, got 2367"),
        (GOOD + b"\0", "got 2369"),
        (b"\0\0\x0d\3" + GOOD[4:], "must begin with 00000803, got 00000d03"),
        (idx(LABELS), "must begin with 00000803, got 00000801"),
        (b"<html>not found</html>", "must begin with 00000803, got 3c68746d"),
        (gzip.compress(GOOD, mtime=0)[:-20], "is incomplete"),
        (gzip.compress(GOOD, mtime=0)[:-8] + bytes(8), "is a damaged gzip"),
        (idx(IMAGES[:3, :20]), r"must hold images of 28 x 28, got shape \(3, 20, 28\)"),
        (idx(IMAGES[:0]), "must hold images of 28 x 28, got shape"),
        (GOOD, "holds 3 images, but .*t10k-labels-idx1-ubyte 30 labels"),
    ],
)
def test_bad_image_files_are_named_and_left_alone(contents: bytes, message: str, folder: pathlib.Path):
    path = folder / "t10k-images-idx3-ubyte"
    path.write_bytes(contents)
    with pytest.raises(DataError, match=message) as caught:
        MNIST(train=1, test=1).data(0)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == contents
    assert len(list(folder.parent.rglob("*"))) == 3


def test_bad_labels_are_named(folder: pathlib.Path):
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(LABELS[TRAIN:] + 1))
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte must hold labels from 0 to 9, got 10"):
        MNIST(train=1, test=1).data(0)


def test_downloads_only_without_a_usable_set(folder: pathlib.Path):
    (folder / "train-images-idx3-ubyte").write_bytes(idx(IMAGES[:TRAIN]))  # but no labels
    assert len(MNIST(train=1, test=1).data(0).rows) == TEST
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="would download train-labels-idx1-ubyte.gz"):
        MNIST(train=1, test=1).data(0)


# --- MNIST --------------------------------------------------------------------------------------


def test_test_images_alone_are_split_and_the_title_says_so(folder: pathlib.Path):
    task = MNIST(train=20, test=10)
    data = task.data(0)
    assert task.title == "MNIST, train and test from its 10,000 test images"
    np.testing.assert_array_equal(data.inputs, (IMAGES[TRAIN:] / 255).astype(np.float32))
    np.testing.assert_array_equal(data.targets, LABELS[TRAIN:])
    assert (data.inputs.dtype, data.targets.dtype, data.outputs) == (np.float32, np.int32, 10)
    assert data.train_capacity == TEST
    with pytest.raises(
        DataError, match=r"at most 30 together, .* in t10k-images-idx3-ubyte in .*got 20 and 11"
    ):
        MNIST(train=20, test=11).data(0)


def test_training_images_train_where_they_are(complete: pathlib.Path):
    task = MNIST(train=TRAIN, test=TEST, side=14)
    data = task.data(0)
    train, test = parts(data)
    assert task.title == "MNIST at 14 x 14"
    assert sorted(train) == list(range(TRAIN))
    assert sorted(test) == list(range(TRAIN, TRAIN + TEST))
    np.testing.assert_array_equal(data.targets, LABELS)
    assert data.train_capacity == TRAIN
    for changes in ({"train": TRAIN + 1}, {"test": TEST + 1}):
        with pytest.raises(
            DataError, match="at most 50 and 30, the number of images in train-images.idx3-ubyte"
        ):
            dataclasses.replace(task, **changes).data(0)


@pytest.mark.parametrize("side", [28, 14, 7])
def test_smaller_images_are_means_over_squares(side: int, folder: pathlib.Path):
    inputs = MNIST(train=1, test=1, side=side).data(0).inputs
    block = 28 // side
    plain = [
        [
            IMAGES[-1, block * i : block * (i + 1), block * j : block * (j + 1)].mean() / 255
            for j in range(side)
        ]
        for i in range(side)
    ]
    np.testing.assert_allclose(inputs[-1], plain, rtol=2e-7)
    assert inputs.shape == (TEST, side, side)
    assert not inputs.flags.writeable


def test_the_first_examples_are_those_of_the_file(complete: pathlib.Path):
    one, other = (MNIST(train=7, test=5, order="first").data(seed) for seed in (0, 1))
    assert parts(one)[0] == parts(other)[0] == list(range(7))
    assert parts(one)[1] != parts(other)[1]


def test_lanes_of_one_program_differ_in_sizes_and_messiness(complete: pathlib.Path):
    experiment = af.Experiment(
        MNIST(test=8, side=7, objective=LinearRepresentation()), af.models.MLP(hidden=(4,)), steps=3
    )
    axes = {"task.train": [4, 20], "task.order": ["random", "first"], "task.objective.messiness": [0.0, 1.0]}
    seen = []
    data = af.sweep(experiment, axes).run(display=seen.append)
    assert seen[-1].programs == 1
    loss = data["test_loss"].values
    assert np.isfinite(loss).all()
    assert (abs(loss[:, :, 0] - loss[:, :, 1]) > 1e-3).any()


# --- splits, on digits --------------------------------------------------------------------------


@given(st.data(), st.integers(0, 2**31 - 1), st.sampled_from(["random", "first"]))
def test_splits_hold_each_example_once(draw, seed: int, order):
    train = draw.draw(st.integers(1, 1796))
    test = draw.draw(st.integers(1, 1797 - train))
    task = Digits(train=train, test=test, order=order)
    data = task.data(seed)
    np.testing.assert_array_equal(np.sort(data.rows), np.arange(1797))
    assert (int(data.train_count), int(data.test_count)) == (train, test)
    np.testing.assert_array_equal(data.rows, task.data(seed).rows)
    if order == "random" and train > 1:
        more = dataclasses.replace(task, train=train - 1).data(seed)
        assert parts(data)[0][:-1] == parts(more)[0]
        assert parts(data)[1] == parts(more)[1]


def test_seeds_differ():
    one, other = (parts(Digits().data(seed))[0] for seed in (0, 1))
    # Two random halves of the pool and more: about 1000 * 1000 / 1797 are common.
    assert abs(len(set(one) & set(other)) - 556) < 60


def test_digits_are_those_of_scikit_learn():
    data, digits = Digits().data(0), sklearn.datasets.load_digits()
    np.testing.assert_array_equal(data.inputs.reshape(1797, 64) * 16, digits.data)
    np.testing.assert_array_equal(data.targets, digits.target)
    assert (data.inputs.dtype, data.inputs.max(), data.outputs) == (np.float32, 1, 10)


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        (MNIST, {"train": 0}, "`train` must be a whole number of at least 1"),
        (MNIST, {"test": 1.5}, "`test` must be a whole number of at least 1"),
        (MNIST, {"side": 8}, "`side` must be 28, 14 or 7, got 8"),
        (Digits, {"order": "last"}, "`order` must be random or first, got 'last'"),
        (LinearRepresentation, {"messiness": 1.5}, "`messiness` must be from 0 to 1, got 1.5"),
    ],
)
def test_bad_fields(task, changes, message, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as users meet it
    with pytest.raises(ValueError, match=message):
        task(**changes)


def test_too_many_digits_are_refused():
    with pytest.raises(DataError, match="at most 1797 together, .* scikit-learn, got 1000 and 798"):
        Digits(test=798).data(0)


# --- representation -----------------------------------------------------------------------------


@pytest.mark.parametrize("objective", [MeanSquaredError(factor=10.0), CrossEntropy()])
@pytest.mark.parametrize("messiness", [0.0, 0.3, 1.0])
def test_the_network_sees_the_blend(objective, messiness: float):
    random = np.random.default_rng(0)
    images, weight = random.random((6, 3, 2)), random.normal(size=(6, 5))
    targets = np.array([0, 1, 2, 3, 4, 2])
    blended = messiness * images + (1 - messiness) * (targets / 4 - 0.5)[:, None, None]
    outputs = blended.reshape(6, 6) @ weight
    if isinstance(objective, CrossEntropy):
        loss = scipy.special.logsumexp(outputs, axis=1) - outputs[np.arange(6), targets]
    else:
        loss = 10 * ((outputs - np.eye(5)[targets]) ** 2).mean(axis=1)

    scores = LinearRepresentation(messiness, objective).score(
        lambda inputs: inputs.reshape(6, 6) @ weight.astype(np.float32),
        jnp.asarray(images, jnp.float32),
        jnp.asarray(targets),
    )
    np.testing.assert_allclose(scores.loss, loss, rtol=1e-5)
    np.testing.assert_array_equal(scores.correct, outputs.argmax(axis=1) == targets)


# --- the real sample ----------------------------------------------------------------------------


def test_the_sample_of_mnist(
    data_folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
):
    names = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")
    if not all((data_folder / "mnist" / name).is_file() for name in names):
        pytest.skip("AFTERFIT_DATA has no mnist/t10k-*")
    data = MNIST().data(0)
    if len(data.rows) == 10_000:
        # What everyone counts in the test images.
        counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
        np.testing.assert_array_equal(np.bincount(data.targets), counts)
        assert data.inputs.mean(dtype=np.float64) == pytest.approx(0.1325, abs=1e-4)

    monkeypatch.setenv("AFTERFIT_DATA", str(tmp_path))
    monkeypatch.setenv("AFTERFIT_CACHE", str(tmp_path))
    for name in names:
        (tmp_path / name).write_bytes((data_folder / "mnist" / name).read_bytes()[:4000])
    with pytest.raises(DataError, match="its md5 must be 9fb629c4189551a2d022fa330f9573f3, got"):
        MNIST().data(0)
