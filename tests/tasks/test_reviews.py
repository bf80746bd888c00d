"""Review tasks: against a plain tokeniser, PyTorch's loss, scikit-learn's learners, and bad files."""

import collections
import gzip
import pathlib
import re

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import MultinomialNB

import afterfit as af
from afterfit.tasks import BinaryCrossEntropy, Data, DataError, GeneratedReviews, Reviews
from afterfit.tasks._reviews import _test_mask, tokenise
from afterfit.tasks._stopwords import STOP_WORDS


TEXTS = (
    "A GREAT film!!<br /><br />Great, great acting; I don't know 3 better ones.",
    "Dull, dull plot... The film is 90 minutes too long",
    "great plot and a great cast",
    "It's the and of",  # stop words, apart from "its"
    "a bad, dull cast",
    "Déjà vu: a great_film, in 1999",
    "",
    "bad film; bad acting; bad plot; dull film",
)
SENTIMENTS = ("positive", "negative") * 4


def written(texts=TEXTS, sentiments=SENTIMENTS) -> str:
    rows = ['"{}",{}'.format(text.replace('"', '""'), word) for text, word in zip(texts, sentiments)]
    return "\n".join(["review,sentiment", *rows]) + "\n"


@pytest.fixture
def file(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A file of eight reviews, the only one that can be found."""
    monkeypatch.setenv("AFTERFIT_DATA", str(tmp_path))
    monkeypatch.setenv("AFTERFIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "imdb").mkdir()
    path = tmp_path / "imdb" / "IMDB Dataset.csv"
    path.write_text(written(), encoding="utf-8")
    return path


def parts(data: Data) -> tuple[list[int], list[int]]:
    train, test = int(data.train_count), int(data.test_count)
    return data.rows[:train].tolist(), data.rows[train : train + test].tolist()


# --- words --------------------------------------------------------------------------------------


def authors_words(text: str) -> list[str]:
    """Word by word, as the code of Liu et al. does."""
    found = []
    for word in text.lower().split():
        word = re.sub(r"\d", "", re.sub(r"\s+", "", re.sub(r"[^\w\s]", "", word)))
        if word not in STOP_WORDS and word != "":
            found.append(word)
    return found


@given(st.text(max_size=60) | st.text("ab'1. \n\u2003_İ", max_size=30))
def test_words_are_those_of_the_authors(text: str):
    assert tokenise(text) == authors_words(text)


def test_words_of_a_review():
    assert tokenise(TEXTS[0]) == "great filmbr br great great acting dont know better ones".split()
    assert tokenise(TEXTS[3]) == []
    assert tokenise(TEXTS[5]) == ["déjà", "vu", "great_film"]


def test_there_are_179_stop_words():
    assert len(STOP_WORDS) == 179
    assert {"i", "not", "wouldn't", "should've"} <= STOP_WORDS
    assert not {"good", "never", "would", ""} & STOP_WORDS


@pytest.mark.parametrize("keep", ["first", "last"])
@pytest.mark.parametrize("length", [3, 12])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_inputs_are_those_of_a_plain_pass(file: pathlib.Path, keep, length: int, seed: int):
    data = Reviews(reviews=8, words=4, length=length, keep=keep).data(seed)
    shown, asked = parts(data)
    counts = collections.Counter(word for row in sorted(shown) for word in authors_words(TEXTS[row]))
    met = [word for text in TEXTS for word in authors_words(text)]
    words = sorted(counts, key=lambda word: (-counts[word], met.index(word)))[:4]
    for row, text in enumerate(TEXTS):
        known = [words.index(word) + 1 for word in authors_words(text) if word in words]
        known = known[:length] if keep == "first" else known[-length:]
        assert data.inputs[row].tolist() == [0] * (length - len(known)) + known
    assert (data.inputs.dtype, data.symbols, data.outputs) == (np.int32, 5, 1)
    assert data.targets.tolist() == [1, 0] * 4
    assert (len(shown), len(asked)) == (6, 2)


def test_fewer_words_than_asked_for(file: pathlib.Path):
    data = Reviews(reviews=8, words=100, length=20).data(0)
    assert (data.symbols, data.inputs.max() < 30) == (101, True)


# --- splits -------------------------------------------------------------------------------------


@given(st.lists(st.booleans(), min_size=4, max_size=80), st.randoms(use_true_random=False))
def test_a_quarter_of_either_sentiment_tests(positive: list[bool], random):
    order = np.array(random.sample(range(len(positive)), len(positive)))
    mask = _test_mask(np.array(positive), order)
    tests = -(-len(positive) // 4)
    assert mask.sum() == tests
    exact = tests * np.mean(positive)
    assert abs(mask[np.array(positive)].sum() - exact) <= 0.5 + 1e-9
    if 2 <= sum(positive) <= len(positive) - 2 and tests >= 2:
        # scikit-learn draws which sentiment gets the odd review.
        _, theirs = train_test_split(positive, stratify=positive, test_size=0.25, random_state=0)
        assert len(theirs) == tests and abs(sum(theirs) - mask[np.array(positive)].sum()) <= 1


@given(st.integers(4, 60), st.integers(0, 20), st.integers(0, 2**31 - 1))
def test_splits_hold_each_review_once(reviews: int, more: int, seed: int):
    task = GeneratedReviews(reviews=reviews, room=reviews + more, length=5, words=10)
    data, again = task.data(seed), task.data(seed)
    np.testing.assert_array_equal(np.sort(data.rows), np.arange(reviews + more))
    shown, asked = parts(data)
    assert sorted(shown + asked) == list(range(reviews))
    assert len(shown) <= data.train_capacity
    assert not data.inputs[reviews:].any()
    jax.tree.map(np.testing.assert_array_equal, data, again)


def test_sizes_of_one_room_share_a_program(file: pathlib.Path):
    experiment = af.Experiment(
        Reviews(reviews=8, words=6, length=4, room=8), af.models.MLP(hidden=(4,)), batch=3, steps=3
    )
    seen = []
    data = af.sweep(experiment, {"task.reviews": [4, 6, 8], "seed": [0, 1]}).run(display=seen.append)
    assert seen[-1].programs == 1
    # A network at its start hardly knows: the loss is near ln 2.
    np.testing.assert_allclose(data["test_loss"].values[..., 0], np.log(2), atol=0.5)


# --- generated reviews --------------------------------------------------------------------------


def test_generated_reviews_can_be_learned_and_not_perfectly():
    data = GeneratedReviews(reviews=4000).data(0)
    shown, asked = parts(data)
    bags = np.stack([np.bincount(row, minlength=1001)[1:] for row in data.inputs])
    learner = MultinomialNB().fit(bags[shown], data.targets[shown])
    assert 0.75 < learner.score(bags[asked], data.targets[asked]) < 0.87  # 0.85 at best
    assert (bags.sum(axis=1) > 0).all() and data.inputs.shape == (4000, 500)
    # Zipf: the most frequent word is about twice as frequent as the next one.
    frequent = bags[shown].sum(axis=0)
    assert 1.8 < frequent[0] / frequent[1] < 2.2
    assert abs(data.targets.mean() - 0.5) < 1e-3
    other = GeneratedReviews(reviews=4000).data(1)
    assert not np.array_equal(data.inputs, other.inputs)


# --- files --------------------------------------------------------------------------------------

GOOD = written().encode()


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "is empty"),
        (b"text,label\na,1\n", "must have the columns review and sentiment, got 'text, label'"),
        (b"\n", "must have the columns review and sentiment, got ''"),
        (b"review,sentiment\n", "`reviews` must be at most 0, the rows of"),
        (
            GOOD.replace(b"negative", b"neutral", 1),
            "line 3: `sentiment` must be positive or negative, got 'neutral'",
        ),
        (GOOD[:-30], "line 9: expected 2 columns, got 1; is the file complete"),
        (GOOD.replace(b",positive", b"", 1), "line 2: expected 2 columns, got 1"),
        (GOOD.replace("é".encode(), b"\xe9"), "is no UTF-8 text: invalid continuation byte at byte"),
        (written(TEXTS[:7]).encode(), "`reviews` must be at most 7, the rows of"),
        (written(["x" * 140_000] * 8).encode(), "line 2: field larger than field limit"),
        (gzip.compress(GOOD, mtime=0)[:-30], "is incomplete"),
        (gzip.compress(GOOD, mtime=0)[:-8] + bytes(8), "is a damaged gzip"),
    ],
)
def test_bad_files_are_named_and_left_alone(contents: bytes, message: str, file: pathlib.Path):
    file.write_bytes(contents)
    with pytest.raises(DataError, match=message) as caught:
        Reviews(reviews=8).data(0)
    assert str(file) in str(caught.value)
    assert file.read_bytes() == contents
    assert len(list(file.parent.parent.rglob("*"))) == 2


def test_files_are_read_packed_and_with_other_columns(file: pathlib.Path):
    plain = Reviews(reviews=8).data(0)
    lines = written().replace("\n", "\r\n").splitlines(keepends=True)
    file.write_bytes(gzip.compress("\ufeff".encode() + "".join(f"7,{line}" for line in lines).encode()))
    again = Reviews(reviews=8).data(0)
    jax.tree.map(np.testing.assert_array_equal, plain, again)


def test_a_missing_file_is_said_with_its_place(file: pathlib.Path):
    file.unlink()
    with pytest.raises(DataError, match=f"Put it .* into {file.parent}, or let AFTERFIT_DATA"):
        Reviews().data(0)


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        (
            Reviews,
            {"reviews": 3},
            r"`reviews` must be a whole number of at least 4 \(a quarter of them test\)",
        ),
        (Reviews, {"words": 0}, "`words` must be a whole number of at least 1"),
        (Reviews, {"keep": "middle"}, "`keep` must be first or last, got 'middle'"),
        (GeneratedReviews, {"length": 0}, "`length` must be a whole number of at least 1"),
        (GeneratedReviews, {"room": 999}, r"`room` must be a whole number of at least 1000 \(the number of"),
    ],
)
def test_bad_fields(task, changes, message, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as users meet it
    with pytest.raises(ValueError, match=message):
        task(**changes)


def test_the_sample_of_imdb(data_folder: pathlib.Path):
    if not any((data_folder / "imdb").glob("*.csv*")):
        pytest.skip("AFTERFIT_DATA has no imdb/*.csv")
    task = Reviews(reviews=1000)
    data = task.data(0)
    assert data.targets.sum() == 501
    shown, asked = parts(data)
    assert abs(data.targets[shown].mean() - data.targets[asked].mean()) < 0.01
    bags = np.stack([np.bincount(row, minlength=1001)[1:] for row in data.inputs])
    learner = MultinomialNB().fit(bags[shown], data.targets[shown])
    assert 0.7 < learner.score(bags[asked], data.targets[asked]) < 0.9


# --- objective ----------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(
            st.floats(-100, 100, width=32).filter(lambda x: x == 0 or abs(x) > 1e-30), st.integers(0, 1)
        ),
        min_size=1,
        max_size=8,
    )
)
def test_binary_cross_entropy_is_that_of_float64(cases: list[tuple[float, int]]):
    logits, targets = np.array([c[0] for c in cases]), np.array([c[1] for c in cases])
    scores = BinaryCrossEntropy().score(
        lambda inputs: inputs, jnp.asarray(logits[:, None], jnp.float32), jnp.asarray(targets)
    )
    signed = np.where(targets == 1, logits, -logits)
    # float32 has no numbers below 1e-38 to the full precision.
    np.testing.assert_allclose(scores.loss, np.logaddexp(0, -signed), rtol=1e-5, atol=1e-37)
    np.testing.assert_array_equal(scores.correct, (logits > 0) == (targets == 1))


def test_binary_cross_entropy_and_its_gradient_are_pytorchs():
    torch = pytest.importorskip("torch")
    logits = np.array([-60.0, -3, -0.1, 0, 0.1, 3, 60], np.float32)
    for target in (0, 1):
        targets = np.full(7, target)

        def total(x):
            return BinaryCrossEntropy().score(lambda y: y[:, None], x, jnp.asarray(targets)).loss.sum()

        theirs = torch.tensor(logits, requires_grad=True)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            theirs, torch.tensor(targets, dtype=torch.float32), reduction="sum"
        )
        loss.backward()
        ours, gradient = jax.value_and_grad(total)(jnp.asarray(logits))
        assert float(ours) == pytest.approx(loss.item(), rel=1e-6)
        np.testing.assert_allclose(gradient, theirs.grad.numpy(), rtol=1e-5, atol=1e-7)


def test_several_outputs_are_refused():
    with pytest.raises(TypeError, match="reshape"):
        BinaryCrossEntropy().score(lambda x: x, jnp.zeros((3, 2)), jnp.zeros(3, jnp.int32))
