"""Reviews and their sentiment: those of IMDb from a file, and generated ones for a machine without it.

Axes of this module
    review    the reviews in their order, that of the file
    token     the words of all reviews, one review after the other, as numbers
    length    the places of an input, one word each
"""

import collections
import csv
import dataclasses
import functools
import io
import itertools
import pathlib
import re
import typing
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from ._data import AbstractObjective, AbstractTask, Data, Predict, Scores
from ._equations import check_memory, check_whole, random_order
from ._files import DataError, file_version, files_digest, find_file, read_bytes
from ._stopwords import STOP_WORDS


Keep = typing.Literal["first", "last"]

IMDB_NAMES = tuple(
    name + packed for name in ("IMDB Dataset.csv", "imdb.csv", "imdb_sample.csv") for packed in ("", ".gz")
)
"""Names that the file of reviews goes by, the complete one first."""

_SENTIMENTS = {"negative": 0, "positive": 1}


@dataclasses.dataclass(frozen=True)
class BinaryCrossEntropy(AbstractObjective):
    """Cross-entropy (nats) of one output, a logit, against 0 or 1; correct where it has the right sign.

    A logit of exactly 0 answers 0.
    """

    def score(self, predict: Predict, inputs: PyTree, targets: Int[Array, " batch"]) -> Scores:
        logits = predict(inputs).reshape(targets.shape)
        # As the softplus of one signed logit: a difference would lose small losses to rounding.
        loss = jax.nn.softplus(jnp.where(targets == 1, -logits, logits))
        return Scores(loss, (logits > 0) == (targets == 1))


@dataclasses.dataclass(frozen=True)
class Reviews(AbstractTask):
    """Tell positive from negative reviews of IMDb (Maas et al. 2011), word by word.

    The file, with columns `review` and `sentiment`, is looked for in `$AFTERFIT_DATA/imdb` and the cache
    folder: `IMDB Dataset.csv` (50,000 reviews, from Kaggle), `imdb.csv` or `imdb_sample.csv`, packed
    (`.gz`) or not. As in Liu et al. 2023 ("Omnigrok"), appendix A, and their code: lower case, without
    punctuation, digits and NLTK's English stop words; the most frequent words of the training part, other
    words left out; a quarter of either sentiment tests; zeros before the first word.

    **Arguments:**

    - `reviews`: how many, the first ones of the file.
    - `words`: size of the vocabulary; word n is the n-th most frequent one (of equals the one that the file
        has first), 0 stands for no word.
    - `length`: places of an input.
    - `keep`: the "first" or the "last" words of a review that has more.
    - `room`: for so many reviews, by default `reviews`. Tasks that share it share one compiled program.
    - `objective`: how answers are scored.

    Raises a `ValueError` that names the field at fault, and a `DataError` for a missing or damaged file.

    @inproceedings{maas2011learning,
        author={Maas, Andrew L. and Daly, Raymond E. and Pham, Peter T. and Huang, Dan and Ng, Andrew Y.
            and Potts, Christopher},
        title={Learning Word Vectors for Sentiment Analysis},
        booktitle={ACL},
        year={2011},
    }
    """

    reviews: int = 1000
    words: int = 1000
    length: int = 500
    keep: Keep = "first"
    room: int | None = None
    objective: AbstractObjective = dataclasses.field(
        default=BinaryCrossEntropy(), metadata={"room": "afterfit.tasks"}
    )

    def __post_init__(self):
        _check_fields(self.reviews, self.words, self.length, self.room)
        if self.keep not in typing.get_args(Keep):
            raise ValueError(f"`keep` must be first or last, got {self.keep!r}.")

    @property
    def title(self) -> str:
        return f"{self.reviews} reviews of IMDb"

    @property
    def digest(self) -> str:
        return files_digest([find_file("imdb", IMDB_NAMES)])

    def data(self, seed: int) -> Data:
        """The reviews under the split that `seed` draws; the vocabulary depends on it too."""
        corpus = _read(file_version(find_file("imdb", IMDB_NAMES)), self.reviews)
        return _split(corpus, self.words, self.length, self.keep, self.room, seed)


@dataclasses.dataclass(frozen=True)
class GeneratedReviews(AbstractTask):
    """Tell positive from negative texts of a small model: the stand-in for `Reviews` without its file.

    A text is a bag of words: as many as a log-normal law says (median 120, sigma 0.5, from 20 to 1000),
    each neutral with probability 0.9, else one with a sentiment, that of the text with probability 0.65.
    There are 3000 neutral words and 150 of either sentiment, the n-th of each kind with a frequency
    proportional to 1/n (Zipf). The best answer is right for 85 % of the texts. The seed of the split draws
    them. What follows is as in `Reviews`: the split, the vocabulary, the zeros before the first word.

    **Arguments:** `reviews`, `words`, `length`, `room`, `objective`: as in `Reviews`.

    Raises a `ValueError` that names the field at fault.
    """

    reviews: int = 1000
    words: int = 1000
    length: int = 500
    room: int | None = None
    objective: AbstractObjective = dataclasses.field(
        default=BinaryCrossEntropy(), metadata={"room": "afterfit.tasks"}
    )

    def __post_init__(self):
        _check_fields(self.reviews, self.words, self.length, self.room)

    @property
    def title(self) -> str:
        return f"{self.reviews} generated reviews"

    def data(self, seed: int) -> Data:
        """The texts that `seed` draws."""
        return _split(_generate(self.reviews, seed), self.words, self.length, "first", self.room, seed)


def _check_fields(reviews: int, words: int, length: int, room: int | None) -> None:
    check_whole("reviews", reviews, least=4, reason=" (a quarter of them test)")
    check_whole("words", words, least=1)
    check_whole("length", length, least=1)
    if room is not None:
        check_whole("room", room, least=reviews, reason=" (the number of reviews)")
    check_memory(
        (room or reviews) * length + _WORDS_OF_A_REVIEW * reviews + words,
        reviews=reviews,
        words=words,
        length=length,
        room=room or 0,
    )


_WORDS_OF_A_REVIEW = 300  # about


class _Corpus(typing.NamedTuple):
    """Reviews as numbers. Of equally frequent words the one with the smaller number comes first."""

    tokens: Int[np.ndarray, " token"]
    ends: Int[np.ndarray, " review"]  # where each review ends among the tokens
    positive: Bool[np.ndarray, " review"]


# --- from a corpus to data ----------------------------------------------------------------------


def _split(corpus: _Corpus, words: int, length: int, keep: Keep, room: int | None, seed: int) -> Data:
    reviews = len(corpus.ends)
    pool = reviews if room is None else room
    order = random_order(seed, "split", reviews)
    tests = _test_mask(corpus.positive, order)
    sizes = np.diff(corpus.ends, prepend=0)
    places = _vocabulary(corpus.tokens[np.repeat(~tests, sizes)], words)
    places = np.pad(places, (0, max(0, int(corpus.tokens.max(initial=-1)) + 1 - len(places))))

    inputs = np.zeros((pool, length), np.int32)
    for row, (end, size) in enumerate(zip(corpus.ends.tolist(), sizes.tolist())):
        known = places[corpus.tokens[end - size : end]]
        known = known[known > 0]
        known = known[:length] if keep == "first" else known[-length:]
        inputs[row, length - len(known) :] = known
    targets = np.zeros(pool, np.int32)
    targets[:reviews] = corpus.positive
    return Data(
        inputs=inputs,
        targets=targets,
        rows=np.concatenate([order[~tests[order]], order[tests[order]], np.arange(reviews, pool)]).astype(
            np.int32
        ),
        train_count=np.asarray(reviews - _test_count(reviews), np.int32),
        test_count=np.asarray(_test_count(reviews), np.int32),
        outputs=1,
        symbols=words + 1,
        most_train=pool - _test_count(pool),
    )


def _test_count(reviews: int) -> int:
    return -(-reviews // 4)  # rounded up, as scikit-learn does


def _test_mask(
    positive: Bool[np.ndarray, " review"], order: Int[np.ndarray, " review"]
) -> Bool[np.ndarray, " review"]:
    """A quarter of the reviews, with the share of positive ones that all have."""
    tests = _test_count(len(order))
    # Half a review goes up, whether or not the number before it is even.
    tests_positive = (2 * tests * int(positive.sum()) + len(order)) // (2 * len(order))
    mask = np.zeros(len(order), bool)
    mask[order[positive[order]][:tests_positive]] = True
    mask[order[~positive[order]][: tests - tests_positive]] = True
    return mask


def _vocabulary(tokens: Int[np.ndarray, " token"], words: int) -> Int[np.ndarray, " word"]:
    """The place of each word among the most frequent ones, from 1; 0 for words left out."""
    counts = np.bincount(tokens)
    chosen = np.argsort(-counts, kind="stable")[:words]
    chosen = chosen[counts[chosen] > 0]
    places = np.zeros(len(counts), np.int32)
    places[chosen] = np.arange(1, len(chosen) + 1)
    return places


# --- corpora ------------------------------------------------------------------------------------


def tokenise(text: str) -> list[str]:
    """The words of a text, without punctuation, digits and stop words."""
    # Within a word nothing is put in place of what goes: "don't" becomes "dont", which is no stop word.
    return [word for word in re.sub(r"[^\w\s]|\d", "", text.lower()).split() if word not in STOP_WORDS]


@functools.lru_cache(maxsize=16)
def _read(version: tuple[pathlib.Path, int, int], reviews: int) -> _Corpus:
    path = version[0]
    rows = list(itertools.islice(_rows(path), reviews))
    if len(rows) < reviews:
        raise DataError(f"`reviews` must be at most {len(rows)}, the rows of {path}, got {reviews}.")
    texts = [tokenise(text) for text, _ in rows]
    numbers: dict[str, int] = collections.defaultdict(itertools.count().__next__)
    tokens = np.array([numbers[word] for words in texts for word in words], np.int32)
    ends = np.cumsum([len(words) for words in texts])
    return _Corpus(tokens, ends, np.array([positive for _, positive in rows]))


def _rows(path: pathlib.Path) -> Iterator[tuple[str, bool]]:
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no UTF-8 text: {error.reason} at byte {error.start}.") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        header = next(reader, [])
        if not {"review", "sentiment"} <= set(header):
            raise DataError(
                f"{path} must have the columns review and sentiment, got {', '.join(header)!r:.80}."
            )
        review, sentiment = header.index("review"), header.index("sentiment")
        for row in reader:
            if len(row) != len(header):
                raise DataError(
                    f"{path}, line {reader.line_num}: expected {len(header)} columns, got {len(row)}; "
                    "is the file complete?"
                )
            if row[sentiment] not in _SENTIMENTS:
                raise DataError(
                    f"{path}, line {reader.line_num}: `sentiment` must be positive or negative, "
                    f"got {row[sentiment]!r:.40}."
                )
            yield row[review], row[sentiment] == "positive"
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}.") from error


_NEUTRAL, _LOADED = 3000, 150  # words without sentiment, and words of either sentiment
_SHARE, _LEANING = 0.1, 0.65


@functools.lru_cache(maxsize=16)
def _generate(reviews: int, seed: int) -> _Corpus:
    random = np.random.default_rng(np.random.SeedSequence((seed, 0x4E71E35)))
    positive = np.arange(reviews) % 2 == 0
    sizes = np.clip(np.rint(120 * np.exp(0.5 * random.normal(size=reviews))), 20, 1000).astype(np.int64)
    count = int(sizes.sum())
    loaded = random.random(count) < _SHARE
    like_the_text = random.random(count) < _LEANING
    says_positive = like_the_text == np.repeat(positive, sizes)
    rank = random.random(count)
    tokens = np.where(
        loaded,
        _NEUTRAL + np.where(says_positive, 0, _LOADED) + _zipf(rank, _LOADED),
        _zipf(rank, _NEUTRAL),
    )
    return _Corpus(tokens.astype(np.int32), np.cumsum(sizes), positive)


def _zipf(uniform: Float[np.ndarray, " token"], words: int) -> Int[np.ndarray, " token"]:
    """Words drawn with frequencies proportional to 1, 1/2, 1/3, ..., from uniform numbers."""
    frequencies = np.cumsum(1 / np.arange(1, words + 1))
    return np.searchsorted(frequencies / frequencies[-1], uniform, side="right").clip(max=words - 1)
